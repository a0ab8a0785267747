# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a user of Redis may do."""

from __future__ import annotations

DOCUMENTATION = r"""
name: redis_rules
short_description: Write the access rules of a user of Redis
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Returns rules as they stand behind the name of a user in the configuration of Redis, but for its password.
  - The user may read and write the keys, use the channels and the commands of the categories, and ask Redis for its
    state (C(INFO)). Commands that administer Redis, and those that Redis calls dangerous, are refused.
positional: channels, categories
options:
  _input:
    description: Patterns of keys.
    type: list
    elements: str
    required: true
  channels:
    description: Patterns of channels. Redis before 6.2 knows no limits for them, and gets an empty list.
    type: list
    elements: str
    required: true
  categories:
    description: Categories of commands.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Write the rules of a user
  ansible.builtin.debug:
    msg: "{{ ['prefect:*'] | selfhosted.prefect.redis_rules(['prefect:*'], ['string', 'hash']) | join(' ') }}"
"""

RETURN = r"""
_value:
  description: The rules.
  type: list
  elements: str
"""

from collections.abc import Iterable
from typing import Any


def redis_rules(keys: Iterable[str], channels: Iterable[str], categories: Iterable[str]) -> list[str]:
    """Return the rules of a user of Redis."""
    return [
        *(f"~{key}" for key in keys),
        *(f"&{channel}" for channel in channels),
        "-@all",
        *(f"+@{category}" for category in categories),
        *("-@admin", "-@dangerous", "+info"),
    ]


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"redis_rules": redis_rules}
