# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The checks of a deployment, which compare the readings with the expected state.

The readings have the same structure on both platforms (see `programs`), and the same checks evaluate them. To add a
check, write a function that yields its verdicts with their remedies, and list it in CHECKS. If it needs another
reading, add a task or a script to the role prefect_verify: a result that a task there registers as
__prefect_verify_found_<name> is in the reading under that name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.programs import (
    Expected,
    Reading,
    Result,
    expected_programs,
    expected_workers,
    on_hosts,
    on_kubernetes,
    platform_of,
    pooled_connections,
    programs,
    silent_poolers,
    worker_of,
)

Check = dict[str, Any]

# Without these periodic services and consumers, runs are not scheduled, marked as late or recorded.
_SCHEDULER = ("schedule_deployments", "schedule_recent_deployments")
_LATE_RUNS = ("monitor_late_runs",)
_CONSUMERS = ("event-persister", "task-run-recorder")
_RESTART_SERVICES = (
    "If Redis, PostgreSQL or the background services were unavailable just before, wait two minutes: the liveness "
    "check restarts the services. Otherwise check the log of the background services and restart them."
)
_MOST_LAG = 10_000  # events waiting for a consumer


def check(name: str, problems: list[str], good: str, remedy: str) -> Check:
    """Return the verdict. `good` describes the state without problems, `remedy` what to do about problems."""
    if problems:
        return {"check": name, "ok": False, "detail": "; ".join(problems), "remedy": remedy}
    return {"check": name, "ok": True, "detail": good, "remedy": ""}


def reason(result: Result) -> str:
    """Return why a task failed, in one line."""
    text = str(result.get("stderr") or result.get("msg") or "no response").strip()
    return text.splitlines()[-1] if text else "no response"


def printed(result: Result) -> Any:
    """Return the JSON that a script printed, None if it failed."""
    try:
        return json.loads(result.get("stdout") or "null") if result.get("rc") == 0 else None
    except ValueError:
        return None


def once(reading: Reading, name: str) -> Result:
    """Return the result of a task that one host executes for the whole deployment."""
    return next(iter(on_hosts(reading, name).values()), {})


def program(reading: Reading, name: str) -> Result:
    """Return the result of one of the programs that run in parallel. If none ran, each has the result of the task."""
    together = once(reading, "programs")
    ended: Mapping[str, Result] = printed(together) or {}
    return ended.get(name, together)


def _programs(reading: Reading, expected: Expected) -> Iterator[Check]:
    words, found, wanted = platform_of(expected), programs(reading, expected), expected_programs(expected)
    counted = Counter(program.workload for program in found if program.counts)
    shortages = [
        words.shortage.format(name=name, ready=counted[name], least=least)
        for name, least in wanted.items()
        if counted[name] < least
    ]
    working = sum(1 for program in found if program.counts and not program.problem)
    yield check(
        words.check,
        [*(program.problem for program in found if program.problem), *shortages],
        words.good.format(ready=working, hosts=len(on_hosts(reading, "processes")), workloads=len(wanted)),
        words.remedy,
    )


def _gateways(reading: Reading, expected: Expected) -> Iterator[Check]:
    """Check HAProxy. In a cluster, a Service distributes the requests, which has no state to check."""
    if on_kubernetes(expected):
        return
    problems = []
    for host in expected["components"]["gateway"]:
        result = on_hosts(reading, "gateway").get(host, {})
        servers = printed(result)
        if servers is None:
            problems.append(f"HAProxy on {host} does not respond: {reason(result)}")
            continue
        problems += [
            f"{name} is {state} in HAProxy on {host}" for name, state in servers.items() if not state.startswith("UP")
        ]
        if len(servers) != int(expected["replicas"]):
            problems.append(f"HAProxy on {host} has {len(servers)} API processes instead of {expected['replicas']}")
    yield check(
        "The gateway sees every API process",
        problems,
        f"{expected['replicas']} up",
        "Send GET /api/ready to the API process on its own port, and check its log. If HAProxy has another number of "
        "processes, run server.yml.",
    )


def _server(reading: Reading, expected: Expected) -> Iterator[Check]:
    result = once(reading, "server")
    server = result.get("server") or {}
    problems = []
    if not server:
        problems.append(reason(result))
    elif server["version"] != expected["version"]:
        problems.append(f"the server runs Prefect {server['version']}, but prefect_version is {expected['version']}")
    elif not server["ready"]:
        problems.append("the API cannot reach its database")
    yield check(
        "The API answers",
        problems,
        f"Prefect {server.get('version')}",
        "Check prefect_api_url and prefect_api_auth_string, then PgBouncer, then PostgreSQL.",
    )


