# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After a reboot or a power failure of the host, everything on it starts again without a playbook run."""

from __future__ import annotations

import pytest

from e2e.machine import MACHINE, PROCESSES, Machine, run, wait_for


@pytest.mark.parametrize("how", [[], ["--hard"]], ids=["shut down", "power cut"])
def test_everything_comes_back_by_itself(deployment: Machine, how: list[str]) -> None:
    before = deployment.pids()
    assert before.keys() == PROCESSES  # otherwise the test would pass without a deployment
    assert 0 not in before.values()
    run([MACHINE, "--run", deployment.run, "reboot", deployment.name, *how])

    def all_run() -> bool:
        now = deployment.pids()
        return now.keys() == before.keys() and 0 not in now.values()

    wait_for(all_run, 120)
    wait_for(lambda: deployment.api("GET", "/ready"), 120)
    # The old heartbeats of the workers are still fresh for a while, and the new ones have yet to arrive.
    played = deployment.playbook("verify")
    assert played.recap["failed"] == 0
    assert "COMPLETED" in played.output
    assert deployment.playbook("site").recap["changed"] == 0
