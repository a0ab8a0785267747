# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and directories: compare with the desired state, write atomically, show the diff without secrets.

Root follows a symbolic link only if root alone can have created it. The code opens every component of a path relative
to the descriptor of its parent directory. Below the first directory that another account owns or may write to, it
rejects symbolic links. All changes use descriptors instead of paths, so an account cannot redirect a change by
replacing a directory at the same time.
"""

from __future__ import annotations

import contextlib
import grp
import hashlib
import json
import os
import pwd
import secrets
import stat
from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import launch

HIDDEN = "(content hidden)"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafeError(ValueError):
    """A symbolic link in a path that root does not follow."""


class Place(NamedTuple):
    """An entry of an open directory, which may be missing."""

    directory: int
    name: str


class _Way:
    """The traversal of a path from the root directory to an entry."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.pending = launch.names_in(path)
        self.links = 0
        if not self.pending:
            raise ValueError(f"{path}: it is the root directory")
        self.descriptor = -1
        self._begin()

    def _begin(self) -> None:
        self.close()
        self.at = "/"
        self.trusted = True
        self.descriptor = os.open("/", _DIRECTORY)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def is_roots(self, entry: os.stat_result) -> bool:
        """Whether only root can have created this entry."""
        directory = os.fstat(self.descriptor)
        if not self.trusted or directory.st_uid not in launch.roots():
            return False
        if not directory.st_mode & 0o022:
            return True
        return bool(directory.st_mode & stat.S_ISVTX) and entry.st_uid in launch.roots()

    def follow(self, name: str, entry: os.stat_result) -> None:
        link = os.path.join(self.at, name)
        target = os.readlink(name, dir_fd=self.descriptor)
        self.links += 1
        if not self.is_roots(entry):
            raise UnsafeError(
                f"{self.path}: {link} is a symbolic link to {target}, which another user than root can create, so "
                "root does not follow it. Check who created it, remove it, and run the playbook again."
            )
        if self.links > launch.LINKS:
            raise UnsafeError(
                f"{self.path}: {link} exceeds the maximum number of symbolic links. Remove it, and run the playbook "
                "again."
            )
        self.pending = launch.names_in(os.path.join(self.at, target)) + self.pending
        self._begin()

    def enter(self, name: str, entry: os.stat_result | None) -> None:
        if entry is None:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=self.descriptor)
            entry = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        trusted = self.is_roots(entry)
        # Fails if the entry has been replaced by a link.
        deeper = os.open(name, _DIRECTORY, dir_fd=self.descriptor)
        self.close()
        self.descriptor, self.trusted, self.at = deeper, trusted, os.path.join(self.at, name)

    def walk(self, create: bool, follow: bool) -> Place:
        while True:
            name = self.pending.pop(0)
            try:
                entry = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
            except FileNotFoundError:
                entry = None
                if self.pending and not create:
                    raise
            if entry and stat.S_ISLNK(entry.st_mode) and (self.pending or follow):
                self.follow(name, entry)
            elif self.pending:
                self.enter(name, entry)
            else:
                return Place(self.descriptor, name)


@contextlib.contextmanager
def place_of(path: str, create: bool = False, follow: bool = True) -> Iterator[Place]:
    """Resolve a path. `create` creates missing parent directories; `follow` applies to the last component."""
    way = _Way(path)
    try:
        yield way.walk(create, follow)
    finally:
        way.close()


def status(path: str, follow: bool = True) -> os.stat_result | None:
    """Return the result of stat, None if the path does not exist."""
    try:
        with place_of(path, follow=follow) as place:
            return os.stat(place.name, dir_fd=place.directory, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_directory(path: str) -> bool:
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def read(path: str) -> bytes | None:
    """Return the content of a file, None if it does not exist."""
    try:
        with place_of(path) as place:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(place.name, flags, dir_fd=place.directory)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path}: it is not a regular file. Remove it, and run the playbook again.")
    with open(descriptor, "rb") as stream:
        return stream.read()


def read_of_kernel(path: str) -> bytes:
    """Return the content of a file below /proc, empty if it does not exist."""
    try:
        with open(path, "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def mode_of(value: Any) -> int:
    """Return a mode from a string of octal digits, or from the number to which YAML converts an unquoted 0640."""
    if isinstance(value, int):
        return value
    mode = int(str(value), 8)
    if not 0 <= mode <= 0o7777:
        raise ValueError(value)
    return mode


def user_id(name: str | None) -> int | None:
    """Return the uid, -1 if no owner is set, None if the user does not exist."""
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


def attributes(wanted: dict[str, Any], found: os.stat_result | None = None) -> dict[str, str]:
    """Return different owner, group and mode as `found -> wanted`."""
    found = found or status(wanted["path"])
    if found is None:
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


def own(descriptor: int, wanted: dict[str, Any]) -> None:
    uid, gid = user_id(wanted["owner"]), group_id(wanted["group"])
    if uid is None:
        raise ValueError(
            f"{wanted['path']}: the user {wanted['owner']!r} does not exist on this host. Create it first."
        )
    if gid is None:
        raise ValueError(
            f"{wanted['path']}: the group {wanted['group']!r} does not exist on this host. Create it first."
        )
    os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, wanted["mode"])


def make_directory(wanted: dict[str, Any]) -> None:
    """Create or change a directory. Root owns the parent directories that are created."""
    with place_of(wanted["path"], create=True) as place:
        with contextlib.suppress(FileExistsError):
            os.mkdir(place.name, 0o700, dir_fd=place.directory)
        descriptor = os.open(place.name, _DIRECTORY, dir_fd=place.directory)
    try:
        if attributes(wanted, os.fstat(descriptor)):
            own(descriptor, wanted)
    finally:
        os.close(descriptor)


def make_private_directory(path: str, mode: int = 0o700) -> None:
    """Create a directory that root owns."""
    make_directory({"path": path, "owner": "root", "group": "root", "mode": mode})


def write(wanted: dict[str, Any]) -> None:
    """Replace a file atomically. Until the temporary file is complete, only root can read it."""
    with place_of(wanted["path"], create=True) as place:
        temporary = f".ansible-{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600, dir_fd=place.directory)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(wanted["content"])
                stream.flush()
                own(stream.fileno(), wanted)
                os.fsync(stream.fileno())
            os.rename(temporary, place.name, src_dir_fd=place.directory, dst_dir_fd=place.directory)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=place.directory)
            raise


def remove(path: str) -> None:
    """Remove a file or a link, but not the target of a link."""
    with contextlib.suppress(FileNotFoundError), place_of(path, follow=False) as place:
        os.unlink(place.name, dir_fd=place.directory)


def write_json(path: str, value: Any) -> None:
    """Write a JSON file that only root can read."""
    make_private_directory(os.path.dirname(path))
    content = (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()
    if read(path) != content:
        write({"path": path, "content": content, "owner": "root", "group": "root", "mode": 0o600})


def read_json(path: str) -> dict[str, Any]:
    """Return a record, empty if it is missing or invalid.

    After the loss of the record of a process, the process is restarted. After the loss of the record of a group, its
    unused files stay.
    """
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
    """Return an entry for Ansible's diff, None if the file does not differ."""
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
