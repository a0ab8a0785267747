# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that processes need. Pure functions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

START, RESTART, RELOAD, PENDING = "start", "restart", "reload", "pending"


def checksum(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def restart_paths(process: dict[str, Any], files: Iterable[str]) -> list[str]:
    """Return the files that a process reads when it starts."""
    paths = set(files if process["restart_on"] is None else process["restart_on"])
    if process["environment_file"]:
        paths.add(process["environment_file"])
    return sorted(paths - set(process["reload_on"]))


def inputs(
    process: dict[str, Any], definition: list[str], files: Iterable[str], digests: dict[str, str | None]
) -> dict[str, str]:
    """Return the checksums of the inputs of a process: `applied` requires a restart, `reloaded` a reload."""
    applied = [(path, digests[path]) for path in restart_paths(process, files)]
    reloaded = [(path, digests[path]) for path in sorted(process["reload_on"])]
    return {"applied": checksum(definition, applied, process["restart_token"]), "reloaded": checksum(reloaded)}


def outdated(process: dict[str, Any], files: Iterable[str], altered: set[str]) -> list[str]:
    """Return the `inputs` that may differ from the record, because a file was changed outside the collection."""
    paths = {"applied": restart_paths(process, files), "reloaded": process["reload_on"]}
    return [key for key in sorted(paths) if altered.intersection(paths[key])]


def action(
    running: bool, recorded: dict[str, Any], wanted: dict[str, str], allowed: bool, defer_restarts: bool
) -> str | None:
    """Return the action that a process needs, None if it needs none."""
    if not running:
        need = START
    elif recorded.get("applied") != wanted["applied"]:
        need = RESTART
    elif recorded.get("reloaded") != wanted["reloaded"]:
        need = RELOAD
    else:
        return None
    if not allowed or (need == RESTART and defer_restarts):
        return PENDING
    return need
