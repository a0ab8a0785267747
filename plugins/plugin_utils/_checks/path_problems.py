# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""What is wrong with the files and directories that options name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.paths import state_of
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem

# What units, command lines and the settings of all programs take as it is.
_PLAIN = re.compile(r"(?:/[A-Za-z0-9._+@-]+)+")
# Directories of the system. An instance in one of them would change its owner, and take it away with itself.
_OF_THE_SYSTEM = re.compile(
    r"/|/(?:bin|boot|dev|etc|home|lib\w*|media|mnt|opt|proc|root|run|sbin|srv|sys|tmp|usr|var)"
    r"|/(?:dev|proc|sys|boot|bin|sbin|lib\w*)/.*|/usr/(?:bin|sbin|lib\w*|share|include|local)(?:/(?:bin|sbin|lib|share))?"
    r"|/var/(?:lib|log|run|cache|spool|tmp|lock|mail|opt|local|backups)"
    r"|/etc/(?:systemd|postgresql|redis|haproxy|pgbouncer|ssl|default)|/var/lib/(?:postgresql|redis|haproxy)"
)
_CONTROL = "the machine that runs the playbooks"
_LONGEST = 200


def _in_use(declared: Mapping[str, Any], host: Mapping[str, Any]) -> bool:
    """Return whether anything on this machine uses the option."""
    if "component" in declared and declared["component"] not in host["components"]:
        return False
    platform = declared.get("platform", "host" if declared["at"] == "host" else host["platform"])
    # Where modules for a cluster run on another machine, they read the file there, and say so.
    here = declared.get("platform") != "kubernetes" or host["local"]
    return bool(platform == host["platform"] and here)


def _spelling(option: str, path: str, declared: Mapping[str, Any]) -> Iterator[Problem]:
    """Check what becomes a part of units, command lines and settings."""
    longest = declared.get("longest", _LONGEST)
    if not _PLAIN.fullmatch(path) or any(part in (".", "..") for part in path.split("/")):
        yield problem(
            option,
            f"{path!r} is no path that every program takes as it is.",
            "Use an absolute path of letters, digits and . _ + @ -, without a slash at its end.",
        )
    elif len(path) > longest:
        yield problem(
            option,
            f"{path} has {len(path)} characters, and what is made of it has room for {longest}.",
            "Use a shorter path.",
        )
    elif declared["use"] == "made" and _OF_THE_SYSTEM.fullmatch(path):
        yield problem(
            option,
            f"{path} is a directory of the system, and the instance would own it, and remove it with itself.",
            f"Use a directory of its own, such as {path.rstrip('/')}/prefect.",
        )


def _state(option: str, path: str, state: str, declared: Mapping[str, Any], where: str) -> Iterator[Problem]:
    kind, use = declared["kind"], declared["use"]
    other = "directory" if kind == "file" else "file"
    if state == "blocked":
        yield problem(
            option, f"{path} on {where}: what should be a directory above it is a file.", "Name another path."
        )
    elif state == "missing" and use == "read":
        yield problem(option, f"There is no {kind} {path} on {where}.", f"Put the {kind} there, or name another one.")
    elif state == "denied" or (state == "unreadable" and use == "read"):
        yield problem(
            option,
            f"{path} on {where} cannot be read by the account that the playbook has there.",
            "Change its owner or its mode, or those of the directories above it.",
        )
    elif state == "unwritable" and use == "written":
        yield problem(
            option,
            f"{path} on {where} cannot be written by the account that runs the playbook.",
            "Change the owner or the mode of its directory, or name another path.",
        )
    elif state in ("file", "directory", "other") and state != kind:
        what = f"a {other}" if state == other else "neither a file nor a directory"
        yield problem(option, f"{path} on {where} is {what}, and not a {kind}.", f"Name a {kind}.")


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
        # Of a search path, some may be missing.
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


def _shared(values: Mapping[str, Any], made: list[str]) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for option in made:
        for path in _paths(values.get(option)):
            if path in owners:
                yield problem(option, f"{path} is {owners[path]}, too.", "Give each a directory of its own.")
            owners.setdefault(path, option)


def path_problems(
    values: Mapping[str, Any], declared: Mapping[str, Mapping[str, Any]], host: Mapping[str, Any]
) -> list[Problem]:
    """Return what is wrong with the files and directories that options name."""
    used = [option for option, what in declared.items() if _in_use(what, host)]
    found = [entry for option in used for entry in _of_option(option, values.get(option), declared[option], host)]
    return found + list(_shared(values, [option for option in used if declared[option]["use"] == "made"]))
