# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Work pools of the type kubernetes, and the namespaces in which flow code runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import POOL_LABEL
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import merge
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.jobs import with_defaults
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import most_workers, plain_name

# Prefect has already set the state of a stopped run, so a short grace period is sufficient.
_GRACE_SECONDS = 10
_CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 1001,
    "runAsGroup": 1001,
    "fsGroup": 1001,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def _labelled(labels: Mapping[str, str]) -> dict[str, Any]:
    """Return the patch that labels the pods of a pool's runs."""
    return {"job_manifest": {"spec": {"template": {"metadata": {"labels": dict(labels)}}}}}


def can_be_labelled(template: Mapping[str, Any]) -> bool:
    """Whether the labels of runs can be added to a job template.

    Prefect replaces a placeholder by its value, so that nothing can be added to a placeholder.
    """
    part: Any = template
    for name in ("job_configuration", "job_manifest", "spec", "template"):
        part = part.get(name) if isinstance(part, Mapping) else None
    return isinstance(part, Mapping) and isinstance(part.get("metadata") or {}, Mapping)


def _manifest(pull_secrets: Sequence[str]) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": _POD_SECURITY,
        "containers": [{"name": "prefect-job", "securityContext": _CONTAINER_SECURITY}],
    }
    if pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in pull_secrets]
    # An autoscaler that removes a node would interrupt its runs.
    annotations = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    template = {"metadata": {"annotations": annotations}, "spec": pod}
    return {"job_manifest": {"spec": {"template": template}}}


def kubernetes_pools(
    pools: Iterable[Mapping[str, Any]],
    namespace: str,
    image: str,
    environment: Mapping[str, Any] | None = None,
    image_pull_policy: str = "IfNotPresent",
    image_pull_secrets: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return C(pools) with the job defaults of a cluster."""
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in (environment or {}).items()
        if value not in (None, "")
    }
    defaults = {"namespace": namespace, "image": image, "image_pull_policy": image_pull_policy}
    result = []
    for pool in pools:
        if pool.get("type") != "kubernetes" or pool.get("state") == "absent":
            result.append(dict(pool))
            continue
        own = {**(labels or {}), POOL_LABEL: plain_name(pool["name"])}
        if pool.get("base_job_template"):
            # The template replaces all defaults, but network policies, admission policy and teardown need the labels.
            patch = merge(pool.get("job_manifest_patch") or {}, _labelled(own))
            result.append({**pool, "job_manifest_patch": patch})
            continue
        job = dict(pool.get("job") or {})
        job["env"] = {**texts, **(job.get("env") or {})}
        patch = merge(merge(_manifest(image_pull_secrets), pool.get("job_manifest_patch") or {}), _labelled(own))
        result.append({**pool, "job": with_defaults({**defaults, **job}), "job_manifest_patch": patch})
    return result


def executes_runs(pool: Mapping[str, Any]) -> bool:
    """Return whether flow code runs in the pods of the pool's workers."""
    return (pool.get("type") or "process") == "process"


def job_namespaces(pool: Mapping[str, Any], namespace: str) -> list[str]:
    """Return the namespaces of the Jobs of a Kubernetes pool, the default one first."""
    if pool.get("type") != "kubernetes":
        return []
    first = (pool.get("job") or {}).get("namespace") or namespace
    return list(dict.fromkeys([first, *((pool.get("workers") or {}).get("namespaces") or [])]))


def run_namespaces(pools: Iterable[Mapping[str, Any]], namespace: str, absent: bool = False) -> list[str]:
    """Return the namespaces of the runs of C(pools)."""
    found: list[str] = []
    for pool in pools:
        if pool.get("state") == "absent" and not absent:
            continue
        found += job_namespaces(pool, namespace)
        if executes_runs(pool) and (absent or most_workers(pool)):
            found.append(namespace)
    return list(dict.fromkeys(found))
