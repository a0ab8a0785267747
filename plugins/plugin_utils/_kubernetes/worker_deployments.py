# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The worker Deployments of a list of work pools."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import POOL_LABEL
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import merge
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.names import group_workload
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.pools import executes_runs, job_namespaces
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import most_workers, plain_name, worker_count

_TEMPLATE = ("type", "job", "job_manifest_patch", "base_job_template")
_PLACEMENT = ("nodeSelector", "tolerations", "affinity", "imagePullSecrets")
# cpu: percentage of the CPU that a worker requests. backlog: due and active runs of the pool per worker.
TARGETS = {"cpu": 70, "backlog": 15}


def _checksum(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _limit(pool: Mapping[str, Any], least: int, most: int) -> int | None:
    """Return the maximum number of concurrent runs of each worker."""
    own = (pool.get("workers") or {}).get("limit")
    limit = int(pool.get("concurrency_limit") or 0)
    if own is not None or not limit or not most:
        return own
    # Pods of a Deployment are identical, so all get the largest share. The server enforces the limit of the pool.
    return math.ceil(limit / (most if (pool.get("type") or "process") == "process" else max(1, least)))


def _target(pool: Mapping[str, Any], metric: str | None, least: int, most: int) -> int | None:
    """Return the scaling target: for the backlog, at most the limit of a worker."""
    target = ((pool.get("workers") or {}).get("autoscaling") or {}).get("target")
    if target or metric is None:
        return target or TARGETS["cpu"]
    limit = _limit(pool, least, most) if metric == "backlog" and (pool.get("type") or "process") == "process" else None
    return min(TARGETS[metric], limit or TARGETS[metric])


def _placement(pool: Mapping[str, Any], pull_secrets: Sequence[str]) -> dict[str, Any]:
    """Return the scheduling constraints and the pull secrets of the pool's job pods."""
    spec: Any = pool.get("job_manifest_patch")
    for key in ("job_manifest", "spec", "template", "spec"):
        spec = (spec or {}).get(key)
    merged = merge({"imagePullSecrets": [{"name": name} for name in pull_secrets]}, spec or {})
    return {name: merged[name] for name in _PLACEMENT if merged.get(name)}


def _egress(pool: Mapping[str, Any]) -> list[Any]:
    """Return the egress rules of the workers. A rule without conditions allows every destination."""
    own = (pool.get("workers") or {}).get("egress")
    if own is not None:
        return list(own)
    return [] if pool.get("type") == "kubernetes" else [{}]


def _deployment(pool: Mapping[str, Any], namespace: str, pull_secrets: Sequence[str]) -> dict[str, Any]:
    workers = pool.get("workers") or {}
    scaling = workers.get("autoscaling") or {}
    least = worker_count(pool)
    most = most_workers(pool)
    metric = (scaling.get("metric") or "cpu") if most > least else None
    job = pool.get("job") or {}
    return {
        "pool": pool["name"],
        "type": pool.get("type") or "process",
        "name": f"worker-{plain_name(pool['name'])}",
        "min": least,
        "max": most,
        "metric": metric,
        "target": _target(pool, metric, least, most),
        "prometheus": scaling.get("prometheus") if metric == "backlog" else None,
        "behavior": scaling.get("behavior"),
        "queues": list(workers.get("queues") or []),
        "limit": _limit(pool, least, most),
        "query_seconds": workers.get("query_seconds"),
        "prefetch_seconds": workers.get("prefetch_seconds"),
        "resources": workers.get("resources"),
        "service_account_annotations": dict(workers.get("service_account_annotations") or {}),
        "namespace": namespace if executes_runs(pool) else None,
        "job_namespaces": job_namespaces(pool, namespace),
        "egress": _egress(pool),
        "run_labels": {POOL_LABEL: plain_name(pool["name"])},
        "runs_egress": workers.get("runs_egress"),
        "image": job.get("image"),
        "pre_pull": boolean(pool.get("pre_pull"), strict=False),
        "placement": _placement(pool, pull_secrets),
        "template": _checksum([pool.get(name) for name in _TEMPLATE]),
    }


def worker_deployments(
    pools: Sequence[Mapping[str, Any]], namespace: str, image_pull_secrets: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Return one entry per worker Deployment of C(pools)."""
    present = [pool for pool in pools if pool.get("state") != "absent"]
    entries = [_deployment(pool, namespace, image_pull_secrets) for pool in present]
    return [entry for entry in entries if entry["max"] > 0]


def services_deployments(groups: Iterable[Mapping[str, Any]], instance: str) -> dict[str, str]:
    """Return the name of the Deployment of each group."""
    return {group["name"]: f"{instance}-{group_workload(group['name'])}" for group in groups}
