# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""A load test from its preparation to its results, and the removal of its objects."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import secrets
import statistics
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest import figures
from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.transport import (
    Endpoint,
    Http,
    LoadError,
    Meter,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.worker import (
    Worker,
    WorkerResults,
    WorkerSettings,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.moment import moment
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run import find_deployment
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.job_template import default_template

NAME = "selfhosted-prefect-loadtest"  # name of the pool, which no real worker polls, of the flow and of its deployment
PROBE = r"from prefect import flow\n\n@flow\ndef probe(seconds: float = 0):\n    import time\n    time.sleep(seconds)\n"
TAG = "selfhosted.prefect.loadtest"  # tag of the runs of all load tests, which selects them for removal
LIFE_CYCLE = (3, 9)  # version of Prefect whose requests were recorded
LIFE_CYCLE_TEXT = ".".join(map(str, LIFE_CYCLE))
AT_ONCE = 50  # maximum number of runs that the server deletes in one request
WATCH_SECONDS = 2.0  # between two readings of the backlog
POINTS = 200  # maximum number of points of the curve of the backlog
PROGRESS_SECONDS = 10
WATCHED_SECONDS = 60  # the test ends if nobody has read the progress for this time
STOP_SECONDS = 30  # time in which the synthetic workers finish active runs

OPTIONS: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "mode": {"type": "str", "choices": ["real", "control-plane"], "default": "control-plane"},
    "deployment": {"type": "str"},
    "profile": {"type": "str", "choices": list(figures.PROFILES), "default": "steady"},
    "rate": {"type": "float", "default": 1.0},
    "seconds": {"type": "float", "default": 60.0},
    "burst_seconds": {"type": "float", "default": 30.0},
    "max_runs": {"type": "int", "default": 10000},
    "run_seconds": {"type": "float", "default": 0.0},
    "drain_seconds": {"type": "float", "default": 300.0},
    "workers": {"type": "int", "default": 4},
    "worker_limit": {"type": "int", "default": 0},
    "query_seconds": {"type": "float", "default": 5.0},
    "start_seconds": {"type": "float", "default": 0.0},
    "logs": {"type": "bool", "default": True},
    "csrf": {"type": "bool", "default": True},
    "version_check": {"type": "bool", "default": True},
    "retry_codes": {"type": "list", "elements": "int", "default": []},
    "objectives": {
        "type": "dict",
        "default": {},
        "options": {name: {"type": "float"} for name in figures.OBJECTIVES},
    },
    "progress_file": {"type": "path"},
}


def execute(client: Client, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the module loadtest."""
    if options["state"] == "absent":
        return remove(client)
    offsets = planned(options)
    version = str(client.get("admin", "version"))
    if options["mode"] == "control-plane":
        compare_version(client, version)
    deployment = None
    if options["mode"] == "real":
        deployment = find_deployment(client, options["deployment"])
    if client.read_only:
        return {"changed": True, "planned_runs": len(offsets)}
    remove(client)
    deployment = deployment or prepare(client)
    at = Endpoint(client.address, options["auth_string"], options["csrf"], frozenset(options["retry_codes"]))
    raise_file_limit()
    test = Test(at, version, options, deployment)
    try:
        asyncio.run(test.run(offsets))
    except Abandoned as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(options["progress_file"])
        remove(client)
        raise PrefectError("the load test was interrupted, and its objects were removed") from error
    result = test.result(list(client.pages("flow_runs", "filter", sort="ID_DESC", flow_runs=tagged(test.tag))))
    wanted = {name: limit for name, limit in options["objectives"].items() if limit is not None}
    verdicts = figures.judged(result, wanted)
    return {
        "changed": True,
        "planned_runs": len(offsets),
        "result": {**result, "objectives": verdicts},
        "missed": figures.missed(verdicts, {"max_not_submitted": test.refusal} if test.refusal else {}),
    }


def planned(options: Mapping[str, Any]) -> list[float]:
    """Return when the runs are submitted. Reject invalid options."""
    for name in ("rate", "seconds", "burst_seconds", "workers", "query_seconds", "max_runs"):
        if not options[name] > 0:  # also rejects nan
            raise PrefectError(f"{name}: must be more than 0, not {options[name]:g}", option=name)
    for name in ("run_seconds", "start_seconds", "drain_seconds", "worker_limit"):
        if not options[name] >= 0:
            raise PrefectError(f"{name}: must be 0 or more, not {options[name]:g}", option=name)
    if options["mode"] == "real" and not options["deployment"]:
        raise PrefectError(
            "deployment: mode=real requires a deployment in the format flow/deployment", option="deployment"
        )
    mean = options["rate"] / 2 if options["profile"] == "ramp" else options["rate"]
    if mean * options["seconds"] > options["max_runs"]:
        problem = (
            f"a {options['profile']} load up to {options['rate']:g} runs/s for {options['seconds']:g} s is more than"
            f" {options['max_runs']} runs: lower rate or seconds, or raise max_runs"
        )
        raise PrefectError(f"max_runs: {problem}", option="max_runs")
    offsets = figures.schedule(options["profile"], options["rate"], options["seconds"], options["burst_seconds"])
    if not offsets:
        raise PrefectError("rate: with this value of seconds, the load test submits no run", option="rate")
    return offsets


def compare_version(client: Client, version: str) -> None:
    """Reject a version of Prefect that is older than the recorded one, and warn of a newer one."""
    line = tuple(int(part) for part in version.split(".")[:2])
    if line < LIFE_CYCLE:
        problem = f"control-plane requires Prefect {LIFE_CYCLE_TEXT} or newer, but the server is {version}: use real"
        raise PrefectError(f"mode: {problem}", option="mode")
    if line > LIFE_CYCLE:
        client.remarks.warn(
            f"the server is Prefect {version}, but the synthetic workers send the requests of Prefect {LIFE_CYCLE_TEXT}"
        )


def tagged(tag: str) -> dict[str, Any]:
    return {"tags": {"all_": [tag]}}


def prepare(client: Client) -> dict[str, Any]:
    """Create the pool and the deployment of the synthetic workers."""
    if client.get("work_pools", NAME, missing_ok=True) is None:
        body = {"name": NAME, "type": "process", "base_job_template": default_template(client, "process")}
        client.call("POST", "work_pools", "", body={**body, "description": "Created by a load test, which removes it."})
    flow = client.call("POST", "flows", "", body={"name": NAME}, repeatable=True)
    # A real worker can run this deployment, too, so that its requests can be recorded and compared.
    script = f"bash -c 'printf \"{PROBE}\" > probe.py'"
    step = {"prefect.deployments.steps.run_shell_script": {"script": script, "stream_output": False}}
    wanted = {
        "name": NAME,
        "flow_id": flow["id"],
        "work_pool_name": NAME,
        "entrypoint": "probe.py:probe",
        "pull_steps": [step],
    }
    deployment: dict[str, Any] = client.call("POST", "deployments", "", body=wanted, repeatable=True)
    return deployment


def remove(client: Client) -> dict[str, Any]:
    """Delete the objects of load tests, also of interrupted ones."""
    pool = client.get("work_pools", NAME, missing_ok=True)
    flow = client.get("flows", "name", NAME, missing_ok=True)
    count = client.call("POST", "flow_runs", "count", body={"flow_runs": tagged(TAG)})
    if not client.read_only:
        remove_runs(client)
        if flow is not None:  # with its deployment
            client.call("DELETE", "flows", flow["id"], missing_ok=True)
        if pool is not None:
            client.call("DELETE", "work_pools", NAME, missing_ok=True)
    return {"changed": bool(count or flow or pool), "removed_runs": count}


def remove_runs(client: Client) -> None:
    """Delete the runs of all load tests, in bulk if the version of the server supports it."""
    body = {"flow_runs": tagged(TAG), "limit": AT_ONCE}
    try:
        while client.call("POST", "flow_runs", "bulk_delete", body=body, repeatable=True)["deleted"]:
            pass
    except PrefectError as error:
        if error.status not in (404, 405):
            raise
        for run in list(client.pages("flow_runs", "filter", sort="ID_DESC", flow_runs=tagged(TAG))):
            client.call("DELETE", "flow_runs", run["id"], missing_ok=True)


def raise_file_limit() -> None:
    """Raise the limit of open files, because every active run has about six connections."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Abandoned(Exception):
    """No task waits for the load test any more."""


class Test:
    """A running load test. Times are seconds since its start."""

    def __init__(self, at: Endpoint, version: str, options: Mapping[str, Any], deployment: Mapping[str, Any]) -> None:
        self.at, self.version, self.options, self.deployment = at, version, options, deployment
        self.tag = f"{TAG}.{secrets.token_hex(6)}"
        self.meter, self.watching = Meter(), Meter()
        self.results = WorkerResults()
        self.submitted: dict[str, float] = {}
        self.planned = 0
        self.refusal: str | None = None  # error of the first run that could not be submitted
        self.lags: list[float] = []
        self.backlog: list[tuple[float, int, int, int]] = []  # seconds, and the runs that are due, pending and running
        self.idle = -1.0  # start of the last poll without unfinished runs
        self.used = 0.0  # CPU seconds of this process
        self.length = 0.0
        self._submitting: set[asyncio.Task[None]] = set()

    @property
    def synthetic(self) -> bool:
        return bool(self.options["mode"] == "control-plane")

    @property
    def now(self) -> float:
        return time.monotonic() - self.begun

    # --- Execution ---

    async def run(self, offsets: Sequence[float]) -> None:
        self.planned = len(offsets)
        workers = self._workers()
        self.begun, self.wall = time.monotonic(), time.time()
        cpu = time.process_time()
        started = await asyncio.gather(*(worker.start() for worker in workers), return_exceptions=True)
        for outcome in started:
            if isinstance(outcome, Exception):
                raise PrefectError(f"a synthetic worker could not start: {outcome}")
        # Start the clock again: the start of the workers does not count, and they have not polled yet.
        self.begun, self.wall = time.monotonic(), time.time()
        load = asyncio.ensure_future(self._load(offsets))
        watcher = asyncio.ensure_future(self._watch())
        reporter = asyncio.ensure_future(self._report(len(offsets)))
        abandoned = False
        try:
            await asyncio.wait((load, reporter), return_when=asyncio.FIRST_COMPLETED)
            abandoned = not load.done()
            for ended in (load, reporter):
                if ended.done():
                    ended.result()
        finally:
            for task in (load, watcher, reporter):
                task.cancel()
            await asyncio.gather(*(worker.stop(0 if abandoned else STOP_SECONDS) for worker in workers))
        self.used = time.process_time() - cpu

    async def _load(self, offsets: Sequence[float]) -> None:
        await self._submit(offsets)
        self.last_submission = self.now
        await self._drain()
        self.length = self.now

    def _workers(self) -> list[Worker]:
        if not self.synthetic:
            return []
        plan = WorkerSettings(
            NAME,
            self.version,
            run_seconds=self.options["run_seconds"],
            start_seconds=self.options["start_seconds"],
            limit=self.options["worker_limit"],
            query_seconds=self.options["query_seconds"],
            logs=self.options["logs"],
            version_check=self.options["version_check"],
        )
        names = [f"loadtest-{number}" for number in range(1, self.options["workers"] + 1)]
        return [Worker(name, self.at, self.meter, plan, self.results) for name in names]

    async def _submit(self, offsets: Sequence[float]) -> None:
        http = Http(self.at, self.meter)
        for offset in offsets:
            await asyncio.sleep(max(0.0, offset - self.now))
            self.lags.append(self.now - offset)
            task = asyncio.ensure_future(self._submit_one(http))
            self._submitting.add(task)
            task.add_done_callback(self._submitting.discard)
        if self._submitting:
            await asyncio.wait(self._submitting)
        http.close()

    async def _submit_one(self, http: Http) -> None:
        begun = self.now
        body = {
            "parameters": {} if self.synthetic else {"seconds": self.options["run_seconds"]},
            "tags": [TAG, self.tag],
            # With this key, a retried request creates no second run.
            "idempotency_key": secrets.token_hex(16),
        }
        try:
            run = await http.call("POST", "/deployments/{}/create_flow_run", self.deployment["id"], body)
        except LoadError as error:
            self.refusal = self.refusal or str(error)
            self.results.problem(str(error))
        else:
            self.submitted[run["id"]] = begun

    async def _drain(self) -> None:
        """Wait until all runs have ended, or until the timeout."""
        begun = self.now
        while self.now < begun + self.options["drain_seconds"] and self.idle <= begun:
            await asyncio.sleep(0.2)

    async def _watch(self) -> None:
        http = Http(self.at, self.watching)
        while True:
            moment = self.now
            try:
                counts = await self._count(http)
                self.backlog.append((moment, *counts))
                if not sum(counts) and not await self._unended(http):
                    self.idle = moment
            except LoadError as error:
                self.results.problem(str(error))
            await asyncio.sleep(max(0.1, WATCH_SECONDS - (self.now - moment)))

    async def _count(self, http: Http) -> tuple[int, int, int]:
        ours = {"deployment_id": {"any_": [self.deployment["id"]]}}
        due = {"before_": datetime.now(timezone.utc).isoformat()}
        asked = (
            {"state": {"type": {"any_": ["SCHEDULED"]}}, "next_scheduled_start_time": due},
            {"state": {"type": {"any_": ["PENDING"]}}},
            {"state": {"type": {"any_": ["RUNNING"]}}},
        )
        counts = [await http.call("POST", "/flow_runs/count", "", {"flow_runs": {**ours, **runs}}) for runs in asked]
        return counts[0], counts[1], counts[2]

    async def _unended(self, http: Http) -> int:
        """Return the number of runs that have not ended.

        It includes the runs that wait for a concurrency slot or a retry, which are scheduled for later.
        """
        states = {"state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING"]}}}
        return int(await http.call("POST", "/flow_runs/count", "", {"flow_runs": {**tagged(self.tag), **states}}))

    async def _report(self, total: int) -> None:
        """Write progress lines. The process that reads the file updates its time at every read, and removes it."""
        path, told = self.options["progress_file"], 0.0
        if not path:
            await asyncio.Event().wait()
        while True:
            await asyncio.sleep(1)
            looked = looked_at(path)
            if time.time() - looked > WATCHED_SECONDS:
                raise Abandoned
            if self.now - told < PROGRESS_SECONDS:
                continue
            told = self.now
            _when, due, pending, running = self.backlog[-1] if self.backlog else (0, 0, 0, 0)
            submitted = len(self.submitted)
            done = max(0, submitted - due - pending - running)
            line = {
                "seconds": round(self.now),
                "total": total,
                "submitted": submitted,
                "waiting": due + pending,
                "running": running,
                "ended": done,
                "failed_requests": self.meter.failed,
            }
            try:
                handle = os.open(path, os.O_WRONLY | os.O_APPEND)
            except FileNotFoundError as error:
                raise Abandoned from error
            try:
                os.write(handle, json.dumps(line).encode() + b"\n")
                os.utime(handle, (looked, looked))
            finally:
                os.close(handle)

    # --- Results ---

    def result(self, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        seen = [self._seconds_of(run) for run in runs]
        ended = [end for _latency, _begun, end in seen if end is not None]
        last = max(ended, default=self.length)
        every = [seconds for values in self.meter.seconds.values() for seconds in values]
        requests = sum(len(values) for values in self.meter.seconds.values())
        return {
            "settings": {
                **{name: self.options[name] for name in SHOWN},
                "deployment": self.options["deployment"] if not self.synthetic else NAME,
                "begun": datetime.fromtimestamp(self.wall, timezone.utc).isoformat(timespec="seconds"),
                "took_seconds": round(self.length, 1),
            },
            "runs": figures.count_runs(self.planned, self.submitted, runs, self.results.twice),
            "rate": {
                # The runs of a burst count for the time until the next burst.
                "submitted_per_second": per_second(
                    len(self.submitted), max(self.last_submission, self.options["seconds"])
                ),
                "completed_per_second": per_second(len(ended), last),
            },
            "start_seconds": figures.spread([self._waited(run, one[0]) for run, one in zip(runs, seen)]),
            "drain": {"seconds": round(max(0.0, last - self.last_submission), 1)},
            "backlog": self._backlog(),
            "api_seconds": figures.spread(every),
            "requests": {
                "sent": requests,
                "per_second": per_second(requests, self.length),
                "per_run": round(requests / max(1, len(self.submitted)), 1),
                "retried": self.meter.retried,
                "failed": self.meter.failed,
                "first_refusal": self.refusal,
                "refused_starts": self.results.refused,
                "most_connections": self.meter.most_open,
                "troubles": dict(sorted(self.meter.statuses.items(), key=lambda item: -item[1])[:20]),
                "problems": dict(sorted(self.results.problems.items(), key=lambda item: -item[1])[:20]),
                "by_request": self._by_request(),
            },
            "timeline": figures.timeline(sorted(self.submitted.values()), seen),
            "generator": {
                "cpu_seconds": round(self.used, 2),
                "cores": round(self.used / max(0.1, self.length), 3),
                "lag_seconds": figures.spread(self.lags),
            },
        }

    def _seconds_of(self, run: Mapping[str, Any]) -> tuple[float | None, float | None, float | None]:
        """Return how long a run waited, and when it started and ended."""
        due, begun, end = (timestamp(run[name]) for name in ("expected_start_time", "start_time", "end_time"))
        latency = None if begun is None or due is None else max(0.0, begun - due)
        return latency, None if begun is None else begun - self.wall, None if end is None else end - self.wall

    def _waited(self, run: Mapping[str, Any], latency: float | None) -> float:
        """Count a run that never started with its waiting time. Otherwise, dead workers would improve the result."""
        if latency is not None:
            return latency
        due, end = timestamp(run["expected_start_time"]), timestamp(run["end_time"])
        return max(0.0, (end or self.wall + self.length) - (due or self.wall))

    def _backlog(self) -> dict[str, Any]:
        step = max(1, -(-len(self.backlog) // POINTS))
        points = [
            [
                round(self.backlog[start][0], 1),
                *(max(each) for each in list(zip(*self.backlog[start : start + step]))[1:]),
            ]
            for start in range(0, len(self.backlog), step)
        ]
        waiting = [due + pending for _when, due, pending, _running in self.backlog]
        return {
            "most": max(waiting, default=None),
            "most_running": max((running for *_others, running in self.backlog), default=None),
            "series": points,
        }

    def _by_request(self) -> list[dict[str, Any]]:
        rows = [
            {
                "request": name,
                "count": len(values),
                "mean": round(statistics.fmean(values), 4),
                **figures.spread(values),
            }
            for name, values in self.meter.seconds.items()
        ]
        return sorted(rows, key=lambda row: -float(row["count"] * row["mean"]))


SHOWN = (
    *("mode", "profile", "rate", "seconds", "burst_seconds", "run_seconds", "workers", "worker_limit", "query_seconds"),
    *("start_seconds", "logs", "csrf", "version_check", "retry_codes", "max_runs", "drain_seconds"),
)


def looked_at(path: str) -> float:
    """Return when the progress was last read."""
    try:
        return os.stat(path).st_mtime
    except FileNotFoundError:
        return 0.0


def per_second(count: float, seconds: float) -> float:
    return round(count / max(1.0, seconds), 3)


def timestamp(text: str | None) -> float | None:
    found = moment(text) if text else None
    return None if found is None else found.timestamp()
