# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host names in URLs and addresses."""

from __future__ import annotations

DOCUMENTATION = r"""
name: host_names
short_description: List the host names in URLs and addresses
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Leaves out IP addresses, which the API answers for in any case, and what is empty.
options:
  _input:
    description: URLs, addresses and names, also with a port.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: The names under which an API is reached
  ansible.builtin.debug:
    msg: "{{ ['https://prefect.example.com:8443/api', '10.0.0.5', 'app1'] | selfhosted.prefect.host_names }}"
"""

RETURN = r"""
_value:
  description: The names in lower case and in alphabetical order, each once.
  type: list
  elements: str
"""

import ipaddress
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit


def _name(place: str) -> str:
    text = place.strip()
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return (urlsplit(text if "://" in text else f"//{text}").hostname or "").rstrip(".")
    return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def host_names(places: Iterable[str]) -> list[str]:
    """Return the host names in C(places)."""
    names = {_name(str(place)) for place in places}
    return sorted(name for name in names if name and not _is_address(name))


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"host_names": host_names}
