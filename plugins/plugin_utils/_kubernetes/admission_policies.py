# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""What the Jobs of workers may refer to, as policies that the API server of a cluster enforces."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import PREFIX
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import most_workers, plain_name

_API = "admissionregistration.k8s.io/v1"
_KINDS = ("secrets", "config_maps", "service_accounts")
# Where a name stands in a manifest, or in the variables of a pool.
_REFERENCES = {
    "secret": ("secrets", ("secretName", "name")),
    "secretRef": ("secrets", ("name",)),
    "secretKeyRef": ("secrets", ("name",)),
    "nodePublishSecretRef": ("secrets", ("name",)),
    "configMap": ("config_maps", ("name",)),
    "configMapRef": ("config_maps", ("name",)),
    "configMapKeyRef": ("config_maps", ("name",)),
    "service_account_name": ("service_accounts", ("default",)),
    "serviceAccountName": ("service_accounts", ("default",)),
    "serviceAccount": ("service_accounts", ("default",)),
}
# By these the collection, and the operator of its database, know what is theirs.
_RESERVED = (PREFIX, "cnpg.io/")
# Kinds of volumes that come neither from the node nor, by a way of their own, from a Secret.
_VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
_REMEDY = "prefect_jobs_allowed or prefect_work_pools has to name it"


def _named(value: Any, names: Sequence[str]) -> Iterator[str]:
    """Return what a reference names; what a template puts together later is no name."""
    found = [value] if isinstance(value, str) else [value.get(name) for name in names if isinstance(value, Mapping)]
    yield from (name for name in found if isinstance(name, str) and name and "{{" not in name)


