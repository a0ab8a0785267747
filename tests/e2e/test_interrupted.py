# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook run that was killed at any task is completed by the next run.

The first site.yml of the shared test host was killed in several tasks, see conftest.py.
"""

from __future__ import annotations

from e2e.conftest import INTERRUPTIONS, Converged
from e2e.machine import Machine

API = {"api-1", "api-2", "api-3"}


def test_the_first_run_was_finished(converged: Converged) -> None:
    machine = converged.machine
    assert machine.sh(f"cat {converged.INTERRUPTED}").splitlines() == list(INTERRUPTIONS)
    assert converged.first.recap["failed"] == 0
    assert "COMPLETED" in converged.first.output
    assert machine.sh("ls /etc/prefect/migration.env", check=False) == "", "the password of the database is left there"


def test_a_change_is_finished(deployment: Machine) -> None:
    """The run is killed while one API process is out of service and the others still have the old setting."""
    before = deployment.pids()
    deployment.override("change", {"prefect_server_metrics": True})
    try:
        deployment.interrupt("server", "Restart api-2", 1)
        assert "api-1" in deployment.restarted(before)
        assert "api-3" not in deployment.restarted(before)
        # Now api-3 has been restarted, and the gateway sends it no requests yet.
        deployment.interrupt("server", "Enable the API process api-3", 0)
        deployment.playbook("site")
        assert deployment.restarted(before) == API
        again = deployment.playbook("server")
        assert again.recap["changed"] == 0, again.changed
    finally:
        deployment.forget("change")
        deployment.dirty = True
