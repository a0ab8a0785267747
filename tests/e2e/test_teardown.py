# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""teardown.yml requires a confirmation, keeps the data by default, and otherwise leaves nothing.

This module runs after all others (see conftest.py), because it removes the shared deployment.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from e2e.conftest import Converged
from e2e.machine import Machine, wait_for
from e2e.runs import Flows

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
    assert "Nothing was removed." in played.output
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


STUBBORN = """import signal, time

from prefect import flow


@flow
def stay(seconds: float = 0):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("it stays", flush=True)
    while True:
        time.sleep(1)
"""
DELETE: dict[str, Any] = {"prefect_teardown_confirm": "prefect", "prefect_teardown_data": "delete"}
# Directories of the deployment in which the tests place files that do not belong to it.
FOREIGN = ("/opt/prefect", "/etc/prefect", "/var/lib/prefect", "/var/log/prefect")
OUTSIDE = "/srv/outside"


def run_processes(machine: Machine) -> list[str]:
    return machine.sh("pgrep -u prefect-worker -f 'prefect[.]engine'", check=False).split()


@pytest.fixture(scope="module")
def stubborn(converged: Converged) -> Machine:
    """Start a flow run that does not end, and ignores SIGTERM."""
    machine = converged.machine
    flows = Flows(machine)
    machine.sh("cat > /srv/flows/nap.py", input=STUBBORN.replace("def stay", "def nap"))
    flows.wait(flows.submit(1), {"RUNNING"}, 90)
    assert run_processes(machine)
    return machine


def test_nothing_is_removed_while_a_run_goes_on(stubborn: Machine) -> None:
    before = left(stubborn)
    played = stubborn.playbook("teardown", fails=True, **DELETE, prefect_teardown_runs_seconds=3)
    assert "processes of flow runs of the account prefect-worker still run" in played.output
    assert "prefect_teardown_runs: end" in played.output
    assert run_processes(stubborn)
    assert stubborn.sql("SELECT count(*) FROM flow_run WHERE state_type = 'RUNNING'") != [["0"]]
    assert set(before) - set(left(stubborn)) == set()


@pytest.fixture(scope="module")
def torn(stubborn: Machine) -> Machine:
    """Kill teardown.yml several times, on a host with files that do not belong to the deployment."""
    for directory in FOREIGN:
        stubborn.sh(f"mkdir {directory}/mine; echo kept > {directory}/mine/file; echo kept > {directory}/notes.txt")
    # The accounts of the deployment can create links in directories that root deletes.
    stubborn.sh(f"mkdir {OUTSIDE}; echo kept > {OUTSIDE}/file; chmod 777 {OUTSIDE}")
    for account, directory in (("prefect", "server"), ("prefect-worker", "worker")):
        links = f"cd /var/lib/prefect/{directory}; ln -s {OUTSIDE} outside; mkdir deep; ln -s {OUTSIDE}/file deep/file"
        stubborn.sh(f"runuser -u {account} -- sh -c '{links}'")
    stubborn.override("teardown", {**DELETE, "prefect_teardown_runs": "end", "prefect_teardown_runs_seconds": 3})
    # Each run gets further, and is killed again.
    for task, seconds in (
        ("Wait for the flow runs or end them", 1),
        ("Stop and remove the processes, clients before services", 2),
        ("Stop and remove the processes, clients before services", 5),
        ("Remove the files and accounts of this instance", 0.2),
        ("Remove the files and accounts of this instance", 0.8),
    ):
        stubborn.interrupt("teardown", task, seconds)
    wait_for(lambda: "AnsiballZ" not in stubborn.sh("ps -eo args", check=False), 60)
    return stubborn


def test_a_killed_teardown_is_finished_by_the_next(torn: Machine) -> None:
    played = torn.playbook("teardown")
    torn.forget("teardown")
    assert run_processes(torn) == []
    for directory in FOREIGN:
        assert f"Not removed: {directory}: it also contains mine, notes.txt" in re.sub(r"\s+", " ", played.output)


def test_what_is_not_the_deployments_stays(torn: Machine) -> None:
    for directory in FOREIGN:
        assert torn.sh(f"find {directory} -type f | sort; cat {directory}/mine/file") == (
            f"{directory}/mine/file\n{directory}/notes.txt\nkept\n"
        )
    assert torn.sh(f"cat {OUTSIDE}/file; ls {OUTSIDE}") == "kept\nfile\n"
    torn.sh(f"rm -r {OUTSIDE} {' '.join(f'{path}/mine {path}/notes.txt' for path in FOREIGN)}")


def test_nothing_is_left_when_data_is_deleted(torn: Machine) -> None:
    torn.playbook("teardown", **DELETE)
    assert left(torn) == []
    again = torn.playbook("teardown", **DELETE)
    assert again.recap["changed"] == 0, again.changed


def test_accounts_and_clusters_that_were_there_before_stay(torn: Machine) -> None:
    torn.sh("useradd --system --comment 'of somebody' prefect; pg_createcluster $(ls /usr/lib/postgresql) prefect")
    torn.sh("mkdir /var/lib/prefect /etc/prefect")
    played = torn.playbook("teardown", **DELETE)
    kept = re.sub(r"\s+", " ", played.output)
    assert "Not removed: the account prefect: this instance has not created it" in kept
    assert re.search(r"Not removed: the PostgreSQL cluster \d+/prefect: this instance has not created it", kept)
    assert torn.sh("getent passwd prefect; ls /var/lib/postgresql/*/prefect/PG_VERSION; pg_lsclusters -h") != ""
    torn.sh("test -e /var/lib/postgresql/*/prefect/PG_VERSION && getent passwd prefect")
