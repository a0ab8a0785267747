# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The ValidatingAdmissionPolicy for the Jobs of workers.

One policy applies to all workers of an instance. It selects them by the beginning of the names of their
ServiceAccounts. It therefore also limits a worker whose pool is no longer in the inventory: the Jobs of this worker may
use only the objects that are allowed for every worker.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import POOL_LABEL, PREFIX, RUNS_LABEL
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import most_workers, plain_name

_API = "admissionregistration.k8s.io/v1"
# Objects that a Job may only use if its pool names them, and the place of the name in a manifest or in job variables.
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
    "persistentVolumeClaim": ("persistent_volume_claims", ("claimName",)),
    "csi": ("csi_drivers", ("driver",)),
    "nodeName": ("nodes", ("default",)),
    "priorityClassName": ("priority_classes", ("default",)),
}
_KINDS = tuple(dict.fromkeys(kind for kind, _names in _REFERENCES.values()))
# The collection and the operator of its database identify their objects by these labels.
_RESERVED = (PREFIX, "cnpg.io/")
# Kinds of volumes that read neither the node nor a Secret by another field.
_VOLUMES = ("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret")
# Fields by which the claim of an ephemeral volume gets the data of another claim, a snapshot or an existing volume.
_SOURCES_OF_CLAIMS = ("dataSource", "dataSourceRef", "volumeName", "selector")
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle.postStart", "lifecycle.preStop")
_REMEDY = "prefect_jobs_allowed or prefect_work_pools must name it"
_IS_DELETION = 'request.operation == "DELETE"'


def _named(value: Any, names: Sequence[str]) -> Iterator[str]:
    """Return the names in a reference. A template is not a name."""
    found = [value] if isinstance(value, str) else [value.get(name) for name in names if isinstance(value, Mapping)]
    yield from (name for name in found if isinstance(name, str) and name and "{{" not in name)


def _references(value: Any) -> Iterator[tuple[str, str]]:
    """Yield the references in a part of a pool, as kind and name."""
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
    """Return the expression that a condition is true for each item of an optional list."""
    owner, _dot, name = what.rpartition(".")
    return f"(!has({owner}.{name}) || {what}.all({name[0]}, {condition}))"


def _own(kind: str, name: str) -> str:
    """Return the expression that the pool of the worker names an object."""
    return f'(variables.worker + "/" + {name}) in variables.{kind}'


def _in_environments(single: str, whole: str, kind: str) -> str:
    """Return the expression that all containers read only allowed objects."""
    one = f"!has(e.valueFrom) || !has(e.valueFrom.{single}) || {_own(kind, f'e.valueFrom.{single}.name')}"
    environment, source = (
        _every("c.env", one),
        _every("c.envFrom", f"!has(e.{whole}) || {_own(kind, f'e.{whole}.name')}"),
    )
    return f"variables.containers.all(c, {environment} && {source})"


def _in_volumes(volume: str, name: str, source: str, kind: str) -> str:
    """Return the expression that all volumes read only allowed objects."""
    direct = f"(!has(v.{volume}) || {_own(kind, f'v.{volume}.{name}')})"
    projected = f"!has(s.{source}) || {_own(kind, f's.{source}.name')}"
    return f"variables.volumes.all(v, {direct} && (!has(v.projected) || {_every('v.projected.sources', projected)}))"


def _in_pod(names: Sequence[str], kind: str) -> str:
    """Return the expression that fields of the pod spec contain only allowed values."""
    return " && ".join(f"(!has(variables.pod.{name}) || {_own(kind, f'variables.pod.{name}')})" for name in names)


def _copies_no_volume() -> str:
    """Return the expression that all ephemeral volumes are new and empty."""
    claim = "v.ephemeral.volumeClaimTemplate"
    unset = " && ".join(f"!has({claim}.spec.{name})" for name in _SOURCES_OF_CLAIMS)
    return f"variables.volumes.all(v, !has(v.ephemeral) || !has({claim}) || ({unset}))"


