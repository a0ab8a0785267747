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
  - Create, change or delete a block, which holds configuration and secrets under the name C(type/name).
  - Secrets are compared with their real values, so that drift is found, and printed nowhere. What the block's schema
    calls secret is shown as V(<secret>), in a diff as V(<old secret>) where it changes. All other data can be read.
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
      - What the block holds. Keys that are left out are left alone, unless O(replace=true). A key with null holds null.
      - Null in place of the mapping clears all of it.
      - "V({$ref: type/name}) as the value of a key at the first level refers to another block."
      - Keys that the schema requires must be there, and keys that look like a slip of one of its own are refused.
      - An empty mapping is written as it is; mark text with braces that Ansible should not touch as C(!unsafe).
    type: dict
  replace:
    description: Whether keys that O(data) leaves out are removed.
    type: bool
    default: false
  block_schema:
    description:
      - The version or checksum of the schema, or V(latest). Moves the block to this schema, the newest of a version.
      - When omitted, a new block gets the newest schema, and one that exists keeps its own. It cannot be null.
    type: str
  hidden_secrets:
    description:
      - What to do with a secret that cannot be compared, because what stands in front of the server hides it. Prefect
        itself shows it.
      - V(write) writes it, with a warning, and is always changed. V(keep) leaves it as it is.
    type: str
    choices: [write, keep]
    default: write
  state:
    description: Whether the block is there. Blocks that refer to it lose the reference when it is deleted.
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
- name: A password, from an encrypted variable in practice
  selfhosted.prefect.block_document:
    api_url: http://127.0.0.1:4200/api
    block_type: secret
    name: crm-password
    data:
      value: "{{ crm_password | default('example') }}"

- name: Keys for object storage
  selfhosted.prefect.block_document:
    api_url: http://127.0.0.1:4200/api
    block_type: aws-credentials
    name: reports
    data:
      aws_access_key_id: AKIAEXAMPLE
      aws_secret_access_key: "{{ reports_key | default('example') }}"
      region_name: eu-central-1

- name: A bucket that uses them
  selfhosted.prefect.block_document:
    api_url: http://127.0.0.1:4200/api
    block_type: s3-bucket
    name: reports
    data:
      bucket_name: reports
      credentials:
        $ref: aws-credentials/reports

- name: No such block
  selfhosted.prefect.block_document:
    api_url: http://127.0.0.1:4200/api
    block_type: secret
    name: crm-password
    state: absent
"""

RETURN = r"""
block_document:
  description: The block in terms of the options, with the runtime fields of the server; null when it is absent.
  returned: success
  type: dict
  contains:
    block_type: {description: Slug of the block type., type: str, returned: always}
    name: {description: Name., type: str, returned: always}
    data: {description: "What it holds, with V(<secret>) in place of secrets.", type: dict, returned: always}
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
