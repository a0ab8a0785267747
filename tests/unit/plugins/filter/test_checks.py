# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verification checks: a healthy deployment passes all of them, and each fault fails its own check."""

from __future__ import annotations

import copy
import json
from typing import Any, Callable

import pytest

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.programs import expected_workloads
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.readings import registered_results
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.report import checks_as_text
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.verification import (
    verdicts as deployment_checks,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.worker_deployments import (
    worker_deployments,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._text import phase_seconds
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import workers_of

EXPECTED: dict[str, Any] = {
    "platform": "host",
    "version": "3.9.1",
    "certificate_days": 10,
    "replicas": 2,
    "components": {"postgres": ["a"], "pgbouncer": ["a"], "redis": ["a"], "gateway": ["a"]},
    "services_groups": [{"name": "services"}],
    "workers": workers_of([{"name": "default"}]),
    "worker_hosts": ["a"],
    "instance": "prefect",
    "overdue_seconds": 60,
}
NAMES = ["postgres", "pgbouncer", "redis", "gateway", "api-1", "api-2", "services", "worker-default-1", "lost-runs"]
REDIS: dict[str, Any] = {
    "streams": {"events": {name: {"consumers": 1, "lag": 0} for name in ("event-persister", "task-run-recorder")}},
    "api_docket": {"workers": ["host#104"], "tasks": ["delete_flow_run_logs"], "overdue_seconds": {}},
    "services_dockets": [
        {
            "workers": ["host#106"],
            "tasks": ["schedule_deployments"],
            "overdue_seconds": {
                "schedule_deployments": -3.0,
                "schedule_recent_deployments": -1.0,
                "monitor_late_runs": 0.5,
            },
        }
    ],
    "used_memory": 3_000_000,
    "maxmemory": 500_000_000,
    "dead_letters": 0,
}
GATEWAY = {"api-1": "UP", "api-2": "UP"}
DATABASE: dict[str, Any] = {"persisted": 1, "api_sessions": [{"address": "127.0.0.1", "port": 5001}]}


def programs(**reports: Any) -> dict[str, Any]:
    """Return the output of the programs that query Redis and PostgreSQL concurrently."""
    ended = {name: {"rc": 0, "stdout": json.dumps(report), "stderr": ""} for name, report in reports.items()}
    return {"rc": 0, "stdout": json.dumps(ended)}


HEALTHY: dict[str, Any] = {
    "found": {
        "processes": {
            "a": {
                "processes": [
                    {"name": name, "group": name.partition("-")[0], "running": True, "pid": 100 + number}
                    for number, name in enumerate(NAMES)
                ]
            }
        },
        "gateway": {"a": {"rc": 0, "stdout": json.dumps(GATEWAY)}},
        "pgbouncer": {"a": {"query_result": [{"local_addr": "127.0.0.1", "local_port": 5001}]}},
        "programs": {"a": programs(redis=REDIS, database=DATABASE)},
        "server": {"a": {"server": {"version": "3.9.1", "ready": True}}},
        "workers": {"a": {"workers": [{"name": "prefect-worker-default-1", "alive": True}]}},
        "probes": {"a": {"results": [{"flow_run": {"state_type": "COMPLETED", "total_run_time": 1.5}}]}},
    },
    "configuration": {"changes": [], "summary": {"unchanged": 4}},
    "pods": [],
}

Change = Callable[[dict[str, Any]], None]


def redis(change: Change) -> Change:
    def apply(readings: dict[str, Any]) -> None:
        report = copy.deepcopy(REDIS)
        change(report)
        readings["found"]["programs"]["a"] = programs(redis=report, database=DATABASE)

    return apply


def refuses(*names: str) -> Change:
    """Make some of the programs fail."""

    def apply(readings: dict[str, Any]) -> None:
        ended = json.loads(programs(redis=REDIS, database=DATABASE)["stdout"])
        ended.update({name: {"rc": 1, "stdout": "", "stderr": "Traceback:\nconnection refused\n"} for name in names})
        readings["found"]["programs"]["a"]["stdout"] = json.dumps(ended)

    return apply


def put(value: Any, *path: Any) -> Change:
    """Set the value at the end of a path."""

    def apply(readings: dict[str, Any]) -> None:
        for step in path[:-1]:
            readings = readings[step]
        readings[path[-1]] = value

    return apply


def row(**values: Any) -> Change:
    return put(programs(redis=REDIS, database={**DATABASE, **values}), "found", "programs", "a")


OVERDUE = ("services_dockets", 0, "overdue_seconds")
FAILED = {"failed": True, "msg": "Task failed:\nconnection refused"}
PODS = "Every pod is ready"
PROCESSES, GATEWAYS, API = "Every process runs", "The gateway sees every API process", "The API answers"
SPLIT, ANSWERS, STREAMS = "API processes run no background service", "Redis answers", "Redis carries the events"
SCHEDULER, LATE = "The scheduler runs", "The late-run marker runs"
PERIODIC = "All periodic services run"
POOLING = "The API's database traffic goes through PgBouncer"
CONFIGURATION, WORKERS = "Pools, queues and limits are as declared", "Worker heartbeats are fresh"
PROBES, PERSISTER = "A flow run gets through every pool", "The event persister runs"

WRONG: list[tuple[Change, set[str], str]] = [
    (put(False, "found", "processes", "a", "processes", 5, "running"), {PROCESSES}, "api-2 does not run on a"),
    (lambda readings: readings["found"]["processes"]["a"]["processes"].pop(2), {PROCESSES}, "redis is missing"),
    (lambda readings: readings["found"]["processes"]["a"]["processes"].pop(8), {PROCESSES}, "lost-runs is missing"),
    (
        put(json.dumps({"api-1": "UP", "api-2": "DOWN"}), "found", "gateway", "a", "stdout"),
        {GATEWAYS},
        "api-2 is DOWN in HAProxy on a",
    ),
    (put(json.dumps({"api-1": "UP"}), "found", "gateway", "a", "stdout"), {GATEWAYS}, "1 API processes instead of 2"),
    (put({"rc": 1, "stderr": "no socket"}, "found", "gateway", "a"), {GATEWAYS}, "no socket"),
    (put(FAILED, "found", "server", "a"), {API}, "connection refused"),
    (put("3.9.0", "found", "server", "a", "server", "version"), {API}, "the server runs Prefect 3.9.0"),
    (put(False, "found", "server", "a", "server", "ready"), {API}, "cannot reach its database"),
    (refuses("redis"), {ANSWERS}, "connection refused"),
    (
        put(FAILED, "found", "programs", "a"),
        {ANSWERS, POOLING, PERSISTER},
        "PostgreSQL does not respond: connection refused",
    ),
    (redis(put(["schedule_deployments"], "api_docket", "tasks")), {SPLIT}, "have registered schedule_deployments"),
    (redis(put(["host#104"], "services_dockets", 0, "workers")), {SPLIT}, "host#104 executes background tasks"),
    (redis(put(61.0, *OVERDUE, "schedule_deployments")), {SCHEDULER, PERIODIC}, "overdue by 61 s"),
    (
        redis(lambda report: report["services_dockets"][0]["overdue_seconds"].pop("monitor_late_runs")),
        {LATE},
        "not sch",
    ),
    (redis(put(61.0, *OVERDUE, "vacuum")), {PERIODIC}, "vacuum is overdue"),
    (redis(put({}, "streams")), {STREAMS}, "no consumer group event-persister"),
    (redis(put(0, "streams", "events", "event-persister", "consumers")), {STREAMS}, "has no consumer"),
    (redis(put(10_001, "streams", "events", "event-persister", "lag")), {STREAMS}, "10001 events behind"),
    (redis(put(480_000_000, "used_memory")), {STREAMS}, "almost full"),
    (put(FAILED, "found", "pgbouncer", "a"), {POOLING}, "PgBouncer on a does not respond: connection refused"),
    (put([], "found", "pgbouncer", "a", "query_result"), {POOLING}, "without PgBouncer"),
    (row(api_sessions=[{"address": "127.0.0.1", "port": 5002}]), {POOLING}, "1 session(s)"),
    (refuses("database"), {POOLING, PERSISTER}, "PostgreSQL does not respond"),
    (
        put([{"action": "update", "kind": "work_pool", "name": "default"}], "configuration", "changes"),
        {CONFIGURATION},
        "update work_pool 'default'",
    ),
    (put(FAILED, "configuration"), {CONFIGURATION}, "connection refused"),
    (
        put(False, "found", "workers", "a", "workers", 0, "alive"),
        {WORKERS},
        "prefect-worker-default-1 has sent no recent heartbeat",
    ),
    (put(FAILED, "found", "workers", "a"), {WORKERS}, "connection refused"),
    (put([FAILED], "found", "probes", "a", "results"), {PROBES}, "connection refused"),
    (
        put([{"flow_run": {"state_type": "FAILED"}, "msg": "it FAILED"}], "found", "probes", "a", "results"),
        {PROBES},
        "it FAILED",
    ),
    (row(persisted=0), {PERSISTER}, "are not in the database"),
]


def test_a_healthy_deployment_passes() -> None:
    checks = deployment_checks(HEALTHY, EXPECTED)
    assert len(checks) == 13
    assert [check for check in checks if not check["ok"]] == []
    assert len({check["check"] for check in checks}) == len(checks)


def test_without_a_run_nothing_is_said_of_its_events() -> None:
    readings = copy.deepcopy(HEALTHY)
    put([FAILED], "found", "probes", "a", "results")(readings)
    row(persisted=0)(readings)
    names = {check["check"] for check in deployment_checks(readings, EXPECTED)}
    assert PROBES in names
    assert PERSISTER not in names


def test_workers_of_pools_that_are_gone_do_not_count() -> None:
    readings = copy.deepcopy(HEALTHY)
    readings["found"]["workers"]["a"]["workers"].append({"name": "prefect-worker-old-1", "alive": True})
    (found,) = [check for check in deployment_checks(readings, EXPECTED) if check["check"] == WORKERS]
    assert found["detail"] == f"{len(EXPECTED['workers'])} worker(s) online"


def test_a_connection_that_pgbouncer_has_opened_meanwhile_is_its_own() -> None:
    readings = copy.deepcopy(HEALTHY)
    row(api_sessions=[{"address": "127.0.0.1", "port": 5002}])(readings)
    again = {"query_result": [{"local_addr": "127.0.0.1", "local_port": 5002}]}
    readings["found"]["pgbouncer_again"] = {"a": {"results": [again]}}
    assert all(check["ok"] for check in deployment_checks(readings, EXPECTED))


def test_unlimited_memory_is_not_used_up() -> None:
    readings = copy.deepcopy(HEALTHY)
    redis(put(0, "maxmemory"))(readings)
    assert all(check["ok"] for check in deployment_checks(readings, EXPECTED))


@pytest.mark.parametrize(("change", "names", "words"), WRONG)
def test_what_is_wrong_is_told(change: Change, names: set[str], words: str) -> None:
    readings = copy.deepcopy(HEALTHY)
    change(readings)
    failed = [check for check in deployment_checks(readings, EXPECTED) if not check["ok"]]
    assert {check["check"] for check in failed} == names
    assert words in " ".join(check["detail"] for check in failed)
    assert all(check["remedy"] for check in failed)


@pytest.mark.parametrize(
    ("found", "ok", "words"),
    [
        ({"postgres": 59.4, "redis": 80.0}, True, "2 port(s), valid for 59 days or more"),
        ({"postgres": 9.9, "redis": 80.0}, False, "the certificate of postgres on a expires in 10 days"),
        ({"redis": "certificate verify failed"}, False, "redis on a is invalid: certificate verify failed"),
        (None, False, "a does not respond: connection refused"),
    ],
)
def test_certificates_are_judged(found: dict[str, Any] | None, *, ok: bool, words: str) -> None:
    result = FAILED if found is None else {"rc": 0, "stdout": json.dumps(found)}
    checks = deployment_checks({**HEALTHY, "found": {**HEALTHY["found"], "certificates": {"a": result}}}, EXPECTED)
    (judged,) = [check for check in checks if check["check"] == "Certificates are accepted"]
    assert judged["ok"] == ok
    assert words in judged["detail"]


POOLS = [
    {"name": "default", "workers": {"min": 2, "max": 4}},
    {"name": "jobs", "type": "kubernetes"},
    {"name": "later", "workers": {"min": 0, "max": 3}},
]
EXPECTED_PODS: dict[str, Any] = {
    **EXPECTED,
    "platform": "kubernetes",
    "services_groups": [{"name": "services"}, {"name": "late.runs"}],
    "workers": workers_of(POOLS),
    "worker_deployments": worker_deployments(POOLS, "prefect-jobs"),
    "pgbouncer_replicas": 2,
    "postgres_kind": "statefulset",
    "separate_observer": True,
}
WORKLOADS = {
    "prefect-postgres": 1,
    "prefect-redis": 1,
    "prefect-pgbouncer": 2,
    "prefect-api": 2,
    "prefect-services": 1,
    "prefect-services-late-runs": 1,
    "prefect-observer": 1,
    "prefect-worker-default": 2,
    "prefect-worker-jobs": 1,
    "prefect-worker-later": 0,
}


def pods() -> list[dict[str, Any]]:
    """Return the minimum number of pods of each workload."""
    named = [(workload, number) for workload, least in WORKLOADS.items() for number in range(least)]
    return [
        {
            "name": f"{workload}-{number}",
            "workload": workload,
            "component": workload.split("-")[1],
            "ready": True,
            "restarts": 0,
            "address": f"10.1.0.{position}",
        }
        for position, (workload, number) in enumerate(named)
    ]


def in_a_cluster() -> dict[str, Any]:
    """Return the readings of a healthy cluster: those of a host, without the parts that only hosts have."""
    there = pods()
    through = [pod["address"] for pod in there if pod["component"] == "pgbouncer"]
    workers = [{"name": pod["name"], "alive": True} for pod in there if pod["component"] == "worker"]
    database = {"persisted": 1, "api_sessions": [{"address": address, "port": 1} for address in through]}
    found = {name: HEALTHY["found"][name] for name in ("server", "probes")}
    found["workers"] = {"a": {"workers": workers}}
    found["programs"] = {"a": programs(redis=REDIS, database=database)}
    return {"found": found, "configuration": HEALTHY["configuration"], "pods": there}


def test_a_healthy_cluster_passes() -> None:
    checks = deployment_checks(in_a_cluster(), EXPECTED_PODS)
    assert [check for check in checks if not check["ok"]] == []
    names = {check["check"] for check in checks}
    assert names == {check["check"] for check in deployment_checks(HEALTHY, EXPECTED)} - {PROCESSES, GATEWAYS} | {PODS}
    details = {check["check"]: check["detail"] for check in checks}
    assert (details[PODS], details[WORKERS]) == ("12 in 10 workloads", "3 worker(s) online")
    assert expected_workloads(EXPECTED_PODS) == WORKLOADS


@pytest.mark.parametrize(
    ("change", "names", "words"),
    [
        (lambda reading: reading["pods"].pop(1), {PODS}, "prefect-redis has 0 of 1 pods"),
        (lambda reading: reading["pods"][4].update(ready=False, restarts=2), {PODS}, "was restarted 2 times and is"),
        (lambda reading: reading["pods"][2].update(address="10.9.9.9"), {POOLING}, "from 10.1.0.2 without PgBouncer"),
        (put(False, "found", "workers", "a", "workers", 0, "alive"), {WORKERS}, "1 of 2 workers of prefect-worker-def"),
        (
            put(FAILED, "found", "programs", "a"),
            {ANSWERS, POOLING, PERSISTER},
            "PostgreSQL does not respond: connection",
        ),
    ],
)
def test_what_is_wrong_in_a_cluster_is_told(change: Change, names: set[str], words: str) -> None:
    reading = copy.deepcopy(in_a_cluster())
    change(reading)
    failed = [check for check in deployment_checks(reading, EXPECTED_PODS) if not check["ok"]]
    assert {check["check"] for check in failed} == names
    assert words in " ".join(check["detail"] for check in failed)
    assert all(check["remedy"] for check in failed)


def test_what_others_run_is_no_workload() -> None:
    none: dict[str, list[str]] = {"postgres": [], "redis": [], "pgbouncer": [], "gateway": ["a"]}
    found = expected_workloads({**EXPECTED_PODS, "components": none, "separate_observer": False})
    assert not {"prefect-postgres", "prefect-redis", "prefect-pgbouncer", "prefect-observer"} & set(found)
    operator = expected_workloads({**EXPECTED_PODS, "postgres_kind": "cloudnative_pg"})
    assert "prefect-postgres" not in operator
    only_processes = [each for each in EXPECTED_PODS["worker_deployments"] if each["type"] == "process"]
    assert "prefect-observer" not in expected_workloads({**EXPECTED_PODS, "worker_deployments": only_processes})
    # Without a PgBouncer, no check mentions it.
    checks = deployment_checks(in_a_cluster(), {**EXPECTED_PODS, "components": none})
    assert POOLING not in {check["check"] for check in checks}


def test_a_task_that_was_skipped_has_found_nothing() -> None:
    variables = {
        "a": {"found_x": {"rc": 0}, "found_y": {"skipped": True}, "other": 1},
        "b": {"found_x": {"rc": 1}},
        "c": {"found_x": {"rc": 2}},
    }
    assert registered_results(variables, ["a", "b"], "found_") == {"x": {"a": {"rc": 0}, "b": {"rc": 1}}}


def test_checks_as_text() -> None:
    checks = [
        {"check": "One", "ok": True, "detail": "fine", "remedy": ""},
        {"check": "Two", "ok": False, "detail": "broken", "remedy": "Mend it."},
    ]
    assert checks_as_text(checks) == "ok      One: fine\nFAILED  Two: broken\n        Remedy: Mend it."


def test_phase_seconds() -> None:
    assert phase_seconds({"server": 103.5, "database": 100.0}, 123.5) == "database 3.5, server 20.0, 23.5 in all"
    assert phase_seconds({}, 5) == ""
