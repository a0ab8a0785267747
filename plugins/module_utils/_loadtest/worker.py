# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""A synthetic worker: it sends the requests of a real worker and of the engines of its runs, but runs no flow code.

The requests are those of a recording of Prefect 3.9, with a process worker and a deployment with one pull step. Each
run of this deployment has two processes: one prepares the directory, and one runs the flow.
tests/integration/api/test_loadtest.py records a real worker and compares the requests, their order, the states, the
WebSockets and the events. If that test shows a change of Prefect's life cycle, make the same change here.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.transport import (
    SOCKET_PAUSES,
    Endpoint,
    Http,
    LoadError,
    Meter,
    Socket,
)

LOG_SECONDS = 2.0  # interval at which log messages are sent together
EVENTS_IN, EVENTS_OUT = "/events/in", "/events/out"
FAILURES = (LoadError, OSError, asyncio.TimeoutError)  # errors of a server or of the network
STEP = "prefect.deployments.steps.run_shell_script"


@dataclass
class WorkerSettings:
    """The behavior of the workers and their timing."""

    pool: str
    version: str  # of Prefect
    run_seconds: float = 0
    start_seconds: float = 0  # between the worker's last request for a run and the first one of the run's process
    limit: int = 0  # maximum number of concurrent runs of a worker; 0 means no limit
    query_seconds: float = 5
    prefetch_seconds: float = 10
    worker_heartbeat_seconds: float = 30
    run_heartbeat_seconds: float = 180
    logs: bool = True
    version_check: bool = True


@dataclass
class WorkerResults:
    """The results of the workers."""

    taken: set[str] = field(default_factory=set)  # runs that a worker was allowed to start
    twice: set[str] = field(default_factory=set)  # runs that two workers were allowed to start
    refused: int = 0  # rejected starts, because another worker had taken the run or a limit was reached
    active: int = 0
    problems: dict[str, int] = field(default_factory=dict)

    def problem(self, text: str) -> None:
        self.problems[text] = self.problems.get(text, 0) + 1


def now(**difference: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(**difference)).isoformat().replace("+00:00", "Z")


def state(run: str, kind: str, name: str) -> dict[str, Any]:
    """Return the body of set_state, with all fields of the client's State model."""
    empty = (
        *("task_run_id", "child_flow_run_id", "scheduled_time", "cache_key", "cache_expiration", "deferred"),
        *("pause_timeout", "pause_key", "run_input_keyset", "refresh_cache", "retriable", "task_parameters_id"),
        *("traceparent", "deployment_concurrency_lease_id"),
    )
    details = {
        **dict.fromkeys(empty),
        "flow_run_id": run,
        "untrackable_result": kind == "COMPLETED",
        "pause_reschedule": False,
        "transition_id": str(uuid.uuid4()),
    }
    return {
        "state": {"type": kind, "name": name, "message": None, "state_details": details, "data": None},
        "force": False,
    }


def event(name: str, resource: Mapping[str, str], related: list[dict[str, str]], **payload: Any) -> dict[str, Any]:
    return {
        "occurred": now(),
        "event": name,
        "resource": dict(resource),
        "related": related,
        "payload": payload,
        "id": str(uuid.uuid4()),
        "follows": None,
    }


def resource(kind: str, of: str, name: str | None = None, **more: str) -> dict[str, str]:
    found = {"prefect.resource.id": f"prefect.{kind}.{of}", "prefect.resource.role": kind}
    if name is not None:
        found["prefect.resource.name"] = name
    return {**found, **{f"prefect.infrastructure.{key.replace('_', '-')}": value for key, value in more.items()}}


def subscription(event_name: str) -> dict[str, Any]:
    """Return the subscription message for one kind of event."""
    return {
        "type": "filter",
        "filter": {
            "occurred": {"since": now(minutes=-1), "until": now(days=365)},
            "event": {"prefix": None, "exclude_prefix": None, "name": [event_name], "exclude_name": None},
            "resource": None,
            "related": None,
            "any_resource": None,
            "id": {"id": []},
            "text": None,
            "order": "DESC",
        },
    }


