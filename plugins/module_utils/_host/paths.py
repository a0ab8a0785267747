# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The state of a path, and the text of a file."""

from __future__ import annotations

import os
import stat


def state_of(path: str, write: bool = False) -> str:
    """Return what is at C(path), or why that cannot be used.

    C(file), C(directory) or C(other); C(missing), also for a link to nothing; C(blocked) where something above it is no
    directory; C(denied) where this account may not look; C(unreadable) where it may not read, and, with C(write),
    C(unwritable) where it may not write it or make it.
    """
    try:
        mode = os.stat(path).st_mode
    except (NotADirectoryError, FileExistsError):
        return "blocked"
    except PermissionError:
        return "denied"
    except (OSError, ValueError):  # a NUL in it
        above = _nearest(path)
        return "unwritable" if write and not os.access(above, os.W_OK | os.X_OK) else "missing"
    if not os.access(path, os.R_OK):
        return "unreadable"
    if write and not os.access(path, os.W_OK):
        return "unwritable"
    return "directory" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else "other"


def _nearest(path: str) -> str:
    """Return the nearest existing parent directory of C(path)."""
    above = os.path.dirname(os.path.abspath(path.replace("\0", "")))
    while not os.path.exists(above):
        above = os.path.dirname(above)
    return above


def text_of(path: str) -> str:
    """Return the text of a file, empty if it does not exist or may not be read."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:
        return ""
