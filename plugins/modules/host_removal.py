#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an instance has made on a plain machine is taken away, and nothing else."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_removal
short_description: Remove what an instance has made on a host
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Drops the PostgreSQL cluster, removes directories and deletes the accounts of an instance whose processes are gone.
  - Leaves what the instance has not made, and says so. Of a directory, it removes the named entries, and the directory
    itself only if nothing else is in it. It follows no links in there, and leaves a directory into which
    somebody but root may put links.
  - Can be interrupted and repeated.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  cluster:
    description: Name of the Debian PostgreSQL cluster. It is dropped if C(postgresql.conf) has O(cluster_mark).
    type: str
    default: ""
  cluster_mark:
    description: The setting that the instance gives to a cluster that it makes, as V(name=value).
    type: str
    default: ""
  directories:
    description: The directories, in the order of their removal.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: The directory.
        type: path
        required: true
      names:
        description: Patterns for the names of the entries that the instance makes in there.
        type: list
        elements: str
        required: true
  users:
    description: Accounts. One is deleted if its comment is O(users_comment).
    type: list
    elements: str
    default: []
  users_comment:
    description: The comment that the instance gives to an account that it makes.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Remove the programs
  selfhosted.prefect.host_removal:
    directories:
      - path: /opt/example
        names: [pinned, uv, supervisor, home, "[0-9]*.[0-9]*.[0-9]*"]
"""

RETURN = r"""
removed:
  description: What was removed.
  returned: always
  type: list
  elements: str
kept:
  description: What was left, and why.
  returned: always
  type: list
  elements: str
"""

import errno
import fnmatch
import glob
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.user_processes import signal_all, user_processes

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class RemovalError(Exception):
    """Something that has to go cannot be removed."""


def _run(*command: str) -> None:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env={"PATH": _PATH}, cwd="/"
    )
    if done.returncode:
        raise RemovalError(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr or done.stdout}")


def setting(text: str, name: str) -> str | None:
    """Return the value of a setting in a postgresql.conf."""
    found = re.findall(rf"^\s*{re.escape(name)}\s*=?\s*'?([^'#\n]*?)'?\s*(?:#.*)?$", text, re.MULTILINE)
    return found[-1] if found else None


def others_may_change(path: str) -> str | None:
    """Return the directory on the way to a path in which somebody but root may replace what is there."""
    above = os.path.dirname(path)
    while True:
        found = os.stat(above)
        if found.st_uid != 0 or (found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX):
            return above
        if above == "/":
            return None
        above = os.path.dirname(above)


class Removal:
    """One pass over everything."""

    def __init__(self, check_mode: bool) -> None:
        self.check_mode = check_mode
        self.removed: list[str] = []
        self.kept: list[str] = []

    def cluster(self, name: str, mark: str) -> None:
        """Drop the cluster that has the mark."""
        for config in sorted(glob.glob(f"/etc/postgresql/*/{glob.escape(name)}")):
            version = config.split("/")[-2]
            try:
                with open(f"{config}/postgresql.conf", encoding="utf-8", errors="replace") as file:
                    text = file.read()
            except OSError:
                text = ""
            if setting(text, mark.partition("=")[0]) != mark.partition("=")[2]:
                self.kept.append(f"the PostgreSQL cluster {version}/{name}: this instance has not made it")
                continue
            self.removed.append(config)
            if not self.check_mode:
                _run("pg_dropcluster", version, name)

    def directory(self, path: str, names: list[str]) -> None:
        """Remove what is known of a directory, and the directory itself if that was all."""
        if not os.path.isdir(path):
            return
        real = os.path.realpath(path)
        foreign = others_may_change(f"{real}/x") or others_may_change(path)
        if foreign:
            self.kept.append(f"{path}: somebody but root may change {foreign}")
            return
        for name in sorted(os.listdir(real)):
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in names):
                self._tree(f"{real}/{name}")
        left = sorted(set(os.listdir(real)) - {os.path.basename(entry) for entry in self.removed if self.check_mode})
        if real != path:
            self.kept.append(f"{path}: it is a link to {real}")
        elif left:
            self.kept.append(f"{path}: it also holds {', '.join(left[:5])}{', ...' if len(left) > 5 else ''}")
        elif os.path.ismount(path):
            self.kept.append(f"{path}: something is mounted there")
        else:
            self.removed.append(path)
            if not self.check_mode:
                os.rmdir(path)

    def _tree(self, path: str) -> None:
        """Remove a file, a link or a directory with all that is in it, but not what is mounted there."""
        if os.path.ismount(path):
            entries = [f"{path}/{name}" for name in os.listdir(path)]
            if entries:
                self.removed.append(f"{path}/*")
            for entry in entries if not self.check_mode else []:
                _remove(entry)
            self.kept.append(f"{path}: something is mounted there")
            return
        self.removed.append(path)
        if not self.check_mode:
            _remove(path)

    def user(self, name: str, comment: str) -> None:
        """Delete an account that the instance has made."""
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            return
        if found.pw_gecos != comment:
            self.kept.append(f"the account {name}: this instance has not made it")
            return
        self.removed.append(f"the account {name}")
        if self.check_mode:
            return
        deadline = time.monotonic() + 30
        while processes := user_processes(found.pw_uid):
            if time.monotonic() > deadline:
                raise RemovalError(f"processes of {name} do not end: {', '.join(map(str, sorted(processes)))}")
            signal_all(processes, signal.SIGKILL)
            time.sleep(0.05)
        _run("userdel", name)


def _remove(path: str) -> None:
    try:
        if stat.S_ISDIR(os.lstat(path).st_mode):
            # It works with open directories, so that nobody can put a link in its way.
            shutil.rmtree(path)
        else:
            os.unlink(path)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise RemovalError(f"{path}: {error.strerror}") from error


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
        module.warn(f"Left: {each}.")
    module.exit_json(changed=bool(removal.removed), removed=removal.removed, kept=removal.kept)


if __name__ == "__main__":
    main()
