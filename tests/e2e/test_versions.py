# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host is upgraded from the oldest version with a lock file to the newest, and to a version that lock.yml locks."""

from __future__ import annotations

from typing import Any

import pytest
from defaults import LOCKS, VERSION, oldest_first

from e2e.conftest import MakeMachine
from e2e.machine import Machine
from e2e.runs import Flows

LOCKED = "3.8.7"  # a version without a lock file in the collection
UPWARDS = sorted([*LOCKS, LOCKED], key=oldest_first)


@pytest.fixture(scope="module")
def machine(make_machine: MakeMachine) -> Machine:
    return make_machine("versions", "--share-cache")


def test_the_collection_has_the_lock_file_of_its_default() -> None:
    assert VERSION in LOCKS
    assert LOCKED not in LOCKS


def test_a_version_without_a_lock_file_is_refused(machine: Machine) -> None:
    machine.override("version", {"prefect_version": LOCKED})
    refused = machine.playbook("site", fails=True)
    assert f"There is no lock file of Prefect {LOCKED}" in refused.output
    assert f"lock.yml -e prefect_version={LOCKED}" in " ".join(refused.output.split())
    assert machine.sh("ls /opt /etc/prefect", check=False).strip() in ("", "/opt:")


def test_one_command_locks_it(machine: Machine) -> None:
    lock = machine.inventory / f"locks/prefect-{LOCKED}.txt"
    expected = machine.playbook("lock", "--check", prefect_version=LOCKED)
    assert (expected.recap["changed"], lock.exists()) == (1, False)
    assert machine.playbook("lock", prefect_version=LOCKED).recap["changed"] == 1
    assert f"\nprefect=={LOCKED} \\\n    --hash=sha256:" in lock.read_text()
    assert machine.playbook("lock", prefect_version=LOCKED).recap["changed"] == 0
    machine.dirty = False


@pytest.mark.parametrize("version", UPWARDS)
def test_it_deploys_and_runs_flows(machine: Machine, version: str) -> None:
    """Deploy the version. site.yml ends with the verification: a run of each pool, all services, all limits."""
    machine.override("version", {"prefect_version": version})
    machine.playbook("site")
    assert machine.api("GET", "/admin/version") == version
    assert machine.playbook("site").recap["changed"] == 0
    # The API of this version handles flows of the same version, which send other requests than those of the newest one.
    flows = Flows(machine, version=version)
    flows.wait(flows.submit(2), {"COMPLETED"})


def test_a_setting_that_a_version_does_not_have_is_refused(machine: Machine) -> None:
    setting = "PREFECT_SERVER_SERVICES_DB_VACUUM_ORPHAN_CLEANUP_LOOP_SECONDS"
    settings: dict[str, Any] = {"prefect_server_settings": {setting: 60}}
    refused = machine.playbook("preflight", fails=True, prefect_version="3.7.8", **settings)
    assert f"prefect_server_settings: {setting} is not a setting of Prefect 3.7.8" in " ".join(refused.output.split())
    machine.playbook("preflight", prefect_version="3.8.8", **settings)
