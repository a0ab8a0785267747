# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Kubernetes objects, completed with their common fields."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import (
    INSTANCE_LABEL,
    WORKLOAD_LABEL,
    described,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import merge

Manifest = dict[str, Any]
CHECKSUM = "selfhosted.prefect/configuration"
_SELECTED = ("Deployment", "StatefulSet", "DaemonSet")
_POD_SECURITY = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
_CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
_CONTAINERS = ("api", "services", "migrate", "worker", "observer", "postgres", "pgbouncer", "exporter", "redis")
# A patch replaces these lists instead of adding items to them. The value of the collection is only a default.
_REPLACED = ("topologySpreadConstraints",)
_SPREAD_OVER = ("topology.kubernetes.io/zone", "kubernetes.io/hostname")


def _references(value: Any) -> Iterator[tuple[str, str]]:
    """Return the ConfigMaps and Secrets that a pod reads, as kind and name."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            name = item.get("name") or item.get("secretName") if isinstance(item, Mapping) else None
            if name and key in ("configMap", "configMapRef", "configMapKeyRef"):
                yield "ConfigMap", name
            elif name and key in ("secret", "secretRef", "secretKeyRef"):
                yield "Secret", name
            yield from _references(item)


def _checksum(pod: Mapping[str, Any], sources: Mapping[tuple[str, str], Manifest]) -> str:
    used = sorted(set(_references(pod)) & set(sources))
    if not used:
        return ""
    text = json.dumps([sources[key] for key in used], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _spread(labels: Mapping[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "topologyKey": key,
            "maxSkew": 1,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": dict(labels)},
        }
        for key in _SPREAD_OVER
    ]


def _completed_spec(spec: Manifest, shared: Mapping[str, Any]) -> Manifest:
    """Return the spec of a pod with defaults."""
    result = {"automountServiceAccountToken": False, "enableServiceLinks": False, **spec}
    if shared.get("image_pull_secrets"):
        result.setdefault("imagePullSecrets", [{"name": name} for name in shared["image_pull_secrets"]])
    result["securityContext"] = merge(_POD_SECURITY, spec.get("securityContext") or {})
    return result


def _secured(spec: Manifest, shared: Mapping[str, Any]) -> Manifest:
    """Return the spec with completed containers, including those of a patch."""
    result = dict(spec)
    policy = {"imagePullPolicy": shared["image_pull_policy"]} if shared.get("image_pull_policy") else {}
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            result[kind] = [
                {
                    **policy,
                    **container,
                    "securityContext": merge(_CONTAINER_SECURITY, container.get("securityContext") or {}),
                }
                for container in spec[kind]
            ]
    return result


def _copy(value: Any) -> Any:
    """Return a copy. copy.deepcopy would also copy the attributes of Ansible's dicts and lists, which takes seconds."""
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _is_of_mappings(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(item, Mapping) for item in value)


def _patched(base: Any, patch: Any, where: str) -> Any:
    """Return a part of a pod template with a patch, which adds items to lists instead of replacing the lists.

    If a patch replaced C(envFrom), the pod would start without any of its settings.
    """
    if isinstance(base, Mapping) and isinstance(patch, Mapping):
        return {
            **{name: value for name, value in base.items() if patch.get(name, value) is not None},
            **{
                name: _patched(base.get(name), value, f"{where}.{name}" if where else name)
                for name, value in patch.items()
                if value is not None
            },
        }
    if not (_is_of_mappings(base) and _is_of_mappings(patch)) or where.endswith(_REPLACED):
        return merge(base, patch)
    if not all("name" in item for item in base):
        return base + [item for item in patch if item not in base]
    if not all("name" in item for item in patch):
        raise AnsibleFilterError(f"pod_patch: an entry of {where} has no name. Set its name.")
    changes = {item["name"]: item for item in patch}
    known = [item["name"] for item in base]
    return [_patched(item, changes.get(item["name"], {}), where) for item in base] + [
        merge({}, item) for item in patch if item["name"] not in known
    ]


def _without_other_containers(spec: Manifest | None, own: Sequence[str]) -> Manifest:
    """Return the patched spec without the patches of containers of other workloads."""
    if not spec or not spec.get("containers"):
        raise AnsibleFilterError("pod_patch: spec.containers is empty. Omit it, or list the containers to change.")
    kept = []
    for container in spec["containers"]:
        name = container.get("name")
        if not name:
            raise AnsibleFilterError("pod_patch: an entry of spec.containers has no name. Set its name.")
        if container.get("image") or name in own:
            kept.append(container)
        elif name not in _CONTAINERS:
            raise AnsibleFilterError(
                f"pod_patch: spec.containers: {name} has no image, and no pod has a container of that name."
                f" Set its image, or change one of {', '.join(_CONTAINERS)}"
            )
    return {**spec, "containers": kept}


def _completed(
    manifest: Manifest,
    shared: Mapping[str, Any],
    patch: Mapping[str, Any],
    sources: Mapping[tuple[str, str], Manifest],
) -> Manifest:
    result: Manifest = _copy(manifest)
    spec = result.get("spec") or {}
    if result["kind"] == "Service":
        # An address of each IP family of the cluster. The pods listen on all addresses.
        spec.setdefault("ipFamilyPolicy", "PreferDualStack")
    if "containers" not in ((spec.get("template") or {}).get("spec") or {}):
        return result
    labels = {INSTANCE_LABEL: shared["instance"], WORKLOAD_LABEL: manifest["metadata"]["name"]}
    template = spec["template"]
    template.setdefault("metadata", {})
    template["metadata"]["labels"] = {
        **(template["metadata"].get("labels") or {}),
        **described(labels),
    }
    template["spec"] = _completed_spec(template["spec"], shared)
    if result["kind"] in _SELECTED:
        spec["selector"] = {"matchLabels": labels}
    if result["kind"] in ("Deployment", "StatefulSet"):
        template["spec"].setdefault("topologySpreadConstraints", _spread(labels))
    if patch:
        own = [container["name"] for container in template["spec"]["containers"]]
        template = _patched(template, patch, "")
        template["spec"] = _without_other_containers(template.get("spec"), own)
    template["spec"] = _secured(template["spec"], shared)
    checksum = _checksum(template["spec"], sources)
    if checksum:
        annotations = template["metadata"].get("annotations") or {}
        template["metadata"]["annotations"] = {**annotations, CHECKSUM: checksum}
    spec["template"] = template
    return result


def manifests(
    objects: Iterable[Any], pod: Mapping[str, Any], patch: Mapping[str, Any] | None = None
) -> Sequence[Manifest]:
    """Return C(objects) with the common fields of all objects of the collection."""
    listed = [item for item in objects if item]
    sources = {
        (item["kind"], item["metadata"]["name"]): item for item in listed if item["kind"] in ("ConfigMap", "Secret")
    }
    return [_completed(item, pod, patch or {}, sources) for item in listed]


def secret_data(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the C(data) of a Secret."""
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in sorted(settings.items())
        if value not in (None, "")
    }
    return {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}


def without_containers(patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of C(patch) without the containers that it adds."""
    containers = (patch.get("spec") or {}).get("containers")
    if not containers:
        return dict(patch)
    kept = [container for container in containers if not container.get("image")]
    spec = {name: value for name, value in patch["spec"].items() if name != "containers"}
    return {**patch, "spec": {**spec, "containers": kept} if kept else spec}


def dns_rule(ports: Iterable[int]) -> dict[str, Any]:
    """Return the rule that opens C(ports) for both protocols."""
    return {"ports": [{"port": port, "protocol": protocol} for port in ports for protocol in ("UDP", "TCP")]}
