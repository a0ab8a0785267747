# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The state of a path, and the text of a file."""

from __future__ import annotations

import os
import stat


def state_of(path: str, write: bool = False) -> str:
    """Return the state of C(path), which is one of these:

    C(file), C(directory), C(other): the path exists, and this account can use it.
    C(missing): the path does not exist, or is a link to a missing path.
    C(blocked): a component above the path is not a directory.
    C(denied): this account may not search a directory above the path.
    C(unreadable): this account may not read the path.
    C(unwritable): C(write) is true, and this account may not write or create the path.
    """
    try:
        mode = os.stat(path).st_mode
    except (NotADirectoryError, FileExistsError):
        return "blocked"
    except PermissionError:
        return "denied"
    except (OSError, ValueError):  # ValueError: the path contains a NUL
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
