# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Redis URL with the certificate authority that its server has to be of."""

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_ca
short_description: Have a Redis URL trust a certificate authority
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Adds the file of the authority to a URL that asks for TLS, as the parameter C(ssl_ca_certs) of Python's Redis
    client. Prefect has no setting for it. C(prefect-redis) and Docket hand the parameter on, with Sentinel to its
    nodes, too; the authorities that the system trusts stay trusted.
  - A URL without TLS stays as it is.
positional: file
options:
  _input:
    description: A C(redis://), C(rediss://), C(redis+sentinel://) or C(rediss+sentinel://) URL.
    type: str
    required: true
  file:
    description: Path of the authority's PEM file, where the URL is used. Empty leaves the URL as it is.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: A Redis with a certificate of our own authority
  ansible.builtin.set_fact:
    url: "{{ 'rediss://10.0.0.6:6380/0' | selfhosted.prefect.redis_ca('/etc/prefect/redis-ca.crt') }}"
"""

RETURN = r"""
_value:
  description: The URL.
  type: str
"""

from typing import Any
from urllib.parse import quote


def redis_ca(url: str, file: str) -> str:
    """Return C(url) with the authority in C(file)."""
    if not file or not url.startswith("rediss"):
        return url
    address, _mark, query = url.partition("?")
    return f"{address}?{'&'.join(filter(None, [query, f'ssl_ca_certs={quote(file)}']))}"


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"redis_ca": redis_ca}
