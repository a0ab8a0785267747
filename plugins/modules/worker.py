#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: worker
short_description: Delete worker entries
version_added: 1.0.0
description:
  - Delete the entries of workers, for example of workers that no longer exist. A running worker registers again with
    its next heartbeat.
  - A worker must match all options that are set. At least one of O(name), O(status) and O(older_than) is required.
options:
  work_pool:
    description: Only workers of this work pool. By default, workers of all pools match.
    type: str
  name:
    description: Only workers with this name.
    type: str
  status:
    description: Only workers with this status, as last set by the server's background services.
    type: str
    choices: [OFFLINE, ONLINE]
  older_than:
    description: Only workers without a heartbeat within this period, in seconds.
    type: float
  max_count:
    description: Maximum number of workers. If more workers match, the task fails without a change.
    type: int
    default: 100
  state:
    description: The only value is V(absent), because workers register themselves.
    type: str
    choices: [absent]
    required: true
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.worker_info
"""

EXAMPLES = r"""
- name: Delete workers without a heartbeat for a day
  selfhosted.prefect.worker:
    api_url: http://127.0.0.1:4200/api
    status: OFFLINE
    older_than: 86400
    state: absent
"""

RETURN = r"""
workers:
  description: The workers that were deleted, or would be in check mode, each in the format of
    M(selfhosted.prefect.worker_info).
  returned: success
  type: list
  elements: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.worker import OPTIONS, remove_workers


def main() -> None:
    module = PrefectModule(OPTIONS, required_one_of=[["name", "status", "older_than"]])
    run(module, lambda client: remove_workers(client, module.params))


if __name__ == "__main__":
    main()
