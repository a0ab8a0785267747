# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""200 flow runs at once on a pool that allows 5, while one API process and the background services are killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.machine import Machine, wait_for
from e2e.runs import Flows, most_at_once

RUNS = 200
LIMIT = 5


@pytest.fixture
def limited(deployment: Machine) -> Iterator[Machine]:
    deployment.override("load", {"prefect_work_pools": [{"name": "default", "concurrency_limit": LIMIT}]})
    deployment.playbook("configure")
    yield deployment
    deployment.forget("load")
    deployment.playbook("configure")


def test_no_more_run_than_allowed_and_none_is_lost(limited: Machine) -> None:
    flows = Flows(limited)
    before = limited.pids()
    runs = flows.submit(RUNS)
    assert len(set(runs)) == RUNS
    for completed, victim in ((20, "api-1"), (60, "services")):

        def far_enough(number: int = completed) -> bool:
            return flows.states(runs)["COMPLETED"] >= number

        wait_for(far_enough, 120)
        limited.sh(f"kill -9 {before[victim]}")
    assert flows.wait(runs, {"COMPLETED"}, 600, every=2) == {"COMPLETED": RUNS}
    assert limited.restarted(before) == {"api-1", "services"}
    history = flows.history(runs)
    assert len({state.run for state in history if state.type == "COMPLETED"}) == RUNS
    assert most_at_once(history, {"RUNNING"}) <= LIMIT
    # A run takes its slot when a worker takes the run, before the run's process is there.
    assert most_at_once(history, {"PENDING", "RUNNING"}) <= LIMIT
    assert most_at_once(history, {"RUNNING"}) > 1, "nothing ran side by side, so the limit has not been tried"
