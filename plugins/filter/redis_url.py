# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis URL as Prefect and Docket read it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_url
short_description: Build the Redis URL of a Prefect server
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Percent-encodes the user and the password, so that it may hold any character.
positional: port, password, database
options:
  _input:
    description: Host name or address. An IPv6 address is put in brackets.
    type: str
    required: true
  port:
    description: TCP port.
    type: int
    default: 6379
  password:
    description: Password of the user.
    type: str
    default: ""
  database:
    description: Number of the logical database.
    type: int
    default: 0
  user:
    description: Name of the user. Empty for the default user.
    type: str
    default: ""
  tls:
    description: Whether the server speaks TLS.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: The URL of a Redis with a password
  ansible.builtin.set_fact:
    url: "{{ '10.0.0.6' | selfhosted.prefect.redis_url(6379, 'p@ss:w/rd') }}"
"""

RETURN = r"""
_value:
  description: A C(redis://) or C(rediss://) URL.
  type: str
"""

from typing import Any
from urllib.parse import quote

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import bracketed


def redis_url(
    host: str, port: int = 6379, password: str = "", database: int = 0, *, user: str = "", tls: bool = False
) -> str:
    """Return a Redis URL with user and password percent-encoded."""
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if password else ""
    return f"{'rediss' if tls else 'redis'}://{login}{bracketed(host)}:{int(port)}/{int(database)}"


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"redis_url": redis_url}
