# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""teardown.yml asks before it takes anything away, keeps the data unless told otherwise, and leaves nothing then.

The last module of this directory, because nothing is left of the shared deployment.
"""

from __future__ import annotations

from typing import Any

import pytest

from e2e.conftest import Converged
from e2e.machine import Machine

EVERYTHING = (
    "ls -d /etc/prefect /opt/prefect /var/lib/prefect /var/log/prefect /run/prefect /etc/postgresql/*/prefect"
    " /var/lib/postgresql/*/prefect /etc/systemd/system/prefect-* /etc/systemd/system/*.wants/prefect-* 2>/dev/null;"
    " getent passwd prefect prefect-worker; pgrep -lf '[/]prefect[/]' || true"
)


def left(machine: Machine) -> list[str]:
    return machine.sh(EVERYTHING, check=False).splitlines()


@pytest.mark.parametrize("wrong", [{}, {"prefect_teardown_confirm": "yes"}], ids=["nothing said", "another name"])
def test_it_refuses_without_the_name_of_the_instance(converged: Converged, wrong: dict[str, Any]) -> None:
    machine = converged.machine
    before = machine.pids()
    played = machine.playbook("teardown", fails=True, **wrong)
    assert "Nothing was touched." in played.output
    assert "prefect_teardown_confirm=prefect" in played.output
    assert played.recap["changed"] == 0
    assert machine.restarted(before) == set()


def test_it_refuses_an_unknown_word_for_the_data(converged: Converged) -> None:
    machine = converged.machine
    options = {"prefect_teardown_confirm": "prefect", "prefect_teardown_data": "destroy"}
    assert machine.playbook("teardown", fails=True, **options).recap["changed"] == 0


def test_data_is_kept_and_found_again(converged: Converged) -> None:
    machine = converged.machine
    machine.api("POST", "/variables/", {"name": "kept", "value": "since before"})
    machine.playbook("teardown", prefect_teardown_confirm="prefect")
    assert {pid for pid in machine.pids().values() if pid} == set()
    gone = ("/etc/prefect", "/opt/prefect", "/var/log/prefect")
    kept = left(machine)
    assert not set(gone) & set(kept)
    assert "/var/lib/prefect" in kept
    machine.playbook("site")
    assert machine.api("GET", "/variables/name/kept")["value"] == "since before"
    assert machine.playbook("site").recap["changed"] == 0


def test_nothing_is_left_when_data_is_deleted(converged: Converged) -> None:
    machine = converged.machine
    machine.playbook("teardown", prefect_teardown_confirm="prefect", prefect_teardown_data="delete")
    assert left(machine) == []
    again = machine.playbook("teardown", prefect_teardown_confirm="prefect", prefect_teardown_data="delete")
    assert again.recap["changed"] == 0, again.changed
