# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes objects."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._deferred import Deferred


class FilterModule:
    """Ansible looks the filters up here. Each is documented in the YAML file of its name."""

    def filters(self) -> dict[str, Deferred]:
        """Return the filters under their names."""
        return {
            "_admission_policies": Deferred("_kubernetes.admission_policies", "admission_policies"),
            "_destinations_except": Deferred("_addresses", "destinations_except"),
            "_dns_rule": Deferred("_kubernetes.manifests", "dns_rule"),
            "_kubernetes_pools": Deferred("_kubernetes.pools", "kubernetes_pools"),
            "_manifests": Deferred("_kubernetes.manifests", "manifests"),
            "_run_namespaces": Deferred("_kubernetes.pools", "run_namespaces"),
            "_secret_data": Deferred("_kubernetes.manifests", "secret_data"),
            "_services_deployments": Deferred("_kubernetes.worker_deployments", "services_deployments"),
            "_without_containers": Deferred("_kubernetes.manifests", "without_containers"),
            "_worker_deployments": Deferred("_kubernetes.worker_deployments", "worker_deployments"),
        }
