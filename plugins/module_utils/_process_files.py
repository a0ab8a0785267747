# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories: compare with what should be, write in one step, show the difference without secrets."""

from __future__ import annotations

import contextlib
import grp
import hashlib
import json
import os
import pwd
import stat
import tempfile
from typing import Any

HIDDEN = "(content hidden)"


def read(path: str) -> bytes | None:
    """Content of a file, None where there is none."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def mode_of(value: Any) -> int:
    """A mode as Ansible users write it: a string of octal digits, or the number that YAML made of a bare 0640."""
    if isinstance(value, int):
        return value
    mode = int(str(value), 8)
    if not 0 <= mode <= 0o7777:
        raise ValueError(value)
    return mode


def user_id(name: str | None) -> int | None:
    """The uid, -1 where nothing is asked for, None where there is no such user."""
    if name is None:
        return -1
    try:
        return int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def group_id(name: str | None) -> int | None:
    if name is None:
        return -1
    try:
        return int(name) if name.isdigit() else grp.getgrnam(name).gr_gid
    except KeyError:
        return None


def attributes(wanted: dict[str, Any]) -> dict[str, str]:
    """Owner, group and mode that differ, as `found -> wanted`; empty where nothing does."""
    try:
        found = os.stat(wanted["path"])
    except FileNotFoundError:
        return {}
    different = {}
    mode = stat.S_IMODE(found.st_mode)
    if mode != wanted["mode"]:
        different["mode"] = f"{mode:04o} -> {wanted['mode']:04o}"
    for key, have, want in (
        ("owner", found.st_uid, user_id(wanted["owner"])),
        ("group", found.st_gid, group_id(wanted["group"])),
    ):
        if want not in (-1, have):
            different[key] = f"{have} -> {wanted[key]}"
    return different


def own(target: str | int, wanted: dict[str, Any]) -> None:
    uid, gid = user_id(wanted["owner"]), group_id(wanted["group"])
    if uid is None:
        raise ValueError(f"{wanted['path']}: there is no user {wanted['owner']!r} on this machine; create it first")
    if gid is None:
        raise ValueError(f"{wanted['path']}: there is no group {wanted['group']!r} on this machine; create it first")
    os.chown(target, uid, gid)
    os.chmod(target, wanted["mode"])


def write(wanted: dict[str, Any]) -> None:
    """Readers see the old file or the new one, and never one that is readable by more than should be."""
    path = os.path.realpath(wanted["path"])
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".ansible-")
    try:
        with open(descriptor, "wb") as stream:
            stream.write(wanted["content"])
            stream.flush()
            own(stream.fileno(), wanted)
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def write_json(path: str, value: Any) -> None:
    """A small file for root only."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    content = (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
    if read(path) != content:
        write({"path": path, "content": content, "owner": "root", "group": "root", "mode": 0o600})


def read_json(path: str) -> dict[str, Any]:
    """An unreadable record counts as none: the worst that follows is a restart."""
    try:
        value = json.loads(read(path) or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def shown(content: bytes | None, sensitive: bool) -> str:
    if content is None:
        return ""
    return HIDDEN + "\n" if sensitive else content.decode("utf-8", "replace")


def difference(wanted: dict[str, Any]) -> dict[str, str] | None:
    """An entry for Ansible's diff, or None where the file is as wanted."""
    before, after = read(wanted["path"]), wanted["content"]
    changed = attributes(wanted)
    if before == after and not changed:
        return None
    notes = "".join(f" ({key} {what})" for key, what in changed.items())
    after_text = shown(after, wanted["sensitive"])
    if wanted["sensitive"] and before is not None and before != after:
        after_text = f"{HIDDEN}, changed\n"
    return {
        "before_header": wanted["path"],
        "after_header": wanted["path"] + notes,
        "before": shown(before, wanted["sensitive"]),
        "after": after_text,
    }
