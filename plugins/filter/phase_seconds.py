# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the phases of a playbook run took."""

from __future__ import annotations

DOCUMENTATION = r"""
name: phase_seconds
short_description: Print how long each phase of a playbook run took
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - A phase lasts until the next one begins, the last one until now.
positional: now
options:
  _input:
    description: When each phase began, in seconds since the epoch, by its name.
    type: dict
    required: true
  now:
    description: Seconds since the epoch.
    type: float
    required: true
"""

EXAMPLES = r"""
- name: "database 3.5, server 20.0, 23.5 in all"
  ansible.builtin.debug:
    msg: "{{ {'database': 100.0, 'server': 103.5} | selfhosted.prefect.phase_seconds(123.5) }}"
"""

RETURN = r"""
_value:
  description: One line of text.
  type: str
"""

from collections.abc import Mapping
from typing import Any


def phase_seconds(began: Mapping[str, float], now: float) -> str:
    """Return the length of each phase in one line."""
    starts = sorted(began.items(), key=lambda item: item[1])
    ends = [start for _name, start in starts[1:]] + [now]
    parts = [f"{name} {end - start:.1f}" for (name, start), end in zip(starts, ends)]
    return ", ".join([*parts, f"{now - starts[0][1]:.1f} in all"]) if starts else ""


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"phase_seconds": phase_seconds}
