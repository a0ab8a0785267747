# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a cluster, before anything is put there."""

from __future__ import annotations

DOCUMENTATION = r"""
name: cluster_problems
short_description: Find what a Kubernetes cluster lacks for a deployment
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Compares what M(selfhosted.prefect.kubernetes_facts) has found with what the inventory needs.
positional: needs
options:
  _input:
    description: The fact C(prefect_cluster).
    type: dict
    required: true
  needs:
    description:
      - What the inventory needs. C(namespaces), C(create_namespaces), C(secrets), C(pull_secrets) (those of them
        that images are pulled with), C(volumes), C(storage_class),
        C(metrics) (what workers scale by), C(http_route), and C(node_port).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: What is missing
  ansible.builtin.debug:
    msg: "{{ prefect_cluster | selfhosted.prefect.cluster_problems(needs) }}"
  when: prefect_cluster is defined
"""

RETURN = r"""
_value:
  description: One dictionary with C(option), C(problem) and C(remedy) per finding.
  type: list
  elements: dict
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._problems import Problem, problem

OLDEST_MINOR = 30  # the first one whose preStop hooks can sleep, which the API's pods do


def _version(cluster: Mapping[str, Any]) -> Iterator[Problem]:
    found = re.match(r"v1\.(\d+)", cluster["version"])
    if found and int(found.group(1)) < OLDEST_MINOR:
        yield problem(
            "prefect_kubeconfig",
            f"Kubernetes {cluster['version']} is older than 1.{OLDEST_MINOR}.",
            "Upgrade the cluster, or name another one.",
        )


def _permissions(cluster: Mapping[str, Any]) -> Iterator[Problem]:
    for entry in cluster["denied"]:
        yield problem(
            "prefect_kubeconfig",
            f"Its login is not allowed to {entry}.",
            "Grant it that, for example with the ClusterRole admin in the namespace, or use another login.",
        )


def _namespaces(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> Iterator[Problem]:
    for name, found in cluster["namespaces"].items():
        if not found["exists"] and not needs["create_namespaces"]:
            yield problem(
                "prefect_namespace",
                f"There is no namespace {name}, and prefect_create_namespaces is false.",
                "Make it, or set prefect_create_namespaces to true.",
            )
        for secret in found["missing_secrets"]:
            yield problem(
                "prefect_image_pull_secrets" if secret in needs["pull_secrets"] else "prefect_server_existing_secret",
                f"There is no Secret {secret} in the namespace {name}.",
                "Make it first, or take its name out of the inventory.",
            )


def _storage(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> Iterator[Problem]:
    if not needs["volumes"]:
        return
    wanted = needs["storage_class"]
    known = ", ".join(cluster["storage_classes"]) or "none"
    if wanted and wanted not in cluster["storage_classes"]:
        yield problem("prefect_storage_class", f"There is no storage class {wanted}.", f"There are: {known}.")
    if not wanted and not cluster["default_storage_class"]:
        yield problem(
            "prefect_storage_class",
            "PostgreSQL and Redis need volumes, and no storage class is the default one.",
            f"Set it to one of: {known}; or use a PostgreSQL and a Redis that others run (prefect_database_host, "
            "prefect_redis_url).",
        )


def _apis(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> Iterator[Problem]:
    if "cpu" in needs["metrics"] and "metrics.k8s.io/v1beta1" not in cluster["apis"]:
        yield problem(
            "prefect_work_pools[].workers.autoscaling",
            "Workers shall follow their CPU, and the cluster has no metrics API.",
            "Install metrics-server, or set workers.max to workers.min.",
        )
    if "backlog" in needs["metrics"] and "keda.sh/v1alpha1" not in cluster["apis"]:
        yield problem(
            "prefect_work_pools[].workers.autoscaling",
            "Workers shall follow the backlog of their pool, and the cluster has no KEDA.",
            "Install KEDA, or set the metric to cpu.",
        )
    if needs["http_route"] and "gateway.networking.k8s.io/v1" not in cluster["apis"]:
        yield problem(
            "prefect_gateway_kind",
            "It is http_route, and the cluster has no Gateway API.",
            "Install the Gateway API and a controller for it, or set it to ingress.",
        )


def cluster_problems(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> list[Problem]:
    """Return what the cluster lacks."""
    return [
        *_version(cluster),
        *_permissions(cluster),
        *_namespaces(cluster, needs),
        *_storage(cluster, needs),
        *_apis(cluster, needs),
    ]


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"cluster_problems": cluster_problems}