def _references(value: Any) -> Iterator[tuple[str, str]]:
    """Return what a part of a pool refers to, as kind and name."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if key in _REFERENCES:
                kind, names = _REFERENCES[key]
                yield from ((kind, name) for name in _named(item, names))
            elif key == "imagePullSecrets" and isinstance(item, list):
                yield from (("secrets", name) for entry in item for name in _named(entry, ("name",)))
            yield from _references(item)


def _every(what: str, condition: str) -> str:
    """Return that a condition holds for each item of a list that may be missing."""
    owner, _dot, name = what.rpartition(".")
    return f"(!has({owner}.{name}) || {what}.all({name[0]}, {condition}))"


def _in_environments(single: str, whole: str, kind: str) -> str:
    """Return that all containers read only what is allowed."""
    one = f"!has(e.valueFrom) || !has(e.valueFrom.{single}) || e.valueFrom.{single}.name in variables.{kind}"
    environment, source = (
        _every("c.env", one),
        _every("c.envFrom", f"!has(e.{whole}) || e.{whole}.name in variables.{kind}"),
    )
    return f"variables.containers.all(c, {environment} && {source})"


def _in_volumes(volume: str, name: str, source: str, kind: str) -> str:
    """Return that all volumes read only what is allowed."""
    direct = f"(!has(v.{volume}) || v.{volume}.{name} in variables.{kind})"
    projected = f"!has(s.{source}) || s.{source}.name in variables.{kind}"
    return f"variables.volumes.all(v, {direct} && (!has(v.projected) || {_every('v.projected.sources', projected)}))"


def _labels(value: Any) -> Iterator[tuple[str, str]]:
    """Return the reserved labels that a part of a pool gives its Jobs."""
    if isinstance(value, list):
        for item in value:
            yield from _labels(item)
    elif isinstance(value, Mapping):
        yield from ((key, item) for key, item in value.items() if key.startswith(_RESERVED) and isinstance(item, str))
        for item in value.values():
            yield from _labels(item)


def _no_reserved_label(metadata: str, labels: Sequence[tuple[str, str]]) -> str:
    reserved = " || ".join(f"l.startsWith({json.dumps(prefix)})" for prefix in _RESERVED)
    own = " || ".join(f"l == {json.dumps(name)} && {metadata}.labels[l] == {json.dumps(text)}" for name, text in labels)
    condition = _every(f"{metadata}.labels", f"!({reserved}) || {own or 'false'}")
    return f"(!has({metadata}) || {condition})"


def _validations(labels: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    csi = (
        "variables.volumes.all(v, !has(v.csi) || !has(v.csi.nodePublishSecretRef) ||"
        " v.csi.nodePublishSecretRef.name in variables.secrets)"
    )
    accounts = " && ".join(
        f"(!has(variables.pod.{name}) || variables.pod.{name} in variables.service_accounts)"
        for name in ("serviceAccountName", "serviceAccount")
    )
    node = " && ".join(
        f"(!has(variables.pod.{name}) || !variables.pod.{name})" for name in ("hostNetwork", "hostPID", "hostIPC")
    )
    kinds = " || ".join(f"has(v.{kind})" for kind in _VOLUMES)
    privileged = "!has(c.securityContext) || !has(c.securityContext.privileged) || !c.securityContext.privileged"
    rules = (
        (_in_environments("secretKeyRef", "secretRef", "secrets"), f"a container reads a Secret: {_REMEDY}"),
        (_in_volumes("secret", "secretName", "secret", "secrets"), f"a volume reads a Secret: {_REMEDY}"),
        (csi, f"a volume reads a Secret: {_REMEDY}"),
        (
            _every("variables.pod.imagePullSecrets", "i.name in variables.secrets"),
            f"an image is pulled with a Secret: {_REMEDY}",
        ),
        (
            _in_environments("configMapKeyRef", "configMapRef", "config_maps"),
            f"a container reads a ConfigMap: {_REMEDY}",
        ),
        (_in_volumes("configMap", "name", "configMap", "config_maps"), f"a volume reads a ConfigMap: {_REMEDY}"),
        (accounts, f"it has another ServiceAccount than default: {_REMEDY}"),
        (f"variables.volumes.all(v, {kinds})", "a volume is of another kind than " + ", ".join(_VOLUMES)),
        (node, "it is in the network or among the processes of the node"),
        (f"variables.containers.all(c, {privileged})", "a container is privileged"),
        (
            " && ".join(
                _no_reserved_label(owner, labels) for owner in ("object.metadata", "object.spec.template.metadata")
            ),
            "it has a label by which the deployment knows its own parts",
        ),
    )
    return [{"expression": expression, "message": f"Job of a flow run: {message}"} for expression, message in rules]


def _listed(words: Iterable[str]) -> str:
    return json.dumps(sorted(set(words)))


def _policies(
    pool: Mapping[str, Any],
    instance: str,
    namespace: str,
    allowed: Mapping[str, Any],
) -> list[dict[str, Any]]:
    worker = f"{instance}-worker-{plain_name(pool['name'])}"
    stated = [pool.get(name) for name in ("job", "job_manifest_patch", "base_job_template")]
    own, labels = list(_references(stated)), sorted(set(_labels(stated)))
    names = {kind: [*(name for k, name in own if k == kind), *(allowed.get(kind) or [])] for kind in _KINDS}
    # The login of the API, which the worker itself puts into the Job.
    names["secrets"].append(f"{worker}-api-login")
    names["service_accounts"] += ["", "default"]
    # What belongs to no namespace has that of the instance in its name.
    name = f"{namespace}.{worker}"
    user = json.dumps(f"system:serviceaccount:{namespace}:{worker}")
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": ["batch"],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE", "UPDATE"],
                    "resources": ["jobs"],
                }
            ]
        },
        "matchConditions": [{"name": "by-a-worker", "expression": f"request.userInfo.username == {user}"}],
        "variables": [
            {"name": "pod", "expression": "object.spec.template.spec"},
            {
                "name": "containers",
                "expression": "variables.pod.containers +"
                " (has(variables.pod.initContainers) ? variables.pod.initContainers : [])",
            },
            {"name": "volumes", "expression": "has(variables.pod.volumes) ? variables.pod.volumes : []"},
            *({"name": kind, "expression": _listed(names[kind])} for kind in _KINDS),
        ],
        "validations": _validations(labels),
    }
    return [
        {"apiVersion": _API, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name}, "spec": policy},
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]


def admission_policies(
    pools: Iterable[Mapping[str, Any]],
    instance: str,
    namespace: str,
    allowed: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return the policies for the workers of C(pools)."""
    return [
        item
        for pool in pools
        if pool.get("type") == "kubernetes" and most_workers(pool)
        for item in _policies(pool, instance, namespace, allowed or {})
    ]
