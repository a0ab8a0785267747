# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and addresses as a request for a certificate has them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: subject_alternative_names
short_description: Write names and addresses as subject alternative names
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - An address is written as a name, too, because PostgreSQL's clients before 15 look for it only there.
options:
  _input:
    description: Names and addresses.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: What a certificate is for
  ansible.builtin.debug:
    msg: "{{ ['10.0.0.5', 'db.example.com'] | selfhosted.prefect.subject_alternative_names }}"
"""

RETURN = r"""
_value:
  description: Entries such as V(DNS:db.example.com) and V(IP:10.0.0.5).
  type: list
  elements: str
"""

from collections.abc import Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates import is_address


def subject_alternative_names(names: Sequence[str]) -> list[str]:
    """Return the entries for C(names)."""
    return [f"IP:{name}" for name in names if is_address(name)] + [f"DNS:{name}" for name in names]


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"subject_alternative_names": subject_alternative_names}