def _asks_no_other_host(probe: str) -> str:
    """Return the expression that a probe or hook connects only to its pod. Network policies do not limit nodes."""
    first, _dot, rest = probe.partition(".")
    missing = f"!has(c.{first})" + (f" || !has(c.{probe})" if rest else "")
    ways = " && ".join(f"(!has(c.{probe}.{way}) || !has(c.{probe}.{way}.host))" for way in ("httpGet", "tcpSocket"))
    return f"({missing} || {ways})"


def _labels(value: Any) -> Iterator[tuple[str, str]]:
    """Return the reserved labels that a part of a pool sets on its Jobs."""
    if isinstance(value, list):
        for item in value:
            yield from _labels(item)
    elif isinstance(value, Mapping):
        yield from ((key, item) for key, item in value.items() if key.startswith(_RESERVED) and isinstance(item, str))
        for item in value.values():
            yield from _labels(item)


def _no_others_label(metadata: str) -> str:
    """Return the expression that metadata has no labels that identify other objects."""
    reserved = " || ".join(f"l.startsWith({json.dumps(prefix)})" for prefix in _RESERVED)
    own = _own("labels", f'l + "=" + {metadata}.labels[l]')
    condition = _every(f"{metadata}.labels", f"!({reserved}) || {own}")
    return f"(!has({metadata}) || {condition})"


def _has_own_labels(metadata: str) -> str:
    """Return the expression that pods of runs have the labels for network policies and the teardown."""
    found = " && ".join(f"{json.dumps(label)} in {metadata}.labels" for label in (RUNS_LABEL, POOL_LABEL))
    return f"(has({metadata}) && has({metadata}.labels) && {found})"


def _about_labels() -> list[dict[str, str]]:
    """Return the rules for the Jobs that a worker creates, updates or deletes."""
    pod = "variables.job.spec.template.metadata"
    return [
        {
            "expression": " && ".join(_no_others_label(owner) for owner in ("variables.job.metadata", pod)),
            "message": "Job of a flow run: it has a label that identifies objects of the deployment or other runs",
        },
        {
            "expression": _has_own_labels(pod),
            "message": "Job of a flow run: its pod lacks the labels of runs for network policies",
        },
    ]


def _about_new_jobs() -> list[dict[str, str]]:
    node = " && ".join(
        f"(!has(variables.pod.{name}) || !variables.pod.{name})" for name in ("hostNetwork", "hostPID", "hostIPC")
    )
    kinds = " || ".join(f"has(v.{kind})" for kind in _VOLUMES)
    privileged = "!has(c.securityContext) || !has(c.securityContext.privileged) || !c.securityContext.privileged"
    published = f"!has(v.csi.nodePublishSecretRef) || {_own('secrets', 'v.csi.nodePublishSecretRef.name')}"
    rules = (
        (_in_environments("secretKeyRef", "secretRef", "secrets"), f"a container reads a Secret: {_REMEDY}"),
        (_in_volumes("secret", "secretName", "secret", "secrets"), f"a volume reads a Secret: {_REMEDY}"),
        (f"variables.volumes.all(v, !has(v.csi) || {published})", f"a volume reads a Secret: {_REMEDY}"),
        (
            _every("variables.pod.imagePullSecrets", _own("secrets", "i.name")),
            f"an image is pulled with a Secret: {_REMEDY}",
        ),
        (
            _in_environments("configMapKeyRef", "configMapRef", "config_maps"),
            f"a container reads a ConfigMap: {_REMEDY}",
        ),
        (_in_volumes("configMap", "name", "configMap", "config_maps"), f"a volume reads a ConfigMap: {_REMEDY}"),
        (
            _in_pod(("serviceAccountName", "serviceAccount"), "service_accounts"),
            f"it uses another ServiceAccount than default: {_REMEDY}",
        ),
        (
            f"variables.volumes.all(v, !has(v.csi) || {_own('csi_drivers', 'v.csi.driver')})",
            "a volume uses a CSI driver that its pool does not name",
        ),
        (
            "variables.volumes.all(v, !has(v.persistentVolumeClaim) || "
            f"{_own('persistent_volume_claims', 'v.persistentVolumeClaim.claimName')})",
            f"a volume uses a PersistentVolumeClaim: {_REMEDY}",
        ),
        (_copies_no_volume(), "an ephemeral volume sets " + " or ".join(_SOURCES_OF_CLAIMS)),
        (_in_pod(("nodeName",), "nodes"), "it sets a nodeName that its pool does not name"),
        (_in_pod(("priorityClassName",), "priority_classes"), "it uses another priority class than its pool"),
        (f"variables.volumes.all(v, {kinds})", "a volume is of another kind than " + ", ".join(_VOLUMES)),
        (node, "it uses hostNetwork, hostPID or hostIPC"),
        (f"variables.containers.all(c, {privileged})", "a container is privileged"),
        (
            f"variables.containers.all(c, {' && '.join(_asks_no_other_host(probe) for probe in _PROBES)})",
            "a probe or a hook connects to another host than its pod",
        ),
    )
    return [
        {"expression": f"{_IS_DELETION} || ({expression})", "message": f"Job of a flow run: {message}"}
        for expression, message in rules
    ]