class Worker:
    """A worker, and the processes that it simulates."""

    def __init__(
        self, name: str, endpoint: Endpoint, meter: Meter, plan: WorkerSettings, results: WorkerResults
    ) -> None:
        self.name = name
        self.endpoint, self.meter, self.plan, self.results = endpoint, meter, plan, results
        self.runs_endpoint = endpoint  # API address for its runs
        self.http = Http(endpoint, meter)
        self.resource = {
            "prefect.resource.id": f"prefect.worker.process.{name}",
            "prefect.resource.name": name,
            "prefect.version": plan.version,
            "prefect.worker-type": "process",
        }
        self._log_client = Http(endpoint, meter)
        self._messages: list[dict[str, Any]] = []
        self._events = Socket(endpoint, meter)
        self._channel = Socket(endpoint, meter)
        self._connecting = asyncio.Lock()
        self._consumer = str(uuid.uuid4())
        self._mine: set[str] = set()
        self._runs: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._pool: dict[str, Any] = {}

    # --- The worker itself ---

    async def start(self) -> None:
        command_line = Http(self.endpoint, self.meter)
        self._pool = await command_line.call("GET", "/work_pools/{}", self.plan.pool)
        await command_line.call(
            "POST",
            "/work_pools/{}/queues/filter",
            self.plan.pool,
            {"work_queues": None, "limit": None, "offset": None},
        )
        command_line.close()
        await self._connect_channel()
        for loop in (self._poll, self._heartbeats, self._send_logs):
            self._loops.append(asyncio.ensure_future(self._guarded(loop())))

    async def _connect_channel(self) -> None:
        """Join the channel. Like a real worker, rejoin if the server closes it, which a busy database can cause."""
        for pause in (*SOCKET_PAUSES, None):
            try:
                await self._join_channel()
                return
            except OSError as error:  # not LoadError: open() has already retried
                self.meter.trouble(f"the channel of a worker: {error}")
                self._channel.close()
                self._channel = Socket(self.endpoint, self.meter)
                if pause is None:
                    raise
                await asyncio.sleep(pause)

    async def _join_channel(self) -> None:
        await self._channel.open(f"/work_pools/{self.plan.pool}/workers/connect", "/work_pools/{}/workers/connect")
        hello = {
            "consumer_id": self._consumer,
            "worker_name": self.name,
            "worker_type": "process",
            "heartbeat_interval_seconds": int(self.plan.worker_heartbeat_seconds),
            "supported_channel_versions": ["work_pool_worker_channel.v1"],
            "requested_capabilities": ["worker_heartbeat.v1", "work_pool_snapshot.v1"],
            "work_queue_names": [],
            "handled_cleanup_kinds": [],
            "max_cleanup_concurrency": 0,
            "create_pool_if_not_found": False,
            "default_base_job_template": self._pool["base_job_template"],
            "worker_metadata": None,
        }
        self._channel.say(self._frame("worker.hello.v1", hello))
        answer = await self._channel.hear()
        if answer.get("type") != "worker.ready.v1":
            raise LoadError(f"the server rejected the worker: {str(answer)[:200]}")
        self._channel.listen()

    def _frame(self, kind: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": kind, "id": str(uuid.uuid4()), "sent_at": now(), "payload": payload}

    async def _heartbeats(self) -> None:
        while True:
            await asyncio.sleep(self.plan.worker_heartbeat_seconds)
            await self._guarded(self._beat())

    async def _beat(self) -> None:
        if not self._channel.usable:
            self._channel.close()
            self._channel = Socket(self.endpoint, self.meter)
            await self._connect_channel()
        payload = {
            "consumer_id": self._consumer,
            "worker_name": self.name,
            "heartbeat_interval_seconds": int(self.plan.worker_heartbeat_seconds),
        }
        self._channel.say(self._frame("worker.heartbeat.v1", payload))

    async def _poll(self) -> None:
        await asyncio.sleep(random.uniform(0, self.plan.query_seconds))  # workers do not start all at once
        first = True
        while True:
            await self._look_for_work()
            if first:
                await self._guarded(self._emit_started())
                first = False
            await asyncio.sleep(self.plan.query_seconds * random.uniform(0.7, 1.3))

    async def _look_for_work(self) -> None:
        body = {"work_queue_names": [], "scheduled_before": now(seconds=self.plan.prefetch_seconds)}
        try:
            found = await self.http.call("POST", "/work_pools/{}/get_scheduled_flow_runs", self.plan.pool, body)
        except LoadError as error:  # a real worker continues, too
            self.results.problem(str(error))
            return
        for entry in found:
            run = entry["flow_run"]
            if run["id"] in self._mine:
                continue
            if self.plan.limit and len(self._runs) >= self.plan.limit:
                break
            self._mine.add(run["id"])
            task = asyncio.ensure_future(self._run(run))
            self._runs.add(task)
            task.add_done_callback(self._runs.discard)

    async def _emit_started(self) -> None:
        if self.plan.version_check:
            versions = Http(self.endpoint, self.meter)
            await versions.call("GET", "/admin/version")
            versions.close()
        await self._emit(event("prefect.worker.started", self.resource, [self._pool_resource()]))

    async def _emit(self, what: dict[str, Any]) -> None:
        """Send an event. A worker continues if it is lost."""
        await self._guarded(self._say(what))

    async def _say(self, what: dict[str, Any]) -> None:
        async with self._connecting:
            if not self._events.usable:
                self._events.close()
                self._events = Socket(self.endpoint, self.meter)
                await self._events.open(EVENTS_IN)
                self._events.listen()
        self._events.say(what)

    def _pool_resource(self) -> dict[str, str]:
        return resource("work-pool", self._pool["id"], self._pool["name"])

    def _log(self, run: str, text: str) -> None:
        if self.plan.logs:
            self._messages.append(message("prefect.flow_runs.worker", run, text))

    async def _send_logs(self) -> None:
        while True:
            await asyncio.sleep(LOG_SECONDS)
            if self._messages:
                messages, self._messages = self._messages, []
                await self._guarded(self._log_client.call("POST", "/logs/", "", messages))

    async def _guarded(self, work: Coroutine[Any, Any, Any]) -> None:
        """Record an error, and continue with the other tasks."""
        try:
            await work
        except FAILURES as error:
            self.results.problem(str(error) or type(error).__name__)

    async def stop(self, patience: float) -> None:
        """Wait until the runs end, at most C(patience) seconds, and stop the worker."""
        self._loops[0].cancel()
        if self._runs:
            await asyncio.wait(self._runs, timeout=patience)
        for task in [*self._runs, *self._loops]:
            task.cancel()
        if self._messages:
            await self._guarded(self._log_client.call("POST", "/logs/", "", self._messages))
        if self._events.usable:
            self._events.say(event("prefect.worker.stopped", self.resource, [self._pool_resource()]))
        self._events.close()
        self._channel.close()
        self._log_client.close()
        self.http.close()

    # --- A run ---

    async def _run(self, run: Mapping[str, Any]) -> None:
        """Simulate a run from its discovery to the end of its process."""
        identifier = str(run["id"])
        self.results.active += 1
        sockets = Connections()
        try:
            if await self._take(run):
                try:
                    await self._execute(run, sockets)
                except FAILURES:
                    await self._guarded(self._propose(self.http, identifier, "CRASHED", "Crashed"))
                    raise
        except FAILURES as error:
            self.results.problem(str(error) or type(error).__name__)
        finally:
            self.results.active -= 1
            self._mine.discard(identifier)  # a run that was not taken is retried with the next poll
            sockets.close()

    async def _take(self, run: Mapping[str, Any]) -> bool:
        """Submit a run, and return whether the worker owns it."""
        identifier = str(run["id"])
        self._log(identifier, f"Worker '{self.name}' submitting flow run '{identifier}'")
        await self.http.call("GET", "/deployments/{}", run["deployment_id"])
        if not await self._propose(self.http, identifier, "PENDING", "Pending"):
            self.results.refused += 1
            return False
        (self.results.twice if identifier in self.results.taken else self.results.taken).add(identifier)
        return True

    async def _execute(self, run: Mapping[str, Any], sockets: Connections) -> None:
        """Send the requests of a worker for a run that it owns, until the process of the run ends."""
        identifier, plan = str(run["id"]), self.plan
        deployment = await self.http.call("GET", "/deployments/{}", run["deployment_id"])
        flow = await self.http.call("GET", "/flows/{}", run["flow_id"])
        related = [
            resource("deployment", deployment["id"], deployment["name"]),
            resource("flow", flow["id"], flow["name"]),
            resource("flow-run", identifier, run["name"]),
            self._pool_resource(),
        ]
        await self._emit(event("prefect.worker.submitted-flow-run", self.resource, related))
        labels = {
            "prefect.worker.name": self.name,
            "prefect.worker.type": "process",
            "prefect.work-pool.name": self._pool["name"],
            "prefect.work-pool.id": self._pool["id"],
        }
        await self.http.call("PATCH", "/flow_runs/{}/labels", identifier, labels)
        await self._propose(self.http, identifier, "PENDING", "Submitting")
        # While the process runs, the worker subscribes to its cancellation.
        await sockets.open(self.endpoint, self.meter, EVENTS_IN)
        await sockets.open(self.endpoint, self.meter, EVENTS_OUT, subscription("prefect.flow-run.Cancelling"))
        process = str(random.randrange(1000, 100000))
        await self.http.call("PATCH", "/flow_runs/{}", identifier, {"infrastructure_pid": process})
        self._log(identifier, f"Flow run '{run['name']}' submitted to infrastructure")
        await asyncio.sleep(plan.start_seconds)
        await Engine(self, run, deployment, flow).execute()
        related[2] = resource("flow-run", identifier, run["name"], identifier=process, status_code="0")
        await self._emit(event("prefect.worker.executed-flow-run", self.resource, related))

    async def _propose(self, http: Http, run: str, kind: str, name: str) -> bool:
        """Propose a state, and return whether the run has it now.

        A proposal is retried if its response was lost. The server then rejects the second proposal and returns the
        state, and Prefect's client continues with this state.
        """
        answer = await http.call("POST", "/flow_runs/{}/set_state", run, state(run, kind, name))
        told = answer.get("state") or {}
        return answer["status"] == "ACCEPT" or (answer["status"] == "REJECT" and told.get("type") == kind)


class Connections:
    """Connections that are closed together."""

    def __init__(self) -> None:
        self._open: list[Http | Socket] = []

    def http(self, endpoint: Endpoint, meter: Meter) -> Http:
        client = Http(endpoint, meter)
        self._open.append(client)
        return client

    async def open(self, endpoint: Endpoint, meter: Meter, path: str, *messages: Any) -> Socket:
        """Open a WebSocket. Like a real run, continue without it if it cannot be opened."""
        socket = Socket(endpoint, meter)
        self._open.append(socket)
        with contextlib.suppress(LoadError):  # the meter has counted it
            await socket.open(path)
            for one in messages:
                socket.say(one)
            socket.listen()
        return socket

    def close(self) -> None:
        for each in self._open:
            each.close()
        self._open.clear()


def message(logger: str, run: str, text: str) -> dict[str, Any]:
    return {
        "name": logger,
        "level": 20,
        "message": text,
        "timestamp": now(),
        "flow_run_id": run,
        "task_run_id": None,
    }


class Engine:
    """The processes of one run."""

    def __init__(
        self, worker: Worker, run: Mapping[str, Any], deployment: Mapping[str, Any], flow: Mapping[str, Any]
    ) -> None:
        self.worker, self.run, self.deployment, self.flow = worker, run, deployment, flow
        self.endpoint, self.meter, self.plan = worker.runs_endpoint, worker.meter, worker.plan
        self.id = str(run["id"])
        self._beaten = asyncio.Event()

    async def execute(self) -> None:
        for process in (self._prepare, self._execute):
            connections = Connections()
            try:
                await process(connections)
            finally:
                connections.close()

    def _client(self, connections: Connections) -> Http:
        return connections.http(self.endpoint, self.meter)

    async def _check_version(self, client: Http) -> None:
        if self.plan.version_check:
            await client.call("GET", "/admin/version")

    async def _prepare(self, connections: Connections) -> None:
        """Send the requests of the first process, which executes the pull steps of the deployment."""
        reading = self._client(connections)
        await reading.call("GET", "/flow_runs/{}", self.id)
        await reading.call("GET", "/deployments/{}", self.deployment["id"])
        await self._check_version(self._client(connections))
        events = await connections.open(self.endpoint, self.meter, EVENTS_IN)
        step = {"index": 0, "qualified_name": STEP, "step_name": "run_shell_script", "id": None}
        inputs: dict[str, Any] = next(iter((self.deployment["pull_steps"] or [{}])[0].values()), {})
        itself = {"prefect.resource.id": f"prefect.flow-run.{self.id}"}
        related = [resource("deployment", self.deployment["id"])]
        events.say(event("prefect.flow-run.pull-step.executed", itself, related, **step, inputs=inputs))
        if self.plan.logs:
            await self._send(
                self._client(connections),
                "Running 1 deployment pull step(s)",
                "Executing deployment step: run_shell_script",
                "Deployment step 'run_shell_script' completed successfully",
                "All deployment steps completed successfully",
            )

    async def _execute(self, connections: Connections) -> None:
        """Send the requests of the second process, which runs the flow."""
        await self._client(connections).call("GET", "/flow_runs/{}", self.id)
        main = self._client(connections)
        await self._check_version(main)
        policy = {
            "max_retries": 0,
            "retry_delay_seconds": 0.0,
            "retries": 0,
            "retry_delay": 0,
            "pause_keys": [],
            "resuming": False,
            "retry_type": None,
        }
        version = {"flow_version": "20b719de324217442854a76b40d5990c", "empirical_policy": policy}
        await main.call("PATCH", "/flow_runs/{}", self.id, version)
        await self._check_version(self._client(connections))
        await connections.open(self.endpoint, self.meter, EVENTS_OUT, subscription("prefect.flow-run.Suspended"))
        await self._client(connections).call("GET", "/flow_runs/{}", self.id)
        if not await self.worker._propose(main, self.id, "RUNNING", "Running"):
            self.worker.results.problem("a run that had been taken was not allowed to start")
            return
        begun = time.monotonic()
        await main.call("GET", "/flow_runs/{}", self.id)
        await main.call("GET", "/admin/storage")
        await main.call("GET", "/admin/storage")
        beating = asyncio.ensure_future(self.worker._guarded(self._heartbeats(connections)))
        beaten = asyncio.ensure_future(self._beaten.wait())
        logs = self._client(connections)
        name = self.run["name"]
        first = f"Beginning flow run '{name}' for flow '{self.flow['name']}'"
        try:
            await asyncio.sleep(min(LOG_SECONDS, self.plan.run_seconds))
            if self.plan.logs and self.plan.run_seconds > LOG_SECONDS:
                await self._send(logs, first)
                first = ""
            await asyncio.sleep(max(0.0, self.plan.run_seconds - (time.monotonic() - begun)))
            await main.call("POST", "/flow_runs/{}/set_state", self.id, state(self.id, "COMPLETED", "Completed"))
        finally:
            # A thread of the real engine sends the first heartbeat, even if the run is very short.
            await asyncio.wait([beating, beaten], timeout=10, return_when=asyncio.FIRST_COMPLETED)
            beating.cancel()
            beaten.cancel()
        if self.plan.logs:
            if first:
                await self._send(logs, first)
            await self._send(logs, "Finished in state Completed()")

    async def _heartbeats(self, connections: Connections) -> None:
        events = await connections.open(self.endpoint, self.meter, EVENTS_IN)
        queue = self.run.get("work_queue_id") or ""
        pool = self.plan.pool
        asked = (
            ("/flows/{}", self.flow["id"]),
            ("/deployments/{}", self.deployment["id"]),
            ("/work_queues/{}", queue),
            ("/work_pools/{}", pool),
        )
        await asyncio.gather(*(self._client(connections).call("GET", path, value) for path, value in asked))
        itself = {
            "prefect.resource.id": f"prefect.flow-run.{self.id}",
            "prefect.resource.name": self.run["name"],
            "prefect.version": self.plan.version,
        }
        related = [
            resource("flow", self.flow["id"], self.flow["name"]),
            resource("deployment", self.deployment["id"]),
            resource("work-queue", queue, self.run.get("work_queue_name") or "default"),
            resource("work-pool", self.worker._pool["id"], pool),
        ]
        while True:
            if not events.usable:
                events = await connections.open(self.endpoint, self.meter, EVENTS_IN)
            events.say(event("prefect.flow-run.heartbeat", itself, related))
            self._beaten.set()
            await asyncio.sleep(self.plan.run_heartbeat_seconds)

    async def _send(self, client: Http, *texts: str) -> None:
        """Send log messages. A run continues if they are lost."""
        messages = [message("prefect.flow_runs", self.id, text) for text in texts]
        await self.worker._guarded(client.call("POST", "/logs/", "", messages))
