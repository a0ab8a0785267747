# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks before and after a deployment."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._deferred import Deferred


class FilterModule:
    """Ansible looks the filters up here. Each is documented in the YAML file of its name."""

    def filters(self) -> dict[str, Deferred]:
        """Return the filters under their names."""
        return {
            "_admission_notes": Deferred("_checks.admission", "admission_notes"),
            "_checks_as_text": Deferred("_checks.report", "checks_as_text"),
            "_unencrypted_connections": Deferred("_checks.unencrypted_connections", "unencrypted_connections"),
            "_cluster_problems": Deferred("_checks.cluster_problems", "cluster_problems"),
            "_deployment_checks": Deferred("_checks.verification", "verdicts"),
            "_deployment_notes": Deferred("_checks.deployment_notes", "deployment_notes"),
            "_deployment_problems": Deferred("_checks.deployment_problems", "deployment_problems"),
            "_expected_workloads": Deferred("_checks.programs", "expected_workloads"),
            "_host_problems": Deferred("_checks.host_problems", "host_problems"),
            "_node_problems": Deferred("_checks.node_problems", "node_problems"),
            "_path_problems": Deferred("_checks.path_problems", "path_problems"),
            "_registered_results": Deferred("_checks.readings", "registered_results"),
            "_unknown_variables": Deferred("_checks.unknown_variables", "unknown_variables"),
        }
