#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: block_document_info
short_description: Read blocks
version_added: 1.0.0
description:
  - Return blocks, each in the format that M(selfhosted.prefect.block_document) returns.
  - Return all of them unless an option selects some.
  - Secrets are shown as V(<secret>). Anonymous blocks, which Prefect creates itself, are omitted.
options:
  block_type:
    description: Only blocks of this type.
    type: str
  name:
    description: Only blocks with this name.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.block_document
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all blocks
  selfhosted.prefect.block_document_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one block
  selfhosted.prefect.block_document_info:
    api_url: http://127.0.0.1:4200/api
    block_type: secret
    name: crm-password
  register: result
"""

RETURN = r"""
block_documents:
  description: The blocks found, each in the format of M(selfhosted.prefect.block_document).
  returned: success
  type: list
  elements: dict
block_document:
  description: The block that the options identify, or null if it does not exist.
  returned: when O(block_type) and O(name) are given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_document import BLOCK_DOCUMENT


def main() -> None:
    run_info(BLOCK_DOCUMENT)


if __name__ == "__main__":
    main()
