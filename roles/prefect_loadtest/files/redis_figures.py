"""Print what Redis says of its memory and its clients, as JSON.

Reads PREFECT_REDIS_MESSAGING_URL. Runs in Prefect's environment, for the redis client in it; Prefect itself is not
imported.
"""

import json
import os
from urllib.parse import unquote, urlsplit

import redis
from redis.sentinel import Sentinel

NAMES = ("used_memory", "used_memory_peak", "connected_clients", "total_commands_processed")


def connect(url: str) -> redis.Redis:
    parts = urlsplit(url)
    if not parts.scheme.startswith("redis+sentinel"):
        return redis.Redis.from_url(url)
    nodes = [tuple(node.rsplit(":", 1)) for node in parts.netloc.rpartition("@")[2].split(",")]
    login = {"username": parts.username, "password": unquote(parts.password)} if parts.password else {}
    return Sentinel(nodes, **login).master_for(parts.path.split("/")[1], **login)


info = connect(os.environ["PREFECT_REDIS_MESSAGING_URL"]).info()
print(json.dumps({name: info[name] for name in NAMES}))
