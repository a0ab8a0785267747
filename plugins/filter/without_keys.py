# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dictionaries of a list without some of their keys."""

from __future__ import annotations

DOCUMENTATION = r"""
name: without_keys
short_description: Take keys out of every dictionary of a list
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - One entry of C(prefect_work_pools) describes everything about a pool. Each consumer takes out what is for others.
positional: keys
options:
  _input:
    description: The dictionaries.
    type: list
    elements: dict
    required: true
  keys:
    description: Keys to take out.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: What the server has to know of the pools
  ansible.builtin.debug:
    msg: "{{ prefect_work_pools | selfhosted.prefect.without_keys(['workers', 'pre_pull']) }}"
  vars:
    prefect_work_pools:
      - {name: default, type: process, workers: {min: 2}}
"""

RETURN = r"""
_value:
  description: Copies of the dictionaries without those keys.
  type: list
  elements: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any


def without_keys(dictionaries: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> list[dict[str, Any]]:
    """Return copies of C(dictionaries) without C(keys)."""
    dropped = set(keys)
    return [{key: value for key, value in one.items() if key not in dropped} for one in dictionaries]


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"without_keys": without_keys}
