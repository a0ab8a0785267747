# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A changed setting restarts only the processes that use it, and clients notice nothing."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from defaults import PGBOUNCER_PORT

from e2e.conftest import Converged
from e2e.machine import API_PORTS, Machine
from e2e.runs import Client, Flows

API = set(API_PORTS)
WORKERS = {"worker-default-1", "worker-default-2"}
LIMIT = {"name": "external-api", "limit": 11, "slot_decay_per_second": 1.0}  # the limit in inventories/local is 10


class Absences:
    """Record at short intervals which API processes do not answer."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.seen: set[frozenset[str]] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _answers(self, port: int) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.machine.api("GET", "/health", port=port, timeout=10)
            return True
        return False

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self.seen.add(frozenset(name for name, port in API_PORTS.items() if not self._answers(port)))

    def __enter__(self) -> Absences:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture(scope="module")
def changing(converged: Converged) -> Iterator[dict[str, Any]]:
    """The settings that differ from the inventory. Each test adds its own, and the last test undoes all of them."""
    settings: dict[str, Any] = {}
    yield settings
    if settings:
        converged.machine.forget("changing")
        converged.machine.playbook("site")


def change(machine: Machine, changing: dict[str, Any], playbook: str, more: dict[str, Any]) -> set[str]:
    """Apply a change, and return the names of the processes that it restarts."""
    changing.update(more)
    machine.override("changing", changing)
    before = machine.pids()
    played = machine.playbook(playbook)
    assert played.recap["changed"] > 0
    restarted = machine.restarted(before)
    # After a restart of Redis, their liveness check restarts the services within a minute, independently of this
    # change.
    return restarted if "Run the background services" in played.changed else restarted - {"services"}


@pytest.mark.parametrize(
    ("playbook", "setting", "restarted"),
    [
        ("database", {"prefect_redis_maxmemory": "600mb"}, {"redis"}),
        ("database", {"prefect_database_max_connections": 110}, {"postgres"}),
        # The processes reload their configuration, and every client stays connected.
        ("database", {"prefect_pgbouncer_pool_size": 26, "prefect_postgres_settings": {"work_mem": "9MB"}}, set()),
        ("server", {"prefect_gateway_client_timeout_seconds": 76}, set()),
        ("server", {"prefect_server_scheduler_loop_seconds": 11}, {"services"}),
        ("workers", {"prefect_worker_query_seconds": 4}, WORKERS),
    ],
    ids=["redis", "postgres", "pgbouncer", "gateway", "services", "workers"],
)
def test_what_a_setting_restarts(
    converged: Converged, changing: dict[str, Any], playbook: str, setting: dict[str, Any], restarted: set[str]
) -> None:
    assert change(converged.machine, changing, playbook, setting) == restarted


def test_what_is_reloaded_is_in_force(converged: Converged, changing: dict[str, Any]) -> None:
    machine = converged.machine
    assert {"prefect_pgbouncer_pool_size", "prefect_gateway_client_timeout_seconds"} <= changing.keys(), "changed above"
    assert machine.sql("SHOW work_mem") == [["9MB"]]
    # The password is passed on stdin, so that no file and no argument contains it.
    ask = f"psql -h $(hostname -i) -p {PGBOUNCER_PORT} -U pgbouncer_stats -AtF= pgbouncer -c 'SHOW CONFIG'"
    told = machine.sh(f"PGPASSWORD=$(cat) {ask}", input=machine.variables()["prefect_pgbouncer_stats_password"])
    assert "\ndefault_pool_size=26=" in told
    workers = machine.sh(f"ps -o etimes= --ppid {machine.pids()['gateway']}").split()
    own = machine.sh(f"ps -o etimes= -p {machine.pids()['gateway']}").strip()
    assert min(int(age) for age in workers) < int(own), "HAProxy has not started a worker with the new configuration"


def test_api_processes_restart_one_at_a_time(converged: Converged, changing: dict[str, Any]) -> None:
    machine = converged.machine
    with Client(machine) as client, Absences(machine) as absences:
        restarted = change(machine, changing, "server", {"prefect_server_metrics": True})
    assert restarted == API
    assert client.failures == []
    assert client.answers > 50, "the client has hardly asked anything"
    assert absences.seen == {frozenset(), *(frozenset([name]) for name in API)}
    for port in API_PORTS.values():
        assert machine.api("GET", "/admin/settings", port=port)["server"]["metrics_enabled"] is True


def test_workers_that_restart_let_their_runs_end(converged: Converged, changing: dict[str, Any]) -> None:
    machine = converged.machine
    flows = Flows(machine)
    runs = flows.submit(4, seconds=20)
    flows.wait(runs, {"RUNNING"})
    assert change(machine, changing, "workers", {"prefect_worker_heartbeat_seconds": 29}) == WORKERS
    flows.wait(runs, {"COMPLETED"})
    assert Counter(state.type for state in flows.history(runs))["RUNNING"] == len(runs), "each was executed once"


def test_back_to_the_inventory(converged: Converged, changing: dict[str, Any]) -> None:
    """Undo all settings at once. Another test verifies that a run after that changes nothing."""
    machine = converged.machine
    before = machine.pids()
    machine.forget("changing")
    users = {"redis", "postgres", "services", *WORKERS, *API} if len(changing) > 1 else API
    machine.playbook("site")
    changing.clear()
    assert machine.restarted(before) == users


def test_check_mode_shows_just_the_change(deployment: Machine) -> None:
    before = deployment.pids()
    played = deployment.playbook("site", "--check", "--diff", prefect_global_concurrency_limits=[LIMIT])
    assert played.changed == ["Configure the API"]
    shown = re.findall(r"^[-+](?!--|\+\+).*$", played.output, re.M)
    assert [re.sub(r"\s+", " ", line) for line in shown] == ["- limit: 10", "+ limit: 11"]
    assert deployment.restarted(before) == set()
