# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a load test together with what everything else has counted."""

from __future__ import annotations

DOCUMENTATION = r"""
name: loadtest_report
short_description: Put a load test together with what everything else has counted
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Takes what M(selfhosted.prefect.loadtest) has returned, and what processes, PostgreSQL, PgBouncer and Redis had
    counted before and after it, and returns all figures of the test.
options:
  _input:
    description: What the module has returned.
    type: dict
    required: true
  readings:
    description:
      - The readings of each machine, at least two, each with C(moment) in seconds. May have C(processes), C(pooler),
        C(database), C(statements), C(redis) and C(unread).
      - In a cluster, whose readings are those of one host, a process or a row of C(pooler) has its own C(host).
    type: dict
    required: true
positional: readings
"""

EXAMPLES = r"""
- name: Keep the figures of a test on a server about whose machines nothing is known
  ansible.builtin.set_fact:
    report: "{{ load | selfhosted.prefect.loadtest_report({'app1': [{'moment': 0}, {'moment': 60}]}) }}"
"""

RETURN = r"""
_value:
  description: The figures.
  type: dict
"""

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._load_report import report as loadtest_report


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"loadtest_report": loadtest_report}
