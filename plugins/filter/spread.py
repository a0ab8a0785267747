# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of some numbered processes run on which machine."""

from __future__ import annotations

DOCUMENTATION = r"""
name: spread
short_description: Spread numbered processes over machines
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Deals the numbers 1 to I(_input) out to the hosts in turn and returns those that fall to one host.
  - The same number stays with the same host as long as the list of hosts does not change.
positional: hosts, host
options:
  _input:
    description: How many processes there are in all.
    type: int
    required: true
  hosts:
    description: The machines that share them.
    type: list
    elements: str
    required: true
  host:
    description: The machine that is asked for.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The API processes of this machine
  ansible.builtin.debug:
    msg: "{{ prefect_server_replicas | selfhosted.prefect.spread(prefect_api_hosts, inventory_hostname) }}"
"""

RETURN = r"""
_value:
  description: Numbers, in rising order.
  type: list
  elements: int
"""

from collections.abc import Sequence
from typing import Any


def spread(count: int, hosts: Sequence[str], host: str) -> list[int]:
    """Return the numbers between 1 and C(count) that fall to C(host)."""
    if host not in hosts:
        return []
    return list(range(list(hosts).index(host) + 1, int(count) + 1, len(hosts)))


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"spread": spread}
