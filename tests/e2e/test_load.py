# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""200 flow runs in a pool with a limit of 5, while one API process and the background services are killed."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from e2e.machine import Machine, wait_for
from e2e.runs import Flows, most_at_once

RUNS = 200
LIMIT = 5


@pytest.fixture
def limited(deployment: Machine) -> Iterator[Machine]:
    pool = {"name": "default", "type": "process", "concurrency_limit": LIMIT, "workers": {"min": 2}}
    deployment.override("load", {"prefect_work_pools": [pool]})
    deployment.playbook("configure")
    deployment.playbook("workers")  # each worker has its share of the limit
    yield deployment
    deployment.forget("load")
    deployment.playbook("site")


def test_no_more_run_than_allowed_and_none_is_lost(limited: Machine) -> None:
    flows = Flows(limited)
    before = limited.pids()
    runs = flows.submit(RUNS)
    assert len(set(runs)) == RUNS
    wanted = {"flow_runs": {"id": {"any_": runs}, "state": {"type": {"any_": ["COMPLETED"]}}}}

    def completed(number: int) -> bool:
        return bool(limited.api("POST", "/flow_runs/count", wanted) >= number)

    for number, victim in ((20, "api-1"), (60, "services")):
        wait_for(functools.partial(completed, number), 300, every=1)
        limited.sh(f"kill -9 {before[victim]}")
    wait_for(functools.partial(completed, RUNS), 900, every=1)
    assert flows.states(runs) == {"COMPLETED": RUNS}
    assert limited.restarted(before) == {"api-1", "services"}
    history = flows.history(runs)
    assert len({state.run for state in history if state.type == "COMPLETED"}) == RUNS
    assert most_at_once(history, {"RUNNING"}) <= LIMIT
    # A run takes its slot when a worker accepts the run, before the process of the run exists.
    assert most_at_once(history, {"PENDING", "RUNNING"}) <= LIMIT
    assert most_at_once(history, {"RUNNING"}) > 1, "nothing ran side by side, so the limit has not been tried"
