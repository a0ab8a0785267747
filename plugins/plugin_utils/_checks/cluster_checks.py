# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Whether what was found of a deployment in a cluster is what there should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.deployment_checks import (
    Check,
    Readings,
    check,
    configuration_checks,
    probe_checks,
    reason,
    redis_checks,
    server_checks,
)


def _pods(readings: Readings, expected: Readings) -> Iterator[Check]:
    ready = Counter(pod["workload"] for pod in readings["pods"] if pod["ready"])
    problems = [
        f"{name} has {ready[name]} of {least} pods"
        for name, least in expected["workloads"].items()
        if ready[name] < least
    ]
    problems += [
        f"{pod['name']} was started anew {pod['restarts']} times and is not ready"
        for pod in readings["pods"]
        if pod["restarts"] > 1 and not pod["ready"] and pod["workload"] in expected["workloads"]
    ]
    yield check(
        "Every pod is ready",
        problems,
        f"{sum(ready[name] for name in expected['workloads'])} in {len(expected['workloads'])} workloads",
        "Look at it with kubectl describe and kubectl logs --previous, then run site.yml again.",
    )


def _pooling(readings: Readings, expected: Readings) -> Iterator[Check]:
    if not expected["pooled"]:
        return
    poolers = {pod["address"] for pod in readings["pods"] if pod["component"] == "pgbouncer"}
    rows = readings["database"].get("query_result")
    problems = [] if rows else [f"PostgreSQL does not tell: {reason(readings['database'])}"]
    sessions = rows[0]["api_sessions"] if rows else []
    addresses = sorted({str(session["address"]) for session in sessions} - poolers)
    if addresses:
        problems.append(f"sessions of the API reach PostgreSQL from {', '.join(addresses)} without PgBouncer")
    yield check(
        "The API's database traffic goes through PgBouncer",
        problems,
        f"{len(sessions)} session(s) of the API, all from PgBouncer",
        "API pods must connect to PgBouncer: check prefect_pgbouncer_host, then run server.yml.",
    )


def _workers(readings: Readings, expected: Readings) -> Iterator[Check]:
    result = readings["workers"]
    problems: list[str] = []
    alive: set[str] = set()
    if result.get("workers") is None:
        problems = [reason(result)]
    else:
        alive = {worker["name"] for worker in result["workers"] if worker["alive"]}
        pods = {pod["name"]: pod["workload"] for pod in readings["pods"]}
        counts = Counter(pods.get(name) for name in alive)
        problems = [
            f"{counts[name]} of {least} workers of {name} have sent a heartbeat lately"
            for name, least in expected["workers"].items()
            if counts[name] < least
        ]
    yield check(
        "Worker heartbeats are fresh",
        problems,
        f"{len(alive)} worker(s) alive",
        "Look at the log of the worker; it says whether it reaches prefect_api_url and knows its pool.",
    )


_CHECKS = (_pods, server_checks, redis_checks, _pooling, configuration_checks, _workers, probe_checks)


def cluster_checks(readings: Readings, expected: Readings) -> list[Check]:
    """Return the verdict on each part of a deployment in a cluster."""
    return [verdict for function in _CHECKS for verdict in function(readings, expected)]
