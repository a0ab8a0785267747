# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The assignment of background services to processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_ONLY_WHEN_LISTED = {"event_logger"}


def services_of(groups: Sequence[Mapping[str, Any]], name: str, known: Sequence[str]) -> set[str]:
    """Return the names of the services that group C(name) runs."""
    group = next(entry for entry in groups if entry["name"] == name)
    if group.get("services"):
        return set(group["services"])
    listed_elsewhere = {service for entry in groups for service in entry.get("services") or []}
    return set(known) - listed_elsewhere - _ONLY_WHEN_LISTED


def services_environment(
    groups: Sequence[Mapping[str, Any]], group: str, toggles: Mapping[str, str], vacuum: str
) -> dict[str, str]:
    """Return the settings that enable and disable the services of C(group)."""
    mine = services_of(groups, group, list(toggles))
    environment = {variable: str(service in mine).lower() for service, variable in toggles.items()}
    # This setting is a list. Prefect interprets "false" and an empty text as its default, an empty JSON list as none.
    environment[toggles["db_vacuum"]] = vacuum if "db_vacuum" in mine else "[]"
    return environment
