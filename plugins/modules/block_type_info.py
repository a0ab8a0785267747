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
  - Read one block type, or all of them, each in the shape that
    M(selfhosted.prefect.block_type) returns.
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
- name: Read all of them
  selfhosted.prefect.block_type_info:
    api_url: http://127.0.0.1:4200/api
  register: all_of_them

- name: Read one
  selfhosted.prefect.block_type_info:
    api_url: http://127.0.0.1:4200/api
    slug: slack-webhook
  register: this_one
"""

RETURN = r"""
block_types:
  description: Those that were found, each like the result of M(selfhosted.prefect.block_type).
  returned: success
  type: list
  elements: dict
block_type:
  description: The one that was asked for by its whole natural key, or null when there is none.
  returned: when O(slug) is given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_type import BLOCK_TYPE


def main() -> None:
    run_info(BLOCK_TYPE)


if __name__ == "__main__":
    main()
