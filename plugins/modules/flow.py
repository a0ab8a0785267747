#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flow
short_description: Manage a flow
version_added: 1.0.0
description:
  - Register, update or delete a flow. Creating a deployment registers its flow. Use this module to manage the tags of a
    flow or to delete it.
options:
  name:
    description: Name of the flow. The characters C(/ % & < >) are not allowed.
    type: str
    required: true
  tags:
    description: Tags, in any order. Null clears them.
    type: list
    elements: str
  labels:
    description:
      - Labels that are set when the flow is registered. Null means none.
      - The server cannot change them later, so the module rejects other values.
    type: dict
  state:
    description: Whether the flow exists. Deleting it deletes its deployments and their schedules, too.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.deployment
"""

EXAMPLES = r"""
- name: Register a flow with two tags
  selfhosted.prefect.flow:
    api_url: http://127.0.0.1:4200/api
    name: nightly-report
    tags: [reporting, nightly]

- name: Delete the flow and its deployments
  selfhosted.prefect.flow:
    api_url: http://127.0.0.1:4200/api
    name: nightly-report
    state: absent
"""

RETURN = r"""
flow:
  description: The flow in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    name: {description: Name., type: str, returned: always}
    tags: {description: Tags in alphabetical order., type: list, elements: str, returned: always}
    labels: {description: Labels without those of the server., type: dict, returned: always}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {name: nightly-report, tags: [nightly, reporting], labels: {}}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow import FLOW


def main() -> None:
    run_module(FLOW)


if __name__ == "__main__":
    main()
