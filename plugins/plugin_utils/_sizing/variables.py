# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The values of a plan as variables of the roles, with their formulas or reasons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.jobs import JOB, amount
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import coefficients
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.arithmetic import show, up_to
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.database import logs_only_warnings
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.model import CapacityPlan

DEFAULT_LIMIT_MB = (amount(JOB["memory_limit"]) or 0) / 2**20


def _pool_variables(p: CapacityPlan, pool: Mapping[str, Any]) -> dict[str, Any]:
    w = p.w
    entry: dict[str, Any] = {
        "name": pool["name"],
        "type": w["pool_type"],
        "concurrency_limit": pool["limit"],
        "workers": {"min": pool["min"]},
    }
    if p.kubernetes:
        cpu, memory = f"{up_to(w['run_cpu'] * 1000)}m", f"{up_to(w['run_memory_mb'])}Mi"
        # Kubernetes rejects a pod whose request exceeds the default limit.
        limit_mb = max(w["run_memory_mb"] * p.c("memory_limit_factor"), DEFAULT_LIMIT_MB)
        entry["workers"]["max"] = pool["max"]
        entry["job"] = {
            "cpu_request": cpu,
            "memory_request": memory,
            "memory_limit": f"{up_to(limit_mb)}Mi",
            "finished_job_ttl": int(p.c("job_ttl_seconds")),
        }
        seconds = int(p.c("termination_grace_seconds"))
        pod = {"terminationGracePeriodSeconds": seconds}
        entry["job_manifest_patch"] = {"job_manifest": {"spec": {"template": {"spec": pod}}}}
        entry["pre_pull"] = True
    return entry


def _server_variables(p: CapacityPlan, formulas: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Return the variables of the server, PostgreSQL, PgBouncer and Redis."""
    w = p.w
    groups = coefficients.load()["services_groups"] if p.v["services_groups"] > 1 else [{"name": "services"}]
    connections = "Prefect's default; the number of processes and max_connections depend on it"
    return {
        "prefect_server_replicas": (p.v["server_replicas"], formulas["server_replicas"]),
        "prefect_services_groups": (groups, f"{show(p.v['services_cores'])} cores: {formulas['services_groups']}"),
        "prefect_server_api_pool_size": (int(p.c("api_pool_size")), connections),
        "prefect_server_api_max_overflow": (int(p.c("api_max_overflow")), connections),
        "prefect_server_services_pool_size": (int(p.c("services_pool_size")), connections),
        "prefect_server_services_max_overflow": (int(p.c("services_max_overflow")), connections),
        "prefect_pgbouncer_pool_size": (p.v["pgbouncer_pool_size"], formulas["pgbouncer_pool_size"]),
        "prefect_database_max_connections": (p.v["max_connections"], formulas["max_connections"]),
        "prefect_postgres_memory_mb": (
            p.v["database_memory_gb"] * 1024,
            f"{formulas['database_memory_gb']}, × 1024 MiB",
        ),
        "prefect_redis_maxmemory": (f"{p.v['redis_memory_mb']}mb", formulas["redis_memory_mb"]),
        "prefect_server_events_retention_days": (w["keep_events_days"], "keep_events_days of the workload"),
        "prefect_server_flow_runs_retention_days": (w["keep_runs_days"], "keep_runs_days of the workload"),
    }


def _run_variables(p: CapacityPlan, formulas: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Return the variables of workers and flow runs."""
    w, rate = p.w, show(p.v["runs_per_second"])
    p95, least = w["run_seconds_p95"] or w["run_seconds"] * p.c("p95_factor"), int(p.c("drain_least_seconds"))
    return {
        "prefect_logging_level": (
            "WARNING" if logs_only_warnings(p) else "INFO",
            f"at {rate} runs/s; WARNING from {p.text('quiet_logs_runs_per_second')} runs/s on, because messages are "
            "many rows",
        ),
        "prefect_worker_query_seconds": (
            int(p.c("query_seconds")),
            "polling interval of each worker: a compromise between API load and start latency",
        ),
        "prefect_worker_prefetch_seconds": (
            int(p.c("prefetch_seconds")),
            "Prefect's default: with more, runs hold slots of the pool for longer before they are due",
        ),
        "prefect_worker_drain_seconds": (
            max(least, up_to(p95, 10)),
            f"95 of 100 runs end within {show(p95)} s, up to the next 10, at least {least}",
        ),
        "prefect_work_pools": (
            [_pool_variables(p, pool) for pool in p.v["pools"]],
            f"concurrency_limit: {formulas['concurrency_limit']}. Workers: {formulas['workers_min']}"
            + (f"; at most {formulas['workers_max']}. {_job_reason(p)}" if p.kubernetes else ""),
        ),
        "prefect_global_concurrency_limits": (
            [
                {
                    "name": limit["name"],
                    "limit": max(1, int(limit["per_second"])),
                    "slot_decay_per_second": limit["per_second"],
                }
                for limit in w["rate_limits"]
            ],
            "rate_limits of the workload: slots for a second's worth of calls, which come back as fast as it allows",
        ),
    }


def role_variables(p: CapacityPlan) -> dict[str, tuple[Any, str]]:
    """Return the variables of the roles, with their formulas or reasons."""
    formulas = {row["name"]: row["formula"] for row in p.rows}
    variables = {**_server_variables(p, formulas), **_run_variables(p, formulas)}
    p.used.clear()
    return variables


def _job_reason(p: CapacityPlan) -> str:
    return (
        f"Requests: run_cpu and run_memory_mb of the workload; memory_limit: {p.text('memory_limit_factor')} times the "
        f"request, at least {show(DEFAULT_LIMIT_MB)} MiB. finished_job_ttl: long enough to inspect a Job. "
        "terminationGracePeriodSeconds: Prefect has already set the state of a stopped run. pre_pull: no run waits for "
        "its image"
    )
