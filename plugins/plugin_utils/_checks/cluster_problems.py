# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Problems with a cluster, found before the first change."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.facts import quantity
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import INSTANCE_LABEL
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.admission import admission_problems
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.jobs import amount

OLDEST_MINOR = 30  # the first version that enables the sleep action of preStop hooks, which the API's pods use
ADMISSION_API = "admissionregistration.k8s.io/v1/validatingadmissionpolicies"
_LEVEL_LABEL = "pod-security.kubernetes.io/enforce"
_LEVELS = ("privileged", "baseline", "restricted")
_AUTOSCALE = "set prefect_nodes_autoscale to true if an autoscaler adds nodes"
_QUOTA_NAMES = {
    "cpu": "requests.cpu",
    "memory": "requests.memory",
    **{name: name for name in ("requests.cpu", "requests.memory", "limits.cpu", "limits.memory", "pods")},
}


def _version(cluster: Mapping[str, Any]) -> Iterator[Problem]:
    found = re.match(r"v1\.(\d+)", cluster["version"])
    if found and int(found.group(1)) < OLDEST_MINOR:
        yield problem(
            "prefect_kubeconfig",
            f"Kubernetes {cluster['version']} is older than 1.{OLDEST_MINOR}.",
            "Upgrade the cluster, or use another one.",
        )


def _permissions(cluster: Mapping[str, Any]) -> Iterator[Problem]:
    for entry in cluster["denied"]:
        in_namespace = " in " in entry
        yield problem(
            "prefect_kubeconfig",
            f"The credentials are not permitted to {entry}{'' if in_namespace else ' in the whole cluster'}.",
            "Grant the permission, for example with the ClusterRole admin in the namespace, or use other credentials."
            if in_namespace
            else "Grant the permission, or use other credentials. No cluster-wide permission is needed if "
            "prefect_create_namespaces and prefect_admission_policies are false, and if no process pool scales by its "
            "backlog in PostgreSQL. An administrator then creates namespaces and policies with cluster.yml.",
        )


def _secret_option(secret: str, needs: Mapping[str, Any]) -> str:
    if secret in needs["pull_secrets"]:
        return "prefect_image_pull_secrets"
    return "prefect_gateway_tls_secret" if secret == needs["tls_secret"] else "prefect_server_existing_secret"


