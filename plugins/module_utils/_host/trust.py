# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Who else than root can change a path."""

from __future__ import annotations

import contextlib
import grp
import os
import stat
from collections.abc import Collection

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import launch

# Groups of the system's log daemon. In Ubuntu, its group can write to /var/log.
_LOG_GROUPS = ("syslog",)


def first_weakness(path: str, groups: Collection[int] = ()) -> str | None:
    """Return who else than root can change a path or, if it does not exist, who can create it. None if nobody can.

    C(groups) are the gids that may write to the path and its parent directories.
    """
    missing = False
    while True:
        try:
            found = launch.weakness(path, groups=groups)
            break
        except (FileNotFoundError, NotADirectoryError):
            path, missing = os.path.dirname(path), True
    return found or (_openness(path) if missing else None)


def _openness(path: str) -> str | None:
    """Return whether others can create entries in a directory.

    In a sticky directory, such as /tmp, they cannot replace an entry of root, but they can create a missing one.
    """
    mode = os.stat(path or "/").st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_IWOTH:
        return f"others can create entries in {path} (mode {stat.S_IMODE(mode):04o})"
    return None


def log_groups() -> set[int]:
    """Return the gids of the groups that may write to the parent directories of logs."""
    found = set()
    for name in _LOG_GROUPS:
        with contextlib.suppress(KeyError):
            found.add(grp.getgrnam(name).gr_gid)
    return found


def weakness_of(path: str, logs: bool = False) -> str:
    """Return who else than root can change a path, empty if nobody can or if this account cannot find out.

    C(logs): the path is a directory of logs, so the system's log daemon may be able to change it.
    """
    try:
        return first_weakness(path, log_groups() if logs else ()) or _openness(path) or ""
    except (OSError, ValueError):  # C(state_of) describes these problems
        return ""
