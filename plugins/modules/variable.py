#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: variable
short_description: Manage a variable
version_added: 1.0.0
description:
  - Create, update or delete a variable. Flows read it by its name. Every client of the API can read it.
  - The module warns about a name that looks like a secret. Store secrets in a M(selfhosted.prefect.block_document).
options:
  name:
    description: "Name of the variable: 1 to 255 lowercase letters, digits, dashes and underscores."
    type: str
    required: true
  value:
    description:
      - Any JSON value of at most 5000 bytes. Replaces the existing value and is not merged with it.
      - Required to create a variable. Null is stored as a value.
      - Numbers and booleans in YAML keep their types. A template returns text unless Ansible preserves types. With
        ansible-core before 2.19, set C(jinja2_native), or write numbers and booleans literally.
      - Mark text with braces that Ansible must not evaluate as C(!unsafe).
    type: raw
  tags:
    description: Tags, in any order. Null clears them.
    type: list
    elements: str
  state:
    description: Whether the variable exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.block_document
"""

EXAMPLES = r"""
- name: Create a variable with a mapping
  selfhosted.prefect.variable:
    api_url: http://127.0.0.1:4200/api
    name: report_targets
    value:
      daily: [ops@example.com]
      monthly: []
    tags: [reporting]

- name: Create a variable with a template that Ansible does not evaluate
  selfhosted.prefect.variable:
    api_url: http://127.0.0.1:4200/api
    name: greeting
    value: !unsafe 'Hello {{ customer }}'

- name: Create a variable with the value null
  selfhosted.prefect.variable:
    api_url: http://127.0.0.1:4200/api
    name: on_call
    value: null

- name: Delete a variable
  selfhosted.prefect.variable:
    api_url: http://127.0.0.1:4200/api
    name: greeting
    state: absent
"""

RETURN = r"""
variable:
  description: The variable in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    name: {description: Name., type: str, returned: always}
    value: {description: Value., type: raw, returned: always}
    tags: {description: Tags., type: list, elements: str, returned: always}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {name: report_targets, value: {daily: [ops@example.com], monthly: []}, tags: [reporting]}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.variable import VARIABLE


def main() -> None:
    run_module(VARIABLE)


if __name__ == "__main__":
    main()
