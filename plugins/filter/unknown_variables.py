# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables of the inventory that look like ours and are not."""

from __future__ import annotations

DOCUMENTATION = r"""
name: unknown_variables
short_description: Find misspelt variables of this collection
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Ansible ignores a variable that nothing reads, so a misspelt one would silently have no effect.
  - Returns the names that begin like a variable of this collection and are none, each with the closest known name.
positional: known, prefixes
options:
  _input:
    description: Names of the variables of a host.
    type: list
    elements: str
    required: true
  known:
    description: Names of the variables that the roles read.
    type: list
    elements: str
    required: true
  prefixes:
    description: Beginnings by which a variable counts as one of this collection.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Misspelt variables
  ansible.builtin.debug:
    msg: "{{ vars.keys() | selfhosted.prefect.unknown_variables(known, ['prefect_', 'redis_']) }}"
  vars:
    known: [prefect_version, prefect_redis_maxmemory]
"""

RETURN = r"""
_value:
  description: One dictionary with C(option), C(problem) and C(remedy) per finding.
  type: list
  elements: dict
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


def unknown_variables(names: Iterable[str], known: Iterable[str], prefixes: Iterable[str]) -> list[dict[str, str]]:
    """Return the names that begin with one of C(prefixes) and are not in C(known)."""
    known = sorted(known)
    beginnings = tuple(prefixes)
    problems = []
    for name in sorted(names):
        if name in known or not name.startswith(beginnings):
            continue
        closest = get_close_matches(name, known, n=1)
        problems.append(
            {
                "option": name,
                "problem": "No role of this collection has such a variable.",
                "remedy": f"Did you mean {closest[0]}?" if closest else "Take it out or give it another prefix.",
            }
        )
    return problems


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"unknown_variables": unknown_variables}
