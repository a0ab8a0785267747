"""End with status 1 if the background services of this host, or of this pod, no longer process their tasks.

Reads PREFECT_SERVER_DOCKET_URL. Runs with the environment and the account of the background services.

`prefect server services start` answers no requests, so this program reads the data of the process in Redis. The check
fails if the process sends no heartbeats, or if it holds a task that it has forgotten. A process forgets a task if the
connection to Redis fails between the end of the task and its acknowledgement. Docket would repeat the task, and execute
all later runs of it, only after five to seven minutes. A restart of the process solves both problems (see
release_tasks.py).

If Redis does not answer, a restart would not help. The program then ends with status 0.
"""

import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from redis_client import connect  # its code is added before this code

NAME = "prefect"  # name of the Docket of `prefect server services start`, independent of the settings
STREAM, GROUP, HEARTBEATS = f"{NAME}:stream", "docket-workers", f"{NAME}:workers"
SILENT_SECONDS = 30  # the process sends a heartbeat every two seconds
# A process renews its claim on its active tasks every 75 seconds, a quarter of Docket's five minutes.
FORGOTTEN_SECONDS = 90
# During a restart of Redis, a process can take tasks and lose them immediately, because its connections are not
# restored at the same time. It then waits five seconds.
RECONNECTED_SECONDS, SETTLED_SECONDS = 30, 20


def problems(client: redis.Redis) -> Iterator[str]:
    """Yield a description of each problem."""
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
if url.startswith("redis"):  # the other scheme is memory://
    try:
        client = connect(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)  # pylint: disable=used-before-assignment
        found = list(problems(client))
    except redis.RedisError as error:
        found = []
        # The rest of the message describes Sentinel's nodes. In some versions of the client, it contains the password.
        print(f"check_tasks: {str(error).partition(' : ')[0]}")
    if found:
        sys.exit("; ".join(found))
