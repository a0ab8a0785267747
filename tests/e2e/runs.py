# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Flow runs on a test host, their history in the database, and a client that records every failed request."""

from __future__ import annotations

import base64
import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from defaults import VERSION

from e2e.machine import Machine, wait_for

# Errors if the peer has closed a persistent connection: after the request, during it, or between its head and its body.
CLOSED = ("RemoteDisconnected", "ConnectionResetError", "BrokenPipeError")
TERMINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
FLOW = """import time

from prefect import flow


@flow
def nap(seconds: float = 0):
    time.sleep(seconds)
"""


class State(NamedTuple):
    """One state in the history of a run."""

    run: str
    type: str
    begun: float


class Flows:
    """A deployment in a pool of the test host, and its runs."""

    def __init__(self, machine: Machine, pool: str = "default", version: str = VERSION) -> None:
        self.machine = machine
        machine.sh("mkdir -p /srv/flows; cat > /srv/flows/nap.py", input=FLOW)
        flow = machine.api("POST", "/flows/", {"name": "nap"})["id"]
        self.deployment = machine.api(
            "POST",
            "/deployments/",
            {
                "name": pool,
                "flow_id": flow,
                "work_pool_name": pool,
                "path": "/srv/flows",
                "entrypoint": "nap.py:nap",
                # Otherwise a second Prefect process prepares the directory, which doubles the cost of a run.
                "job_variables": {"command": f"/opt/prefect/{version}/bin/python -m prefect.engine"},
            },
        )["id"]

    def submit(self, number: int, seconds: float = 0) -> list[str]:
        """Submit runs that are due now, all at once, and return their ids."""
        body = {"parameters": {"seconds": seconds}, "state": {"type": "SCHEDULED"}}

        def create(_number: int) -> str:
            return str(self.machine.api("POST", f"/deployments/{self.deployment}/create_flow_run", body)["id"])

        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(create, range(number)))

    def read(self, runs: Sequence[str]) -> list[dict[str, Any]]:
        wanted = {"flow_runs": {"id": {"any_": list(runs)}}, "limit": 200}
        found: list[dict[str, Any]] = self.machine.api("POST", "/flow_runs/filter", wanted)
        return found

    def states(self, runs: Sequence[str]) -> Counter[str]:
        return Counter(run["state_type"] for run in self.read(runs))

    def wait(self, runs: Sequence[str], states: set[str], seconds: float = 180) -> Counter[str]:
        """Wait until every run is in one of the states."""

        def there() -> Counter[str] | None:
            found = self.states(runs)
            return found if found.keys() <= states and found.total() == len(runs) else None

        return Counter(wait_for(there, seconds))

    def history(self, runs: Sequence[str]) -> list[State]:
        """Return all states of these runs in order, from the database."""
        ids = ",".join(f"'{run}'" for run in runs)
        query = (
            "SELECT flow_run_id, type, extract(epoch FROM timestamp) FROM flow_run_state"
            f" WHERE flow_run_id IN ({ids}) ORDER BY timestamp"
        )
        rows = self.machine.sql(query)
        return [State(run, kind, float(begun)) for run, kind, begun in rows]


def most_at_once(history: Sequence[State], kinds: set[str]) -> int:
    """Return the largest number of runs that were in one of these states at the same time."""
    inside: set[str] = set()
    most = 0
    for state in history:
        (inside.add if state.type in kinds else inside.discard)(state.run)
        most = max(most, len(inside))
    return most


class Reached(Protocol):
    """The address of the API, and its credentials."""

    @property
    def ip(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def login(self) -> str: ...


class Client:
    """Reads and writes through the gateway several times per second, and records the requests that fail.

    One thread opens a connection per request. The other one keeps its connection, as Prefect's own client does. When a
    server stops, it closes its persistent connections, and a request that arrives at that moment gets no answer. With a
    gateway, clients do not notice this. Without a gateway, they retry the request (`repeats`), as Prefect's client
    does.
    """

    REQUESTS: tuple[tuple[str, str, Any], ...] = (
        ("GET", "/admin/version", None),
        ("POST", "/flow_runs/count", {}),
        ("POST", "/flows/", {"name": "written-by-the-client"}),
        ("POST", "/work_pools/filter", {}),
    )

    def __init__(self, server: Reached, repeats: bool = False) -> None:
        self.server, self.repeats = server, repeats
        self.answers = 0
        self.repeated: list[str] = []
        self.failures: list[str] = []
        login = base64.b64encode(server.login.encode()).decode()
        self._headers = {"Content-Type": "application/json", "Authorization": f"Basic {login}"}
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(keep,), daemon=True) for keep in (True, False)]

    def _ask(self, keep: bool) -> None:
        connection = http.client.HTTPConnection(self.server.ip, self.server.port, timeout=30)
        while not self._stop.is_set():
            for method, path, body in self.REQUESTS:
                data = None if body is None else json.dumps(body)
                used = connection.sock is not None
                problem = self._problem(connection, method, path, data)
                if used and self.repeats and problem.startswith(CLOSED):
                    self.repeated.append(f"{time.strftime('%X')} {method} {path}: {problem}")
                    connection.close()
                    problem = self._problem(connection, method, path, data)
                self.answers += not problem
                if problem:
                    self.failures.append(f"{time.strftime('%X')} {method} {path}: {problem}")
                if problem or not keep:
                    connection.close()
            self._stop.wait(0.2)

    def _problem(self, connection: http.client.HTTPConnection, method: str, path: str, data: str | None) -> str:
        """Return what is wrong with the answer to a request."""
        try:
            connection.request(method, f"/api{path}", data, self._headers)
            answer = connection.getresponse()
            answer.read()
            return "" if answer.status < 300 else f"HTTP {answer.status}"
        except (OSError, http.client.HTTPException) as error:
            return repr(error)

    def __enter__(self) -> Client:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
