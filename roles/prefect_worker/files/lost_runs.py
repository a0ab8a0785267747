"""Report flow runs as Crashed if their process on this host no longer exists.

The process of a run reports its end to the API, and the worker reports a failure of the process. If the worker is
killed while it starts a run, if both are killed, or if the API is unavailable at that moment, nothing reports the end.
The run would stay Pending or Running indefinitely, and keep a slot of its pool. This program therefore checks the runs
of the workers of this host. A run is lost if it has had no process for a minute and the API has answered during this
time.

usage: lost_runs.py [--others=SECONDS] WORKER POOL...

The arguments are the workers of this host, each name followed by its pool. The environment is that of the workers.

In a cluster, the host is the pod of a worker, which may not be restarted. With --others, the program checks the runs of
all workers of the pool. A run is then also lost if its worker has been offline for SECONDS, which is longer than a pod
has to stop. A worker that is stopping sends no heartbeats while it waits for its runs.
"""

import base64
import json
import os
import socket
import ssl
import sys
import time
import urllib.request
import uuid
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import quote

INTERVAL = 10
# In a cluster, the pod of every worker requests the runs of all workers.
OTHERS_INTERVAL = 60
# A worker needs some time between taking a run and starting its process, and between the end and the report.
PATIENCE = 60
PAGE = 200


class Api:
    """A client of the API. Prefect's own client would use ten times as much memory."""

    def __init__(self, settings):
        self.url = settings["PREFECT_API_URL"].rstrip("/")
        self.headers = {"Content-Type": "application/json", "Prefect-Csrf-Client": str(uuid.uuid4())}
        if settings.get("PREFECT_API_AUTH_STRING"):
            login = base64.b64encode(settings["PREFECT_API_AUTH_STRING"].encode()).decode()
            self.headers["Authorization"] = f"Basic {login}"
        elif settings.get("PREFECT_API_KEY"):
            self.headers["Authorization"] = f"Bearer {settings['PREFECT_API_KEY']}"
        self.headers.update(json.loads(settings.get("PREFECT_CLIENT_CUSTOM_HEADERS") or "{}"))
        self.tls = ssl.create_default_context(cafile=settings.get("PREFECT_API_SSL_CERT_FILE") or None)
        if settings.get("PREFECT_API_TLS_INSECURE_SKIP_VERIFY", "").lower() in ("1", "true"):
            self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self.headers, method=method)
        with urllib.request.urlopen(request, timeout=30, context=self.tls) as answer:
            return json.load(answer)

    def post(self, path, body):
        try:
            return self.call("POST", path, body)
        except HTTPError as error:
            if error.code != 403:
                raise
        # The server requires a valid CSRF token. The program requests one only in this case.
        token = self.call("GET", f"/csrf-token?client={self.headers['Prefect-Csrf-Client']}")["token"]
        self.headers["Prefect-Csrf-Token"] = token
        return self.call("POST", path, body)

    def runs_under_way(self, pools):
        wanted = {
            "work_pools": {"name": {"any_": pools}},
            "flow_runs": {"state": {"type": {"any_": ["PENDING", "RUNNING"]}}},
            "sort": "ID_DESC",
            "limit": PAGE,
        }
        return self.all_of("/flow_runs/filter", wanted)

    def state_of(self, run):
        return self.call("GET", f"/flow_runs/{run['id']}")["state_id"]

    def workers_online(self, pools):
        wanted = {"workers": {"status": {"any_": ["ONLINE"]}}, "limit": PAGE}
        paths = [f"/work_pools/{quote(pool, safe='')}/workers/filter" for pool in pools]
        return {worker["name"] for path in paths for worker in self.all_of(path, wanted)}

    def all_of(self, path, wanted):
        found = []
        while True:
            page = self.post(path, {**wanted, "offset": len(found)})
            found += page
            if len(page) < PAGE:
                return found


def environments():
    """Return the environments of all processes of this account. The environment of a run contains its ID."""
    found = b""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environment:
                found += environment.read()
        except OSError:  # a process of another account, or it has just ended
            continue
    return found


def worker_of(run):
    return (run["labels"] or {}).get("prefect.worker.name")


def is_ours(run, workers):
    """Whether this host reports the run. Any host reports a run that its worker has not yet marked as its own."""
    worker = worker_of(run)
    return worker in workers if worker else run["state_type"] == "PENDING"


def lost_runs(runs, workers, alive, online, others):
    """Return the runs without a process, each with the seconds after which it counts as lost."""
    found = []
    for run in runs:
        if is_ours(run, workers):
            if f"PREFECT__FLOW_RUN_ID={run['id']}".encode() not in alive:
                found.append((run, PATIENCE))
        elif others and worker_of(run) and worker_of(run) not in online:
            found.append((run, others))
    return found


def crash(api, run, workers):
    if api.state_of(run) != run["state_id"]:
        return  # another pod has reported it, or the run has continued
    place = f"process on {socket.gethostname()}" if is_ours(run, workers) else f"worker {worker_of(run)}"
    message = f"The {place} no longer exists, and nothing has reported how the run ended."
    state = {"type": "CRASHED", "name": "Crashed", "message": message}
    # The server rejects the change if the run has ended in the meantime.
    answer = api.post(f"/flow_runs/{run['id']}/set_state", {"state": state})
    print(f"{run['name']} ({run['id']}), {run['state_name']}: {message} {answer['status']}", flush=True)


def main():
    arguments, others = sys.argv[1:], 0
    if arguments[0].startswith("--others="):
        others = int(arguments.pop(0).partition("=")[2])
    workers, pools = arguments[::2], sorted(set(arguments[1::2]))
    api = Api(os.environ)
    problem = None
    suspects = {}  # time at which a run was first found without a process, by the ID of its state
    print(f"watching the runs of {', '.join(workers)}", flush=True)
    while True:
        try:
            runs = api.runs_under_way(pools)
            online = api.workers_online(pools) if others else set()
            now = time.monotonic()
            lost = lost_runs(runs, workers, environments(), online, others)
            suspects = {run["state_id"]: suspects.get(run["state_id"], now) for run, _patience in lost}
            for run, patience in lost:
                if now - suspects[run["state_id"]] >= patience:
                    crash(api, run, workers)
            problem = None
        except (OSError, ValueError, HTTPException) as error:
            if str(error) != problem:
                print(f"cannot reach the API: {error}", flush=True)
            problem, suspects = str(error), {}
        time.sleep(OTHERS_INTERVAL if others else INTERVAL)


if __name__ == "__main__":
    main()
