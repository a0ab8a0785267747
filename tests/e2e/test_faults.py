# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every process that is killed or hangs is started again, and flow runs continue."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from e2e.conftest import Converged
from e2e.machine import wait_for
from e2e.runs import TERMINAL, Flows

KILLED = ("gateway", "api-1", "pgbouncer", "redis", "postgres", "services", "worker-default-1")
HUNG = ("api-3", "worker-default-2")
# Background services usually lose tasks when they lose Redis, and are restarted for this reason within a minute.
MAY_FOLLOW = {"redis": {"services"}, "postgres": {"services"}}


class Hung(NamedTuple):
    """The state before the processes in HUNG were stopped. The watchdog restarts them after a minute or two."""

    pids: dict[str, int]
    since: str


@pytest.fixture(scope="module")
def flows(converged: Converged) -> Flows:
    return Flows(converged.machine)


@pytest.fixture(scope="module")
def hung(flows: Flows) -> Hung:
    """Stop the processes in HUNG with SIGSTOP: they exist and do not answer, while the tests kill other processes."""
    machine = flows.machine
    pids, since = machine.pids(), machine.sh("date +%s").strip()
    machine.sh(f"kill -STOP {' '.join(str(pids[name]) for name in HUNG)}")
    # Until the gateway has noticed the fault, it answers requests to api-3 with errors, which clients retry.
    noticed = f"journalctl -u prefect-gateway --since @{since} --output=cat --grep 'api-3 is DOWN'"
    wait_for(lambda: machine.sh(noticed, check=False), 30)
    return Hung(pids, since)


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_process_comes_back(hung: Hung, flows: Flows, name: str) -> None:
    machine = flows.machine
    before = machine.pids()
    # While the API has no database or Redis, it answers with 5xx, and clients retry.
    under_way = wait_for(lambda: flows.submit(1, seconds=5))
    flows.wait(under_way, {"RUNNING"}, 60)
    machine.sh(f"kill -9 {before[name]}")

    def is_back() -> bool:
        return machine.pids()[name] not in (0, before[name])

    wait_for(is_back, 30)
    after = wait_for(lambda: flows.submit(1), 60)
    assert flows.wait(after, TERMINAL, 120) == {"COMPLETED": 1}
    assert flows.wait(under_way, TERMINAL, 120).total() == 1
    assert machine.restarted(before) - set(HUNG) - MAY_FOLLOW.get(name, set()) == {name}


@pytest.mark.parametrize("name", HUNG)
def test_a_process_that_hangs_is_restarted(converged: Converged, hung: Hung, name: str) -> None:
    machine = converged.machine

    def is_back() -> bool:
        return machine.pids()[name] not in (0, hung.pids[name])

    wait_for(is_back, 150)
    told = machine.sh(f"journalctl -u prefect-liveness --since @{hung.since} --output=cat")
    assert re.search(rf"prefect-{name}: \d checks failed in a row .*killing pid {hung.pids[name]}$", told, re.M)


def test_background_services_that_hang_are_restarted(converged: Converged, hung: Hung) -> None:
    machine = converged.machine
    pid = machine.pids()["services"]
    machine.sh(f"kill -STOP {pid}")
    wait_for(lambda: machine.pids()["services"] not in (0, pid), 120)
    told = machine.sh(f"journalctl -u prefect-liveness --since @{hung.since} --output=cat")
    assert re.search(rf"prefect-services: 2 checks failed .*the last heartbeat was .*killing pid {pid}$", told, re.M)
