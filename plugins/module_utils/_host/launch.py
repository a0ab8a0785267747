# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Become a process: read what root alone has written, set limits, give up root, and execute the program.

usage: launch.py DESCRIPTION

supervisord starts every process by this program, and the watchdog every command that checks one. It does what systemd
does from a unit. The description is JSON: command, user, group, environment, environment_file, working_directory,
runtime_directory, runtime_directory_mode, limit_nofile, oom_score_adjust, hardening, pid_file, stop_signal and
stop_seconds. No shell reads a value, and none passes through an argument list.

It is installed on its own beside the watchdog, so it imports only the standard library.
"""

from __future__ import annotations

import contextlib
import ctypes
import grp
import json
import os
import pwd
import re
import resource
import stat
import sys
from collections.abc import Collection
from typing import Any, NamedTuple, NoReturn

SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LINKS = 40  # maximum number that the kernel follows in one path
# What a backslash takes its meaning from between double quotes; before anything else it stands for itself.
ESCAPED = '"\\`$'
BLANK = " \t\r\n"
NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS
WRONG_CONFIGURATION = 78
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Refused(ValueError):
    """A file or an action that root rejects. The message names the path and the remedy."""


# Files of root ------------------------------------------------------------------------------------------------------


def names_in(path: str) -> list[str]:
    """Return the components of a path."""
    return [name for name in os.path.normpath(path).split("/") if name]


def roots() -> tuple[int, int]:
    """Return the uids that are trusted: root and the effective user."""
    return 0, os.geteuid()


def weakness(path: str, others: int = stat.S_IWGRP | stat.S_IWOTH, groups: Collection[int] = ()) -> str | None:
    """Return which part of a path another account than root can change, None if there is none.

    If it returns None, nobody can change the path before the file is opened. `others` are the mode bits that only root
    may have. `groups` are the gids that may write as well.
    """
    at, pending, links = "/", names_in(path), 0
    while True:
        found = os.lstat(at)
        if found.st_uid not in roots():
            return f"{at} belongs to the account {account_name(found.st_uid)}"
        if stat.S_ISLNK(found.st_mode):
            links += 1
            if links > LINKS:
                return f"{at} exceeds the maximum number of symbolic links"
            pending = names_in(os.path.join(os.path.dirname(at), os.readlink(at))) + pending
            at = "/"
            continue
        sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
        denied = others & ~stat.S_IWGRP if found.st_gid in groups else others
        if found.st_mode & denied and not sticky:
            return f"{at} can be written by others than its owner (mode {stat.S_IMODE(found.st_mode):04o})"
        if not pending:
            return None
        at = os.path.join(at, pending.pop(0))


def account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def read_trusted(path: str) -> str:
    """Return the text of a file that only root can have written."""
    problem = weakness(path)
    if problem:
        raise Refused(
            f"{path}: {problem}, so root does not read it. Make root the owner of the file and its parent directories, "
            "with a mode that does not allow others to write."
        )
    descriptor = os.open(os.path.realpath(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused(f"{path}: it is not a regular file")
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as stream:
        return stream.read()


def parse_environment(text: str) -> dict[str, str]:
    """Return the variables of an environment file, parsed like EnvironmentFile= of systemd.

    Values are between double or single quotes, or bare; a backslash escapes the next character of a bare value, and
    backslash, double quote, dollar sign and backtick between double quotes. Nothing is expanded.
    """
    variables: dict[str, str] = {}
    at = 0
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end].lstrip(BLANK)
        if not line or line[0] in "#;":
            at = end + 1
            if line and (len(line) - len(line.rstrip("\\"))) % 2:
                # A backslash continues a comment on the next line.
                at = text.find("\n", at) + 1 or len(text)
            continue
        name, equals, _rest = line.partition("=")
        name = name.rstrip(BLANK)
        if not equals or not _NAME.fullmatch(name):
            number = text.count("\n", 0, at) + 1
            raise Refused(f'line {number} of the environment file is not NAME="value"')
        variables[name], at = read_value(text, text.index("=", at) + 1)
    return variables


def read_value(text: str, at: int) -> tuple[str, int]:
    """Return the value that starts at this position, and the position of the next line."""
    value, bare, quote = "", False, ""
    kept = 0  # length of the value without trailing white space
    while at < len(text):
        character = text[at]
        following = text[at + 1 : at + 2]
        at += 1
        if quote:
            if character == quote:
                quote = ""
            elif character == "\\" and quote == '"':
                at += 1
                if following in ESCAPED:
                    value += following
                elif following != "\n":
                    value += character + following
            else:
                value += character
            kept = len(value)
        elif character == "\n":
            break
        elif character == "\\":
            at += 1
            bare = True
            value += "" if following == "\n" else following
            kept = len(value)
        elif not bare and character in "\"'":
            quote = character
        elif bare or character not in BLANK:
            bare = True
            value += character
            kept = len(value) if character not in BLANK else kept
    return value[:kept], at


def read_environment(path: str) -> dict[str, str]:
    """Return the variables of an environment file that root owns."""
    try:
        return parse_environment(read_trusted(path))
    except Refused as refused:
        message = str(refused)
        raise Refused(message if path in message else f"{path}: {message}") from None


# Change of the account ---------------------------------------------------------------------------------------------


class Account(NamedTuple):
    name: str
    uid: int
    gid: int
    home: str


def account_of(user: str, group: str | None = None) -> Account:
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError:
        raise Refused(f"the user {user!r} does not exist on this host") from None
    try:
        gid = entry.pw_gid if not group else int(group) if group.isdigit() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise Refused(f"the group {group!r} does not exist on this host") from None
    return Account(entry.pw_name, entry.pw_uid, gid, entry.pw_dir)


def environment_of(account: Account) -> dict[str, str]:
    """Return the basic environment of every process of an account, without the environment of its parent."""
    return {"PATH": SEARCH_PATH, "USER": account.name, "LOGNAME": account.name, "HOME": account.home}


def variables_of(description: dict[str, Any], account: Account) -> dict[str, str]:
    """Return the complete environment of a process."""
    variables = {**environment_of(account), **(description.get("environment") or {})}
    if description.get("environment_file"):
        variables.update(read_environment(description["environment_file"]))
    return variables


def become(account: Account, no_new_privileges: bool) -> None:
    """Drop the privileges of root permanently."""
    if os.geteuid() == 0:
        os.initgroups(account.name, account.gid)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    if no_new_privileges and ctypes.CDLL(None, use_errno=True).prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")


def make_runtime_directory(name: str, mode: int, account: Account) -> None:
    """Create a directory below /run for an account. Root owns its parent directories."""
    path = "/run"
    for part in names_in(name):
        path += "/" + part
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o755)
    problem = weakness(os.path.dirname(path))
    if problem:
        raise Refused(f"{path}: {problem}, so root creates no directory there")
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    os.fchown(descriptor, account.uid, account.gid)
    os.fchmod(descriptor, mode)
    os.close(descriptor)


def write_pid_file(path: str, signal: str, seconds: int) -> None:
    """Write the pid file that finds the orphaned process if supervisord itself is killed."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o644), "w") as stream:
        stream.write(f"{os.getpid()} {signal} {seconds}\n")


