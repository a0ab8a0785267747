# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the figures of a load test."""

from __future__ import annotations

DOCUMENTATION = r"""
name: loadtest_page
short_description: Draw the figures of a load test
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - One HTML page that needs no other file, with curves.
options:
  _input:
    description: What P(selfhosted.prefect.loadtest_report#filter) returns.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Write the page
  ansible.builtin.copy:
    content: "{{ report | selfhosted.prefect.loadtest_page }}"
    dest: loadtest.html
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The page.
  type: str
"""

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._load_page import page as loadtest_page


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"loadtest_page": loadtest_page}
