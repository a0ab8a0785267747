# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The checks of a deployment: whether what was found is what there should be.

Both platforms fill the same reading, and the same checks judge it. To add a check, write a function that yields its
verdicts, with the text of what to do, and list it in CHECKS. What it needs is in the reading already, or is read by one
more task or script of the role prefect_verify: what a task there registers as __prefect_verify_found_<name> is in the
reading under that name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypedDict

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.names import group_process, group_workload

Check = dict[str, Any]
Result = Mapping[str, Any]  # what a task has registered


class Reading(TypedDict):
    """What was found."""

    # By name and by host, what the tasks of prefect_verify have registered. A task that was skipped has found nothing.
    #   processes     host: its processes
    #   gateway       host: HAProxy's servers
    #   pgbouncer     host: PgBouncer's connections to PostgreSQL
    #   certificates  host: for how many days the certificate of each port is good, or why it is refused
    #   server, probes, workers       the API's answers
    #   pgbouncer_again               host: PgBouncer's connections after `programs` has run
    #   programs      what redis_report.py and database_report.py have printed
    found: Mapping[str, Mapping[str, Result]]
    configuration: Result  # what differs from the inventory
    pods: Sequence[Mapping[str, Any]]  # of a cluster


Expected = Mapping[str, Any]

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
    """Return the verdict: `good` describes what is well, `remedy` says what to do about problems."""
    if problems:
        return {"check": name, "ok": False, "detail": "; ".join(problems), "remedy": remedy}
    return {"check": name, "ok": True, "detail": good, "remedy": ""}


def reason(result: Result) -> str:
    """Return why a task failed, in one line."""
    text = str(result.get("stderr") or result.get("msg") or "no answer").strip()
    return text.splitlines()[-1] if text else "no answer"


def printed(result: Result) -> Any:
    """Return the JSON that a script printed, None if it failed."""
    try:
        return json.loads(result.get("stdout") or "null") if result.get("rc") == 0 else None
    except ValueError:
        return None


def on_hosts(reading: Reading, name: str) -> Mapping[str, Result]:
    """Return what a task has found on each host."""
    return reading["found"].get(name, {})


def once(reading: Reading, name: str) -> Result:
    """Return what a task has found that one host executes for the whole deployment."""
    return next(iter(on_hosts(reading, name).values()), {})


def program(reading: Reading, name: str) -> Result:
    """Return how one of the programs that run side by side has ended. Where none was run, that is known of each."""
    together = once(reading, "programs")
    ended: Mapping[str, Result] = printed(together) or {}
    return ended.get(name, together)


def rows_of(result: Result) -> list[Mapping[str, Any]]:
    """Return the rows of a query, none if it failed."""
    return list(result.get("query_result") or [])


def _on_kubernetes(expected: Expected) -> bool:
    return bool(expected["platform"] == "kubernetes")


def _expected_processes(expected: Expected) -> list[str]:
    names = [f"api-{number}" for number in range(1, int(expected["replicas"]) + 1)]
    for component, hosts in expected["components"].items():
        names += [component] * len(hosts)
    names += [group_process(group["name"]) for group in expected["services_groups"]]
    # One on each machine with workers whose runs are processes; workers are dealt out to the machines one by one.
    hosts = expected["worker_hosts"]
    watched = {
        hosts[number % len(hosts)] for number, worker in enumerate(expected["workers"]) if worker["type"] == "process"
    }
    return names + ["lost-runs"] * len(watched) + [worker["process"] for worker in expected["workers"]]


def _processes(reading: Reading, expected: Expected) -> Iterator[Check]:
    if _on_kubernetes(expected):
        return
    running: Counter[str] = Counter()
    stopped: Counter[str] = Counter()
    problems = []
    hosts = on_hosts(reading, "processes")
    for host, result in hosts.items():
        for process in result.get("processes") or []:
            (running if process["running"] else stopped)[process["name"]] += 1
            if not process["running"]:
                problems.append(f"{process['name']} does not run on {host}")
    wanted = Counter(_expected_processes(expected))
    problems += [f"{name} is missing" for name in wanted - running - stopped]
    yield check(
        "Every process runs",
        problems,
        f"{sum(running.values())} on {len(hosts)} host(s)",
        "Look at its log (journalctl -u <unit>, or the instance's log directory), then run site.yml again.",
    )


def _worker_workloads(expected: Expected) -> dict[str, int]:
    """Return how many pods each Deployment of workers has at least."""
    return {f"{expected['instance']}-{each['name']}": int(each["min"]) for each in expected["worker_deployments"]}


