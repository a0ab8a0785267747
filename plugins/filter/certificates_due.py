# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificates the collection's own authority has to make."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificates_due
short_description: List the certificates of a directory that are missing, end soon or are for other names
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Reads C(authority.crt), and C(<host>.crt) and C(<host>.key) of each host, on the control host. Keys that Ansible
    Vault has encrypted count as those of their certificates.
positional: directory, days
options:
  _input:
    description: The names that the certificate of each host has to be for.
    type: dict
    required: true
  directory:
    description: Where the files are.
    type: path
    required: true
  days:
    description: A certificate that is valid for no longer than this is made anew.
    type: int
    required: true
"""

EXAMPLES = r"""
- name: Hosts that need a certificate
  ansible.builtin.debug:
    msg: "{{ {'db': ['10.0.0.5']} | selfhosted.prefect.certificates_due('/srv/inventory/tls', 30) }}"
"""

RETURN = r"""
_value:
  description: C(authority) where that is due, then the hosts that are.
  type: list
  elements: str
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates import (
    AVAILABLE,
    certificate_faults,
    certificates_of,
    ends_in_days,
)

AUTHORITY = "authority"
_VAULTED = "$ANSIBLE_VAULT;"


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise AnsibleFilterError(f"prefect_tls_directory: {path} cannot be read: {error.strerror}") from error


def _host_is_due(directory: Path, host: str, names: Sequence[str], days: float, authority: str) -> bool:
    certificate, key = _text(directory / f"{host}.crt"), _text(directory / f"{host}.key")
    if not (certificate and key):
        return True
    known = "" if key.startswith(_VAULTED) else key
    return bool(certificate_faults(certificate, authority, names, key=known, days=days))


def certificates_due(hosts: Mapping[str, Sequence[str]], directory: str, days: float) -> list[str]:
    """Return what has to be made, the authority first."""
    if not AVAILABLE:
        raise AnsibleFilterError(
            "prefect_tls: the control host lacks cryptography 42 or newer. Install it with pip, beside Ansible."
        )
    place = Path(directory)
    authority = _text(place / f"{AUTHORITY}.crt")
    found = certificates_of(authority)
    due = [] if found and ends_in_days(found[0]) > days else [AUTHORITY]
    return due + [host for host, names in hosts.items() if _host_is_due(place, host, names, days, authority)]


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"certificates_due": certificates_due}
