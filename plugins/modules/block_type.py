#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: block_type
short_description: Manage a block type
version_added: 1.0.0
description:
  - Create, change or delete a type of blocks. What its blocks hold is told by a M(selfhosted.prefect.block_schema).
  - Types that Prefect brings along, such as V(secret), need no task. Some of them are protected, and refused.
  - A type that blocks use is not deleted, because the server would delete these blocks, too.
options:
  slug:
    description: Slug of the type, in lowercase letters, digits and dashes, by which blocks name it.
    type: str
    required: true
  name:
    description:
      - Name for people. Needed to create a type; the server cannot change it later, and null is refused.
      - C(/ % & < >) are refused, and so are names that start with C(prefect).
    type: str
  description:
    description: Text for people. Null clears it.
    type: str
  logo_url:
    description: Address of a picture. Null clears it.
    type: str
  documentation_url:
    description: Address of the type's documentation. Null clears it.
    type: str
  code_example:
    description: Python code that shows how to use such a block, in Markdown. Null clears it.
    type: str
  state:
    description: Whether the type is there. Its schemas go with it.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.block_schema
  - module: selfhosted.prefect.block_document
"""

EXAMPLES = r"""
- name: A type of our own
  selfhosted.prefect.block_type:
    api_url: http://127.0.0.1:4200/api
    slug: invoice-service
    name: Invoice Service
    description: Where invoices are sent to

- name: No such type
  selfhosted.prefect.block_type:
    api_url: http://127.0.0.1:4200/api
    slug: invoice-service
    state: absent
"""

RETURN = r"""
block_type:
  description: The type in terms of the options, with the runtime fields of the server; null when it is absent.
  returned: success
  type: dict
  contains:
    slug: {description: Slug., type: str, returned: always}
    name: {description: Name for people., type: str, returned: always}
    description: {description: Text for people., type: str, returned: always}
    logo_url: {description: Address of a picture., type: str, returned: always}
    documentation_url: {description: Address of the documentation., type: str, returned: always}
    code_example: {description: How to use it., type: str, returned: always}
    is_protected: {description: Whether it is one of the server's own., type: bool, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {slug: invoice-service, name: Invoice Service, is_protected: false}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_type import BLOCK_TYPE


def main() -> None:
    run_module(BLOCK_TYPE)


if __name__ == "__main__":
    main()
