# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Without systemd, processes start again after a container restart, by /etc/init.d, and after a kill of supervisord."""

from __future__ import annotations

import pytest
from defaults import VENV

from e2e.conftest import MakeMachine
from e2e.machine import MACHINE, Machine, run, wait_for

CONTROL = "/opt/prefect/supervisor/bin/supervisorctl -c /etc/prefect/supervisord.conf"


def processes(machine: Machine) -> dict[str, int]:
    """Return the running programs of supervisord, on any init system."""
    words = [line.split() for line in machine.sh(f"{CONTROL} status", check=False).splitlines()]
    return {line[0]: int(line[3].strip(",")) for line in words if len(line) > 3 and line[1] == "RUNNING"}


def restarted(machine: Machine, before: dict[str, int], *how: str) -> None:
    run([MACHINE, "--run", machine.run, "reboot", machine.name, *how])
    wait_for(lambda: processes(machine).keys() == before.keys(), 180)
    wait_for(lambda: machine.api("GET", "/ready"), 120)
    # Record at short intervals which API processes do not answer.
    played = machine.playbook("verify")
    assert "COMPLETED" in played.output


@pytest.fixture(scope="module", params=["none", "systemd"])
def machine(request: pytest.FixtureRequest, make_machine: MakeMachine) -> Machine:
    machine = make_machine(f"sv-{request.param}", "--init", request.param, "--share-cache")
    machine.override("manager", {"prefect_service_manager": "supervisord"})
    machine.playbook("site")
    if request.param == "none":
        machine.sh("ln -sf /etc/prefect/start /etc/entrypoint")  # as the documentation says
    return machine


def test_everything_comes_back_after_a_restart(machine: Machine) -> None:
    before = processes(machine)
    assert len(before) >= 8
    restarted(machine, before, "--hard")
    assert machine.playbook("site").recap["changed"] == 0


def test_everything_comes_back_after_an_orderly_restart(machine: Machine) -> None:
    """The processes that the last restart has started come back, too."""
    before = processes(machine)
    restarted(machine, before)


def test_a_killed_supervisord_comes_back(machine: Machine) -> None:
    before = processes(machine)
    daemon = int(machine.sh(f"{CONTROL} pid"))
    machine.sh(f"kill -9 {daemon}")

    def again() -> bool:
        now = processes(machine)
        return now.keys() == before.keys() and not set(now.values()) & set(before.values())

    wait_for(again, 180)
    # No worker process from before the kill is left.
    assert len(machine.sh(f"pgrep -f '[/]{VENV[1:]}/bin/prefect worker start'").split()) == len(
        [name for name in before if "worker-" in name]
    )
    wait_for(lambda: machine.api("GET", "/ready"), 120)
    assert "COMPLETED" in machine.playbook("verify").output


def test_it_can_be_torn_down(machine: Machine) -> None:
    machine.playbook("teardown", prefect_teardown_confirm="prefect", prefect_teardown_data="delete")
    left = "ls -d /etc/prefect /opt/prefect /var/lib/prefect /etc/init.d/prefect* /etc/rc*.d/*prefect* 2>/dev/null; "
    assert machine.sh(left + "pgrep -f '[/]etc/prefect/(start|supervisord)' || :") == ""
