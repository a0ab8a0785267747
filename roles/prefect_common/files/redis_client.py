"""How a script reaches Redis, from the URL in its environment.

Runs in Prefect's environment, for the redis client in it; Prefect itself is not imported. Each script runs as a single
file, so the roles put this text before the texts of those that need it: see prefect_redis_client.
"""

from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel


def connect(url: str, **options: Any) -> redis.Redis:
    """Return a client of a Redis, or of the master that Sentinel names, from a URL as Prefect and Docket read it."""
    scheme, _mark, rest = url.partition("://")
    if not scheme.endswith("+sentinel"):
        return redis.Redis.from_url(url, **options)
    login, _mark, nodes = rest.partition("/")[0].rpartition("@")
    parts = urlsplit("/" + rest.partition("/")[2])
    master, _mark, database = parts.path.strip("/").partition("/")
    query = parse_qs(parts.query)
    own = {name: query.pop(f"sentinel_{name}", [None])[0] for name in ("username", "password")}
    # The rest means what it does without Sentinel. A pool of Sentinel's wants to be told of TLS in another way.
    plain = f"{scheme.partition('+')[0]}://{login}{'@' if login else ''}h/{database}?{urlencode(query, doseq=True)}"
    options = {**options, **parse_url(plain), "ssl": scheme.startswith("rediss")}
    options = {name: value for name, value in options.items() if name not in ("host", "connection_class")}
    tls = {name: value for name, value in options.items() if name.startswith("ssl") and options["ssl"]}
    # Soon enough for a probe, when several nodes do not answer.
    patience = {"socket_timeout": 2, "socket_connect_timeout": 2, "retry": Retry(NoBackoff(), 0)}
    each = [urlsplit(f"//{node.strip()}") for node in nodes.split(",")]
    addresses = [(node.hostname, node.port or 26379) for node in each]
    return Sentinel(addresses, sentinel_kwargs={**own, **tls, **patience}, **options).master_for(master)
