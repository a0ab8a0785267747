# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Facts about a cluster and about the pods of an instance."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ApiError,
    KubernetesClient,
    part,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import (
    GROUP_LABEL,
    INSTANCE_LABEL,
    WORKLOAD_LABEL,
)

_UNITS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "m": 1e-3}
_DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"


def quantity(text: Any) -> float:
    """Return the number of a Kubernetes quantity such as 500m or 2Gi."""
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    if not found or found.group(2) not in _UNITS:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    return float(found.group(1)) * _UNITS[found.group(2)]


def _reviews(namespaces: Sequence[str], permissions: Mapping[str, Any]) -> list[dict[str, Any]]:
    own = [name for entry in permissions.get("namespaced") or [] for name in entry.get("namespaces") or []]
    places = [(namespace, "namespaced") for namespace in dict.fromkeys([*namespaces, *own])] + [("", "cluster")]
    return [
        {"namespace": namespace, "verb": verb, "group": entry["group"], **_resource(entry["resource"])}
        for namespace, kind in places
        for entry in permissions.get(kind) or []
        if not namespace or namespace in (entry.get("namespaces") or namespaces)
        for verb in entry["verbs"]
    ]


def _resource(text: str) -> dict[str, str]:
    resource, _slash, subresource = text.partition("/")
    return {"resource": resource, **({"subresource": subresource} if subresource else {})}