def _of_worker(pool: Mapping[str, Any], allowed: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the objects that Jobs of a pool may use, by kind."""
    stated = [pool.get(name) for name in ("job", "job_manifest_patch", "base_job_template")]
    own = list(_references(stated))
    found = {kind: [*(name for k, name in own if k == kind), *(allowed.get(kind) or [])] for kind in _KINDS}
    return {**found, "labels": [f"{label}={value}" for label, value in _labels(stated)]}


def _listed(words: Iterable[str], more: str = "") -> str:
    return json.dumps(sorted(set(words))) + more


def admission_policies(
    pools: Iterable[Mapping[str, Any]],
    instance: str,
    namespace: str,
    allowed: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Return the policy for the workers of an instance and its binding, none if no worker starts Jobs."""
    start = f"{instance}-worker-"
    workers = {
        start + plain_name(pool["name"]): _of_worker(pool, allowed or {})
        for pool in pools
        if pool.get("type") == "kubernetes" and most_workers(pool)
    }
    if not workers:
        return []
    # Allowed for every worker: the API credentials in its Jobs, the ServiceAccount default, and the labels of its runs.
    every = {
        "secrets": ' + [variables.worker + "/" + variables.worker + "-api-login"]',
        "service_accounts": ' + [variables.worker + "/", variables.worker + "/default"]',
        "labels": f' + [variables.worker + "/{RUNS_LABEL}={instance}",'
        f' variables.worker + "/{POOL_LABEL}=" + variables.worker.substring({len(start)})]',
    }
    lists = {}
    for kind in (*_KINDS, "labels"):
        named = (f"{worker}/{name}" for worker, names in workers.items() for name in names[kind])
        lists[kind] = _listed(named, every.get(kind, ""))
    user = json.dumps(f"system:serviceaccount:{namespace}:{start}")
    rule = {
        "apiGroups": ["batch"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["jobs"],
    }
    policy = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "matchConditions": [{"name": "by-a-worker", "expression": f"request.userInfo.username.startsWith({user})"}],
        "variables": [
            {"name": "worker", "expression": 'request.userInfo.username.split(":")[3]'},
            {"name": "job", "expression": f"{_IS_DELETION} ? oldObject : object"},
            {"name": "pod", "expression": "variables.job.spec.template.spec"},
            {
                "name": "containers",
                "expression": "variables.pod.containers +"
                " (has(variables.pod.initContainers) ? variables.pod.initContainers : [])",
            },
            {"name": "volumes", "expression": "has(variables.pod.volumes) ? variables.pod.volumes : []"},
            *({"name": kind, "expression": expression} for kind, expression in lists.items()),
        ],
        "validations": [*_about_new_jobs(), *_about_labels()],
    }
    # Names of cluster-scoped objects contain the namespace of the instance.
    metadata = {"name": f"{namespace}.{instance}-workers"}
    binding = {"policyName": metadata["name"], "validationActions": ["Deny"]}
    return [
        {"apiVersion": _API, "kind": "ValidatingAdmissionPolicy", "metadata": dict(metadata), "spec": policy},
        {"apiVersion": _API, "kind": "ValidatingAdmissionPolicyBinding", "metadata": dict(metadata), "spec": binding},
    ]
