# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of an account that tries everything to keep them running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hostile_processes import CHAIN, UID, Hostile, hostile, wait_until

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import user_processes
from ansible_collections.selfhosted.prefect.plugins.modules import process_group_info

__all__ = ["hostile"]

# Ends its first thread, which is the only one that most programs show of a process.
HEADLESS = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(30,)).start()
ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[platform.machine()], 0)
"""
# Kills everything that its account may signal, such as its children, and the helper of root that runs as this account.
KILLER = """
import os, signal, time
while time.monotonic() < end:
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass
"""
NAMED = r"""
import ctypes, time
ctypes.CDLL(None).prctl(15, b"\xff) R 1")
while time.process_time() < 0.1:  # the kernel shows hundredths
    pass
print("named", flush=True)
time.sleep(30)
"""


@pytest.mark.root
@pytest.mark.parametrize("program", [CHAIN, KILLER, HEADLESS], ids=["chain", "killer", "headless"])
def test_no_process_of_an_account_outlives_its_end(hostile: Hostile, program: str) -> None:
    hostile.start(program)
    time.sleep(0.3)
    assert hostile.goes_on()
    assert user_processes.end_account(UID, 20) == set()
    assert not hostile.goes_on()


@pytest.mark.root
def test_all_processes_of_an_account_are_seen_while_they_are_frozen(hostile: Hostile) -> None:
    hostile.start(CHAIN)
    time.sleep(0.3)
    with user_processes.frozen_account(UID):
        seen = user_processes.user_processes(UID)
        assert seen
        time.sleep(0.2)
        assert user_processes.user_processes(UID) == seen
    wait_until(lambda: not seen & user_processes.user_processes(UID))  # the chain continues in other processes
    assert hostile.goes_on()


@pytest.mark.root
def test_a_process_without_its_first_thread_is_seen(hostile: Hostile) -> None:
    process = hostile.start(HEADLESS)
    wait_until(lambda: b"\nState:\tZ" in Path(f"/proc/{process.pid}/status").read_bytes())
    assert user_processes.user_processes(UID) == {process.pid}


@pytest.mark.root
@pytest.mark.parametrize("uid", [0, -1])
def test_roots_own_processes_are_never_signalled(uid: int) -> None:
    with pytest.raises(ValueError, match="never those of root"):
        user_processes.signal_account(uid, signal.SIGKILL)


@pytest.mark.root
def test_no_other_account_is_signalled(hostile: Hostile) -> None:
    hostile.start(CHAIN)
    with subprocess.Popen(["sleep", "30"], user=UID + 1) as other:
        try:
            assert user_processes.end_account(UID, 20) == set()
            assert other.poll() is None
        finally:
            other.kill()


def test_a_family_may_be_deeper_than_python_recurses_and_have_a_circle() -> None:
    tree = {pid: [pid + 1] for pid in range(1, 50_000)} | {50_000: [1], 7: [8, 100_001]}
    assert set(user_processes.family([1], tree)) == {*range(1, 50_001), 100_001}
    assert user_processes.family([5], {}) == [5]


def test_a_process_may_be_named_as_it_likes() -> None:
    with subprocess.Popen([sys.executable, "-c", NAMED], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "named\n"
            assert process.pid in user_processes.children()[os.getpid()]
            assert process_group_info.cpu_seconds(process.pid) > 0
        finally:
            process.kill()
