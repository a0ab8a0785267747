# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Whether what was found of a deployment is what there should be."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Check = dict[str, Any]
Readings = Mapping[str, Any]
# The periodic services and consumers without which runs are not scheduled, marked or recorded.
_SCHEDULER = ("schedule_deployments", "schedule_recent_deployments")
_LATE_RUNS = ("monitor_late_runs",)
_CONSUMERS = ("event-persister", "task-run-recorder")
_RESTART_SERVICES = (
    "If Redis, PostgreSQL or the background services were away just now, this comes right within two minutes, because "
    "their liveness check restarts them. Otherwise look at the log of the background services and restart them."
)
_MOST_LAG = 10_000  # events waiting for a consumer


def check(name: str, problems: list[str], good: str, remedy: str) -> Check:
    if problems:
        return {"check": name, "ok": False, "detail": "; ".join(problems), "remedy": remedy}
    return {"check": name, "ok": True, "detail": good, "remedy": ""}


def reason(result: Mapping[str, Any]) -> str:
    """Return why a task failed, in one line."""
    text = str(result.get("stderr") or result.get("msg") or "no answer").strip()
    return text.splitlines()[-1] if text else "no answer"


def _report(result: Mapping[str, Any]) -> Any:
    """Return the JSON that a script printed, None if it failed."""
    try:
        return json.loads(result.get("stdout") or "null") if result.get("rc") == 0 else None
    except ValueError:
        return None


def _expected_processes(expected: Readings) -> list[str]:
    names = [f"api-{number}" for number in range(1, int(expected["replicas"]) + 1)]
    for component, hosts in expected["components"].items():
        names += [component] * len(hosts)
    for group in expected["services_groups"]:
        names.append(group["name"] if group["name"] == "services" else f"services-{group['name']}")
    # One on each machine with workers whose runs are processes; workers are dealt out to the machines one by one.
    hosts = expected["worker_hosts"]
    watched = {
        hosts[number % len(hosts)] for number, worker in enumerate(expected["workers"]) if worker["type"] == "process"
    }
    return names + ["lost-runs"] * len(watched) + [worker["process"] for worker in expected["workers"]]


def _processes(readings: Readings, expected: Readings) -> Iterator[Check]:
    running: Counter[str] = Counter()
    stopped: Counter[str] = Counter()
    problems = []
    for host, processes in readings["processes"].items():
        for process in processes or []:
            (running if process["running"] else stopped)[process["name"]] += 1
            if not process["running"]:
                problems.append(f"{process['name']} does not run on {host}")
    wanted = Counter(_expected_processes(expected))
    problems += [f"{name} is missing" for name in wanted - running - stopped]
    yield check(
        "Every process runs",
        problems,
        f"{sum(running.values())} on {len(readings['processes'])} machine(s)",
        "Look at its log (journalctl -u <unit>, or the instance's log directory), then run site.yml again.",
    )


def _gateways(readings: Readings, expected: Readings) -> Iterator[Check]:
    problems = []
    for host, result in readings["gateways"].items():
        servers = _report(result)
        if servers is None:
            problems.append(f"HAProxy on {host} does not tell: {reason(result)}")
            continue
        problems += [f"{name} is {state} for {host}" for name, state in servers.items() if not state.startswith("UP")]
        if len(servers) != int(expected["replicas"]):
            problems.append(f"{host} knows {len(servers)} API processes instead of {expected['replicas']}")
    yield check(
        "The gateway sees every API process",
        problems,
        f"{expected['replicas']} up",
        "Ask the API process itself (GET /api/ready on its own port) and look at its log. Run server.yml if the "
        "gateway knows another number of processes.",
    )


def server_checks(readings: Readings, expected: Readings) -> Iterator[Check]:
    result = readings["server"]
    server = result.get("server") or {}
    problems = []
    if not server:
        problems.append(reason(result))
    elif server["version"] != expected["version"]:
        problems.append(f"the server is Prefect {server['version']}, the inventory says {expected['version']}")
    elif not server["ready"]:
        problems.append("the API does not reach its database")
    yield check(
        "The API answers",
        problems,
        f"Prefect {server.get('version')}",
        "Check prefect_api_url and prefect_api_auth_string; then PgBouncer and PostgreSQL, in this order.",
    )


