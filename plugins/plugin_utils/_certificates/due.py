# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The certificates that have to be created or renewed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible.errors import AnsibleFilterError

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates.reading import (
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
    """Return the certificates to create, that of the CA first."""
    if not AVAILABLE:
        raise AnsibleFilterError(
            "prefect_tls: the control host lacks cryptography 42 or newer. Install it with pip in the Python "
            "environment of Ansible."
        )
    place = Path(directory)
    authority = _text(place / f"{AUTHORITY}.crt")
    found = certificates_of(authority)
    due = [] if found and ends_in_days(found[0]) > days else [AUTHORITY]
    return due + [host for host, names in hosts.items() if _host_is_due(place, host, names, days, authority)]
