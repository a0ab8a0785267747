#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: worker_info
short_description: Read the workers of work pools
version_added: 1.0.0
description:
  - Return the workers that the server knows, with the age of their last heartbeat.
options:
  work_pool:
    description: Only workers of this work pool. By default, workers of all pools are returned.
    type: str
  name:
    description: Only workers with this name.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.worker
"""

EXAMPLES = r"""
- name: Wait until two workers are alive
  selfhosted.prefect.worker_info:
    api_url: http://127.0.0.1:4200/api
    work_pool: fast
  register: found
  until: found.workers | selectattr('alive') | length >= 2
  retries: 20
  delay: 1
"""

RETURN = r"""
workers:
  description: The workers, sorted by work pool and name.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name., type: str, returned: always}
    work_pool: {description: Name of the work pool., type: str, returned: always}
    status:
      description: ONLINE or OFFLINE, as last set by the server's background services.
      type: str
      returned: always
    alive:
      description: Whether the last heartbeat is less than three intervals old, by the clock of the module's host.
      type: bool
      returned: always
    seconds_since_heartbeat: {description: Age of the last heartbeat; null without one., type: float, returned: always}
    last_heartbeat_time: {description: Time of the last heartbeat., type: str, returned: always}
    heartbeat_interval_seconds: {description: Seconds between two heartbeats., type: int, returned: always}
    id: {description: The server's id., type: str, returned: always}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.worker import workers


def main() -> None:
    module = PrefectModule({"work_pool": {"type": "str"}, "name": {"type": "str"}})
    pool, name = module.params["work_pool"], module.params["name"]
    run(module, lambda client: {"changed": False, "workers": workers(client, pool, name)}, read_only=True)


if __name__ == "__main__":
    main()
