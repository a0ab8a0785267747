# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Prefect's server is told of Redis so that it bears a short outage of it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_settings
short_description: Name a Redis by the settings with which Prefect's server repeats what fails
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - The packages C(prefect-redis) and C(redis) treat two ways of naming a server differently. A client that was made
    from host and port repeats a command whose connection fails ten times, over two to three seconds. One that was
    made from a URL repeats nothing, so that a Redis that restarts fails requests to the API. Therefore a URL is taken
    apart where that is possible.
  - A client that was made from host and port logs in as C(default), with an empty password where there is none, which
    Redis accepts since version 6.
  - A URL with parameters, or of Sentinel, stays a URL, since no other settings say the same.
positional: prefix
options:
  _input:
    description: A C(redis://), C(rediss://), C(redis+sentinel://) or C(rediss+sentinel://) URL.
    type: str
    required: true
  prefix:
    description: What the names of the settings begin with, for example C(PREFECT_REDIS_MESSAGING).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Settings of a server that repeats what Redis did not answer
  ansible.builtin.set_fact:
    settings: "{{ 'redis://10.0.0.6:6379/0' | selfhosted.prefect.redis_settings('PREFECT_REDIS_MESSAGING') }}"
"""

RETURN = r"""
_value:
  description: Environment variables of the server. Those that Prefect's default suits are left out.
  type: dict
"""

from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._redis import redis_parts


def redis_settings(url: str, prefix: str) -> dict[str, str]:
    """Return the variables that name the Redis at C(url)."""
    if redis_parts(url).scheme not in ("redis", "rediss"):
        return {f"{prefix}_URL": url}
    parts = urlsplit(url)
    database = parts.path.strip("/")
    if parts.query or not (database.isdigit() or not database):
        return {f"{prefix}_URL": url}
    found = {
        "HOST": parts.hostname or "localhost",
        "PORT": str(parts.port or 6379),
        "DB": str(int(database or 0)),
        # Prefect's default is the name that Redis gives to those who log in with a password only.
        "USERNAME": unquote(parts.username) if parts.username else None,
        "PASSWORD": unquote(parts.password) if parts.password else None,
        "SSL": "true" if parts.scheme == "rediss" else None,
    }
    return {f"{prefix}_{name}": value for name, value in found.items() if value is not None}


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"redis_settings": redis_settings}
