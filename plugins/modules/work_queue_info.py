#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: work_queue_info
short_description: Read work queues
version_added: 1.0.0
description:
  - Read one work queue, or all of them, each in the shape that
    M(selfhosted.prefect.work_queue) returns.
options:
  work_pool:
    description: Only queues of this pool.
    type: str
  name:
    description: Only queues of this name.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.work_queue
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all of them
  selfhosted.prefect.work_queue_info:
    api_url: http://127.0.0.1:4200/api
  register: all_of_them

- name: Read one
  selfhosted.prefect.work_queue_info:
    api_url: http://127.0.0.1:4200/api
    work_pool: fast
    name: default
  register: this_one
"""

RETURN = r"""
work_queues:
  description: Those that were found, each like the result of M(selfhosted.prefect.work_queue).
  returned: success
  type: list
  elements: dict
work_queue:
  description: The one that was asked for by its whole natural key, or null when there is none.
  returned: when O(work_pool) and O(name) are given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_queue import WORK_QUEUE


def main() -> None:
    run_info(WORK_QUEUE)


if __name__ == "__main__":
    main()
