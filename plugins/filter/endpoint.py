# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host and a port in one word."""

from __future__ import annotations

DOCUMENTATION = r"""
name: endpoint
short_description: Join a host and a port
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Returns V(host:port), or a URL with a O(scheme). An IPv6 address gets its brackets.
positional: port, path
options:
  _input:
    description: Name or address of the host. An IPv6 address has no brackets.
    type: str
    required: true
  port:
    description: TCP port.
    type: int
    required: true
  path:
    description: Path of the URL, with its slash.
    type: str
    default: ""
  scheme:
    description: Scheme of the URL, such as V(http). Without one the result is no URL.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Say where a Redis listens
  ansible.builtin.debug:
    msg: "{{ 'fd00::5' | selfhosted.prefect.endpoint(6379) }}"  # [fd00::5]:6379

- name: Say where the API is
  ansible.builtin.debug:
    msg: "{{ 'fd00::5' | selfhosted.prefect.endpoint(4200, '/api', scheme='http') }}"  # http://[fd00::5]:4200/api
"""

RETURN = r"""
_value:
  description: Host and port, or the URL.
  type: str
"""

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import bracketed


def endpoint(host: str, port: int, path: str = "", scheme: str = "") -> str:
    """Return host and port, or a URL."""
    return f"{scheme}://" * bool(scheme) + f"{bracketed(str(host))}:{int(port)}{path}"


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"endpoint": endpoint}
