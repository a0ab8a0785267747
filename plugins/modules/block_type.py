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
  - Create, update or delete a block type. M(selfhosted.prefect.block_schema) describes the data of its blocks.
  - Prefect's built-in types, such as V(secret), need no task. Some of them are protected, and the module rejects them.
  - The module does not delete a type that blocks use, because the server would delete these blocks, too.
options:
  slug:
    description: Slug of the type, in lowercase letters, digits and dashes. Blocks refer to the type by its slug.
    type: str
    required: true
  name:
    description:
      - Display name. Required to create a type. The server cannot change it later. It cannot be null.
      - The characters C(/ % & < >) are not allowed, and the name must not start with C(prefect).
    type: str
  description:
    description: Description. Null clears it.
    type: str
  logo_url:
    description: URL of a logo. Null clears it.
    type: str
  documentation_url:
    description: URL of the type's documentation. Null clears it.
    type: str
  code_example:
    description: Python example that uses such a block, as Markdown. Null clears it.
    type: str
  state:
    description: Whether the type exists. Deleting it deletes its schemas, too.
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
- name: Create a block type
  selfhosted.prefect.block_type:
    api_url: http://127.0.0.1:4200/api
    slug: invoice-service
    name: Invoice Service
    description: Receives invoices

- name: Delete the block type
  selfhosted.prefect.block_type:
    api_url: http://127.0.0.1:4200/api
    slug: invoice-service
    state: absent
"""

RETURN = r"""
block_type:
  description: The type in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    slug: {description: Slug., type: str, returned: always}
    name: {description: Display name., type: str, returned: always}
    description: {description: Description., type: str, returned: always}
    logo_url: {description: URL of a logo., type: str, returned: always}
    documentation_url: {description: URL of the documentation., type: str, returned: always}
    code_example: {description: Python example., type: str, returned: always}
    is_protected: {description: Whether the server protects it., type: bool, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {slug: invoice-service, name: Invoice Service, is_protected: false}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_type import BLOCK_TYPE


def main() -> None:
    run_module(BLOCK_TYPE)


if __name__ == "__main__":
    main()
