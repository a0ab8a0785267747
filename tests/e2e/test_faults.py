# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever process is killed or hangs comes back by itself, and flow runs go on."""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from e2e.conftest import Converged
from e2e.machine import Machine, wait_for
from e2e.runs import TERMINAL, Flows

KILLED = ("gateway", "api-1", "services", "pgbouncer", "redis", "postgres", "worker-default-1")
HUNG = ("api-3", "worker-default-2")


class Hung(NamedTuple):
    """What was there before the processes in HUNG were stopped. The watchdog needs a minute or two to be sure."""

    pids: dict[str, int]
    since: str


@pytest.fixture(scope="module")
def hung(converged: Converged) -> Hung:
    """Processes that still exist and do not answer, while the others are killed."""
    machine = converged.machine
    pids, since = machine.pids(), machine.sh("date +%s").strip()
    machine.sh(f"kill -STOP {' '.join(str(pids[name]) for name in HUNG)}")
    return Hung(pids, since)


@pytest.fixture(scope="module")
def flows(converged: Converged) -> Flows:
    return Flows(converged.machine)


@pytest.mark.parametrize("name", KILLED)
def test_a_killed_process_comes_back(hung: Hung, flows: Flows, name: str) -> None:
    machine = flows.machine
    machine.wait_until_ready()
    before = machine.pids()
    under_way = flows.submit(1, seconds=2)
    flows.wait(under_way, {"RUNNING"}, 60)
    machine.sh(f"kill -9 {before[name]}")

    def is_back() -> bool:
        return machine.pids()[name] not in (0, before[name])

    wait_for(is_back, 30)
    machine.wait_until_ready()
    after = flows.submit(1)
    assert flows.wait(after, TERMINAL, 120) == {"COMPLETED": 1}
    assert flows.wait(under_way, TERMINAL, 120).total() == 1
    assert machine.restarted(before) - set(HUNG) == {name}


@pytest.mark.parametrize("name", HUNG)
def test_a_process_that_hangs_is_restarted(converged: Converged, hung: Hung, name: str) -> None:
    machine = converged.machine

    def is_back() -> bool:
        return machine.pids()[name] not in (0, hung.pids[name])

    wait_for(is_back, 150)
    told = machine.sh(f"journalctl -u prefect-liveness --since @{hung.since} --output=cat")
    assert re.search(rf"prefect-{name}: \d checks failed in a row .*killing pid {hung.pids[name]}$", told, re.M)


def test_all_is_well_afterwards(deployment: Machine, hung: Hung) -> None:
    played = deployment.playbook("site")
    assert played.recap["changed"] == 0, played.changed
