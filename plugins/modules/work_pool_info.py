#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: work_pool_info
short_description: Read work pools
version_added: 1.0.0
description:
  - Return work pools, each in the format that M(selfhosted.prefect.work_pool) returns.
  - Return all of them unless an option selects some.
options:
  name:
    description: Name of the work pool to read. By default, all are read.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.work_pool
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all work pools
  selfhosted.prefect.work_pool_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one work pool
  selfhosted.prefect.work_pool_info:
    api_url: http://127.0.0.1:4200/api
    name: fast
  register: result
"""

RETURN = r"""
work_pools:
  description: The work pools found, each in the format of M(selfhosted.prefect.work_pool).
  returned: success
  type: list
  elements: dict
work_pool:
  description: The work pool that the options identify, or null if it does not exist.
  returned: when O(name) is given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_pool import WORK_POOL


def main() -> None:
    run_info(WORK_POOL)


if __name__ == "__main__":
    main()
