# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The address under which machines of the inventory reach one another."""

from __future__ import annotations

DOCUMENTATION = r"""
name: address_of
short_description: Address of the first of some inventory hosts
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Returns the address that other machines use for a host, or for the first of a list of hosts.
  - That is C(prefect_address) of the inventory, else V(127.0.0.1) for a host with a local connection, else
    C(ansible_host) or the host's own name.
positional: hostvars
options:
  _input:
    description: Name of an inventory host, or a list of names.
    type: raw
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Where PostgreSQL listens
  ansible.builtin.debug:
    msg: "{{ groups['prefect_postgres'] | selfhosted.prefect.address_of(hostvars) }}"

- name: Every machine that runs API processes
  ansible.builtin.debug:
    msg: "{{ groups['prefect_api'] | map('selfhosted.prefect.address_of', hostvars) }}"
"""

RETURN = r"""
_value:
  description: The address, or an empty string for an empty list.
  type: str
"""

from collections.abc import Mapping, Sequence
from typing import Any


def address_of(hosts: str | Sequence[str], hostvars: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the address of a host, or of the first of C(hosts)."""
    if not hosts:
        return ""
    host = hosts if isinstance(hosts, str) else hosts[0]
    variables = hostvars[host]
    if variables.get("prefect_address"):
        return str(variables["prefect_address"])
    if variables.get("ansible_connection") == "local":
        return "127.0.0.1"
    return str(variables.get("ansible_host") or host)


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"address_of": address_of}
