# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a workload, before anything is computed from it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: workload_problems
short_description: Find what is wrong with a workload
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Checks the options of C(prefect_workload), their spelling and their values, and finds all mistakes at once.
options:
  _input:
    description: A workload, as P(selfhosted.prefect.sizing#filter) takes it.
    type: dict
    required: true
seealso:
  - plugin: selfhosted.prefect.sizing
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Refuse a workload that cannot be planned
  ansible.builtin.assert:
    that: workload | selfhosted.prefect.workload_problems | length == 0
  vars:
    workload: {runs_per_hour: 25000, run_seconds: 30}
"""

RETURN = r"""
_value:
  description: One dictionary with C(option), C(problem) and C(remedy) per finding.
  type: list
  elements: dict
"""

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workload import workload_problems


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"workload_problems": workload_problems}
