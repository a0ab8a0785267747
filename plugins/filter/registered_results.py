# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tasks of a role have registered on several hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
name: registered_results
short_description: Collect what tasks have registered on several hosts
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Collects the variables of several hosts whose names begin with O(prefix), which tasks have registered. A task that
    was skipped on a host has left nothing there.
positional: hosts, prefix
options:
  _input:
    description: The variables of all hosts, which are C(hostvars).
    type: dict
    required: true
  hosts:
    description: Names of the hosts.
    type: list
    elements: str
    required: true
  prefix:
    description: What the names of the variables begin with.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Read something
  ansible.builtin.command:
    argv: [echo, hello]
  register: read_greeting
  changed_when: false

- name: Show what was read, by name and by host
  ansible.builtin.debug:
    msg: >-
      {{ (hostvars | selfhosted.prefect.registered_results([inventory_hostname], 'read_')).greeting }}
"""

RETURN = r"""
_value:
  description: The results by host, by the rest of the names.
  type: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any


def registered_results(
    variables: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], prefix: str
) -> dict[str, dict[str, Any]]:
    """Return what C(hosts) have registered under names that begin with C(prefix), by the rest of the name."""
    found: dict[str, dict[str, Any]] = {}
    for host in hosts:
        of_host = variables[host]
        for name in sorted(name for name in of_host if name.startswith(prefix)):
            result = of_host[name]
            if not result.get("skipped"):
                found.setdefault(name[len(prefix) :], {})[host] = result
    return found


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"registered_results": registered_results}
