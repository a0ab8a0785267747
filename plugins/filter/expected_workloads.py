# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workloads that a deployment in a cluster has."""

from __future__ import annotations

DOCUMENTATION = r"""
name: expected_workloads
short_description: Name the workloads of a deployment in a cluster
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Names the workloads that the inventory asks for, as P(selfhosted.prefect.deployment_checks#filter) expects them.
options:
  _input:
    description: What there should be, as for P(selfhosted.prefect.deployment_checks#filter) in a cluster.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: How many workloads there are
  ansible.builtin.debug:
    msg: "{{ cluster_expected | selfhosted.prefect.expected_workloads | length }}"
  when: cluster_expected is defined
"""

RETURN = r"""
_value:
  description: By the name of each workload, how many pods it has at least.
  type: dict
"""

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._verification import expected_workloads


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"expected_workloads": expected_workloads}