def expected_workloads(expected: Expected) -> dict[str, int]:
    """Return how many pods each workload has at least. Those of CloudNativePG are the operator's concern."""
    components = expected["components"]
    workloads = {}
    if components["postgres"] and expected["postgres_kind"] == "statefulset":
        workloads["postgres"] = 1
    if components["redis"]:
        workloads["redis"] = 1
    if components["pgbouncer"]:
        workloads["pgbouncer"] = int(expected["pgbouncer_replicas"])
    workloads["api"] = int(expected["replicas"])
    workloads.update({group_workload(group["name"]): 1 for group in expected["services_groups"]})
    if expected["separate_observer"] and any(each["type"] == "kubernetes" for each in expected["worker_deployments"]):
        workloads["observer"] = 1
    named = {f"{expected['instance']}-{name}": least for name, least in workloads.items()}
    return {**named, **_worker_workloads(expected)}


def _pods(reading: Reading, expected: Expected) -> Iterator[Check]:
    if not _on_kubernetes(expected):
        return
    ready = Counter(pod["workload"] for pod in reading["pods"] if pod["ready"])
    workloads = expected_workloads(expected)
    problems = [f"{name} has {ready[name]} of {least} pods" for name, least in workloads.items() if ready[name] < least]
    problems += [
        f"{pod['name']} was restarted {pod['restarts']} times and is not ready"
        for pod in reading["pods"]
        if pod["restarts"] > 1 and not pod["ready"] and pod["workload"] in workloads
    ]
    yield check(
        "Every pod is ready",
        problems,
        f"{sum(ready[name] for name in workloads)} in {len(workloads)} workloads",
        "Look at it with kubectl describe and kubectl logs --previous, then run site.yml again.",
    )


def _gateways(reading: Reading, expected: Expected) -> Iterator[Check]:
    """Requests to a cluster are spread by its Service, which has no state to look at."""
    if _on_kubernetes(expected):
        return
    problems = []
    for host in expected["components"]["gateway"]:
        result = on_hosts(reading, "gateway").get(host, {})
        servers = printed(result)
        if servers is None:
            problems.append(f"HAProxy on {host} does not respond: {reason(result)}")
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


def _server(reading: Reading, expected: Expected) -> Iterator[Check]:
    result = once(reading, "server")
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


def _docket_names(reading: Reading, component: str) -> set[str]:
    """Return what Docket can call the processes of a component: it joins the names of host and process with a #."""
    found = {pod["name"] for pod in reading["pods"] if pod["component"] == component}
    for result in on_hosts(reading, "processes").values():
        found |= {str(each["pid"]) for each in result.get("processes") or [] if each["group"] == component}
    return found


def _split(reading: Reading, report: Mapping[str, Any]) -> Iterator[Check]:
    problems = []
    periodic = {name for docket in report["services_dockets"] for name in docket["overdue_seconds"]}
    known_to_api = periodic & set(report["api_docket"]["tasks"])
    if known_to_api:
        problems.append(f"API processes have registered {', '.join(sorted(known_to_api))}")
    api, services = _docket_names(reading, "api"), _docket_names(reading, "services")
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
    return check(name, problems, good, _RESTART_SERVICES)


def _redis(reading: Reading, expected: Expected) -> Iterator[Check]:
    result = program(reading, "redis")
    report = printed(result)
    if report is None:
        yield check(
            "Redis answers",
            [reason(result)],
            "",
            "Check that Redis runs, that prefect_redis_url names it, and its password.",
        )
        return
    limit = float(expected["overdue_seconds"])
    yield from _split(reading, report)
    yield _fresh("The scheduler is alive", _SCHEDULER, report, limit)
    yield _fresh("The late-run marker is alive", _LATE_RUNS, report, limit)
    yield _fresh("All periodic services are alive", None, report, limit)
    groups = report["streams"].get("events", {})
    problems = [f"the stream has no consumer group {name}" for name in _CONSUMERS if name not in groups]
    problems += [f"{name} has no consumer" for name, group in groups.items() if not group["consumers"]]
    lags = {name: group["lag"] or 0 for name, group in groups.items()}
    problems += [f"{name} is {lag} events behind" for name, lag in lags.items() if lag > _MOST_LAG]
    if report["maxmemory"] and report["used_memory"] > 0.9 * report["maxmemory"]:
        problems.append("its memory is almost full, and then it rejects writes")
    yield check(
        "Redis carries the events",
        problems,
        f"{len(groups)} consumer groups, {report['used_memory'] // 1048576} MiB used",
        "Look at the log of the background services and at prefect_redis_maxmemory. Without these consumers, events "
        "pile up.",
    )


