# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that flow code may start, for tests that end them. They also end by themselves."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

UID = 61_234  # an account that no user has
SECONDS = 30

# Each process starts the next one and ends, so that a list of pids is outdated when it is read.
CHAIN = """
import os, time
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
    if os.getppid() == 1:
        os.setpgid(0, 0)
"""


def wait_until(true: Callable[[], object], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Hostile:
    """Programs of one account. They share a pipe, which is closed when the last process of them has ended."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.started: list[subprocess.Popen[bytes]] = []

    def start(self, program: str) -> subprocess.Popen[bytes]:
        text = f"import time; end = time.monotonic() + {SECONDS}\n{program}"
        # The interpreter of the system, because other accounts may be unable to read a virtual environment.
        command = ["/usr/bin/python3", "-I", "-S", "-c", text]
        self.started.append(subprocess.Popen(command, user=UID, cwd="/", pass_fds=[self.writer]))
        return self.started[-1]

    def goes_on(self) -> bool:
        """Return whether a process of any program still exists."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1
        # Killed processes end within moments.
        return not select.select([self.reader], [], [], 1)[0]


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    """Start programs, and verify that no process of them is left."""
    started = Hostile()
    yield started
    end = "import os, signal, sys; os.setresuid(*[int(sys.argv[1])] * 3); os.kill(-1, signal.SIGKILL)"
    while started.goes_on():
        subprocess.run([sys.executable, "-I", "-c", end, str(UID)], check=False, stderr=subprocess.DEVNULL)
    for process in started.started:
        process.wait()
    os.close(started.reader)
