# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a Redis that others run listens."""

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_ports
short_description: List the ports that clients of a Redis URL connect to
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - With Sentinel these are the ports of the Sentinels, and O(default), on which the Redis that they name is expected.
positional: default
options:
  _input:
    description: A C(redis://), C(rediss://), C(redis+sentinel://) or C(rediss+sentinel://) URL.
    type: str
    required: true
  default:
    description: Port of a Redis whose URL names none.
    type: int
    default: 6379
"""

EXAMPLES = r"""
- name: What a firewall has to let through
  ansible.builtin.debug:
    msg: "{{ 'redis+sentinel://a:26379,b:26379/prefect' | selfhosted.prefect.redis_ports }}"
"""

RETURN = r"""
_value:
  description: The ports, in ascending order, each once.
  type: list
  elements: int
"""

from typing import Any
from urllib.parse import urlsplit

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._redis import redis_parts

_SENTINEL_PORT = 26379


def redis_ports(url: str, default: int = 6379) -> list[int]:
    """Return the ports behind C(url)."""
    parts = redis_parts(url)
    sentinel = parts.scheme.endswith("+sentinel")
    own = _SENTINEL_PORT if sentinel else int(default)
    ports = {urlsplit(f"//{host}").port or own for host in parts.hosts}
    return sorted(ports | ({int(default)} if sentinel else set()))


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"redis_ports": redis_ports}