def _docket_names(reading: Reading, expected: Expected, component: str) -> set[str]:
    """Return the pods or PIDs of a component. The Docket name of a process is its host or pod, a #, and its PID."""
    return {each.docket for each in programs(reading, expected) if each.component == component}


def _split(reading: Reading, expected: Expected, report: Mapping[str, Any]) -> Iterator[Check]:
    problems = []
    periodic = {name for docket in report["services_dockets"] for name in docket["overdue_seconds"]}
    known_to_api = periodic & set(report["api_docket"]["tasks"])
    if known_to_api:
        problems.append(f"API processes have registered {', '.join(sorted(known_to_api))}")
    api, services = (_docket_names(reading, expected, component) for component in ("api", "services"))
    for docket in report["services_dockets"]:
        for worker in docket["workers"]:
            if set(worker.rpartition("#")[::2]) & (api - services):
                problems.append(f"the API process {worker} executes background tasks")
    yield check(
        "API processes run no background service",
        problems,
        f"{len(api)} process(es) without background tasks",
        "API processes must run with --no-services and must not use the Docket name of the background services. Remove "
        "PREFECT_SERVER_DOCKET_NAME from prefect_server_settings and run server.yml.",
    )


def _fresh(name: str, tasks: tuple[str, ...] | None, report: Mapping[str, Any], limit: float) -> Check:
    overdue: dict[str, float] = {}
    for docket in report["services_dockets"]:
        overdue.update(docket["overdue_seconds"])
    wanted = tasks if tasks is not None else tuple(sorted(overdue))
    if not wanted:
        return check(name, ["Docket has no periodic task"], "", _RESTART_SERVICES)
    problems = [f"{task} is not scheduled" for task in wanted if task not in overdue]
    problems += [f"{task} is overdue by {overdue[task]:.0f} s" for task in wanted if overdue.get(task, 0) > limit]
    late = max((overdue[task] for task in wanted if task in overdue), default=0.0)
    good = f"{len(wanted)} periodic task(s), " + ("none overdue" if late <= 1 else f"at most {late:.0f} s overdue")
    return check(name, problems, good, _RESTART_SERVICES)


def _redis(reading: Reading, expected: Expected) -> Iterator[Check]:
    result = program(reading, "redis")
    report = printed(result)
    if report is None:
        yield check(
            "Redis answers",
            [reason(result)],
            "",
            "Check that Redis runs, and check the host name, the port and the password in prefect_redis_url.",
        )
        return
    limit = float(expected["overdue_seconds"])
    yield from _split(reading, expected, report)
    yield _fresh("The scheduler runs", _SCHEDULER, report, limit)
    yield _fresh("The late-run marker runs", _LATE_RUNS, report, limit)
    yield _fresh("All periodic services run", None, report, limit)
    groups = report["streams"].get("events", {})
    problems = [f"the stream has no consumer group {name}" for name in _CONSUMERS if name not in groups]
    problems += [f"{name} has no consumer" for name, group in groups.items() if not group["consumers"]]
    lags = {name: group["lag"] or 0 for name, group in groups.items()}
    problems += [f"{name} is {lag} events behind" for name, lag in lags.items() if lag > _MOST_LAG]
    if report["maxmemory"] and report["used_memory"] > 0.9 * report["maxmemory"]:
        problems.append("its memory is almost full; Redis rejects writes when it is full")
    yield check(
        "Redis carries the events",
        problems,
        f"{len(groups)} consumer groups, {report['used_memory'] // 1048576} MiB used",
        "Check the log of the background services and prefect_redis_maxmemory. Without these consumers, Redis collects "
        "events until its memory is full.",
    )


def _around_pgbouncer(reading: Reading, sessions: list[Mapping[str, Any]]) -> list[str]:
    """Return the problem with sessions that are not connections of a PgBouncer."""
    through = pooled_connections(reading)
    around = [
        session
        for session in sessions
        if not {(session["address"], int(session["port"])), (session["address"], None)} & through
    ]
    if around:
        addresses = ", ".join(sorted({str(session["address"]) for session in around}))
        return [f"{len(around)} session(s) of the API reach PostgreSQL from {addresses} without PgBouncer"]
    return [] if through else ["PgBouncer has no connection to PostgreSQL"]


