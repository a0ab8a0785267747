# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How pods reach a DNS server."""

from __future__ import annotations

DOCUMENTATION = r"""
name: dns_rule
short_description: Make the rule of a NetworkPolicy that lets pods ask for names
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - DNS uses UDP, and TCP for long answers. A rule names each port with each protocol.
options:
  _input:
    description: Ports of the cluster's DNS.
    type: list
    elements: int
    required: true
"""

EXAMPLES = r"""
- name: Make the rule for the usual port
  ansible.builtin.debug:
    msg: "{{ [53] | selfhosted.prefect.dns_rule }}"
"""

RETURN = r"""
_value:
  description: The rule, for C(egress).
  type: dict
"""

from collections.abc import Iterable
from typing import Any


def dns_rule(ports: Iterable[int]) -> dict[str, Any]:
    """Return the rule that opens C(ports) for both protocols."""
    return {"ports": [{"port": port, "protocol": protocol} for port in ports for protocol in ("UDP", "TCP")]}


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"dns_rule": dns_rule}
