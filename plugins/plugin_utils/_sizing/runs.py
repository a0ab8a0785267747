# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The concurrent runs, and the workers that start them."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.arithmetic import HOUR, busiest, show, up_to
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.model import CapacityPlan


def plan_load(p: CapacityPlan) -> None:
    w = p.w
    rate = w["runs_per_hour"] * w["peak_factor"] / HOUR
    p.add(
        "Load",
        "runs_per_second",
        rate,
        "runs/s",
        f"{show(w['runs_per_hour'])} runs/h × {show(w['peak_factor'])} at the peak / 3600 s",
        "all other values of the plan depend on this rate",
    )
    running = p.add(
        "Load",
        "running",
        rate * w["run_seconds"],
        "runs at once",
        f"{show(rate)} runs/s × {show(w['run_seconds'])} s",
        "Little's law: arrival rate times duration",
    )
    # The import of Prefect uses one core, so the start takes at least its CPU time.
    start = "start_seconds_kubernetes" if p.kubernetes else "run_start_cpu_seconds"
    p.add(
        "Load",
        "starting",
        rate * p.c(start),
        "runs at once",
        f"{show(rate)} runs/s × {p.text(start)} s from Pending to Running",
        "a run takes its slot when it becomes Pending, before its code runs",
    )
    limits = p.v["pool_limits"] = _pool_limits(p)
    p.add(
        "Load",
        "concurrency_limit",
        sum(limits),
        "runs at once",
        (f"sum over {len(limits)} pools, each by its share: " if len(limits) > 1 else "")
        + f"the larger of {p.text('headroom')} × {show(running)} and L + 3√L with L = {show(running)} + "
        f"{show(p.v['starting'])}, up to the next {p.text('limit_step')}",
        "limit of the work pool: random arrivals exceed it 0.1 % of the time; it stops runaway submissions",
    )


def _pool_limits(p: CapacityPlan) -> list[int]:
    """Return the limit of each work pool. Small pools vary more, so their sum exceeds the limit of a single pool."""
    total = sum(pool["share"] for pool in p.w["work_pools"])
    parts = [pool["share"] / total for pool in p.w["work_pools"]]
    busy, step = p.v["running"] + p.v["starting"], p.c("limit_step")
    # Do not round a tiny share to a limit of 0, which would stop the pool.
    return [up_to(max(p.c("headroom") * p.v["running"] * part, busiest(busy * part), step), step) for part in parts]


def _workers_needed(p: CapacityPlan, rate: float) -> tuple[int, int, str]:
    """Return minimum and maximum of the workers for a launch rate, and the formula."""
    if p.kubernetes:
        least = max(p.c("workers_least"), up_to(rate / p.c("launches_per_second_per_worker_kubernetes")))
        formula = f"{show(rate)} runs/s / {p.text('launches_per_second_per_worker_kubernetes')} launches/s of a worker"
        return int(least), int(least * p.c("workers_scale_out")), formula
    launching = rate * p.c("worker_cpu_seconds_per_run")
    least = max(p.c("workers_least"), up_to(launching / p.c("utilisation")))
    formula = (
        f"{show(rate)} runs/s × {p.text('worker_cpu_seconds_per_run')} CPU s of the worker / {p.text('utilisation')}"
    )
    return int(least), int(least), formula


def plan_workers(p: CapacityPlan) -> None:
    w = p.w
    total = sum(pool["share"] for pool in w["work_pools"])
    pools = []
    for pool, limit in zip(w["work_pools"], p.v["pool_limits"]):
        least, most, formula = _workers_needed(p, p.v["runs_per_second"] * pool["share"] / total)
        pools.append({"name": pool["name"], "limit": limit, "min": least, "max": most, "formula": formula})
    p.v["pools"] = pools
    least, most = sum(pool["min"] for pool in pools), sum(pool["max"] for pool in pools)
    what = pools[0]["formula"] if len(pools) == 1 else f"sum over {len(pools)} pools, each by its share"
    p.add(
        "Workers",
        "workers_min",
        least,
        "workers",
        f"{what}, at least {p.text('workers_least')} a pool",
        "they start the runs; at least two, so that a worker can restart",
    )
    p.add(
        "Workers",
        "workers_max",
        most,
        "workers",
        f"{least} × {p.text('workers_scale_out')}" if p.kubernetes else "the same: hosts do not scale",
        "limit of the autoscaler, for bursts and for a backlog" if p.kubernetes else "",
    )
    p.add(
        "Workers",
        "polls_per_second",
        least / p.c("query_seconds"),
        "polls/s",
        f"{least} workers / {p.text('query_seconds')} s",
        "every worker polls at this interval, even without due runs",
    )
    if p.kubernetes:
        p.add(
            "Workers",
            "worker_memory_mb",
            up_to(p.c("worker_memory_mb"), 64),
            "MiB",
            f"{p.text('worker_memory_mb')}, up to the next 64",
            "of each worker; its runs are separate Jobs",
        )
        return
    p.add(
        "Workers",
        "worker_cores",
        (
            p.v["runs_per_second"] * (p.c("run_start_cpu_seconds") + p.c("worker_cpu_seconds_per_run"))
            + p.v["running"] * w["run_cpu"]
        )
        / p.c("utilisation"),
        "cores",
        f"({show(p.v['runs_per_second'])} runs/s × ({p.text('run_start_cpu_seconds')} CPU s to start + "
        f"{p.text('worker_cpu_seconds_per_run')} of the worker) + {show(p.v['running'])} runs × "
        f"{show(w['run_cpu'])}) / {p.text('utilisation')}",
        "of all worker hosts together, at the planned CPU usage: a process pool starts Python and imports Prefect for "
        "every run",
    )
    p.add(
        "Workers",
        "worker_machines_memory_mb",
        up_to(least * p.c("worker_memory_mb") + p.v["concurrency_limit"] * w["run_memory_mb"]),
        "MiB",
        f"{least} workers × {p.text('worker_memory_mb')} + {p.v['concurrency_limit']} runs × "
        f"{show(w['run_memory_mb'])}",
        "of all worker hosts together, at the pool's limit",
    )
