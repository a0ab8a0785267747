#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: backlog_info
short_description: Count waiting and running flow runs per work pool
version_added: 1.0.0
description:
  - Counts due, late, pending and running flow runs per work pool and, with O(queues), per work queue.
  - The server counts in its database and returns four numbers per work pool or queue, not the runs themselves. A long
    history does not make this slow, unlike the server's own C(concurrency_status). You can poll it every few seconds,
    for example as a metric for autoscaling.
  - Paused work pools and queues are included.
options:
  work_pool:
    description: Name of a work pool. By default, all work pools are counted.
    type: str
  queues:
    description: Whether to count per work queue, too. This sends four more requests per queue.
    type: bool
    default: false
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.worker_info
  - module: selfhosted.prefect.flow_run_info
"""

EXAMPLES = r"""
- name: Wait until no flow run of the work pool is due
  selfhosted.prefect.backlog_info:
    api_url: http://127.0.0.1:4200/api
    work_pool: fast
  register: backlog
  until: backlog.work_pools[0].due == 0
  retries: 60
  delay: 5
"""

RETURN = r"""
work_pools:
  description: The work pools, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the pool., type: str, returned: always}
    paused: {description: Whether the pool is paused., type: bool, returned: always}
    concurrency_limit: {description: Maximum of concurrent runs; null for no limit., type: int, returned: always}
    due: {description: Scheduled runs that are due. Late runs are included., type: int, returned: always}
    late: {description: Runs that the server has marked as Late., type: int, returned: always}
    pending: {description: Runs that a worker has picked up and that have not started., type: int, returned: always}
    running: {description: Running runs., type: int, returned: always}
    work_queues:
      description: The same six values for each work queue, ordered by priority.
      type: list
      elements: dict
      returned: when O(queues=true)
total:
  description: The sums of the four counts over all work pools.
  returned: success
  type: dict
  sample: {due: 12, late: 3, pending: 4, running: 40}
"""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run


def questions(now: str) -> dict[str, Any]:
    """Return the filter of flow runs for each count."""
    return {
        # Without the time, the count would include all runs that schedules have created for the next days.
        "due": {"state": {"type": {"any_": ["SCHEDULED"]}}, "next_scheduled_start_time": {"before_": now}},
        "late": {"state": {"name": {"any_": ["Late"]}}},
        "pending": {"state": {"type": {"any_": ["PENDING"]}}},
        "running": {"state": {"type": {"any_": ["RUNNING"]}}},
    }


def counted(client: Client, asked: Mapping[str, Any], place: Mapping[str, Any], **where: str) -> dict[str, Any]:
    names = {key: {"name": {"any_": [name]}} for key, name in where.items()}
    counts = {
        count: client.call("POST", "flow_runs", "count", body={"flow_runs": runs, **names})
        for count, runs in asked.items()
    }
    return {
        "name": place["name"],
        "paused": place["is_paused"],
        "concurrency_limit": place["concurrency_limit"],
        **counts,
    }


def read(client: Client, name: str | None, queues: bool) -> dict[str, Any]:
    pools = [client.get("work_pools", name, missing_ok=True)] if name else client.pages("work_pools", "filter")
    asked = questions(datetime.now(timezone.utc).isoformat())
    found = []
    for pool in sorted(pools, key=lambda pool: str(pool and pool["name"])):
        if pool is None:
            raise PrefectError(f"work_pool: there is no work pool {name!r}", option="work_pool")
        one = counted(client, asked, pool, work_pools=pool["name"])
        if queues:
            every = client.pages("work_pools", pool["name"], "queues", "filter")
            one["work_queues"] = [
                counted(client, asked, queue, work_pools=pool["name"], work_pool_queues=queue["name"])
                for queue in sorted(every, key=lambda queue: queue["priority"])
            ]
        found.append(one)
    total = {count: sum(one[count] for one in found) for count in asked}
    return {"changed": False, "work_pools": found, "total": total}


def main() -> None:
    module = PrefectModule({"work_pool": {"type": "str"}, "queues": {"type": "bool", "default": False}})
    run(module, lambda client: read(client, module.params["work_pool"], module.params["queues"]), read_only=True)


if __name__ == "__main__":
    main()
