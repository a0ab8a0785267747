"""End with status 1 when the background services of this machine, or of this pod, no longer do their tasks.

Reads PREFECT_SERVER_DOCKET_URL, as the process does: it runs in its environment and with its account.

Nothing in `prefect server services start` answers a request, so this asks Redis what the process leaves there. It is
no longer well when its heartbeats have ended, or when it holds a task that it has forgotten: that happens when the
connection to Redis breaks between the end of a task and its acknowledgement, and Docket would repeat the task, and all
that comes after it, only after five to seven minutes. Restarting the process repairs both (see release_tasks.py).

When Redis does not answer, a restart would help nothing: then this ends with status 0.
"""

import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from redis_client import connect  # whose text stands before this one

NAME = "prefect"  # of the Docket that `prefect server services start` uses, whatever the settings say
STREAM, GROUP, HEARTBEATS = f"{NAME}:stream", "docket-workers", f"{NAME}:workers"
SILENT_SECONDS = 30  # a heartbeat is sent every two seconds
# A process says every 75 seconds which tasks it is still at, a quarter of Docket's five minutes.
FORGOTTEN_SECONDS = 90
# Around a restart of Redis, a process takes tasks and loses them at once, for not all of its connections come back
# together; in the meantime it waits five seconds.
RECONNECTED_SECONDS, SETTLED_SECONDS = 30, 20


def problems(client: redis.Redis) -> Iterator[str]:
    """What is wrong, in words."""
    own = f"{socket.gethostname()}#"
    heartbeats = [when for name, when in client.zrange(HEARTBEATS, 0, -1, withscores=True) if name.startswith(own)]
    if not heartbeats:
        yield "no heartbeat"
    elif (silent := time.time() - max(heartbeats)) > SILENT_SECONDS:
        yield f"the last heartbeat was {silent:.0f} s ago"
    if not client.exists(STREAM):
        return
    limit = min(FORGOTTEN_SECONDS, client.info("server")["uptime_in_seconds"] - RECONNECTED_SECONDS)
    pending = client.xpending_range(STREAM, GROUP, "-", "+", 100, idle=SETTLED_SECONDS * 1000)
    forgotten = [entry for entry in pending if entry["time_since_delivered"] > limit * 1000]
    if forgotten:
        longest = max(entry["time_since_delivered"] for entry in forgotten) / 1000
        yield f"{len(forgotten)} task(s) were taken and forgotten, {longest:.0f} s ago at the most"


url = os.environ["PREFECT_SERVER_DOCKET_URL"]
if url.startswith("redis"):  # memory:// is the other one
    try:
        client = connect(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)  # pylint: disable=used-before-assignment
        found = list(problems(client))
    except redis.RedisError as error:
        found = []
        # What follows describes Sentinel's nodes, some of the client's versions with the password.
        print(f"check_tasks: {str(error).partition(' : ')[0]}")
    if found:
        sys.exit("; ".join(found))
