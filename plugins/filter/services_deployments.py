# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Deployments of the background services."""

from __future__ import annotations

DOCUMENTATION = r"""
name: services_deployments
short_description: Name the Deployment of each group of background services
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - In Kubernetes, dots and underscores in the name of a group become dashes.
positional: instance
options:
  _input:
    description: Groups as in C(prefect_services_groups).
    type: list
    elements: dict
    required: true
  instance:
    description: Name of the instance, which the names begin with.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Name the Deployments
  ansible.builtin.debug:
    msg: "{{ [{'name': 'services'}, {'name': 'late.runs'}] | selfhosted.prefect.services_deployments('prefect') }}"
"""

RETURN = r"""
_value:
  description: The names of the Deployments, by the names of the groups.
  type: dict
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._names import group_workload


def services_deployments(groups: Iterable[Mapping[str, Any]], instance: str) -> dict[str, str]:
    """Return the name of the Deployment of each group."""
    return {group["name"]: f"{instance}-{group_workload(group['name'])}" for group in groups}


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"services_deployments": services_deployments}
