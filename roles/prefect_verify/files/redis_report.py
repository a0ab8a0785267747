"""Print the data of the server's processes in Redis as JSON.

Reads PREFECT_SERVER_DOCKET_URL. The argument is the number of the last database of Docket. Runs in Prefect's
environment, which contains the Redis client. Does not import Prefect itself.
"""

import json
import os
import sys
import time
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from redis_client import connect  # its code is added before this code


def database_of(url: str, database: int) -> redis.Redis:
    # The number in the URL takes precedence over an argument. With Sentinel, it follows the name of the master.
    address, _mark, query = url.partition("?")
    kept = 4 if "+sentinel" in address else 3
    path = "/".join([*address.rstrip("/").split("/")[:kept], str(database)])
    return connect(f"{path}?{query}", decode_responses=True)  # pylint: disable=used-before-assignment


def streams(client: redis.Redis) -> dict:
    """Return the consumer groups of Prefect's message streams."""
    found = {}
    for name in ("events", "actions"):
        if client.exists(name):
            groups = client.xinfo_groups(name)
            found[name] = {
                group["name"]: {"consumers": group["consumers"], "lag": group.get("lag")} for group in groups
            }
    return found


def docket(client: redis.Redis, name: str) -> dict:
    """Return the processes that take tasks from a Docket, their known tasks, and the overdue time of periodic tasks."""
    now = time.time()
    overdue = {}
    for key in client.scan_iter(f"{name}:runs:*", count=1000):
        state, when = client.hmget(key, "state", "when")
        if when and state in ("scheduled", "queued", "running"):
            overdue[key.rpartition(":")[2]] = round(now - float(when), 1)
    return {
        "workers": client.zrangebyscore(f"{name}:workers", now - 60, "+inf"),
        "tasks": sorted(key.rpartition(":")[2] for key in client.scan_iter(f"{name}:task-workers:*", count=1000)),
        "overdue_seconds": overdue,
    }


if __name__ == "__main__":
    url = os.environ["PREFECT_SERVER_DOCKET_URL"]
    main = database_of(url, 0)
    memory = main.info("memory")
    print(
        json.dumps(
            {
                "streams": streams(main),
                "api_docket": docket(database_of(url, 1), "prefect-server"),
                "services_dockets": [
                    docket(database_of(url, number), "prefect") for number in range(1, int(sys.argv[1]) + 1)
                ],
                "used_memory": memory["used_memory"],
                "maxmemory": memory["maxmemory"],
                "dead_letters": main.scard("dlq"),
            }
        )
    )
