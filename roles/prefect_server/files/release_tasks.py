"""Hand the tasks of background-services processes that died on this machine to the one that starts now.

Docket gives a task that was under way in a killed process to another one only after five minutes, a time that Prefect
offers no setting for. Until then, that part of the background services (the scheduler, for example) stands still. This
runs before the process starts: it tells Redis that the messages of dead processes of this machine have been idle for
longer than that, which is all that Docket looks at. It never takes a message from a process that lives.
"""

import os
import socket

import redis

NAME = "prefect"  # of the Docket that `prefect server services start` uses, whatever the settings say
STREAM, GROUP, LEASE = f"{NAME}:stream", "docket-workers", f"{NAME}:leases:redelivery-sweep"
IDLE_MS = 3_600_000  # anything above Docket's five minutes


def is_dead_here(consumer: str) -> bool:
    host, _hash, pid = consumer.rpartition("#")
    return host == socket.gethostname() and pid.isdigit() and not os.path.exists(f"/proc/{pid}")


def release(client: redis.Redis) -> None:
    if not client.exists(STREAM):
        return
    for consumer in client.xinfo_consumers(STREAM, GROUP):
        name = consumer["name"]
        if not is_dead_here(name):
            continue
        if consumer["pending"]:
            pending = client.xpending_range(STREAM, GROUP, "-", "+", 10_000, consumername=name)
            ids = [entry["message_id"] for entry in pending]
            client.xclaim(STREAM, GROUP, name, 0, ids, idle=IDLE_MS, justid=True)
        if client.get(LEASE) == name:
            client.delete(LEASE)


url = os.environ["PREFECT_SERVER_DOCKET_URL"]
if url.startswith(("redis://", "rediss://")):
    try:
        release(redis.Redis.from_url(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5))
    except redis.RedisError as error:
        # Then the process that starts now will not get far either, and says so itself.
        print(f"release_tasks: {error}")
