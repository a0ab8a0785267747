# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the figures of a load test."""

from __future__ import annotations

DOCUMENTATION = r"""
name: loadtest_text
short_description: Print the figures of a load test
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - What a terminal shows.
options:
  _input:
    description: What P(selfhosted.prefect.loadtest_report#filter) returns.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the figures
  ansible.builtin.debug:
    msg: "{{ report | selfhosted.prefect.loadtest_text }}"
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._load_report import as_text as loadtest_text


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"loadtest_text": loadtest_text}
