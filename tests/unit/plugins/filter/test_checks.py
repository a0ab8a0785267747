# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict on a deployment: a healthy one passes, and each thing that is wrong fails its own check."""

from __future__ import annotations

import copy
import json
from typing import Any, Callable

import pytest

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.deployment_checks import deployment_checks
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.report import checks_as_text
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._text import phase_seconds
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import workers_of

EXPECTED: dict[str, Any] = {
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
HEALTHY: dict[str, Any] = {
    "certificates": {},
    "processes": {
        "a": [
            {"name": name, "group": name.partition("-")[0], "running": True, "pid": 100 + number}
            for number, name in enumerate(NAMES)
        ]
    },
    "gateways": {"a": {"rc": 0, "stdout": json.dumps(GATEWAY)}},
    "poolers": {"a": {"query_result": [{"local_addr": "127.0.0.1", "local_port": 5001}]}},
    "poolers_again": [],
    "redis": {"rc": 0, "stdout": json.dumps(REDIS)},
    "server": {"server": {"version": "3.9.1", "ready": True}},
    "configuration": {"changes": [], "summary": {"unchanged": 4}},
    "workers": {"workers": [{"name": "prefect-worker-default-1", "alive": True}]},
    "probes": [{"flow_run": {"state_type": "COMPLETED", "total_run_time": 1.5}}],
    "database": {"query_result": [{"persisted": 1, "api_sessions": [{"address": "127.0.0.1", "port": 5001}]}]},
}

Change = Callable[[dict[str, Any]], None]


def redis(change: Change) -> Change:
    def apply(readings: dict[str, Any]) -> None:
        report = copy.deepcopy(REDIS)
        change(report)
        readings["redis"]["stdout"] = json.dumps(report)

    return apply


def put(value: Any, *path: Any) -> Change:
    """Set what is at the end of a path."""

    def apply(readings: dict[str, Any]) -> None:
        for step in path[:-1]:
            readings = readings[step]
        readings[path[-1]] = value

    return apply


def row(**values: Any) -> Change:
    return put([{**HEALTHY["database"]["query_result"][0], **values}], "database", "query_result")


OVERDUE = ("services_dockets", 0, "overdue_seconds")
FAILED = {"failed": True, "msg": "Task failed:\nconnection refused"}
PROCESSES, GATEWAYS, API = "Every process runs", "The gateway sees every API process", "The API answers"
SPLIT, ANSWERS, STREAMS = "API processes run no background service", "Redis answers", "Redis carries the events"
SCHEDULER, LATE = "The scheduler is alive", "The late-run marker is alive"
PERIODIC = "All periodic services are alive"
POOLING = "The API's database traffic goes through PgBouncer"
CONFIGURATION, WORKERS = "Pools, queues and limits are as declared", "Worker heartbeats are fresh"
PROBES, PERSISTER = "A flow run gets through every pool", "The event persister is alive"

WRONG: list[tuple[Change, set[str], str]] = [
    (put(False, "processes", "a", 5, "running"), {PROCESSES}, "api-2 does not run on a"),
    (lambda readings: readings["processes"]["a"].pop(2), {PROCESSES}, "redis is missing"),
    (lambda readings: readings["processes"]["a"].pop(8), {PROCESSES}, "lost-runs is missing"),
    (put(json.dumps({"api-1": "UP", "api-2": "DOWN"}), "gateways", "a", "stdout"), {GATEWAYS}, "api-2 is DOWN for a"),
    (put(json.dumps({"api-1": "UP"}), "gateways", "a", "stdout"), {GATEWAYS}, "1 API processes instead of 2"),
    (put({"rc": 1, "stderr": "no socket"}, "gateways", "a"), {GATEWAYS}, "no socket"),
    (put(FAILED, "server"), {API}, "connection refused"),
    (put("3.9.0", "server", "server", "version"), {API}, "the server is Prefect 3.9.0"),
    (put(False, "server", "server", "ready"), {API}, "does not reach its database"),
    (put(FAILED, "redis"), {ANSWERS}, "connection refused"),
    (redis(put(["schedule_deployments"], "api_docket", "tasks")), {SPLIT}, "have registered schedule_deployments"),
    (redis(put(["host#104"], "services_dockets", 0, "workers")), {SPLIT}, "host#104 takes background tasks"),
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
    (redis(put(480_000_000, "used_memory")), {STREAMS}, "nearly used up"),
    (put(FAILED, "poolers", "a"), {POOLING}, "PgBouncer on a does not tell: connection refused"),
    (put([], "poolers", "a", "query_result"), {POOLING}, "without PgBouncer"),
    (row(api_sessions=[{"address": "127.0.0.1", "port": 5002}]), {POOLING}, "1 session(s)"),
    (put(FAILED, "database"), {POOLING, PERSISTER}, "PostgreSQL does not tell"),
    (
        put([{"action": "update", "kind": "work_pool", "name": "default"}], "configuration", "changes"),
        {CONFIGURATION},
        "update work_pool 'default'",
    ),
    (put(FAILED, "configuration"), {CONFIGURATION}, "connection refused"),
    (put(False, "workers", "workers", 0, "alive"), {WORKERS}, "prefect-worker-default-1 has sent no heartbeat"),
    (put(FAILED, "workers"), {WORKERS}, "connection refused"),
    (put([FAILED], "probes"), {PROBES}, "connection refused"),
    (put([{"flow_run": {"state_type": "FAILED"}, "msg": "it FAILED"}], "probes"), {PROBES}, "it FAILED"),
    (row(persisted=0), {PERSISTER}, "are not in the database"),
]


def test_a_healthy_deployment_passes() -> None:
    checks = deployment_checks(HEALTHY, EXPECTED)
    assert len(checks) == 13
    assert [check for check in checks if not check["ok"]] == []
    assert len({check["check"] for check in checks}) == len(checks)


def test_without_a_run_nothing_is_said_of_its_events() -> None:
    readings = copy.deepcopy(HEALTHY)
    put([FAILED], "probes")(readings)
    row(persisted=0)(readings)
    names = {check["check"] for check in deployment_checks(readings, EXPECTED)}
    assert PROBES in names
    assert PERSISTER not in names


def test_workers_of_pools_that_are_gone_do_not_count() -> None:
    readings = copy.deepcopy(HEALTHY)
    readings["workers"]["workers"].append({"name": "prefect-worker-old-1", "alive": True})
    (found,) = [check for check in deployment_checks(readings, EXPECTED) if check["check"] == WORKERS]
    assert found["detail"] == f"{len(EXPECTED['workers'])} worker(s) alive"


def test_a_connection_that_pgbouncer_has_opened_meanwhile_is_its_own() -> None:
    readings = copy.deepcopy(HEALTHY)
    row(api_sessions=[{"address": "127.0.0.1", "port": 5002}])(readings)
    readings["poolers_again"] = [{"local_addr": "127.0.0.1", "local_port": 5002}]
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
        ({"postgres": 59.4, "redis": 80.0}, True, "2 port(s), good for 59 days or more"),
        ({"postgres": 9.9, "redis": 80.0}, False, "the certificate of postgres on a ends in 10 days"),
        ({"redis": "certificate verify failed"}, False, "redis on a is refused: certificate verify failed"),
        (None, False, "a does not tell: connection refused"),
    ],
)
def test_certificates_are_judged(found: dict[str, Any] | None, *, ok: bool, words: str) -> None:
    result = FAILED if found is None else {"rc": 0, "stdout": json.dumps(found)}
    checks = deployment_checks({**HEALTHY, "certificates": {"a": result}}, EXPECTED)
    (judged,) = [check for check in checks if check["check"] == "Certificates are accepted"]
    assert judged["ok"] == ok
    assert words in judged["detail"]


def test_checks_as_text() -> None:
    checks = [
        {"check": "One", "ok": True, "detail": "fine", "remedy": ""},
        {"check": "Two", "ok": False, "detail": "broken", "remedy": "Mend it."},
    ]
    assert checks_as_text(checks) == "ok      One: fine\nFAILED  Two: broken\n        What to do: Mend it."


def test_phase_seconds() -> None:
    assert phase_seconds({"server": 103.5, "database": 100.0}, 123.5) == "database 3.5, server 20.0, 23.5 in all"
    assert phase_seconds({}, 5) == ""
