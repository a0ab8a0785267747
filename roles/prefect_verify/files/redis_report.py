"""Print what the server's processes have left in Redis, as JSON.

Reads PREFECT_REDIS_MESSAGING_URL; the argument is the number of the last of Docket's databases. Runs in Prefect's
environment, for the redis client in it; Prefect itself is not imported.
"""

import json
import os
import sys
import time
from urllib.parse import unquote, urlsplit

import redis
from redis.sentinel import Sentinel


def connect(url: str, database: int) -> redis.Redis:
    parts = urlsplit(url)
    if not parts.scheme.startswith("redis+sentinel"):
        # A number in the URL wins over an argument.
        return redis.Redis.from_url(parts._replace(path=f"/{database}").geturl(), decode_responses=True)
    nodes = [tuple(node.rsplit(":", 1)) for node in parts.netloc.rpartition("@")[2].split(",")]
    master = parts.path.split("/")[1]
    login = {"username": parts.username, "password": unquote(parts.password)} if parts.password else {}
    return Sentinel(nodes, **login).master_for(master, db=database, decode_responses=True, **login)


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
    """Return the processes that take tasks from a Docket, the tasks they know, and how overdue periodic tasks are."""
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


url = os.environ["PREFECT_REDIS_MESSAGING_URL"]
main = connect(url, 0)
memory = main.info("memory")
print(
    json.dumps(
        {
            "streams": streams(main),
            "api_docket": docket(connect(url, 1), "prefect-server"),
            "services_dockets": [docket(connect(url, number), "prefect") for number in range(1, int(sys.argv[1]) + 1)],
            "used_memory": memory["used_memory"],
            "maxmemory": memory["maxmemory"],
            "dead_letters": main.scard("dlq"),
        }
    )
)
