# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which background services a process runs, as environment variables."""

from __future__ import annotations

DOCUMENTATION = r"""
name: services_environment
short_description: Switch the background services of one group on and all others off
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Turns the groups that divide the background services into the toggles of one group.
  - A group without a list of services runs every service that no other group lists. At most one group can do without.
  - C(event_logger) only prints events for debugging, so it runs in the group that lists it and in no other.
  - Groups do not share a Docket. Each takes tasks from its own logical Redis database, because a process drops the
    tasks of services that it does not run.
positional: group, toggles, vacuum
options:
  _input:
    description: All groups, each with C(name) and optionally C(services).
    type: list
    elements: dict
    required: true
  group:
    description: Name of the group to return the toggles of.
    type: str
    required: true
  toggles:
    description: Name of the environment variable of every service.
    type: dict
    required: true
  vacuum:
    description: What the C(db_vacuum) service removes, a comma-separated list.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: A process that only schedules
  ansible.builtin.debug:
    msg: >-
      {{ [{'name': 'scheduler', 'services': ['scheduler']}, {'name': 'rest'}]
         | selfhosted.prefect.services_environment('scheduler', toggles, 'events') }}
  vars:
    toggles:
      scheduler: PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED
      db_vacuum: PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED
"""

RETURN = r"""
_value:
  description: Environment variables and their values.
  type: dict
"""

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
    """Return the toggles of C(group)."""
    mine = services_of(groups, group, list(toggles))
    environment = {variable: str(service in mine).lower() for service, variable in toggles.items()}
    # This one lists what to remove. Prefect reads "false" and an empty text as its default, an empty JSON list as none.
    environment[toggles["db_vacuum"]] = vacuum if "db_vacuum" in mine else "[]"
    return environment


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"services_environment": services_environment}