def denied(client: KubernetesClient, reviews: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the permissions that the credentials lack, grouped by resource."""

    def allowed(review: Mapping[str, Any]) -> bool:
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": review},
        }
        answer = client.json("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body=body)
        return bool(answer["status"].get("allowed"))

    # Most credentials have all permissions in a namespace, which one review shows.
    places = sorted({review["namespace"] for review in reviews})
    everything = [{"namespace": place, "verb": "*", "group": "*", "resource": "*"} for place in places]
    owned = {place for place, good in zip(places, client.together(allowed, everything)) if good}
    reviews = [review for review in reviews if review["namespace"] not in owned]
    verbs: dict[str, list[str]] = {}
    for review, good in zip(reviews, client.together(allowed, reviews)):
        if not good:
            name = "/".join(filter(None, (review["resource"], review.get("subresource"))))
            group = f".{review['group']}" if review["group"] else ""
            where = f" in {review['namespace']}" if review["namespace"] else ""
            verbs.setdefault(f"{name}{group}{where}", []).append(review["verb"])
    return [f"{', '.join(names)} {resource}" for resource, names in verbs.items()]


def _readable_items(client: KubernetesClient, path: str) -> list[dict[str, Any]] | None:
    """Return the items of a list, None if the credentials do not allow to read it."""
    try:
        return list((client.found(path) or {}).get("items") or [])
    except ApiError as error:
        if error.status == 403:
            return None
        raise


def _items(client: KubernetesClient, path: str) -> list[dict[str, Any]]:
    """Return the items of a list, none if the credentials do not allow to read it. The reviews report that."""
    return _readable_items(client, path) or []


def _quotas(client: KubernetesClient, path: str) -> list[dict[str, Any]]:
    """Return the status of the quotas that apply to all pods. Quotas with scopes depend on other fields of a pod."""
    quotas = _items(client, f"{path}/resourcequotas")
    whole = (item for item in quotas if not {"scopes", "scopeSelector"} & (item.get("spec") or {}).keys())
    return [item.get("status") or {} for item in whole]


def _container_defaults(client: KubernetesClient, path: str) -> dict[str, dict[str, Any]]:
    """Return the default limits and requests of containers."""
    ranges = (item.get("spec") or {} for item in _items(client, f"{path}/limitranges"))
    entries = [entry for spec in ranges for entry in spec.get("limits") or [] if entry.get("type") == "Container"]
    found: dict[str, dict[str, Any]] = {"limits": {}, "requests": {}}
    for entry in entries:
        found["limits"].update(entry.get("default") or {})
        found["requests"].update({**(entry.get("default") or {}), **(entry.get("defaultRequest") or {})})
    return found


def _namespace(client: KubernetesClient, name: str, secrets: Sequence[str]) -> dict[str, Any]:
    path = f"/api/v1/namespaces/{part(name)}"
    try:
        found = client.found(path)
    except ApiError as error:
        if error.status != 403:
            raise
        found = {"metadata": {}}  # it may exist; the access reviews report missing permissions
    if found is None:
        nothing: dict[str, Any] = {"labels": {}, "secret_versions": {}, "quotas": [], "container_defaults": {}}
        return {"exists": False, "missing_secrets": list(secrets), **nothing}
    missing, versions = [], {}
    for secret in secrets:
        try:
            there = client.found(f"{path}/secrets/{part(secret)}")
            if there is None:
                missing.append(secret)
            else:
                versions[secret] = there["metadata"].get("resourceVersion", "")
        except ApiError as error:
            if error.status != 403:
                raise
    return {
        "exists": True,
        "labels": found["metadata"].get("labels") or {},
        "missing_secrets": missing,
        "secret_versions": versions,
        "quotas": _quotas(client, path),
        "container_defaults": _container_defaults(client, path),
    }


def _nodes(client: KubernetesClient) -> dict[str, float]:
    """Return the total allocatable resources of the schedulable nodes, and the maximum of one node."""
    result = {"count": 0.0, "cpu": 0.0, "memory_mb": 0.0, "pods": 0.0, "most_cpu": 0.0, "most_memory_mb": 0.0}
    for node in _items(client, "/api/v1/nodes"):
        spec, allocatable = node.get("spec") or {}, (node.get("status") or {}).get("allocatable") or {}
        closed = [taint for taint in spec.get("taints") or [] if taint["effect"] in ("NoSchedule", "NoExecute")]
        if spec.get("unschedulable") or closed:
            continue
        cpu, memory = quantity(allocatable.get("cpu", 0)), quantity(allocatable.get("memory", 0)) // 2**20
        result["count"] += 1
        result["cpu"] += cpu
        result["memory_mb"] += memory
        result["pods"] += quantity(allocatable.get("pods", 0))
        result["most_cpu"], result["most_memory_mb"] = (
            max(result["most_cpu"], cpu),
            max(result["most_memory_mb"], memory),
        )
    return result


def admission_policy(client: KubernetesClient, name: str) -> dict[str, Any]:
    """Return the specs of a ValidatingAdmissionPolicy and of its binding, None for each that does not exist."""
    found: dict[str, Any] = {"readable": True}
    for key, resource in (("policy", "validatingadmissionpolicies"), ("binding", "validatingadmissionpolicybindings")):
        try:
            there = client.found(f"/apis/admissionregistration.k8s.io/v1/{resource}/{part(name)}")
        except ApiError as error:
            if error.status != 403:
                raise
            there, found["readable"] = None, False
        found[key] = None if there is None else there.get("spec") or {}
    return found


def facts(
    client: KubernetesClient,
    namespaces: Sequence[str],
    permissions: Mapping[str, Any],
    secrets: Sequence[str],
    apis: Sequence[str],
) -> dict[str, Any]:
    """Return the facts about a cluster."""
    classes = _readable_items(client, "/apis/storage.k8s.io/v1/storageclasses")
    defaults = [
        item["metadata"]["name"]
        for item in classes or []
        if (item["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    return {
        "server": client.way.server,
        "version": client.json("GET", "/version")["gitVersion"],
        "namespaces": {name: _namespace(client, name, secrets) for name in namespaces},
        "denied": denied(client, _reviews(namespaces, permissions)),
        "storage_classes": None if classes is None else [item["metadata"]["name"] for item in classes],
        "default_storage_class": (defaults or [""])[0],
        "apis": [name for name in apis if _served(client, name)],
        "nodes": _nodes(client),
    }


def _served(client: KubernetesClient, api: str) -> bool:
    """Return whether the cluster serves an API group and version, or a resource of it."""
    group, version, *resource = api.split("/")
    try:
        found = client.found(f"/apis/{group}/{version}")
        return found is not None and all(name in [entry["name"] for entry in found["resources"]] for name in resource)
    except ApiError:  # registered, but its API service does not respond
        return False


def pods(client: KubernetesClient, namespaces: Sequence[str], instance: str) -> list[dict[str, Any]]:
    """Return the pods of an instance, with the properties that the checks need."""

    def read(namespace: str) -> list[Mapping[str, Any]]:
        path = f"/api/v1/namespaces/{part(namespace)}/pods"
        return list(client.json("GET", path, {"labelSelector": f"{INSTANCE_LABEL}={instance}"})["items"])

    return [_pod(item) for items in client.together(read, namespaces) for item in items]


def _pod(item: Mapping[str, Any]) -> dict[str, Any]:
    status, labels = item.get("status") or {}, item["metadata"].get("labels") or {}
    containers = status.get("containerStatuses") or []
    conditions = {entry["type"]: entry["status"] for entry in status.get("conditions") or []}
    return {
        "name": item["metadata"]["name"],
        "namespace": item["metadata"]["namespace"],
        "workload": labels.get(WORKLOAD_LABEL, ""),
        "component": labels.get(GROUP_LABEL, ""),
        "address": status.get("podIP", ""),
        "node": (item.get("spec") or {}).get("nodeName", ""),
        "phase": status.get("phase", ""),
        "ready": conditions.get("Ready") == "True" and not item["metadata"].get("deletionTimestamp"),
        "restarts": sum(container.get("restartCount", 0) for container in containers),
    }
