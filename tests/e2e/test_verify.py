# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""verify.yml fails when something is wrong, and names the problem and the remedy.

The faults are real ones. Faults that do not hide each other share a run of verify.yml.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest
from defaults import DATABASE_PORT, PGBOUNCER_PORT

from e2e.conftest import Converged
from e2e.machine import API_PORTS, Machine, wait_for

API_ENVIRONMENT = "/etc/prefect/api.env"
# api-1 connects directly to PostgreSQL, and takes tasks from the Docket of the background services.
ASTRAY = f"""sed -i 's/:{PGBOUNCER_PORT}/:{DATABASE_PORT}/' {API_ENVIRONMENT}
echo PREFECT_SERVER_DOCKET_NAME=prefect >> {API_ENVIRONMENT}
systemctl restart prefect-api-1
"""
# The state some minutes after a worker stops.
OLD_HEARTBEAT = (
    "UPDATE worker SET last_heartbeat_time = now() - interval '10 minutes' WHERE name = 'prefect-worker-default-2'"
)
Said = dict[str, tuple[str, str]]  # problem and remedy, by check


class Faults(NamedTuple):
    said: dict[str, Said]
    repaired: set[str]  # the processes that server.yml restarted or started after the faults


def verify(machine: Machine, **variables: object) -> Said:
    """Return the problems and remedies of the failed checks. The playbook changes nothing."""
    played = machine.playbook("verify", fails=True, **variables)
    assert (played.recap["failed"], played.recap["changed"]) == (1, 0), played.output
    found = re.findall(r"^ *FAILED +([^:\n]+): (.*)\n *Remedy: (.*)$", played.output, re.M)
    assert found, played.output
    return {check: (problem, remedy) for check, problem, remedy in found}


def redis(machine: Machine, command: str) -> str:
    """Run a Redis command. The password is passed on stdin, so that no file and no argument contains it."""
    ask = f"REDISCLI_AUTH=$(cat) redis-cli --user prefect -n 1 --raw {command}"
    return machine.sh(ask, input=machine.variables()["prefect_redis_password"]).strip()


@pytest.fixture(scope="module")
def faults(converged: Converged) -> Faults:
    machine = converged.machine
    services = machine.pids()["services"]
    found = {}
    try:
        # The pool accepts no more runs. The inventory does not contain `is_paused`, so this is no drift.
        machine.api("PATCH", "/work_pools/default", {"is_paused": True})
        found["paused"] = verify(machine, prefect_verify_flow_run_timeout_seconds=5)
        machine.api("PATCH", "/work_pools/default", {"is_paused": False, "concurrency_limit": 7})

        # All faults with which the API still answers and flow runs continue. The liveness check would repair them.
        machine.sh("systemctl stop prefect-liveness")
        machine.sh(f"kill -STOP {services}; systemctl stop prefect-api-2 prefect-worker-default-2")
        machine.sql(OLD_HEARTBEAT)
        redis(machine, "-n 0 XGROUP DESTROY events event-persister")
        due = "HGET prefect:runs:schedule_deployments when"
        wait_for(lambda: float(redis(machine, due)) < float(machine.sh("date +%s")) - 2)
        machine.sh(ASTRAY)
        wait_for(lambda: machine.api("GET", "/ready", port=API_PORTS["api-1"]), 60)
        found["astray"] = verify(machine, prefect_verify_overdue_seconds=1)

        # Faults after which nothing answers.
        machine.sh("systemctl stop prefect-redis prefect-pgbouncer prefect-gateway")
        found["down"] = verify(machine)
    finally:
        machine.sh(f"kill -CONT {services}")
        machine.sh("systemctl start prefect-redis prefect-pgbouncer prefect-gateway prefect-worker-default-2")
        machine.sh("systemctl start prefect-liveness")
        before = machine.pids()
        machine.playbook("server")
        repaired = machine.restarted(before)
        # As verify.yml advises: api-1 has taken periodic tasks, which the background services schedule again when they
        # start.
        machine.sh("systemctl restart prefect-services")
        machine.playbook("site")
    return Faults(found, repaired)


@pytest.mark.parametrize(
    ("fault", "check", "problem", "remedy"),
    [
        (
            "paused",
            "A flow run gets through every pool",
            "is still Scheduled; paused",
            "log of the workers of the pool",
        ),
        ("astray", "Every process runs", "api-2 does not run on {name}; worker-default-2 does not", "journalctl -u"),
        ("astray", "The gateway sees every API process", "api-2 is DOWN in HAProxy on {name}", "check its log"),
        ("astray", "API processes run no background service", "executes background tasks", "DOCKET_NAME"),
        ("astray", "The scheduler runs", "schedule_deployments is ", "and restart them"),
        ("astray", "The late-run marker runs", "monitor_late_runs is ", "and restart them"),
        ("astray", "Redis carries the events", "no consumer group event-persister", "the background services"),
        ("astray", "The API's database traffic goes through PgBouncer", "reach PostgreSQL from {ip}", "server.yml"),
        ("astray", "Pools, queues and limits are as declared", "update work_pool 'default'", "configure.yml"),
        (
            "astray",
            "Worker heartbeats are fresh",
            "prefect-worker-default-2 has sent no recent heartbeat",
            "prefect_api_url",
        ),
        ("astray", "The event persister runs", "are not in the database", "event_persister"),
        ("down", "Every process runs", "redis does not run", "run site.yml again"),
        ("down", "The gateway sees every API process", "HAProxy on {name} does not respond", "its own port"),
        ("down", "The API answers", "refused", "prefect_api_url"),
        ("down", "Redis answers", "refused", "prefect_redis_url"),
        (
            "down",
            "The API's database traffic goes through PgBouncer",
            "PgBouncer on {name} does not respond",
            "server.yml",
        ),
        ("down", "Worker heartbeats are fresh", "refused", "the log of the worker"),
        ("down", "A flow run gets through every pool", "refused", "log of the workers of the pool"),
    ],
)
def test_a_fault_is_found(
    converged: Converged, faults: Faults, fault: str, check: str, problem: str, remedy: str
) -> None:
    machine = converged.machine
    found_problem, found_remedy = faults.said[fault].get(check, ("", ""))
    for known, value in (("{name}", machine.name), ("{ip}", machine.ip)):
        problem = problem.replace(known, value)
    assert all(word in found_problem for word in problem.split("; ")), faults.said[fault]
    assert remedy in found_remedy


def test_nothing_else_is_found(faults: Faults) -> None:
    """Each fault fails only its own checks."""
    assert faults.said["paused"].keys() == {"A flow run gets through every pool"}
    passing = {"The API answers", "Redis answers", "A flow run gets through every pool"}
    assert passing & faults.said["astray"].keys() == set()


def test_what_it_advises_helps(faults: Faults) -> None:
    """server.yml repairs what it is said to repair, and nothing else. site.yml ends with all checks."""
    # The liveness check may have restarted the background services earlier.
    assert faults.repaired - {"services"} == {"api-1", "api-2"}
