# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A patch of a pod without the containers that it adds."""

from __future__ import annotations

DOCUMENTATION = r"""
name: without_containers
short_description: Take the containers that a patch of a pod adds out of it
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - A Job is complete when all of its containers have ended, which the sidecar of a server never does.
  - A container without an image is added to nothing, but changes one that is there. It stays.
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
  description: A copy of the patch without those of C(spec.containers) that have an image.
  type: dict
"""

from collections.abc import Mapping
from typing import Any


def without_containers(patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of C(patch) without the containers that it adds."""
    containers = (patch.get("spec") or {}).get("containers")
    if not containers:
        return dict(patch)
    kept = [container for container in containers if not container.get("image")]
    spec = {name: value for name, value in patch["spec"].items() if name != "containers"}
    return {**patch, "spec": {**spec, "containers": kept} if kept else spec}


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"without_containers": without_containers}
