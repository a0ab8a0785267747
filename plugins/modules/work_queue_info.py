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
  - Return work queues, each in the format that M(selfhosted.prefect.work_queue) returns.
  - Return all of them unless an option selects some.
options:
  work_pool:
    description: Only queues of this work pool.
    type: str
  name:
    description: Only queues with this name.
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
- name: Read all work queues
  selfhosted.prefect.work_queue_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one work queue
  selfhosted.prefect.work_queue_info:
    api_url: http://127.0.0.1:4200/api
    work_pool: fast
    name: default
  register: result
"""

RETURN = r"""
work_queues:
  description: The work queues found, each in the format of M(selfhosted.prefect.work_queue).
  returned: success
  type: list
  elements: dict
work_queue:
  description: The work queue that the options identify, or null if it does not exist.
  returned: when O(work_pool) and O(name) are given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_queue import WORK_QUEUE


def main() -> None:
    run_info(WORK_QUEUE)


if __name__ == "__main__":
    main()
