# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A SQLAlchemy URL for Prefect's database."""

from __future__ import annotations

DOCUMENTATION = r"""
name: postgresql_url
short_description: Build the database URL of a Prefect server
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Percent-encodes the user, the password and the database name, so that a password may hold any character.
positional: host, port
options:
  _input:
    description: Name of the database.
    type: str
    required: true
  host:
    description: Host name or address. An IPv6 address is put in brackets.
    type: str
    required: true
  port:
    description: TCP port.
    type: int
    required: true
  user:
    description: Name of the role to log in with.
    type: str
    required: true
  password:
    description: Password of that role.
    type: str
    default: ""
  driver:
    description: SQLAlchemy's driver. Empty for a URL of PostgreSQL's own clients.
    type: str
    default: asyncpg
"""

EXAMPLES = r"""
- name: The URL of a server process
  ansible.builtin.set_fact:
    url: "{{ 'prefect' | selfhosted.prefect.postgresql_url('10.0.0.5', 5432, user='prefect', password='p@ss:w/rd') }}"
"""

RETURN = r"""
_value:
  description: The URL.
  type: str
"""

from typing import Any
from urllib.parse import quote

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import bracketed


def postgresql_url(
    database: str, host: str, port: int, *, user: str, password: str = "", driver: str = "asyncpg"
) -> str:
    """Return a URL with every part percent-encoded."""
    login = quote(user, safe="") + (":" + quote(password, safe="") if password else "")
    scheme = f"postgresql+{driver}" if driver else "postgresql"
    return f"{scheme}://{login}@{bracketed(host)}:{int(port)}/{quote(database, safe='')}"


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"postgresql_url": postgresql_url}