def _docket_names(readings: Readings, group: str) -> set[str]:
    """Return what Docket can call the processes of a component: it joins the names of host and process with a #."""
    found = {pod["name"] for pod in readings.get("pods", ()) if pod["component"] == group}
    for processes in readings.get("processes", {}).values():
        found |= {str(process["pid"]) for process in processes or [] if process["group"] == group}
    return found


def _split(readings: Readings, report: Mapping[str, Any]) -> Iterator[Check]:
    problems = []
    periodic = {name for docket in report["services_dockets"] for name in docket["overdue_seconds"]}
    known_to_api = periodic & set(report["api_docket"]["tasks"])
    if known_to_api:
        problems.append(f"API processes have registered {', '.join(sorted(known_to_api))}")
    api, services = _docket_names(readings, "api"), _docket_names(readings, "services")
    for docket in report["services_dockets"]:
        for worker in docket["workers"]:
            if set(worker.rpartition("#")[::2]) & (api - services):
                problems.append(f"the API process {worker} takes background tasks")
    yield check(
        "API processes run no background service",
        problems,
        f"{len(api)} serve requests only",
        "They have to run with --no-services and must not share the Docket name of the background services: take "
        "PREFECT_SERVER_DOCKET_NAME out of prefect_server_settings and run server.yml.",
    )


def _fresh(name: str, tasks: tuple[str, ...] | None, report: Mapping[str, Any], limit: float) -> Check:
    overdue: dict[str, float] = {}
    for docket in report["services_dockets"]:
        overdue.update(docket["overdue_seconds"])
    wanted = tasks if tasks is not None else tuple(sorted(overdue))
    if not wanted:
        return check(name, ["Docket has no periodic task at all"], "", _RESTART_SERVICES)
    problems = [f"{task} is not scheduled" for task in wanted if task not in overdue]
    problems += [f"{task} is overdue by {overdue[task]:.0f} s" for task in wanted if overdue.get(task, 0) > limit]
    late = max((overdue[task] for task in wanted if task in overdue), default=0.0)
    good = f"{len(wanted)} periodic task(s), " + ("none overdue" if late <= 1 else f"overdue by {late:.0f} s at most")
    return check(
        name,
        problems,
        good,
        _RESTART_SERVICES,
    )


def redis_checks(readings: Readings, expected: Readings) -> Iterator[Check]:
    report = _report(readings["redis"])
    if report is None:
        yield check(
            "Redis answers",
            [reason(readings["redis"])],
            "",
            "Check that Redis runs, that prefect_redis_url names it, and its password.",
        )
        return
    limit = float(expected["overdue_seconds"])
    yield from _split(readings, report)
    yield _fresh("The scheduler is alive", _SCHEDULER, report, limit)
    yield _fresh("The late-run marker is alive", _LATE_RUNS, report, limit)
    yield _fresh("All periodic services are alive", None, report, limit)
    groups = report["streams"].get("events", {})
    problems = [f"the stream has no consumer group {name}" for name in _CONSUMERS if name not in groups]
    problems += [f"{name} has no consumer" for name, group in groups.items() if not group["consumers"]]
    lags = {name: group["lag"] or 0 for name, group in groups.items()}
    problems += [f"{name} is {lag} events behind" for name, lag in lags.items() if lag > _MOST_LAG]
    if report["maxmemory"] and report["used_memory"] > 0.9 * report["maxmemory"]:
        problems.append("its memory is nearly used up, and then it refuses writes")
    yield check(
        "Redis carries the events",
        problems,
        f"{len(groups)} consumer groups, {report['used_memory'] // 1048576} MiB used",
        "Look at the log of the background services and at prefect_redis_maxmemory."
        " Without these consumers, events pile up.",
    )


def _pooling(readings: Readings, _expected: Readings) -> Iterator[Check]:
    remedy = "API processes must connect to PgBouncer: check prefect_pgbouncer_host, then run server.yml."
    through: set[tuple[str, int]] = set()
    problems = []
    for host, result in readings["poolers"].items():
        if result.get("query_result") is None:
            problems.append(f"PgBouncer on {host} does not tell: {reason(result)}")
        through |= {(row["local_addr"], int(row["local_port"])) for row in result.get("query_result") or []}
    through |= {(row["local_addr"], int(row["local_port"])) for row in readings["poolers_again"]}
    rows = readings["database"].get("query_result")
    if not rows:
        problems.append(f"PostgreSQL does not tell: {reason(readings['database'])}")
    sessions = rows[0]["api_sessions"] if rows else []
    around = [session for session in sessions if (session["address"], int(session["port"])) not in through]
    if around and not problems:
        addresses = ", ".join(sorted({str(session["address"]) for session in around}))
        problems.append(f"{len(around)} session(s) of the API reach PostgreSQL from {addresses} without PgBouncer")
    if not through and not problems:
        problems.append("PgBouncer has no connection to PostgreSQL")
    yield check(
        "The API's database traffic goes through PgBouncer",
        problems,
        f"{len(sessions)} session(s) of the API, all from PgBouncer",
        remedy,
    )


