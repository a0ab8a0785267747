# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of the inventory, and the processes on them."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._deferred import Deferred


class FilterModule:
    """Ansible looks the filters up here. Each is documented in the YAML file of its name."""

    def filters(self) -> dict[str, Deferred]:
        """Return the filters under their names."""
        return {
            "_address_of": Deferred("_addresses", "address_of"),
            "_host_names": Deferred("_addresses", "host_names"),
            "_services_environment": Deferred("_services", "services_environment"),
            "_spread": Deferred("_workers", "spread"),
            "_workers_of": Deferred("_workers", "workers_of"),
        }
