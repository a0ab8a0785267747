# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that a host's certificate has to be for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_names
short_description: List the names and addresses under which others reach a host
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - These are what P(selfhosted.prefect.address_of#filter) says, C(prefect_tls_names) of the host, and the hosts of
    O(urls).
positional: hostvars, urls
options:
  _input:
    description: Name of an inventory host.
    type: str
    required: true
  hostvars:
    description: Ansible's C(hostvars).
    type: dict
    required: true
  urls:
    description: URLs that lead to the host.
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: What the certificate of the first API host is for
  ansible.builtin.debug:
    msg: "{{ groups['prefect_api'][0] | selfhosted.prefect.certificate_names(hostvars, [prefect_api_url]) }}"
"""

RETURN = r"""
_value:
  description: The names and addresses, each once, the host's own address first.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.selfhosted.prefect.plugins.filter.address_of import address_of
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates import canonical


def certificate_names(host: str, hostvars: Mapping[str, Mapping[str, Any]], urls: Sequence[str] = ()) -> list[str]:
    """Return what a certificate of C(host) has to be for."""
    named = [address_of(host, hostvars), *(hostvars[host].get("prefect_tls_names") or [])]
    named += [urlsplit(url).hostname or "" for url in urls]
    return list(dict.fromkeys(canonical(str(name)) for name in named if name))


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"certificate_names": certificate_names}