def _outside_pods(reading: Reading, sessions: list[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with sessions that do not come from a pod of PgBouncer."""
    poolers = {pod["address"] for pod in reading["pods"] if pod["component"] == "pgbouncer"}
    addresses = sorted({str(session["address"]) for session in sessions} - poolers)
    return [f"sessions of the API reach PostgreSQL from {', '.join(addresses)} without PgBouncer"] * bool(addresses)


def _outside_connections(reading: Reading, sessions: list[Mapping[str, Any]]) -> list[str]:
    """Return what is wrong with sessions that no PgBouncer of a host has among its connections."""
    again = [result for all_hosts in on_hosts(reading, "pgbouncer_again").values() for result in all_hosts["results"]]
    rows = [row for result in [*on_hosts(reading, "pgbouncer").values(), *again] for row in rows_of(result)]
    through = {(row["local_addr"], int(row["local_port"])) for row in rows}
    around = [session for session in sessions if (session["address"], int(session["port"])) not in through]
    if around:
        addresses = ", ".join(sorted({str(session["address"]) for session in around}))
        return [f"{len(around)} session(s) of the API reach PostgreSQL from {addresses} without PgBouncer"]
    return [] if through else ["PgBouncer has no connection to PostgreSQL"]


def _pooling(reading: Reading, expected: Expected) -> Iterator[Check]:
    in_pods, poolers = _on_kubernetes(expected), expected["components"]["pgbouncer"]
    if in_pods and not poolers:
        return
    problems = []
    for host in () if in_pods else poolers:
        result = on_hosts(reading, "pgbouncer").get(host, {})
        if result.get("query_result") is None:
            problems.append(f"PgBouncer on {host} does not respond: {reason(result)}")
    answer = program(reading, "database")
    database = printed(answer)
    if database is None:
        problems.append(f"PostgreSQL does not respond: {reason(answer)}")
    sessions = (database or {}).get("api_sessions") or []
    if not problems:
        problems = (_outside_pods if in_pods else _outside_connections)(reading, sessions)
    yield check(
        "The API's database traffic goes through PgBouncer",
        problems,
        f"{len(sessions)} session(s) of the API, all from PgBouncer",
        f"API {'pods' if in_pods else 'processes'} must connect to PgBouncer: check prefect_pgbouncer_host, then run "
        "server.yml.",
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


def _silent_processes(expected: Expected, alive: set[str]) -> tuple[list[str], int]:
    """Return which workers of hosts have sent no heartbeat, and how many have."""
    names = [f"{expected['instance']}-{worker['process']}" for worker in expected["workers"]]
    silent = [f"{name} has sent no heartbeat lately" for name in names if name not in alive]
    # Those that the inventory no longer has are alive for the server for a while.
    return silent, len(alive & set(names))


def _silent_pods(reading: Reading, expected: Expected, alive: set[str]) -> tuple[list[str], int]:
    """Return which workloads have too few workers that have sent a heartbeat, and how many have. A worker is a pod."""
    workloads = {pod["name"]: pod["workload"] for pod in reading["pods"]}
    counts = Counter(workloads.get(name) for name in alive)
    silent = [
        f"{counts[name]} of {least} workers of {name} have sent a heartbeat lately"
        for name, least in _worker_workloads(expected).items()
        if counts[name] < least
    ]
    return silent, len(alive)


def _workers(reading: Reading, expected: Expected) -> Iterator[Check]:
    result = once(reading, "workers")
    if result.get("workers") is None:
        problems, count = [reason(result)], 0
    else:
        alive = {worker["name"] for worker in result["workers"] if worker["alive"]}
        problems, count = (
            _silent_pods(reading, expected, alive) if _on_kubernetes(expected) else _silent_processes(expected, alive)
        )
    yield check(
        "Worker heartbeats are fresh",
        problems,
        f"{count} worker(s) alive",
        "Look at the log of the worker; it says whether it reaches prefect_api_url and knows its pool.",
    )


def _certificates(reading: Reading, expected: Expected) -> Iterator[Check]:
    """Nothing is said where hosts speak in clear."""
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
                problems.append(f"the certificate of {name} on {host} ends in {days:.0f} days")
            else:
                left.append(days)
    yield check(
        "Certificates are accepted",
        problems,
        f"{len(left)} port(s), good for {min(left, default=0):.0f} days or more",
        "Run site.yml, which renews those of prefect_tls authority; with prefect_tls files, replace the files before.",
    )


def _probes(reading: Reading, _expected: Expected) -> Iterator[Check]:
    problems, seconds = [], []
    for result in once(reading, "probes").get("results", []):
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
    persisted = int((printed(program(reading, "database")) or {}).get("persisted") or 0)
    missing = [] if persisted else ["the events of these runs are not in the database"]
    yield check(
        "The event persister is alive",
        missing,
        f"the events of {persisted} run(s) are in the database",
        "Look at the log of the background services that run event_persister, and at the lag of the event stream.",
    )


# In the order of the report.
CHECKS: tuple[Callable[[Reading, Expected], Iterator[Check]], ...] = (
    _processes,
    _pods,
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
    """Return the verdict on each part of a deployment."""
    return [verdict for function in CHECKS for verdict in function(reading, expected)]
