#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: block_schema_info
short_description: Read schemas of block types
version_added: 1.0.0
description:
  - Return schemas of block types, each in the format that M(selfhosted.prefect.block_schema) returns.
  - Return all of them unless an option selects some.
options:
  block_type:
    description: Only schemas of this block type.
    type: str
  version:
    description: Only schemas with this version.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.block_schema
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all schemas of block types
  selfhosted.prefect.block_schema_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one schema of a block type
  selfhosted.prefect.block_schema_info:
    api_url: http://127.0.0.1:4200/api
    block_type: slack-webhook
    version: non-versioned
  register: result
"""

RETURN = r"""
block_schemas:
  description: The schemas of block types found, each in the format of M(selfhosted.prefect.block_schema).
  returned: success
  type: list
  elements: dict
block_schema:
  description: The newest schema that the options identify, or null if it does not exist.
  returned: when O(block_type) and O(version) are given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_schema import BLOCK_SCHEMA


def main() -> None:
    run_info(BLOCK_SCHEMA)


if __name__ == "__main__":
    main()
