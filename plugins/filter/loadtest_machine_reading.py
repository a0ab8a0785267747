# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read on a machine, as a load test's report takes it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: loadtest_machine_reading
short_description: Turn what was read on a machine into a reading of a load test
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Takes the registered results of the tasks that have read the machine, and returns a reading as
    P(selfhosted.prefect.loadtest_report#filter) takes it, but for its moment.
  - What has failed is missing in it, and stands in C(unread) with its reason. A task that was skipped is neither.
options:
  _input:
    description:
      - C(processes), a result of M(selfhosted.prefect.process_group_info); C(pooler), one of
        C(community.postgresql.postgresql_query); C(server), one of a command that prints how the programs
        C(PostgreSQL) and C(Redis) of the role P(selfhosted.prefect.prefect_loadtest#role) have ended, as JSON.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Keep what was read
  ansible.builtin.set_fact:
    reading: "{{ {'server': {'rc': 1, 'stderr': 'connection refused'}} | selfhosted.prefect.loadtest_machine_reading }}"
"""

RETURN = r"""
_value:
  description: The reading.
  type: dict
"""

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._load_report import machine_reading


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"loadtest_machine_reading": machine_reading}
