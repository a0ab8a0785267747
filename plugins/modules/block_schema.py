#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: block_schema
short_description: Manage a schema of a block type
version_added: 1.0.0
description:
  - Add a schema to a block type, which tells what its blocks hold and which of that is secret, or delete one.
  - The server never changes a schema. Other O(fields) are another schema, which is added, and the newest schema of a
    type is what new blocks use. Blocks that exist keep theirs until
    O(selfhosted.prefect.block_document#module:block_schema) moves them.
  - A schema that blocks use is not deleted, because the server would delete these blocks, too.
options:
  block_type:
    description: Slug of the block type.
    type: str
    required: true
  version:
    description:
      - Version of the schema.
      - The server takes schemas with the same version and the same O(fields) for one, whatever their C(secret_fields)
        and O(capabilities). To change only these, or to go back to earlier fields, give another version.
    type: str
    default: non-versioned
  fields:
    description:
      - The JSON schema of a block's data, such as C(Block.model_json_schema(\)) prints it. Needed to create a schema;
        it cannot be null.
      - "C(properties) and C(required) are those of a JSON schema. C(secret_fields) lists the secret ones, such as
        C(password) or C(headers.*)."
      - "C(block_schema_references) maps a property that refers to another block to C(block_type_slug), and optionally
        C(block_schema_checksum), or to a list of such alternatives. Without the checksum, the newest schema is meant."
    type: dict
  capabilities:
    description: What blocks of this type can do, in any order. Null means none.
    type: list
    elements: str
  state:
    description:
      - Whether the schema is there.
      - With V(absent) and without O(fields), there must be only one schema of this O(version).
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.block_type
  - module: selfhosted.prefect.block_document
"""

EXAMPLES = r"""
- name: A type of our own
  selfhosted.prefect.block_type:
    api_url: http://127.0.0.1:4200/api
    slug: mail-gateway
    name: Mail Gateway

- name: What its blocks hold
  selfhosted.prefect.block_schema:
    api_url: http://127.0.0.1:4200/api
    block_type: mail-gateway
    version: "1.0"
    fields:
      title: MailGateway
      type: object
      properties:
        host: {type: string, title: Host}
        port: {type: integer, title: Port, default: 587}
        password: {type: string, title: Password, format: password, writeOnly: true}
      required: [host]
      secret_fields: [password]

- name: No such schema
  selfhosted.prefect.block_schema:
    api_url: http://127.0.0.1:4200/api
    block_type: mail-gateway
    version: "0.9"
    state: absent
"""

RETURN = r"""
block_schema:
  description: The schema in terms of the options, with the runtime fields of the server; null when it is absent.
  returned: success
  type: dict
  contains:
    block_type: {description: Slug of the block type., type: str, returned: always}
    version: {description: Version., type: str, returned: always}
    fields: {description: The JSON schema of a block's data., type: dict, returned: always}
    capabilities: {description: What its blocks can do., type: list, elements: str, returned: always}
    checksum: {description: The server's checksum of the fields., type: str, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {block_type: mail-gateway, version: "1.0", capabilities: []}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_schema import BLOCK_SCHEMA


def main() -> None:
    run_module(BLOCK_SCHEMA)


if __name__ == "__main__":
    main()
