# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worker Deployments that a list of work pools asks for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: worker_deployments
short_description: List the worker Deployments of all work pools, one entry each
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - A pool whose C(state) is V(absent), or which has neither C(workers.min) nor C(workers.max), gets none.
  - A process pool's C(concurrency_limit) is dealt out to as many workers as it may have, unless C(workers.limit) says
    what each of them may run, because its runs share the memory of their worker's pod.
  - That of another pool is dealt out to as few workers as it has at least. A worker of a Kubernetes pool has a run only
    until its Job is made, so this bounds how many Jobs it makes at once, and how many runs it asks for that another
    worker has taken already.
positional: namespace
options:
  _input:
    description: Work pools as in C(prefect_work_pools).
    type: list
    elements: dict
    required: true
  namespace:
    description: Namespace of runs, where a Kubernetes pool names none itself.
    type: str
    required: true
  image_pull_secrets:
    description: Names of the Secrets that the pods of runs pull their image with, beside those that a pool names.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: How many worker pods there are at least
  ansible.builtin.debug:
    msg: "{{ prefect_work_pools | selfhosted.prefect.worker_deployments('flows') | map(attribute='min') | sum }}"
"""

RETURN = r"""
_value:
  description:
    - One dictionary per pool with C(pool), C(type), C(name) (what the names of its objects end in), C(min), C(max),
      C(metric) (null where the number is fixed), C(target), C(prometheus) (null where PostgreSQL tells the backlog),
      C(behavior), C(queues), C(limit), C(query_seconds), C(prefetch_seconds), C(resources),
      C(service_account_annotations), C(egress) (rules of a NetworkPolicy), C(runs_egress) (those of its runs, null
      where the pool states none), C(run_labels) (what the pods of its runs have), C(namespace) (that of the workers'
      pods where these execute flow code; null for that of the instance), C(job_namespaces) (where its Jobs may be, in
      the first by default), C(image), C(pre_pull), C(placement) (what of the spec of the pool's job pod decides about
      its node and its pull) and C(template), which is another text whenever the pool's job template is another one.
  type: list
  elements: dict
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.selfhosted.prefect.plugins.filter.run_namespaces import executes_runs, job_namespaces
from ansible_collections.selfhosted.prefect.plugins.filter.workers_of import most_workers, plain_name, worker_count
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import POOL_LABEL
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import merge

_TEMPLATE = ("type", "job", "job_manifest_patch", "base_job_template")
_PLACEMENT = ("nodeSelector", "tolerations", "affinity", "imagePullSecrets")
# Percent of the CPU that a worker requests; due and active runs of the pool for each worker.
TARGETS = {"cpu": 70, "backlog": 15}


def _checksum(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _limit(pool: Mapping[str, Any], least: int, most: int) -> int | None:
    """Return how many runs each worker may have at a time."""
    own = (pool.get("workers") or {}).get("limit")
    limit = int(pool.get("concurrency_limit") or 0)
    if own is not None or not limit or not most:
        return own
    # Pods of one Deployment are alike, so all get the largest part; the server holds the limit of the pool.
    return math.ceil(limit / (most if (pool.get("type") or "process") == "process" else max(1, least)))


def _target(pool: Mapping[str, Any], metric: str | None, least: int, most: int) -> int | None:
    """Return what the number of workers follows: of the backlog, no more than a worker may run at a time."""
    target = ((pool.get("workers") or {}).get("autoscaling") or {}).get("target")
    if target or metric is None:
        return target or TARGETS["cpu"]
    limit = _limit(pool, least, most) if metric == "backlog" and (pool.get("type") or "process") == "process" else None
    return min(TARGETS[metric], limit or TARGETS[metric])


def _placement(pool: Mapping[str, Any], pull_secrets: Sequence[str]) -> dict[str, Any]:
    """Return where the pool's job pods may run, and with what they pull their image."""
    spec: Any = pool.get("job_manifest_patch")
    for key in ("job_manifest", "spec", "template", "spec"):
        spec = (spec or {}).get(key)
    merged = merge({"imagePullSecrets": [{"name": name} for name in pull_secrets]}, spec or {})
    return {name: merged[name] for name in _PLACEMENT if merged.get(name)}


def _egress(pool: Mapping[str, Any]) -> list[Any]:
    """Return where the workers may send. A rule without conditions is for everywhere: runs may call anything."""
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


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"worker_deployments": worker_deployments}
