# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a certificate that somebody brings."""

from __future__ import annotations

DOCUMENTATION = r"""
name: certificate_problems
short_description: Find out why a host cannot use a certificate
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Looks whether a certificate is of the authority, for all names under which the host is reached, and valid now, and
    whether the key is its own and has no passphrase.
positional: names
options:
  _input:
    description: PEM texts C(certificate), followed by those between it and the authority; C(key); C(authority).
    type: dict
    required: true
  names:
    description: Names and addresses under which others reach the host.
    type: list
    elements: str
    required: true
  options:
    description: The option that names each of the three files.
    type: dict
    default:
      certificate: prefect_tls_certificate
      key: prefect_tls_key
      authority: prefect_tls_authority
"""

EXAMPLES = r"""
- name: Say why a host cannot use what it is given
  ansible.builtin.debug:
    msg: "{{ files | selfhosted.prefect.certificate_problems(['10.0.0.5', 'db.example.com']) }}"
  vars:
    files: {certificate: "", key: "", authority: ""}
"""

RETURN = r"""
_value:
  description: One dictionary with C(option), C(problem) and C(remedy) per finding.
  type: list
  elements: dict
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates import AVAILABLE, certificate_faults
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._problems import Problem, problem

_OPTIONS = {part: f"prefect_tls_{part}" for part in ("certificate", "key", "authority")}
_REMEDIES = {
    "certificate": "Name a certificate of that authority, with those that lead to it, for the addresses of this host.",
    "key": "Name the private key of the certificate, without a passphrase. The file may be encrypted by Ansible Vault.",
    "authority": "Name the file with the certificate of the authority.",
}


def certificate_problems(
    files: Mapping[str, str], names: Sequence[str], options: Mapping[str, str] | None = None
) -> list[Problem]:
    """Return what stands against using a certificate."""
    options = options or _OPTIONS
    missing = [part for part in _OPTIONS if not files[part]]
    if missing:
        return [
            problem(options[part], "There is no such file, it cannot be read, or it is empty.", _REMEDIES[part])
            for part in missing
        ]
    if not AVAILABLE:
        return [
            problem("prefect_tls", "The control host lacks cryptography 42.", "Install it with pip, beside Ansible.")
        ]
    faults = certificate_faults(files["certificate"], files["authority"], names, key=files["key"])
    return [problem(options[part], f"What it names {fault}.", _REMEDIES[part]) for part, fault in faults]


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"certificate_problems": certificate_problems}