def set_limits(description: dict[str, Any]) -> None:
    limit = description.get("limit_nofile")
    if limit is not None:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        except (OSError, ValueError):  # root cannot raise the hard limit, as in some containers
            hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    adjust = description.get("oom_score_adjust")
    if adjust is not None:
        # In some containers, root cannot lower it.
        with contextlib.suppress(PermissionError), open("/proc/self/oom_score_adj", "w") as score:
            score.write(str(adjust))


def launch(description: dict[str, Any]) -> NoReturn:
    account = account_of(description["user"], description.get("group"))
    if description.get("pid_file"):
        write_pid_file(description["pid_file"], description["stop_signal"], description["stop_seconds"])
    os.umask(0o022)
    if description.get("runtime_directory"):
        make_runtime_directory(description["runtime_directory"], description["runtime_directory_mode"], account)
    set_limits(description)
    variables = variables_of(description, account)
    become(account, bool(description.get("hardening")))
    os.chdir(description.get("working_directory") or "/")
    command = description["command"]
    os.execve(command[0], command, variables)


def main(path: str) -> None:
    try:
        launch(json.loads(read_trusted(path)))
    except (OSError, ValueError) as error:
        # No message contains a value of an environment file.
        sys.stderr.write(f"{path}: {error}\n")
        raise SystemExit(WRONG_CONFIGURATION) from None


if __name__ == "__main__":
    main(sys.argv[1])