def _namespaces(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> Iterator[Problem]:
    for name, found in cluster["namespaces"].items():
        if not found["exists"] and not needs["create_namespaces"]:
            yield problem(
                "prefect_namespace",
                f"The namespace {name} does not exist, and prefect_create_namespaces is false.",
                "Create it, or set prefect_create_namespaces to true.",
            )
        for secret in found["missing_secrets"]:
            if secret not in needs["pull_secrets"] and name != needs["namespace"]:
                continue  # only pods and the Ingress of the instance use it
            yield problem(
                _secret_option(secret, needs),
                f"The Secret {secret} does not exist in the namespace {name}.",
                "Create it first, or remove its name from the inventory.",
            )


def _storage(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> Iterator[Problem]:
    if not needs["volumes"] or cluster["storage_classes"] is None:  # the credentials do not allow to list them
        return
    wanted = needs["storage_class"]
    known = ", ".join(cluster["storage_classes"]) or "none"
    if wanted and wanted not in cluster["storage_classes"]:
        yield problem(
            "prefect_storage_class", f"The storage class {wanted} does not exist.", f"Set it to one of: {known}."
        )
    if not wanted and not cluster["default_storage_class"]:
        yield problem(
            "prefect_storage_class",
            "PostgreSQL and Redis need volumes, but the cluster has no default storage class.",
            f"Set it to one of: {known}; or use an external PostgreSQL and Redis (prefect_database_host, "
            "prefect_redis_url).",
        )


def _apis(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> Iterator[Problem]:
    if "cpu" in needs["metrics"] and "metrics.k8s.io/v1beta1" not in cluster["apis"]:
        yield problem(
            "prefect_work_pools[].workers.autoscaling",
            "Workers scale by CPU, but the cluster has no metrics API.",
            "Install metrics-server, or set workers.max to workers.min.",
        )
    if "backlog" in needs["metrics"] and "keda.sh/v1alpha1" not in cluster["apis"]:
        yield problem(
            "prefect_work_pools[].workers.autoscaling",
            "Workers scale by the backlog of their pool, but the cluster has no KEDA.",
            "Install KEDA, or set the metric to cpu.",
        )
    if needs["admission_policies"] and ADMISSION_API not in cluster["apis"]:
        yield problem(
            "prefect_admission_policies",
            "The cluster has no ValidatingAdmissionPolicy, so the Jobs of runs could use every Secret of their "
            "namespace.",
            "Enable that API, which Kubernetes 1.30 introduced. Or set the option to false and "
            "prefect_allow_unlimited_jobs to true, and keep no Secrets in prefect_jobs_namespace that flow code must "
            "not read.",
        )
    if needs["cloudnative_pg"] and "postgresql.cnpg.io/v1" not in cluster["apis"]:
        yield problem(
            "prefect_postgres_kind",
            "It is cloudnative_pg, but the cluster does not have the operator CloudNativePG.",
            "Install CloudNativePG, set it to statefulset, or use an external PostgreSQL (prefect_database_host).",
        )
    if needs["http_route"] and "gateway.networking.k8s.io/v1" not in cluster["apis"]:
        yield problem(
            "prefect_gateway_kind",
            "It is http_route, but the cluster has no Gateway API.",
            "Install the Gateway API and a controller for it, or set it to ingress.",
        )
    if needs["http_route"] and not needs["gateway_parent"].get("name"):
        yield problem(
            "prefect_gateway_parent",
            "It contains no name of a Gateway, and an HTTPRoute without a Gateway receives no requests.",
            "Set its name, and its namespace if it is another one; or set prefect_gateway_kind to ingress.",
        )


def _pod_security(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> Iterator[Problem]:
    wanted = needs["pod_security"]
    for name, found in cluster["namespaces"].items():
        labels = found.get("labels") or {}
        level = labels.get(_LEVEL_LABEL, _LEVELS[0])
        ours = labels.get(INSTANCE_LABEL) == needs["instance"]  # then the playbook sets the label
        if found["exists"] and not ours and level in _LEVELS and _LEVELS.index(level) < _LEVELS.index(wanted):
            yield problem(
                "prefect_pod_security",
                f"The namespace {name} enforces the Pod Security Standard {level}, which is less restrictive than "
                f"{wanted}.",
                f"Set its label {_LEVEL_LABEL}={wanted}, or set prefect_pod_security to {level}.",
            )


def _amounts(
    pods: Iterable[Mapping[str, Any]], name: str, defaults: Mapping[str, Any] = MappingProxyType({})
) -> list[tuple[Mapping[str, Any], float]]:
    """Return the total of a resource, such as requests.cpu, that each entry needs."""
    kind, _dot, resource = name.partition(".")
    if name == "pods":
        return [(entry, float(entry["count"])) for entry in pods]
    amounts = []
    for entry in pods:
        resources = entry["resources"] or {}
        # Kubernetes uses a limit as the request if no request is set.
        own = {**(defaults.get(kind) or {}), **(resources.get("limits") or {}), **(resources.get(kind) or {})}
        amounts.append((entry, int(entry["count"]) * (amount(own.get(resource)) or 0)))
    return amounts


def _shown(amount: float, name: str) -> str:
    return f"{amount / 2**20:.0f} MiB" if name.endswith("memory") else f"{amount:.3g}"


def _quotas(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> Iterator[Problem]:
    for namespace, found in cluster["namespaces"].items():
        pods = [entry for entry in needs["pods"] if entry["namespace"] == namespace and int(entry["count"])]
        for hard in (quota.get("hard") or {} for quota in found.get("quotas") or []):
            for given, allowed in hard.items():
                name = _QUOTA_NAMES.get(given, given)
                if name not in _QUOTA_NAMES.values():
                    continue
                amounts = _amounts(pods, name, found.get("container_defaults") or {})
                total = sum(amount for _entry, amount in amounts)
                if total > quantity(allowed):
                    largest = max(amounts, key=lambda pair: pair[1])[0]
                    yield problem(
                        largest["option"],
                        f"The quota of the namespace {namespace} allows {allowed} of {given}, and the pods of this "
                        f"instance need {_shown(total, name)}.",
                        f"Raise the quota, or lower the requests. The largest part is for {largest['what']}.",
                    )
                for entry in (entry for entry, needed in amounts if not needed):
                    yield problem(
                        entry["option"],
                        f"The quota of the namespace {namespace} limits {given}, so each pod must set it, and "
                        f"{entry['what']} does not.",
                        f"Set {name.partition('.')[2]} in its {name.partition('.')[0]}.",
                    )


def _capacity(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> Iterator[Problem]:
    nodes = cluster.get("nodes") or {}
    if not nodes.get("count") or needs["nodes_autoscale"]:
        return  # the credentials cannot list nodes, or an autoscaler adds nodes
    for name, unit, most, total in (
        ("requests.cpu", 1, nodes["most_cpu"], nodes["cpu"]),
        ("requests.memory", 2**20, nodes["most_memory_mb"], nodes["memory_mb"]),
        ("pods", 1, nodes["pods"], nodes["pods"]),
    ):
        amounts = [(entry, asked) for entry, asked in _amounts(needs["pods"], name) if asked]
        for entry, asked in amounts:
            each = asked / int(entry["count"])
            if each > most * unit:
                yield problem(
                    entry["option"],
                    f"One pod of {entry['what']} needs {_shown(each, name)} of {name}, but the largest node has "
                    f"{_shown(most * unit, name)}.",
                    f"Lower the requests, add a larger node, or {_AUTOSCALE}.",
                )
                return
        needed = sum(amount for _entry, amount in amounts)
        if needed > total * unit:
            largest = max(amounts, key=lambda pair: pair[1])[0]
            yield problem(
                largest["option"],
                f"The pods of this instance and its runs need {_shown(needed, name)} of {name} in total, but the "
                f"{nodes['count']:.0f} node(s) have {_shown(total * unit, name)}.",
                f"Add nodes, lower the requests (the largest part is for {largest['what']}), or {_AUTOSCALE}.",
            )


def cluster_problems(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> list[Problem]:
    """Return the problems with the cluster."""
    return [
        *_version(cluster),
        *_permissions(cluster),
        *_namespaces(cluster, needs),
        *_storage(cluster, needs),
        *_apis(cluster, needs),
        *admission_problems(cluster, needs),
        *_pod_security(cluster, needs),
        *_quotas(cluster, needs),
        *_capacity(cluster, needs),
    ]
