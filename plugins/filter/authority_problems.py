# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the authority of a deployment can make what is due."""

from __future__ import annotations

DOCUMENTATION = r"""
name: authority_problems
short_description: Find out why the authority cannot make the certificates that are due
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - An authority whose certificate is there and whose key is not would be made anew, and all that trust it would have to
    be told at the same moment. That is refused.
positional: directory
options:
  _input:
    description: What P(selfhosted.prefect.certificates_due#filter) says.
    type: list
    elements: str
    required: true
  directory:
    description: Where the files are, on the control host.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: What keeps certificates from being made
  ansible.builtin.debug:
    msg: "{{ ['db'] | selfhosted.prefect.authority_problems('/srv/inventory/tls') }}"
"""

RETURN = r"""
_value:
  description: One dictionary with C(option), C(problem) and C(remedy) per finding.
  type: list
  elements: dict
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._problems import Problem, problem

_OPTION = "prefect_tls_directory"


def _writable(place: Path) -> bool:
    there = next(path for path in (place, *place.parents) if path.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def authority_problems(due: Sequence[str], directory: str) -> list[Problem]:
    """Return what stands against making C(due)."""
    place = Path(directory)
    if not due:
        return []
    found = []
    if (place / "authority.crt").exists() and not (place / "authority.key").exists():
        found.append(
            problem(
                _OPTION,
                f"{', '.join(due)} needs a new certificate, and {place}/authority.key is missing.",
                "Put it back. If it is lost, remove authority.crt, too: the next run makes another authority.",
            )
        )
    if not _writable(place):
        found.append(
            problem(_OPTION, f"{place} cannot be written on the control host.", "Set it to a directory that can.")
        )
    return found


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"authority_problems": authority_problems}
