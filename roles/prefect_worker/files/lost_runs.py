"""Report flow runs as crashed whose process on this machine is gone.

A run's process tells the API how it ends, and its worker tells when the process failed. Nobody does when the worker is
killed while it starts a run, when both are killed, or when the API is away at that moment: the run would stay Pending
or Running for ever and hold a slot of its pool. So this looks at the runs of this machine's workers. One without a
process for a minute, all through which the API could be asked, is lost.

usage: lost_runs.py [--others=SECONDS] WORKER POOL...

The arguments are this machine's workers, each name followed by its pool. The environment is that of the workers.

In a cluster, the machine is a worker's pod, which may never come back. There, --others has the runs of all workers of
the pool watched: one is lost, too, when its worker has been offline for SECONDS, more than a pod has to stop. A worker
that stops sends no heartbeats any more while it waits for its runs.
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
# In a cluster, every worker's pod asks for the runs of all of them.
OTHERS_INTERVAL = 60
# A worker needs a moment between taking a run and starting its process, and between its end and the report.
PATIENCE = 60
PAGE = 200


class Api:
    """Prefect's client would do, but with ten times the memory."""

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
        # It wants a CSRF token that is valid; a server that wants none is never asked for one.
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
    """Return what all processes of this account were started with. Those of a run have its id there."""
    found = b""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as environment:
                found += environment.read()
        except OSError:  # somebody else's, or it has just ended
            continue
    return found


def worker_of(run):
    return (run["labels"] or {}).get("prefect.worker.name")


def is_ours(run, workers):
    """Whether it is up to this machine: one that its worker had not even marked as its own is up to any machine."""
    worker = worker_of(run)
    return worker in workers if worker else run["state_type"] == "PENDING"


def lost_runs(runs, workers, alive, online, others):
    """Return the runs that nobody executes, each with the seconds that this has to last."""
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
        return  # another pod was faster, or the run has gone on
    place = f"process on {socket.gethostname()}" if is_ours(run, workers) else f"worker {worker_of(run)}"
    message = f"Its {place} is gone, and nobody has reported how it ended."
    state = {"type": "CRASHED", "name": "Crashed", "message": message}
    # The server refuses when the run has come to an end meanwhile.
    answer = api.post(f"/flow_runs/{run['id']}/set_state", {"state": state})
    print(f"{run['name']} ({run['id']}), {run['state_name']}: {message} {answer['status']}", flush=True)


def main():
    arguments, others = sys.argv[1:], 0
    if arguments[0].startswith("--others="):
        others = int(arguments.pop(0).partition("=")[2])
    workers, pools = arguments[::2], sorted(set(arguments[1::2]))
    api = Api(os.environ)
    problem = None
    suspects = {}  # when a run was first found to be lost, by the state that it was in
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
                print(f"cannot ask the API: {error}", flush=True)
            problem, suspects = str(error), {}
        time.sleep(OTHERS_INTERVAL if others else INTERVAL)


if __name__ == "__main__":
    main()
