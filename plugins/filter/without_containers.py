# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch of a pod without the containers that it adds."""

from __future__ import annotations

DOCUMENTATION = r"""
name: without_containers
short_description: Take the containers out of a patch of a pod
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - A Job is complete when all of its containers have ended, which the sidecar of a server never does.
options:
  _input:
    description: The patch, with C(metadata) and C(spec).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: What a Job takes over from the patch of a server
  ansible.builtin.debug:
    msg: "{{ patch | selfhosted.prefect.without_containers }}"
  vars:
    patch:
      spec: {nodeSelector: {pool: prefect}, containers: [{name: proxy, image: "example.com/proxy:1"}]}
"""

RETURN = r"""
_value:
  description: A copy of the patch without C(spec.containers).
  type: dict
"""

from collections.abc import Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.filter.without_keys import without_keys


def without_containers(patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of C(patch) without C(spec.containers)."""
    result = dict(patch)
    if result.get("spec"):
        (result["spec"],) = without_keys([result["spec"]], ["containers"])
    return result


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"without_containers": without_containers}
