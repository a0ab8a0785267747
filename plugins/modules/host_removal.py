#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove the files, accounts and PostgreSQL cluster that an instance has created on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_removal
short_description: Remove the files, users and database of an instance from a host
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Drops the PostgreSQL cluster, removes the directories and deletes the users of an instance. Its processes must
    already be removed.
  - The module keeps everything that the instance has not created, and lists it in RV(kept). In a directory, it removes
    the named entries. It removes the directory itself only if it is empty.
  - The module follows no symbolic links in a directory. It keeps a directory in which a user other than root can create
    links.
  - If the module is interrupted, run it again.
attributes:
  check_mode:
    description: In check mode, the module returns the changed status and does not modify the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  cluster:
    description: Name of the PostgreSQL cluster in Debian's layout. It is dropped if C(postgresql.conf) contains
      O(cluster_mark).
    type: str
    default: ""
  cluster_mark:
    description: Setting that marks a cluster of this instance, as V(name=value).
    type: str
    default: ""
  directories:
    description: Directories to remove, in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Path of the directory.
        type: path
        required: true
      names:
        description: Shell patterns of the entries that the instance creates in the directory.
        type: list
        elements: str
        required: true
  users:
    description: Users to delete. A user is deleted only if its comment is O(users_comment).
    type: list
    elements: str
    default: []
  users_comment:
    description: Comment that marks a user of this instance.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Remove the installed programs
  selfhosted.prefect.host_removal:
    directories:
      - path: /opt/example
        names: [pinned, uv, supervisor, home, "[0-9]*.[0-9]*.[0-9]*"]
"""

RETURN = r"""
removed:
  description: The removed objects.
  returned: always
  type: list
  elements: str
kept:
  description: The objects that were kept, and the reasons.
  returned: always
  type: list
  elements: str
"""

import fnmatch
import glob
import os
import pwd
import re
import stat
import subprocess

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import launch
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.user_processes import end_account

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENTRIES = 500  # maximum number of arguments of one command
_LINES = 20  # maximum number of lines of an error output, which could have one for each file


class RemovalError(Exception):
    """An object cannot be removed."""


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        env={"PATH": _PATH},
        cwd="/",
    )
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).splitlines()[:_LINES])
        raise RemovalError(f"`{' '.join(command)[:200]}` failed with exit code {done.returncode}: {said}")


def setting(text: str, name: str) -> str | None:
    """Return the value of a setting in a postgresql.conf."""
    found = re.findall(rf"^\s*{re.escape(name)}\s*=?\s*'?([^'#\n]*?)'?\s*(?:#.*)?$", text, re.MULTILINE)
    return found[-1] if found else None


def mount_points() -> set[str]:
    """Return all mount points, including bind mounts of the same file system."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        # The kernel writes spaces and some other characters as octal escapes.
        return {re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), line.split()[4]) for line in file}


class Removal:
    """The removal of all objects, with the lists of removed and kept ones."""

    def __init__(self, check_mode: bool) -> None:
        self.check_mode = check_mode
        self.removed: list[str] = []
        self.kept: list[str] = []

    def cluster(self, name: str, mark: str) -> None:
        """Drop the PostgreSQL cluster that has the mark."""
        for config in sorted(glob.glob(f"/etc/postgresql/*/{glob.escape(name)}")):
            version = config.split("/")[-2]
            try:
                with open(f"{config}/postgresql.conf", encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                text = ""
            if setting(text, mark.partition("=")[0]) != mark.partition("=")[2]:
                self.kept.append(f"the PostgreSQL cluster {version}/{name}: this instance has not created it")
                continue
            self.removed.append(config)
            if not self.check_mode:
                _run("pg_dropcluster", version, name)

    def directory(self, path: str, names: list[str]) -> None:
        """Remove the known entries of a directory, and the directory itself if it is empty then."""
        if not os.path.isdir(path):
            return
        real = os.path.realpath(path)
        # In Ubuntu, for example, a system group can write to /var/log. Flow code has no such group.
        problem = launch.weakness(path, stat.S_IWOTH)
        if problem:
            self.kept.append(f"{path}: {problem}")
            return
        for name in sorted(os.listdir(real)):
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in names):
                self._tree(f"{real}/{name}")
        left = sorted(set(os.listdir(real)) - {os.path.basename(entry) for entry in self.removed if self.check_mode})
        if real != path:
            self.kept.append(f"{path}: it is a symbolic link to {real}")
        elif left:
            self.kept.append(f"{path}: it also contains {', '.join(left[:5])}{', ...' if len(left) > 5 else ''}")
        elif path in mount_points():
            self.kept.append(f"{path}: it is a mount point")
        else:
            self.removed.append(path)
            if not self.check_mode:
                os.rmdir(path)

    def _tree(self, path: str) -> None:
        """Remove a file, a link or a directory tree, but no mount point."""
        if path in mount_points():
            entries = [f"{path}/{name}" for name in os.listdir(path)]
            if entries:
                self.removed.append(f"{path}/*")
            if not self.check_mode:
                _remove(path, entries)
            self.kept.append(f"{path}: it is a mount point")
            return
        self.removed.append(path)
        if not self.check_mode:
            _remove(path, [path])

    def user(self, name: str, comment: str) -> None:
        """Delete an account that the instance has created."""
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            return
        if found.pw_gecos != comment:
            self.kept.append(f"the account {name}: this instance has not created it")
            return
        if found.pw_uid == 0:
            self.kept.append(f"the account {name}: it is root")
            return
        self.removed.append(f"the account {name}")
        if self.check_mode:
            return
        left = end_account(found.pw_uid, 30)
        if left:
            raise RemovalError(
                f"Processes of the account {name} still exist after SIGKILL: {', '.join(map(str, sorted(left)))}"
            )
        _run("userdel", name)


def _remove(path: str, entries: list[str]) -> None:
    """Remove files, links and directory trees, even if an account changes them at the same time."""
    mounted = sorted(point for point in mount_points() if point.startswith(f"{path}/"))
    if mounted:
        raise RemovalError(f"{path}: {mounted[0]} is a mount point. Unmount it, and run the playbook again.")
    for first in range(0, len(entries), _ENTRIES):
        # rm uses directory descriptors, so nobody can redirect it with a link, and the depth is not limited.
        _run("rm", "-rf", "--one-file-system", "--", *entries[first : first + _ENTRIES])


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "str", "default": ""},
            "cluster_mark": {"type": "str", "default": ""},
            "directories": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "path": {"type": "path", "required": True},
                    "names": {"type": "list", "elements": "str", "required": True},
                },
            },
            "users": {"type": "list", "elements": "str", "default": []},
            "users_comment": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    removal = Removal(module.check_mode)
    try:
        if module.params["cluster"]:
            removal.cluster(module.params["cluster"], module.params["cluster_mark"])
        for directory in module.params["directories"]:
            removal.directory(directory["path"].rstrip("/"), directory["names"])
        for name in module.params["users"]:
            removal.user(name, module.params["users_comment"])
    except RemovalError as error:
        module.fail_json(msg=str(error), removed=removal.removed, kept=removal.kept)
    for each in removal.kept:
        module.warn(f"Not removed: {each}.")
    module.exit_json(changed=bool(removal.removed), removed=removal.removed, kept=removal.kept)


if __name__ == "__main__":
    main()
