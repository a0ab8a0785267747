# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of a load test."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._deferred import Deferred


class FilterModule:
    """Ansible looks the filters up here. Each is documented in the YAML file of its name."""

    def filters(self) -> dict[str, Deferred]:
        """Return the filters under their names."""
        return {
            "_loadtest_host_reading": Deferred("_loadtest.report", "host_reading"),
            "_loadtest_page": Deferred("_loadtest.page", "page"),
            "_loadtest_reading": Deferred("_loadtest.report", "reading"),
            "_loadtest_report": Deferred("_loadtest.report", "report"),
            "_loadtest_text": Deferred("_loadtest.report", "as_text"),
        }
