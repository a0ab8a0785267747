# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of an account: find them, and end them even if they fork.

Flow code can fork faster than a program reads /proc. If each process of a chain starts the next one and ends, a list of
pids contains only processes that have ended. Only the kernel can signal all processes of an account in one step, which
no fork escapes: a process of that account calls `kill(-1)`.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

_ENDED = (b"Z", b"X")
_CAPABILITIES_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
_TRIES = 200
_SWEEPS = 50


def _is_live(status: Mapping[bytes, bytes]) -> bool:
    """Whether a process runs. If only its first thread has ended, the kernel shows it as a zombie."""
    return status[b"State"].split()[0] not in _ENDED or int(status[b"Threads"]) > 1


def user_processes(uid: int) -> set[int]:
    """Return the processes whose real, effective or saved uid is that of a user.

    Processes that start or end during the scan may be missing. An empty set is certain only after `signal_account`.
    """
    found = set()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/status", "rb") as file:
                status = dict(line.split(b":", 1) for line in file.read().splitlines() if b":" in line)
        except OSError:  # it has ended
            continue
        if uid in map(int, status[b"Uid"].split()) and _is_live(status):
            found.add(int(name))
    return found


def children() -> dict[int, list[int]]:
    """Return the children of every process."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            with open(f"/proc/{int(name)}/stat", "rb") as file:
                # The name of the program, in parentheses, can contain any bytes.
                parent = int(file.read().rpartition(b")")[2].split()[1])
            found.setdefault(parent, []).append(int(name))
    return found


def family(pids: Iterable[int], tree: Mapping[int, list[int]]) -> list[int]:
    """Return processes and their descendants, each once. A pid that is reused during the scan can create a cycle."""
    found = dict.fromkeys(pids)
    pending = list(found)
    while pending:
        new = [child for child in tree.get(pending.pop(), ()) if child not in found]
        found.update(dict.fromkeys(new))
        pending += new
    return list(found)


def descendants(pids: Iterable[int]) -> set[int]:
    """Return the descendants of processes."""
    above = set(pids)
    return set(family(above, children())) - above


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send a signal to the processes that still exist."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def signal_account(uid: int, number: int) -> bool:
    """Send a signal to all processes of an account in one step, and return whether it succeeded.

    A child process with the uid of the account sends it. Flow code can signal that child, so callers retry.
    """
    if uid <= 0 or os.geteuid() != 0:
        raise ValueError(f"uid {uid}: only root can end the processes of an account, and never those of root")
    libc = ctypes.CDLL(None)  # here, because the child must send the signal immediately after the change of its uid
    try:
        child = os.fork()
    except OSError:  # the limit of processes is reached, so signal the existing processes first
        signal_all(user_processes(uid), number)
        return False
    if child == 0:
        try:
            _signal_own_account(libc, uid, number)
        finally:
            os._exit(1)
    return _ended_well(child)


def _signal_own_account(libc: ctypes.CDLL, uid: int, number: int) -> None:
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    # No exec: it fails if the account exceeds its limit of processes.
    os.setresuid(uid, uid, uid)
    # With a remaining capability of root, the signal would reach all processes.
    if libc.capset(header, nothing) == 0 and os.getresuid() == (uid, uid, uid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, number)
        os._exit(0)


def _ended_well(child: int) -> bool:
    """Whether the child succeeded. A stopped child is killed."""
    while True:
        _pid, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0
        os.kill(child, signal.SIGKILL)


def end_account(uid: int, seconds: float) -> set[int]:
    """Kill all processes of an account, and return those that still exist after C(seconds)."""
    deadline = time.monotonic() + seconds
    while True:
        # The signal precedes the scan: killed processes start no others, so the scan finds all.
        certain = signal_account(uid, signal.SIGKILL)
        left = user_processes(uid)
        if (certain and not left) or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


@contextlib.contextmanager
def frozen_account(uid: int) -> Iterator[None]:
    """Stop all processes of an account, so that their list is complete. Continue the remaining ones afterwards."""
    try:
        for _try in range(_TRIES):
            if signal_account(uid, signal.SIGSTOP):
                break
        yield
    finally:
        signal_all(user_processes(uid), signal.SIGCONT)


def stopped(find: Callable[[], set[int]]) -> set[int]:
    """Stop the processes that a function finds, until it finds no others, and return them.

    All of them and their parents still exist then, and start no processes.
    """
    found: set[int] = set()
    for _sweep in range(_SWEEPS):
        new = find() - found
        if not new:
            break
        signal_all(new, signal.SIGSTOP)
        found |= new
    return found
