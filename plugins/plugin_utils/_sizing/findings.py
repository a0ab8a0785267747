# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Warnings, problems and alternatives of a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.arithmetic import HOUR, show, two_digits, up_to
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.model import CapacityPlan
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.nodes import no_room, request_of_a_run
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.runs import plan_load, plan_workers
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.workload import WORKLOAD


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


def _saturated(p: CapacityPlan) -> Iterator[Problem]:
    """Warn of loads for which no further process helps."""
    rate, room = p.v["runs_per_second"], p.v["api_room"]
    option = f"{WORKLOAD}.runs_per_hour"
    if round(room, 9) < 1:
        carried = rate * room
        yield problem(
            option,
            f"{show(rate)} runs/s are more than the capacity of one deployment: {p.v['server_replicas']} API processes "
            f"reach about {show(carried)} runs/s. The plan adds no more, because each API process costs CPU in every "
            "run.",
            "Divide the load among several instances, each with at most "
            f"{show(two_digits(carried * HOUR / p.w['peak_factor']))} runs an hour, or combine several units of work "
            "in one run.",
        )
    for part, title, remedy in (
        ("pgbouncer", "PgBouncer", "Add hosts to prefect_pgbouncer, or raise prefect_pgbouncer_replicas."),
        ("redis", "Redis", "Divide the load among several instances."),
    ):
        cores = p.v[f"{part}_cores"]
        if cores > p.c("utilisation"):
            yield problem(
                option,
                f"{title} uses at most one core, and this load needs {show(cores)} cores; "
                f"the limit of the plan is {p.text('utilisation')}.",
                remedy,
            )


def _beyond(p: CapacityPlan) -> Iterator[Problem]:
    """Warn of runs that write much more than the measured runs."""
    for name, what, known in (
        ("events_per_run", "events", "as a part of the cost of a task"),
        ("logs_per_run", "log messages", "only by their size"),
    ):
        given, measured = p.w[name] or 0, p.c(name)
        if given > measured * p.c("trusted_per_run"):
            yield problem(
                f"{WORKLOAD}.{name}",
                f"{show(given)} {what} per run are more than {p.text('trusted_per_run')} times the {show(measured)} of "
                f"a measured run. The plan counts further {what} {known}.",
                "Send fewer, or run a load test with such flows before you rely on the plan.",
            )


def warnings_of(p: CapacityPlan, advice: Mapping[str, Any]) -> Iterator[Problem]:
    w, rate = p.w, p.v["runs_per_second"]
    if advice:
        process, batch = advice["process"], advice["batching"]
        yield problem(
            f"{WORKLOAD}.pool_type",
            f"The objects of {show(rate)} Jobs a second keep {show(p.v['control_plane_cores'])} cores of a Kubernetes "
            f"control plane busy; the limit of the plan is {p.text('utilisation')}.",
            f"If its API server throttles requests, combine {batch['micro_flows_per_run']} micro-flows in one run "
            f"({show(batch['jobs_per_second'])} Jobs/s), or use a process pool: {process['workers_min']} workers on "
            f"{show(process['worker_cores'])} cores and {show(process['worker_machines_memory_mb'] / 1024)} GiB.",
        )
    if p.v["starting"] > p.v["running"]:
        yield problem(
            f"{WORKLOAD}.run_seconds",
            f"A run takes {show(w['run_seconds'])} s, and its start takes longer. Most slots hold runs that are still "
            "starting.",
            "Combine several units of work in one run.",
        )
    for limit in w["rate_limits"]:
        needed = rate * limit["calls_per_run"]
        if needed > limit["per_second"]:
            most = limit["per_second"] * HOUR / limit["calls_per_run"] / w["peak_factor"]
            yield problem(
                f"{WORKLOAD}.rate_limits[{limit['name']}]",
                f"The runs make {show(needed)} calls/s, but the service allows only {show(limit['per_second'])}.",
                f"This limit allows {show(most)} runs an hour. Lower runs_per_hour or calls_per_run.",
            )
    growth = p.v["stored_runs_gb_per_day"]
    if w["keep_runs_days"] is None and growth >= p.c("noticeable_gb_per_day"):
        yield problem(
            f"{WORKLOAD}.keep_runs_days",
            f"Runs are kept indefinitely, and the database grows by {show(growth)} GB a day.",
            "Set it to the number of days after which runs are deleted.",
        )
    given = w["database"]
    for name, needed, unit in (
        ("cpu", p.v["database_cpu"], "vCPU"),
        ("memory_mb", p.v["database_memory_gb"] * 1024, "MiB"),
        ("disk_gb", p.v["database_disk_gb"], "GB"),
        ("max_connections", p.v["max_connections"], "connections"),
    ):
        if given[name] is not None and given[name] < needed:
            yield problem(
                f"{WORKLOAD}.database.{name}",
                f"The database has {show(given[name])} {unit}, and the plan needs {show(needed)}.",
                "Increase it, or lower keep_runs_days." if name == "disk_gb" else "Increase it.",
            )
    yield from _saturated(p)
    yield from _beyond(p)
    if p.v["services_cores"] > p.v["services_groups"] * p.c("utilisation"):
        yield problem(
            f"{WORKLOAD}.runs_per_hour",
            f"The background services need {show(p.v['services_cores'])} cores, which is more than "
            f"{p.v['services_groups']} processes provide. The backlog of events will grow.",
            "Divide the load among several instances.",
        )
    if w["run_memory_mb"] < p.c("run_memory_mb"):
        yield problem(
            f"{WORKLOAD}.run_memory_mb",
            f"A run that only imports Prefect uses {p.text('run_memory_mb')} MiB.",
            "Set it to this value plus the memory that your flow needs.",
        )
    if rate > p.c("measured_runs_per_second") * p.c("trusted_extrapolation"):
        yield problem(
            f"{WORKLOAD}.runs_per_hour",
            f"{show(rate)} runs/s are more than {p.text('trusted_extrapolation')} times the rate at which the "
            f"coefficients were measured ({p.text('measured_runs_per_second')} runs/s).",
            "Run a load test before you rely on the plan.",
        )
    p.used.clear()


def problems_of(p: CapacityPlan) -> Iterator[Problem]:
    """Check the sums of pods, cores and memory on the nodes. The preflight checks the actual pools."""
    nodes = p.w["nodes"]
    if p.kubernetes and p.v["runs_per_node"] < 1:
        yield problem(
            f"{WORKLOAD}.nodes",
            no_room(nodes, request_of_a_run(p.w)),
            "Use larger nodes, or lower run_cpu or run_memory_mb.",
        )
    elif p.kubernetes and nodes["count"] and nodes["count"] < p.v["nodes"] - p.c("spare_nodes"):
        yield problem(
            f"{WORKLOAD}.nodes.count",
            f"{p.v['concurrency_limit']} runs at once do not fit on {nodes['count']} nodes.",
            f"Use {p.v['nodes']} nodes or larger ones, or lower the requests of a run.",
        )
