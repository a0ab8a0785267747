# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Problems with the files and directories that options name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.paths import state_of
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import (
    Problem,
    problem,
    without_logins,
)

# Units, command lines and the settings of all programs accept these paths without quotes.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9._+@-]+)+")
# System directories. An instance would change the owner of its directory, and teardown would remove the directory.
_OF_THE_SYSTEM = re.compile(
    r"/|/(?:bin|boot|dev|etc|home|lib\w*|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)"
    r"|/(?:dev|proc|sys|boot|bin|sbin|lib\w*)/.*|/usr/(?:bin|sbin|lib\w*|share|include|local)(?:/(?:bin|sbin|lib|share))?"
    r"|/var/(?:lib|log|run|cache|spool|tmp|lock|mail|opt|local|backups)"
    r"|/etc/(?:systemd|postgresql|redis|haproxy|pgbouncer|ssl|default)|/var/lib/(?:postgresql|redis|haproxy)"
)
_CONTROL = "the control host"
_LONGEST = 200


def _in_use(declared: Mapping[str, Any], host: Mapping[str, Any]) -> bool:
    """Return whether a component on this host uses the option."""
    if "component" in declared and declared["component"] not in host["components"]:
        return False
    platform = declared.get("platform", "host" if declared["at"] == "host" else host["platform"])
    # Modules that run on another host for a cluster read the file there, and report problems themselves.
    here = declared.get("platform") != "kubernetes" or host["local"]
    return bool(platform == host["platform"] and here)


def _spelling(option: str, path: str, declared: Mapping[str, Any]) -> Iterator[Problem]:
    """Check a path that units, command lines and settings contain."""
    longest = declared.get("longest", _LONGEST)
    if not _PLAIN.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
        yield problem(
            option,
            f"{path!r} is not a path that all programs accept.",
            "Use an absolute path of letters, digits and . _ + @ -, without a trailing slash.",
        )
    elif len(path) > longest:
        yield problem(
            option,
            f"{path} has {len(path)} characters, and the limit is {longest}.",
            "Use a shorter path.",
        )
    elif declared["use"] == "made" and _OF_THE_SYSTEM.fullmatch(path):
        yield problem(
            option,
            f"{path} is a system directory. The instance would change its owner, and teardown would remove it.",
            f"Use a separate directory, such as {path.rstrip('/')}/prefect.",
        )


def _state(option: str, path: str, state: str, declared: Mapping[str, Any], where: str) -> Iterator[Problem]:
    kind, use = declared["kind"], declared["use"]
    other = "directory" if kind == "file" else "file"
    if state == "blocked":
        yield problem(option, f"{path} on {where}: one of its parent directories is a file.", "Set another path.")
    elif state == "missing" and use == "read":
        yield problem(option, f"The {kind} {path} does not exist on {where}.", f"Create it, or set another {kind}.")
    elif state == "denied" or (state == "unreadable" and use == "read"):
        yield problem(
            option,
            f"The account that the playbook uses on {where} cannot read {path}.",
            "Change the owner or the mode of the path or of its parent directories.",
        )
    elif state == "unwritable" and use == "written":
        yield problem(
            option,
            f"The account that runs the playbook cannot write {path} on {where}.",
            "Change the owner or the mode of its directory, or set another path.",
        )
    elif state in ("file", "directory", "other") and state != kind:
        what = f"a {other}" if state == other else "neither a file nor a directory"
        yield problem(option, f"{path} on {where} is {what} instead of a {kind}.", f"Set a {kind}.")


def _trust(option: str, path: str, weakness: str, declared: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Check that root alone can change what root reads, executes, follows or owns on a host."""
    if not weakness:
        return
    kind, place = declared["kind"], "/etc/ssl/private" if declared["kind"] == "file" else "/srv"
    yield problem(
        option,
        f"Root uses {path} on {where}, but other accounts can change it: {weakness}.",
        f"Use a {kind} below directories that only root can change, such as {place}. Or make root the owner of the "
        f"{kind} and its parent directories, with a mode that does not allow others to write.",
    )


def _paths(value: Any, separator: str = "") -> list[str]:
    listed = value if isinstance(value, (list, tuple)) else [value]
    paths = [str(path) for path in listed if isinstance(path, str)]
    return [part for path in paths for part in (path.split(separator) if separator else [path]) if part]


def _on_control(path: str, declared: Mapping[str, Any], host: Mapping[str, Any]) -> str:
    expanded = os.path.expandvars(os.path.expanduser(path))
    return os.path.join(host["inventory"] if declared.get("relative_to") == "inventory" else os.getcwd(), expanded)


def _of_option(option: str, value: Any, declared: Mapping[str, Any], host: Mapping[str, Any]) -> Iterator[Problem]:
    paths = _paths(value, declared.get("separator", ""))
    if declared["at"] == "control":
        full = [_on_control(path, declared, host) for path in paths]
        states = {path: state_of(path, write=declared["use"] == "written") for path in full}
        # Some directories of a search path may be missing.
        enough = "separator" in declared and set(states.values()) - {"missing"}
        for path, state in states.items():
            if not (enough and state == "missing"):
                yield from _state(option, path, state, declared, _CONTROL)
        return
    for path in paths:
        found = list(_spelling(option, path, declared))
        yield from found
        if not found:
            yield from _state(option, path, host["paths"].get(path, ""), declared, host["name"])
            yield from _trust(option, path, host["weaknesses"].get(path, ""), declared, host["name"])


def _shared(values: Mapping[str, Any], made: list[str]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for option in made:
        for path in _paths(values.get(option)):
            if path in owners:
                yield problem(
                    option, f"{path} is also the value of {owners[path]}.", "Set a separate directory for each."
                )
            owners.setdefault(path, option)


def path_problems(
    values: Mapping[str, Any], declared: Mapping[str, Mapping[str, Any]], host: Mapping[str, Any]
) -> list[Problem]:
    """Return the problems with the files and directories that options name."""
    used = [option for option, what in declared.items() if _in_use(what, host)]
    found = [entry for option in used for entry in _of_option(option, values.get(option), declared[option], host)]
    found += _shared(values, [option for option in used if declared[option]["use"] == "made"])
    return without_logins(found, values)
