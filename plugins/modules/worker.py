#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: worker
short_description: Forget workers
version_added: 1.0.0
description:
  - Delete the entries of workers, for example of those that will not come back. A worker that is alive registers again
    with its next heartbeat.
  - All options that are given must fit. At least one of O(name), O(status) and O(older_than) is needed.
options:
  work_pool:
    description: Only workers of this pool. All pools when omitted.
    type: str
  name:
    description: Only workers of this name.
    type: str
  status:
    description: Only workers with this status, as the server's background services last saw it.
    type: str
    choices: [OFFLINE, ONLINE]
  older_than:
    description: Only workers whose last heartbeat is older than this many seconds, or which never had one.
    type: float
  max_count:
    description: The task fails without a change when more workers than this fit.
    type: int
    default: 100
  state:
    description: Workers register themselves, so all that can be wanted of one is that it is not there.
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
- name: Forget workers that have been silent for a day
  selfhosted.prefect.worker:
    api_url: http://127.0.0.1:4200/api
    status: OFFLINE
    older_than: 86400
    state: absent
"""

RETURN = r"""
workers:
  description: The workers that were (or in check mode would be) deleted, each like those of
    M(selfhosted.prefect.worker_info).
  returned: success
  type: list
  elements: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.worker import OPTIONS, forget


def main() -> None:
    module = PrefectModule(OPTIONS, required_one_of=[["name", "status", "older_than"]])
    run(module, lambda client: forget(client, module.params))


if __name__ == "__main__":
    main()
