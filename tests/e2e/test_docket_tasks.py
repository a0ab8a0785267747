# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A background services process takes over the tasks of terminated processes, whatever their clocks show."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest
from defaults import ROOT, VENV

from e2e.conftest import Converged
from e2e.machine import Machine, wait_for

PORT = 7399
PYTHON = f"{VENV}/bin/python"
# The role installs the script in the same way: behind the code of the client.
RELEASE = [ROOT / "roles/prefect_common/files/redis_client.py", ROOT / "roles/prefect_server/files/release_tasks.py"]
# Real workers of Docket, like the background services, as if on another host whose clock differs by some seconds.
WORKER = """
import asyncio, os, sys
from datetime import datetime, timedelta
import docket.worker
from docket import Docket, Worker

name, offset, tasks = sys.argv[1], float(sys.argv[2]), int(sys.argv[3])

class Shifted(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(seconds=offset)

docket.worker.datetime = Shifted

async def work(number: int) -> None:
    print("working", flush=True)
    await asyncio.sleep(600)

async def main():
    async with Docket(name="prefect", url="redis://127.0.0.1:PORT/0") as docket_:
        docket_.register(work)
        for number in range(tasks):
            await docket_.add(work, key=f"{name}-{number}")(number)
        async with Worker(docket_, name=name, concurrency=2) as worker:
            await worker.run_forever()

asyncio.run(main())
""".replace("PORT", str(PORT))
# For each assigned task: the worker, and the milliseconds since its last sign of life.
IDLE = f"redis-cli -p {PORT} --raw XPENDING prefect:stream docket-workers - + 100"


@pytest.fixture
def machine(converged: Converged) -> Iterator[Machine]:
    machine = converged.machine
    machine.sh(f"redis-server --port {PORT} --bind 127.0.0.1 --save '' --daemonize yes --pidfile /run/tasks.pid")
    machine.sh("mkdir -p /srv/tasks; cat > /srv/tasks/worker.py", input=WORKER)
    machine.sh("cat > /srv/tasks/release.py", input="".join(path.read_text() for path in RELEASE))
    try:
        yield machine
    finally:
        machine.sh(f"pkill -f '[/]srv/tasks/worker.py'; redis-cli -p {PORT} shutdown nosave", check=False)
        machine.sh("rm -rf /srv/tasks")


def start(machine: Machine, name: str, offset: int) -> subprocess.Popen[str]:
    """Start a worker with its maximum number of active tasks, so that it reads no more of them."""
    command = f"cd /srv/tasks; PREFECT_HOME=/srv/tasks/home exec {PYTHON} /srv/tasks/worker.py {name} {offset} 2"
    worker = subprocess.Popen(machine.ssh(command), text=True, stdout=subprocess.PIPE)
    assert worker.stdout
    for _task in range(2):
        assert worker.stdout.readline() == "working\n"
    return worker


def released(machine: Machine) -> set[str]:
    """Start release_tasks.py, and return the names of the processes whose tasks any other process may take."""
    environment = f"PREFECT_SERVER_DOCKET_URL=redis://127.0.0.1:{PORT}/0"
    # It waits for processes on other hosts that are being stopped.
    machine.sh(f"cd /srv/tasks; {environment} timeout 15 {PYTHON} /srv/tasks/release.py", check=False)
    words = machine.sh(IDLE).split()
    entries = zip(words[1::4], words[2::4], strict=True)
    return {name for name, idle in entries if int(idle) > 300_000}


@pytest.mark.parametrize("offset", [-3600, -30, 30, 3600])
def test_a_living_process_keeps_its_tasks_whatever_its_clock(machine: Machine, offset: int) -> None:
    """A second worker has the correct time, and deletes each heartbeat that is old by its own clock."""
    workers = [start(machine, "elsewhere#1", offset), start(machine, "beside#2", 0)]
    assert released(machine) == set()
    assert [worker.poll() for worker in workers] == [None, None]


def test_a_dead_process_loses_its_tasks_whatever_its_clock(machine: Machine) -> None:
    start(machine, "elsewhere#1", 3600)
    start(machine, "beside#2", 0)
    machine.sh("pkill -9 -f '[w]orker.py elsewhere#1'")
    wait_for(lambda: machine.sh(f"redis-cli -p {PORT} EXISTS prefect:worker-tasks:elsewhere#1").strip() == "0", 15)
    assert released(machine) == {"elsewhere#1"}
