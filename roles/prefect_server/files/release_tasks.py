"""Release the tasks of dead background-services processes for the process that starts now.

Docket assigns an active task of a killed process to another process only after five minutes, and Prefect has no setting
for this time. Until then, this part of the background services (for example, the scheduler) does not run. This program
runs before the process starts. It sets the idle time of the messages of dead processes in Redis to more than five
minutes, which is the only condition that Docket checks. It never takes a message from a living process.

A process of this host is dead if it no longer exists. A process of another host (in a cluster, of another pod) is dead
if it sends no heartbeats. A process that is being stopped gets the time to finish.

A heartbeat contains the time of its host, and every process deletes the heartbeats that are old by its own clock.
However, each heartbeat also renews a key that expires, by the clock of Redis, when five heartbeats are missing. The
clocks of the hosts can therefore differ.
"""

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from redis_client import connect  # its code is added before this code

NAME = "prefect"  # name of the Docket of `prefect server services start`, independent of the settings
STREAM, GROUP, LEASE = f"{NAME}:stream", "docket-workers", f"{NAME}:leases:redelivery-sweep"
LIVING = f"{NAME}:worker-tasks:"  # followed by the name of the process
PATIENCE_SECONDS = 45  # the time that a pod has to stop
IDLE_MS = 3_600_000  # more than Docket's five minutes


def is_dead(client: redis.Redis, consumer: str) -> bool:
    host, _hash, pid = consumer.rpartition("#")
    if host == socket.gethostname() and pid.isdigit():
        # The parent of this program becomes the new process. An earlier process with this PID, in this pod, is dead.
        return int(pid) == os.getppid() or not os.path.exists(f"/proc/{pid}")
    return not client.exists(LIVING + consumer)


def is_elsewhere(consumer: str) -> bool:
    return consumer.rpartition("#")[0] != socket.gethostname()


def release(client: redis.Redis) -> list[str]:
    """Release the tasks of dead processes, and return the living processes on other hosts that hold tasks."""
    if not client.exists(STREAM):
        return []
    busy = []
    for consumer in client.xinfo_consumers(STREAM, GROUP):
        name = consumer["name"]
        if not is_dead(client, name):
            busy += [name] if consumer["pending"] and is_elsewhere(name) else []
            continue
        if consumer["pending"]:
            pending = client.xpending_range(STREAM, GROUP, "-", "+", 10_000, consumername=name)
            ids = [entry["message_id"] for entry in pending]
            client.xclaim(STREAM, GROUP, name, 0, ids, idle=IDLE_MS, justid=True)
        if client.get(LEASE) == name:
            client.delete(LEASE)
    return busy


def wait_for(client: redis.Redis, seconds: float) -> None:
    """Wait until Redis answers: the network of a cluster can block a new pod for some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            client.ping()
        except redis.ConnectionError:
            time.sleep(0.5)
        else:
            return


def release_all(client: redis.Redis) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while release(client) and time.monotonic() < deadline:
        time.sleep(1)


url = os.environ["PREFECT_SERVER_DOCKET_URL"]
if url.startswith("redis"):  # the other scheme is memory://
    try:
        client = connect(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)  # pylint: disable=used-before-assignment
        wait_for(client, float((sys.argv[1:] or ["0"])[0]))
        release_all(client)
    except redis.RedisError as error:
        # The process that starts now reports the same error. The rest of the message describes Sentinel's nodes. In
        # some versions of the client, it contains the password.
        print(f"release_tasks: {str(error).partition(' : ')[0]}")
