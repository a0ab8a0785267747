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
  - Add or delete a schema of a block type. A schema describes the data of blocks and which fields are secret.
  - The server never changes a schema. If O(fields) differ, a new schema is added. New blocks use the newest schema of
    their type. Existing blocks keep their schema until O(selfhosted.prefect.block_document#module:block_schema) moves
    them.
  - The module does not delete a schema that blocks use, because the server would delete these blocks, too.
options:
  block_type:
    description: Slug of the block type.
    type: str
    required: true
  version:
    description:
      - Version of the schema.
      - The server treats schemas with the same version and the same O(fields) as identical, even if their
        C(secret_fields) or O(capabilities) differ. To change only these, or to return to earlier fields, set another
        version.
    type: str
    default: non-versioned
  fields:
    description:
      - JSON schema of the block's data, in the format of C(Block.model_json_schema(\)). Required to create a schema. It
        cannot be null.
      - "C(properties) and C(required) are those of a JSON schema. C(secret_fields) lists the secret properties, such
        as C(password) or C(headers.*)."
      - "C(block_schema_references) maps a property that refers to another block to C(block_type_slug), and optionally
        C(block_schema_checksum), or to a list of such alternatives. Without a checksum, the newest schema is used."
    type: dict
  capabilities:
    description: Capabilities of blocks with this schema, in any order. Null means none.
    type: list
    elements: str
  state:
    description:
      - Whether the schema exists.
      - With V(absent) and without O(fields), the block type may have only one schema with this O(version).
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
- name: Create a block type
  selfhosted.prefect.block_type:
    api_url: http://127.0.0.1:4200/api
    slug: mail-gateway
    name: Mail Gateway

- name: Create the schema of the block type
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

- name: Delete an old schema
  selfhosted.prefect.block_schema:
    api_url: http://127.0.0.1:4200/api
    block_type: mail-gateway
    version: "0.9"
    state: absent
"""

RETURN = r"""
block_schema:
  description: The schema in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    block_type: {description: Slug of the block type., type: str, returned: always}
    version: {description: Version., type: str, returned: always}
    fields: {description: The JSON schema of a block's data., type: dict, returned: always}
    capabilities: {description: Capabilities of its blocks., type: list, elements: str, returned: always}
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
