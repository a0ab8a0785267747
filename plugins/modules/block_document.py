#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: block_document
short_description: Manage a block
version_added: 1.0.0
description:
  - Create, update or delete a block. A block stores configuration and secrets under the name C(type/name).
  - The module compares the actual values of secrets, so it detects drift, and never prints them. Fields that the
    block's schema marks as secret are shown as V(<secret>), and in a diff as V(<old secret>) where they change. All
    other data is readable.
options:
  block_type:
    description: Slug of the block type, for example V(secret), V(slack-webhook) or V(s3-bucket).
    type: str
    required: true
  name:
    description: Name of the block, in lowercase letters, digits and dashes.
    type: str
    required: true
  data:
    description:
      - Data of the block. Omitted keys keep their values, unless O(replace=true). A null value is stored as null.
      - Null instead of the mapping clears all data.
      - "V({$ref: type/name}) as the value of a top-level key refers to another block."
      - All keys that the schema requires must be present. Keys that look like a typing error of a schema key are
        rejected.
      - An empty mapping is stored as it is. Mark text with braces that Ansible must not evaluate as C(!unsafe).
    type: dict
  replace:
    description: Whether to remove keys that are not in O(data).
    type: bool
    default: false
  block_schema:
    description:
      - Version or checksum of the schema, or V(latest). The block is moved to this schema. If several schemas have the
        version, the newest is used.
      - By default, a new block gets the newest schema, and an existing block keeps its own. It cannot be null.
    type: str
  hidden_secrets:
    description:
      - How to handle a secret that cannot be compared because a proxy in front of the server hides it. Prefect itself
        returns it.
      - V(write) writes the secret with a warning and always reports a change. V(keep) does not change it.
    type: str
    choices: [write, keep]
    default: write
  state:
    description: Whether the block exists. Deleting it clears the references of other blocks to it.
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
  - module: selfhosted.prefect.block_schema
"""

EXAMPLES = r"""
- name: Create a block with a password, which is an encrypted variable in practice
  selfhosted.prefect.block_document:
    api_url: http://127.0.0.1:4200/api
    block_type: secret
    name: crm-password
    data:
      value: "{{ crm_password | default('example') }}"

- name: Create a block with credentials for object storage
  selfhosted.prefect.block_document:
    api_url: http://127.0.0.1:4200/api
    block_type: aws-credentials
    name: reports
    data:
      aws_access_key_id: AKIAEXAMPLE
      aws_secret_access_key: "{{ reports_key | default('example') }}"
      region_name: eu-central-1

- name: Create a block for a bucket that uses these credentials
  selfhosted.prefect.block_document:
    api_url: http://127.0.0.1:4200/api
    block_type: s3-bucket
    name: reports
    data:
      bucket_name: reports
      credentials:
        $ref: aws-credentials/reports

- name: Delete the block
  selfhosted.prefect.block_document:
    api_url: http://127.0.0.1:4200/api
    block_type: secret
    name: crm-password
    state: absent
"""

RETURN = r"""
block_document:
  description: The block in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    block_type: {description: Slug of the block type., type: str, returned: always}
    name: {description: Name., type: str, returned: always}
    data: {description: "Its data, with V(<secret>) instead of secrets.", type: dict, returned: always}
    block_schema: {description: Version and checksum of its schema., type: dict, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample:
    block_type: s3-bucket
    name: reports
    data: {bucket_name: reports, credentials: {$ref: aws-credentials/reports}}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_document import BLOCK_DOCUMENT


def main() -> None:
    run_module(BLOCK_DOCUMENT)


if __name__ == "__main__":
    main()
