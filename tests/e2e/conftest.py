# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test hosts for the end-to-end tests: a deployed one that the tests share, and further ones for single tests."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from defaults import VERSION

from e2e.machine import API_PORTS, MACHINE, Machine, run
from e2e.planted import SECRETS, Sampler, variables_of

MakeMachine = Callable[..., Machine]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run test_teardown last, in any order of the modules: it deletes the shared deployment."""
    items.sort(key=lambda item: item.path.stem == "test_teardown")


@pytest.fixture(scope="session")
def make_machine() -> Iterator[MakeMachine]:
    """Create test hosts of one run, and remove them at the end. A run that E2E_RUN names is reused and kept."""
    kept = os.environ.get("E2E_RUN")
    name = kept or f"e2e-{secrets.token_hex(3)}"
    # Ansible's control sockets have a short path that contains only the host name, so each run has its own directory.
    directory = Path(tempfile.mkdtemp(prefix="e2e-", dir="/tmp"))

    def make(machine: str, *options: str) -> Machine:
        unique = f"{machine}-{name[-6:]}"
        if f"{name} {unique} " not in run([MACHINE, "list"]):
            run([MACHINE, "--run", name, "up", unique, *options])
        return Machine(name, unique, directory)

    try:
        yield make
    finally:
        shutil.rmtree(directory)
        if not kept:
            run([MACHINE, "--run", name, "down", "--all"])


# Tasks of the first site.yml, and seconds after the start of the task at which it is killed, with the work incomplete.
INTERRUPTIONS = {
    "Install the distribution's packages": 5,
    f"Install Prefect {VERSION}": 2,
    "Create the database": 0,
    f"Migrate to the revision of Prefect {VERSION}": 4,
    f"Register the block types of Prefect {VERSION}": 0,
    "Run the API processes": 3,
    "Run the workers": 2,
}


class Converged:
    """A test host after its first site.yml, and the output of that run.

    If test_interrupted.py is selected, killed runs of site.yml come first. Then every test on the shared test host also
    verifies that the next run completes what a killed run has left.
    """

    INTERRUPTED = "/srv/interrupted"  # on the test host, because it may be kept for another run

    def __init__(self, machine: Machine, interruptions: dict[str, int]) -> None:
        self.machine = machine
        machine.override("planted", variables_of(SECRETS))
        # While one process hangs, the others still take turns.
        machine.override("processes", {"prefect_server_replicas": len(API_PORTS)})
        with Sampler() as self.sampler:
            if not machine.pids():
                for task, seconds in interruptions.items():
                    machine.interrupt("site", task, seconds, "-vvv", "--diff")
                    machine.sh(f"cat >> {self.INTERRUPTED}", input=task + "\n")
            self.first = machine.playbook("site", "-vvv", "--diff")


@pytest.fixture(scope="session")
def converged(make_machine: MakeMachine, request: pytest.FixtureRequest) -> Converged:
    interrupted = any(item.path.stem == "test_interrupted" for item in request.session.items)
    return Converged(make_machine("shared", "--share-cache"), INTERRUPTIONS if interrupted else {})


@pytest.fixture(scope="session")
def boxed(make_machine: MakeMachine) -> Machine:
    """A machine like a container, where supervisord manages the processes and their logs are files."""
    machine = make_machine("boxed", "--init", "none", "--share-cache")
    machine.override("planted", variables_of(SECRETS))
    machine.playbook("site")
    return machine


@pytest.fixture
def deployment(converged: Converged) -> Iterator[Machine]:
    """Yield the shared deployment, and restore the state of the inventory afterwards."""
    machine = converged.machine
    yield machine
    machine.restore()
