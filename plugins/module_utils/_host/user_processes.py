# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The processes of an account, as /proc has them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable

_ENDED = (b"Z", b"X")


def user_processes(uid: int) -> set[int]:
    """Return the processes that run as a user, really, effectively or after giving up what they have now."""
    found = set()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/status", "rb") as file:
                status = dict(line.split(b":", 1) for line in file.read().splitlines() if b":" in line)
        except OSError:  # it has ended
            continue
        if status[b"State"].split()[0] not in _ENDED and uid in map(int, status[b"Uid"].split()):
            found.add(int(name))
    return found


def descendants(pids: Iterable[int]) -> set[int]:
    """Return what processes have started, and what that has started."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{int(name)}/stat", "rb") as file:
                # The name of the program, in parentheses, may hold anything.
                parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found: list[int] = list(pids)
    for pid in found:
        found += [child for child in children.get(pid, ()) if child not in found]
    return set(found) - set(pids)


def signal_all(pids: Iterable[int], number: int) -> None:
    """Send a signal to those that are still there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
