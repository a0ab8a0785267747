# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program with an account, without a shell and with an environment that other accounts cannot read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import launch

TIMED_OUT = 124
KILLED_AFTER = 10  # seconds between SIGTERM and SIGKILL


class Ended(NamedTuple):
    """The exit code and the output of a program."""

    rc: int
    stdout: str
    stderr: str


@contextlib.contextmanager
def locked(path: str | None) -> Iterator[tuple[int, ...]]:
    """Hold a lock that the program inherits. If the program outlives its parent, the next run waits for it."""
    if path is None:
        yield ()
        return
    problem = launch.weakness(os.path.dirname(path))
    if problem:
        raise launch.Refused(f"lock: {path}: {problem}, so root creates no file there")
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)  # also of an existing file: each account that can open it can hold the lock
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield (descriptor,)
    finally:
        os.close(descriptor)


def run_as(
    description: Mapping[str, Any],
    variables: Mapping[str, str],
    stdin: str = "",
    timeout: float | None = None,
    lock: str | None = None,
) -> Ended:
    """Run the command of a launch description, as `launch` does, and wait until it ends."""
    account = launch.account_of(description["user"], description.get("group"))
    with locked(lock) as descriptors:
        process = subprocess.Popen(
            # Popen changes the account before it executes this command.
            ["/usr/bin/setpriv", "--no-new-privs", "--", *description["command"]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(variables),
            cwd=description.get("working_directory") or "/",
            user=account.uid,
            group=account.gid,
            extra_groups=os.getgrouplist(account.name, account.gid),
            umask=0o022,
            pass_fds=descriptors,
            start_new_session=True,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired:
            stdout, stderr = end(process)
            return Ended(TIMED_OUT, stdout, stderr)
        return Ended(process.returncode, stdout, stderr)


def end(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Stop a program and its session, and return its output."""
    for number, seconds in ((signal.SIGTERM, KILLED_AFTER), (signal.SIGKILL, KILLED_AFTER)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.communicate(timeout=seconds)
    return "", ""
