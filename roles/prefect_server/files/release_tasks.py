"""Hand the tasks of background-services processes that died to the one that starts now.

Docket gives a task that was under way in a killed process to another one only after five minutes, a time that Prefect
offers no setting for. Until then, that part of the background services (the scheduler, for example) stands still. This
runs before the process starts: it tells Redis that the messages of dead processes have been idle for longer than that,
which is all that Docket looks at. It never takes a message from a process that lives.

Processes of this machine are dead when they are gone. One on another machine (another pod, in a cluster) is dead when
its heartbeats have ended; one that is just being stopped gets the time to finish.

The heartbeats themselves hold the time of the machine that sent them, and every process deletes those that are old by
its own clock. But each also renews a key that Redis forgets, by Redis' clock, when five of them did not come. So the
clocks of the machines may differ.
"""

import os
import socket
import sys
import time
from typing import TYPE_CHECKING

import redis

if TYPE_CHECKING:
    from redis_client import connect  # whose text stands before this one

NAME = "prefect"  # of the Docket that `prefect server services start` uses, whatever the settings say
STREAM, GROUP, LEASE = f"{NAME}:stream", "docket-workers", f"{NAME}:leases:redelivery-sweep"
LIVING = f"{NAME}:worker-tasks:"  # and the name of the process
PATIENCE_SECONDS = 45  # as long as a pod has to end
IDLE_MS = 3_600_000  # anything above Docket's five minutes


def is_dead(client: redis.Redis, consumer: str) -> bool:
    host, _hash, pid = consumer.rpartition("#")
    if host == socket.gethostname() and pid.isdigit():
        # The process of the shell that runs this will be the new one; so what had its number, in this pod, is dead.
        return int(pid) == os.getppid() or not os.path.exists(f"/proc/{pid}")
    return not client.exists(LIVING + consumer)


def is_elsewhere(consumer: str) -> bool:
    return consumer.rpartition("#")[0] != socket.gethostname()


def release(client: redis.Redis) -> list[str]:
    """Release what the dead held, and return who else, on other machines, holds tasks."""
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
    """Wait until Redis answers: the network of a cluster may take seconds to let a new pod through."""
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
if url.startswith("redis"):  # memory:// is the other one
    try:
        client = connect(url, decode_responses=True, socket_timeout=5, socket_connect_timeout=5)  # pylint: disable=used-before-assignment
        wait_for(client, float((sys.argv[1:] or ["0"])[0]))
        release_all(client)
    except redis.RedisError as error:
        # Then the process that starts now will not get far either, and says so itself.
        # What follows describes Sentinel's nodes, some of the client's versions with the password.
        print(f"release_tasks: {str(error).partition(' : ')[0]}")
