#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: block_type_info
short_description: Read block types
version_added: 1.0.0
description:
  - Return block types, each in the format that M(selfhosted.prefect.block_type) returns.
  - Return all of them unless an option selects some.
options:
  slug:
    description: Only the type with this slug.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.block_type
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all block types
  selfhosted.prefect.block_type_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one block type
  selfhosted.prefect.block_type_info:
    api_url: http://127.0.0.1:4200/api
    slug: slack-webhook
  register: result
"""

RETURN = r"""
block_types:
  description: The block types found, each in the format of M(selfhosted.prefect.block_type).
  returned: success
  type: list
  elements: dict
block_type:
  description: The block type that the options identify, or null if it does not exist.
  returned: when O(slug) is given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_type import BLOCK_TYPE


def main() -> None:
    run_info(BLOCK_TYPE)


if __name__ == "__main__":
    main()