def configuration_checks(readings: Readings, _expected: Readings) -> Iterator[Check]:
    result = readings["configuration"]
    if result.get("changes") is None:
        differing = [reason(result)]
    else:
        differing = [f"{change['action']} {change['kind']} {change['name']!r}" for change in result["changes"]]
    yield check(
        "Pools, queues and limits are as declared",
        differing,
        f"{(result.get('summary') or {}).get('unchanged', 0)} objects",
        "Somebody changed them by hand, or the inventory changed: configure.yml --check --diff shows what, and without "
        "--check it puts the inventory's values back.",
    )


def _workers(readings: Readings, expected: Readings) -> Iterator[Check]:
    result = readings["workers"]
    if result.get("workers") is None:
        problems = [reason(result)]
        alive: set[str] = set()
    else:
        names = [f"{expected['instance']}-{worker['process']}" for worker in expected["workers"]]
        # Those that the inventory no longer has are alive for the server for a while.
        alive = {worker["name"] for worker in result["workers"] if worker["alive"]} & set(names)
        problems = [f"{name} has sent no heartbeat lately" for name in names if name not in alive]
    yield check(
        "Worker heartbeats are fresh",
        problems,
        f"{len(alive)} worker(s) alive",
        "Look at the log of the worker; it says whether it reaches prefect_api_url and knows its pool.",
    )


def probe_checks(readings: Readings, _expected: Readings) -> Iterator[Check]:
    problems, seconds = [], []
    for result in readings["probes"]:
        run = result.get("flow_run") or {}
        if run.get("state_type") == "COMPLETED":
            seconds.append(float(run.get("total_run_time") or 0))
        else:
            problems.append(reason(result))
    good = f"{len(seconds)} run(s) COMPLETED" if seconds else "no pool has workers here"
    yield check(
        "A flow run gets through every pool",
        problems,
        good,
        "The message says in which state it is stuck; the log of the pool's workers says why.",
    )
    if not seconds:  # which leaves nothing to see it by
        return
    rows = readings["database"].get("query_result")
    persisted = int(rows[0]["persisted"]) if rows else 0
    missing = [] if persisted else ["the events of these runs are not in the database"]
    yield check(
        "The event persister is alive",
        missing,
        f"the events of {persisted} run(s) are in the database",
        "Look at the log of the background services that run event_persister, and at the lag of the event stream.",
    )


def _certificates(readings: Readings, expected: Readings) -> Iterator[Check]:
    """Nothing is said where hosts speak in clear."""
    if not readings["certificates"]:
        return
    problems, left = [], []
    for host, result in readings["certificates"].items():
        found = _report(result)
        if found is None:
            problems.append(f"{host} does not tell: {reason(result)}")
            continue
        for name, days in found.items():
            if isinstance(days, str):
                problems.append(f"the certificate of {name} on {host} is refused: {days}")
            elif days < float(expected["certificate_days"]):
                problems.append(f"the certificate of {name} on {host} ends in {days:.0f} days")
            else:
                left.append(days)
    yield check(
        "Certificates are accepted",
        problems,
        f"{len(left)} port(s), good for {min(left, default=0):.0f} days or more",
        "Run site.yml, which renews those of prefect_tls authority; with prefect_tls files, replace the files before.",
    )


_CHECKS: tuple[Callable[[Readings, Readings], Iterator[Check]], ...] = (
    _processes,
    _gateways,
    server_checks,
    redis_checks,
    _pooling,
    configuration_checks,
    _workers,
    _certificates,
    probe_checks,
)


def deployment_checks(readings: Readings, expected: Readings) -> list[Check]:
    """Return the verdict on each part of a deployment."""
    return [check for function in _CHECKS for check in function(readings, expected)]
