# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A URL as it may be shown."""

from __future__ import annotations

DOCUMENTATION = r"""
name: masked_url
short_description: Mask the secrets in a URL
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Masks user and password, and every value of the query but those that are known to be harmless.
  - Takes several hosts, as the URL of a Redis Sentinel has them, and a text that is no URL at all.
options:
  _input:
    description: The URL.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Say which Redis is used
  ansible.builtin.debug:
    msg: "{{ prefect_redis_url | selfhosted.prefect.masked_url }}"
"""

RETURN = r"""
_value:
  description: The URL, with V(***) in place of what is secret.
  type: str
"""

from typing import Any

_MASK = "***"
# Options of a Redis or PostgreSQL URL that tell how to connect. What is not known may be a secret.
_HARMLESS = {
    "application_name",
    "db",
    "health_check_interval",
    "max_connections",
    "protocol",
    "retry_on_timeout",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_timeout",
    "ssl",
    "ssl_ca_certs",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "sslmode",
    "sslrootcert",
}


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    return f"{name}={_MASK}" if equals and value and name.lower() not in _HARMLESS else text


def masked_url(url: str) -> str:
    """Return a URL without its secrets."""
    scheme, separator, rest = str(url).partition("://")
    if not separator:
        scheme, rest = "", scheme
    # Before anything is cut off at the "/", "?" or "#" that a password may have, where nobody has encoded it.
    login, at, rest = rest.rpartition("@")
    rest, hash_sign, fragment = rest.partition("#")
    rest, mark, query = rest.partition("?")
    query = "&".join(_parameter(each) for each in query.split("&"))
    fragment = _MASK if fragment else ""
    return f"{scheme}{separator}{_MASK + at if login else ''}{rest}{mark}{query}{hash_sign}{fragment}"


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"masked_url": masked_url}
