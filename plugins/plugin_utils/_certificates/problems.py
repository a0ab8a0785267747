# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Problems with certificates and with their CA."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates.reading import (
    AVAILABLE,
    certificate_faults,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem

_OPTIONS = {part: f"prefect_tls_{part}" for part in ("certificate", "key", "authority")}
_REMEDIES = {
    "certificate": "Set it to a certificate of the CA for the addresses of this host, with all intermediate ones.",
    "key": "Set it to the private key of the certificate, without a passphrase. Ansible Vault may encrypt the file.",
    "authority": "Set it to the file with the CA certificate.",
}


def certificate_problems(
    files: Mapping[str, str], names: Sequence[str], options: Mapping[str, str] | None = None
) -> list[Problem]:
    """Return the problems with a certificate."""
    options = options or _OPTIONS
    missing = [part for part in _OPTIONS if not files[part]]
    if missing:
        return [
            problem(options[part], "The file does not exist, is not readable, or is empty.", _REMEDIES[part])
            for part in missing
        ]
    if not AVAILABLE:
        return [
            problem(
                "prefect_tls",
                "The control host lacks cryptography 42.",
                "Install it with pip in the environment of Ansible.",
            )
        ]
    faults = certificate_faults(files["certificate"], files["authority"], names, key=files["key"])
    return [problem(options[part], f"The content of the file {fault}.", _REMEDIES[part]) for part, fault in faults]


_OPTION = "prefect_tls_directory"


def _writable(place: Path) -> bool:
    there = next(path for path in (place, *place.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def authority_problems(due: Sequence[str], directory: str) -> list[Problem]:
    """Return the problems that keep the role from creating the certificates C(due)."""
    place = Path(directory)
    if not due:
        return []
    found = []
    if (place / "authority.crt").exists() and not (place / "authority.key").exists():
        found.append(
            problem(
                _OPTION,
                f"{', '.join(due)} needs a new certificate, but {place}/authority.key is missing.",
                "Restore the file. If it is lost, remove authority.crt: the next run creates another authority.",
            )
        )
    if not _writable(place):
        found.append(
            problem(_OPTION, f"{place} is not writable on the control host.", "Set it to a writable directory.")
        )
    return found
