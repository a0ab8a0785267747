# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read of the pods of a cluster, as it is read on a machine."""

from __future__ import annotations

DOCUMENTATION = r"""
name: loadtest_reading
short_description: Turn what was read of the pods of a cluster into a reading of a load test
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Takes what M(selfhosted.prefect.kubernetes_pod_info) has returned, with the programs C(PostgreSQL), C(PgBouncer) and
    C(Redis) of the role P(selfhosted.prefect.prefect_loadtest#role), and returns a reading as
    P(selfhosted.prefect.loadtest_report#filter) takes it.
  - What has failed is missing in it, and stands in C(unread) with its reason.
options:
  _input:
    description: What the module has returned, also when it has failed. Nothing is made of an empty one.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Keep what was read
  ansible.builtin.set_fact:
    reading: "{{ pods | selfhosted.prefect.loadtest_reading }}"
"""

RETURN = r"""
_value:
  description: The reading.
  type: dict
"""

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._load_report import reading as loadtest_reading


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"loadtest_reading": loadtest_reading}
