# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The steps of a plan, in the order of their dependencies."""

from __future__ import annotations

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.arithmetic import up_to
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.cluster import plan_cluster, plan_limits
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.database import plan_database
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.model import CapacityPlan
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.runs import plan_load, plan_workers
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.server import (
    plan_connections,
    plan_database_load,
    plan_processors,
    plan_redis,
    plan_server,
)


def alternatives_to_jobs(p: CapacityPlan) -> dict[str, Any]:
    """Return alternatives if one Job per run is too much for a cluster."""
    rate = p.v["runs_per_second"]
    threshold = p.c("utilisation") / p.c("control_plane_cpu_seconds_per_job")
    p.used.clear()
    if not p.kubernetes or rate < threshold:
        return {}
    process = CapacityPlan({**p.w, "pool_type": "process"}, p.pgbouncers)
    for step in (plan_load, plan_workers):
        step(process)
    size = up_to(rate / threshold)
    p.used.clear()
    return {
        "process": {
            name: process.v[name]
            for name in ("workers_min", "worker_cores", "worker_machines_memory_mb", "concurrency_limit")
        },
        "batching": {
            "micro_flows_per_run": size,
            "jobs_per_second": rate / size,
            "run_seconds_one_after_another": p.w["run_seconds"] * size,
            "jobs_per_second_saved": rate - rate / size,
        },
    }


STEPS = (
    plan_load,
    plan_workers,
    plan_database_load,
    plan_server,
    plan_connections,
    plan_database,
    plan_redis,
    plan_processors,
    plan_cluster,
    plan_limits,
)
