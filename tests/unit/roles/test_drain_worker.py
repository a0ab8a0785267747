# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What drain_worker.py waits for, with real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from defaults import ROOT

FILES = ROOT / "roles" / "prefect_worker" / "files"
# Starts a run in a session of its own and ends at once when it is told to stop, as a worker does.
WORKER = """
import pathlib, signal, subprocess, sys, time
seconds, directory = sys.argv[1], pathlib.Path(sys.argv[2])
run = f"import time, pathlib; time.sleep({seconds}); pathlib.Path('{directory}/ended').touch()"
signal.signal(signal.SIGINT, lambda *_: sys.exit(7))
if float(seconds):
    subprocess.Popen([sys.executable, "-c", run], start_new_session=True)
(directory / "started").touch()
time.sleep(60)
"""


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """The program beside one that finds no lost runs."""
    shutil.copy(FILES / "drain_worker.py", tmp_path)
    (tmp_path / "lost_runs.py").write_text(f"import time; open('{tmp_path}/watched', 'w'); time.sleep(60)")
    return tmp_path


@pytest.fixture
def started(scripts: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", WORKER, str(request.param), str(scripts)]
    program = subprocess.Popen([sys.executable, "-IS", str(scripts / "drain_worker.py"), "w", "p", "--", *command])
    deadline = time.monotonic() + 20
    while not ((scripts / "started").exists() and (scripts / "watched").exists()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield program
    program.kill()
    program.wait()


@pytest.mark.parametrize("started", [2], indirect=True)
def test_the_runs_of_a_stopped_worker_end_by_themselves(started: subprocess.Popen[bytes], scripts: Path) -> None:
    started.send_signal(signal.SIGINT)
    assert started.wait(20) == 7
    assert (scripts / "ended").exists()


@pytest.mark.parametrize("started", [0], indirect=True)
def test_a_stopped_worker_without_runs_ends_at_once(started: subprocess.Popen[bytes]) -> None:
    started.send_signal(signal.SIGINT)
    assert started.wait(5) == 7


@pytest.mark.parametrize("started", [30], indirect=True)
def test_a_worker_that_crashes_ends_its_container(started: subprocess.Popen[bytes]) -> None:
    """Kubernetes then starts it again, and reports what has become of its runs."""
    (worker,) = (
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/stat")
        if int(path.read_text().rpartition(")")[2].split()[1]) == started.pid and b"time.sleep(60)" in cmdline(path)
    )
    os.kill(worker, signal.SIGKILL)
    assert started.wait(5) == 128 + signal.SIGKILL


def cmdline(stat: Path) -> bytes:
    return stat.with_name("cmdline").read_bytes()
