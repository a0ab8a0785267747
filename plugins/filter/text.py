# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text and mappings."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._deferred import Deferred


class FilterModule:
    """Ansible looks the filters up here. Each is documented in the YAML file of its name."""

    def filters(self) -> dict[str, Deferred]:
        """Return the filters under their names."""
        return {
            "environment_file": Deferred("_text", "environment_file"),
            "_phase_seconds": Deferred("_text", "phase_seconds"),
            "_quoted_for": Deferred("_text", "quoted_for"),
            "_scram_verifier": Deferred("_scram", "scram_verifier"),
        }