def _pooling(reading: Reading, expected: Expected) -> Iterator[Check]:
    if not expected["components"]["pgbouncer"]:
        return
    problems = [
        f"PgBouncer on {host} does not respond: {reason(result)}"
        for host, result in silent_poolers(reading, expected).items()
    ]
    answer = program(reading, "database")
    database = printed(answer)
    if database is None:
        problems.append(f"PostgreSQL does not respond: {reason(answer)}")
    sessions = (database or {}).get("api_sessions") or []
    if not problems:
        problems = _around_pgbouncer(reading, sessions)
    yield check(
        "The API's database traffic goes through PgBouncer",
        problems,
        f"{len(sessions)} session(s) of the API, all from PgBouncer",
        "The API must connect to PgBouncer: check prefect_pgbouncer_host, then run server.yml.",
    )


def _configuration(reading: Reading, _expected: Expected) -> Iterator[Check]:
    result = reading["configuration"]
    if result.get("changes") is None:
        differing = [reason(result)]
    else:
        differing = [f"{change['action']} {change['kind']} {change['name']!r}" for change in result["changes"]]
    yield check(
        "Pools, queues and limits are as declared",
        differing,
        f"{(result.get('summary') or {}).get('unchanged', 0)} objects",
        "They have been changed manually (drift), or the inventory has changed. configure.yml --check --diff shows the "
        "differences, and without --check it restores the values of the inventory.",
    )


def _workers(reading: Reading, expected: Expected) -> Iterator[Check]:
    result, wanted = once(reading, "workers"), expected_workers(expected)
    problems, count = [reason(result)], 0
    if result.get("workers") is not None:
        # For some time, the server reports removed workers as online.
        alive = Counter(worker_of(worker["name"], reading) for worker in result["workers"] if worker["alive"])
        count = sum(alive[name] for name in wanted)
        problems = [
            f"{alive[name]} of {least} workers of {name} have sent a recent heartbeat"
            if least > 1
            else f"{name} has sent no recent heartbeat"
            for name, least in wanted.items()
            if alive[name] < least
        ]
    yield check(
        "Worker heartbeats are fresh",
        problems,
        f"{count} worker(s) online",
        "Check the log of the worker. It shows whether the worker can reach prefect_api_url and its work pool exists.",
    )


def _certificates(reading: Reading, expected: Expected) -> Iterator[Check]:
    """Check the certificates. Without TLS, there is no check."""
    hosts = on_hosts(reading, "certificates")
    if not hosts:
        return
    problems, left = [], []
    for host, result in hosts.items():
        found = printed(result)
        if found is None:
            problems.append(f"{host} does not respond: {reason(result)}")
            continue
        for name, days in found.items():
            if isinstance(days, str):
                problems.append(f"the certificate of {name} on {host} is invalid: {days}")
            elif days < float(expected["certificate_days"]):
                problems.append(f"the certificate of {name} on {host} expires in {days:.0f} days")
            else:
                left.append(days)
    yield check(
        "Certificates are accepted",
        problems,
        f"{len(left)} port(s), valid for {min(left, default=0):.0f} days or more",
        "Run site.yml. With prefect_tls: authority, it renews the certificates. With prefect_tls: files, replace the "
        "files first.",
    )


def _probes(reading: Reading, _expected: Expected) -> Iterator[Check]:
    problems, seconds = [], []
    for result in once(reading, "probes").get("results", []):
        run = result.get("flow_run") or {}
        if run.get("state_type") == "COMPLETED":
            seconds.append(float(run.get("total_run_time") or 0))
        else:
            problems.append(reason(result))
    good = f"{len(seconds)} run(s) COMPLETED" if seconds else "no work pool has workers in this deployment"
    yield check(
        "A flow run gets through every pool",
        problems,
        good,
        "The message names the state of the flow run. Check the log of the workers of the pool for the cause.",
    )
    if not seconds:  # without events of these runs, there is nothing to check
        return
    persisted = int((printed(program(reading, "database")) or {}).get("persisted") or 0)
    missing = [] if persisted else ["the events of these runs are not in the database"]
    yield check(
        "The event persister runs",
        missing,
        f"the events of {persisted} run(s) are in the database",
        "Check the log of the background services that run event_persister, and the lag of the event stream.",
    )


# In the order of the report.
CHECKS: tuple[Callable[[Reading, Expected], Iterator[Check]], ...] = (
    _programs,
    _gateways,
    _server,
    _redis,
    _pooling,
    _configuration,
    _workers,
    _certificates,
    _probes,
)


def verdicts(reading: Reading, expected: Expected) -> list[Check]:
    """Return the verdicts of all checks of a deployment."""
    return [verdict for function in CHECKS for verdict in function(reading, expected)]
