"""Connects a script to Redis with the URL in its environment.

Runs in Prefect's environment, which contains the Redis client. Does not import Prefect itself. Each script runs as a
single file, so the roles add this code before the code of each script that needs it: see prefect_redis_client.
"""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel


def connect(url: str, **options: Any) -> redis.Redis:
    """Return a client of a Redis, or of the master that Sentinel names. Prefect and Docket read the same URL."""
    scheme, _mark, rest = url.partition("://")
    if not scheme.endswith("+sentinel"):
        return redis.Redis.from_url(url, **options)
    login, _mark, nodes = rest.partition("/")[0].rpartition("@")
    parts = urlsplit("/" + rest.partition("/")[2])
    master, _mark, database = parts.path.strip("/").partition("/")
    query = parse_qs(parts.query)
    own = {name: query.pop(f"sentinel_{name}", [None])[0] for name in ("username", "password")}
    # The other parts have the same meaning as without Sentinel. Sentinel's connection pool has a separate option for
    # TLS.
    plain = f"{scheme.partition('+')[0]}://{login}{'@' if login else ''}h/{database}?{urlencode(query, doseq=True)}"
    options = {**options, **parse_url(plain), "ssl": scheme.startswith("rediss")}
    options = {name: value for name, value in options.items() if name not in ("host", "connection_class")}
    tls = {name: value for name, value in options.items() if name.startswith("ssl") and options["ssl"]}
    # Short enough for a probe, even if several nodes do not answer.
    patience = {"socket_timeout": 2, "socket_connect_timeout": 2, "retry": Retry(NoBackoff(), 0)}
    each = [urlsplit(f"//{node.strip()}") for node in nodes.split(",")]
    addresses = [(node.hostname, node.port or 26379) for node in each]
    return Sentinel(addresses, sentinel_kwargs={**own, **tls, **patience}, **options).master_for(master)
