#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: work_queue
short_description: Manage one queue of a work pool
version_added: 1.0.0
description:
  - Create, update or delete one queue. To manage all queues of a work pool and their order, use
    O(selfhosted.prefect.work_pool#module:queues), because priorities that are set one by one change each other.
options:
  work_pool:
    description: Name of the work pool, which must exist.
    type: str
    required: true
  name:
    description: Name of the queue. The characters C(/ % & < >) are not allowed.
    type: str
    required: true
  priority:
    description:
      - Priority of the queue, unique within a pool. V(1) is the highest. It cannot be null.
      - If another queue has this priority, the server moves that queue down by one, and also any queue that then has
        the same priority.
    type: int
  concurrency_limit:
    description: Maximum of concurrent flow runs of this queue. V(0) stops the queue. Null removes the limit.
    type: int
  description:
    description: Description. Null clears it.
    type: str
  paused:
    description: Whether the queue is paused and hands out no runs. Null means V(false).
    type: bool
  state:
    description: Whether the queue exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.work_pool
"""

EXAMPLES = r"""
- name: Limit a work queue to four concurrent runs
  selfhosted.prefect.work_queue:
    api_url: http://127.0.0.1:4200/api
    work_pool: fast
    name: external-api
    concurrency_limit: 4

- name: Delete the work queue
  selfhosted.prefect.work_queue:
    api_url: http://127.0.0.1:4200/api
    work_pool: fast
    name: external-api
    state: absent
"""

RETURN = r"""
work_queue:
  description: The queue in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    work_pool: {description: Name of the work pool., type: str, returned: always}
    name: {description: Name., type: str, returned: always}
    priority: {description: Priority; 1 is the highest., type: int, returned: when it exists}
    concurrency_limit: {description: Maximum of concurrent runs; null for no limit., type: int, returned: always}
    description: {description: Description., type: str, returned: always}
    paused: {description: Whether the queue is paused., type: bool, returned: always}
    status: {description: READY if a worker polls it., type: str, returned: when it exists}
    last_polled: {description: Time of a worker's last poll., type: str, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {work_pool: fast, name: external-api, priority: 1, concurrency_limit: 4, paused: false, description: ""}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_queue import WORK_QUEUE


def main() -> None:
    run_module(WORK_QUEUE)


if __name__ == "__main__":
    main()
