# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same Redis server, another logical database."""

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_database
short_description: Point a Redis URL at another logical database
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Replaces the database number of a Redis URL and leaves all else as it is, whatever the scheme.
  - For C(redis+sentinel://) URLs the number follows the name of the master, as Docket and C(prefect-redis) read it.
positional: database
options:
  _input:
    description: A C(redis://), C(rediss://), C(redis+sentinel://) or C(rediss+sentinel://) URL.
    type: str
    required: true
  database:
    description: Number of the logical database.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Docket's own database on the same server
  ansible.builtin.set_fact:
    docket_url: "{{ prefect_redis_url | selfhosted.prefect.redis_database(1) }}"
"""

RETURN = r"""
_value:
  description: The URL with that database number.
  type: str
"""

from typing import Any


def redis_database(url: str, database: int) -> str:
    """Return C(url) with its database number replaced."""
    # By hand: Python's own way refuses a list of Sentinels of which one is an IPv6 address.
    address, mark, query = url.partition("?")
    scheme, _mark, rest = address.partition("://")
    hosts, _mark, path = rest.partition("/")
    kept = [part for part in path.split("/") if part][:1] if "sentinel" in scheme else []
    return f"{scheme}://{'/'.join([hosts, *kept, str(int(database))])}{mark}{query}"


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"redis_database": redis_database}
