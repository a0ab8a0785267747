# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Synthetic workers send the same requests as real ones: a real worker and a real run are recorded and compared."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest import runner
from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.transport import Endpoint, Meter
from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.worker import (
    Worker,
    WorkerResults,
    WorkerSettings,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client

from .recording import Recorded, Recorder
from .support import ModuleFailure, PostgreSQL, Server, run_module, wait_for

pytestmark = pytest.mark.since("3.9.1")  # the load generator sends the requests of this version
RUN_SECONDS = 3.0  # longer than the interval at which log messages are sent, so that both send them at the same moments
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# The number of these requests depends on the clock, or on a concurrent thread.
IRREGULAR = ("get_scheduled_flow_runs", "worker.heartbeat.v1", "prefect.worker.stopped", "GET /csrf-token")
BESIDE = ("/logs/", "/csrf-token", "/events/", "/admin/version", "/work_queues/", "/work_pools/")


class Cycle(NamedTuple):
    """All requests of a worker and of one of its runs."""

    worker: list[Recorded]
    run: list[Recorded]


def told(request: Recorded) -> str:
    """Return a request as text, without the parts that differ in every run."""
    path = UUID.sub("{}", request.path.removeprefix("/api").partition("?")[0]).replace(runner.NAME, "{}")
    body = request.body
    if request.path.endswith("/set_state"):
        return f"{request.method} {path} {body['state']['type']} {body['state']['name']}"
    if request.method == "SEND":
        names = body.get("filter", {}).get("event", {}).get("name") or [""]
        return f"SEND {path} {body.get('event') or body.get('type')} {names[0]}".strip()
    return f"{request.method} {path}"


def regular(requests: Sequence[Recorded]) -> Counter[str]:
    """Count each request. Log messages are counted one by one, because their batches depend on the clock."""
    counts = Counter(text for text in map(told, requests) if not any(part in text for part in IRREGULAR))
    assert counts.pop("POST /logs/")
    for request in requests:
        if told(request) == "POST /logs/":
            counts.update(f"message of {each['name']} at level {each['level']}" for each in request.body)
    return counts


def in_order(requests: Sequence[Recorded]) -> list[str]:
    """Return the sequential requests, without those of concurrent threads, as for the resources of an event."""
    ordered = []
    begun = False
    for text in map(told, requests):
        begun = begun or "RUNNING" in text
        if not any(part in text for part in BESIDE) and not (
            begun and text in ("GET /flows/{}", "GET /deployments/{}")
        ):
            ordered.append(text)
    return ordered


def shapes(requests: Sequence[Recorded]) -> dict[str, Any]:
    """Return the keys of the bodies, by request. A short run has no heartbeats, and the hello message is too large."""
    left_out = ("worker.hello", "worker.heartbeat", "worker.stopped")
    return {
        told(request): shape(request.body)
        for request in requests
        if request.body is not None and not any(part in told(request) for part in left_out)
    }


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {UUID.sub("{}", key): shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "value"


@pytest.fixture(scope="module")
def postgresql(version: str) -> Iterator[PostgreSQL]:
    database = PostgreSQL()
    yield database
    database.stop()


@pytest.fixture(scope="module")
def prefect(version: str, postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on PostgreSQL: with SQLite, requests fail and are retried."""
    home = tmp_path_factory.mktemp("loadtest")
    running = Server(version, home, PREFECT_SERVER_DATABASE_CONNECTION_URL=postgresql.url)
    yield running
    running.stop()


def client_of(server: Server) -> Client:
    return Client(f"http://127.0.0.1:{server.port}/api")


def submit(client: Client, deployment: dict[str, Any], **more: Any) -> str:
    body = {"parameters": {"seconds": RUN_SECONDS}, **more}
    return str(client.call("POST", "deployments", deployment["id"], "create_flow_run", body=body)["id"])


def wait_until_done(client: Client, run: str) -> None:
    wait_for(lambda: client.get("flow_runs", run)["state_type"] == "COMPLETED", 180)


@pytest.fixture(scope="module", params=[True, False], ids=["asks", "asks-less"])
def asks(request: pytest.FixtureRequest) -> bool:
    """Whether clients request a CSRF token and the version of the server, as they do by default."""
    return bool(request.param)


@pytest.fixture(scope="module")
def real(prefect: Server, asks: bool, tmp_path_factory: pytest.TempPathFactory) -> Cycle:
    """Record the requests of a worker of this Prefect, and of the processes that it starts for a run."""
    home: Path = tmp_path_factory.mktemp("worker")
    client = client_of(prefect)
    deployment = runner.prepare(client)
    of_worker, of_run = Recorder(prefect.port), Recorder(prefect.port)
    environment = {**prefect.environment, "PREFECT_API_URL": of_worker.url, "PREFECT_WORKER_QUERY_SECONDS": "5"}
    environment |= {f"PREFECT_CLIENT_{name}_ENABLED": str(asks) for name in ("CSRF_SUPPORT", "SERVER_VERSION_CHECK")}
    command = [f"{prefect.venv}/bin/prefect", "worker", "start", "--name=real", f"--pool={runner.NAME}"]
    command += ["--type=process", "--install-policy=never", "--no-create-pool-if-not-found"]
    log = home / "worker.log"

    def recorded(text: str) -> bool:
        return any(text in told(request) for request in of_worker.recorded)

    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=output, stderr=output)
    try:
        wait_for(functools.partial(recorded, "get_scheduled_flow_runs"), 120)
        run = submit(client, deployment, job_variables={"env": {"PREFECT_API_URL": of_run.url}})
        wait_until_done(client, run)
        wait_for(functools.partial(recorded, "executed-flow-run"), 60)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        of_worker.stop()
        of_run.stop()
    return Cycle(of_worker.recorded, of_run.recorded)


@pytest.fixture(scope="module")
def synthetic(prefect: Server, real: Cycle, asks: bool) -> Cycle:
    client = client_of(prefect)
    deployment = runner.prepare(client)
    of_worker, of_run = Recorder(prefect.port), Recorder(prefect.port)

    async def work() -> None:
        plan = WorkerSettings(
            runner.NAME, prefect.version, run_seconds=RUN_SECONDS, query_seconds=1, version_check=asks
        )
        results = WorkerResults()
        worker = Worker("synthetic", Endpoint(Client(of_worker.url).address, None, asks), Meter(), plan, results)
        worker.runs_endpoint = Endpoint(Client(of_run.url).address, None, asks)
        await worker.start()
        run = await asyncio.to_thread(submit, client, deployment)
        await asyncio.to_thread(wait_until_done, client, run)
        await worker.stop(10)
        assert not results.problems
        assert results.taken == {run}

    asyncio.run(work())
    time.sleep(1)  # the recorders are threads, and need a moment
    of_worker.stop()
    of_run.stop()
    assert real.worker
    return Cycle(of_worker.recorded, of_run.recorded)


def test_a_synthetic_worker_asks_for_what_a_real_one_asks_for(real: Cycle, synthetic: Cycle) -> None:
    assert regular(synthetic.worker) == regular(real.worker)


def test_a_synthetic_run_asks_for_what_a_real_one_asks_for(real: Cycle, synthetic: Cycle) -> None:
    assert regular(synthetic.run) == regular(real.run)


def test_a_worker_keeps_the_order(real: Cycle, synthetic: Cycle) -> None:
    order = in_order(synthetic.worker)
    assert order == in_order(real.worker)
    assert [text.rpartition(" ")[2] for text in order if "set_state" in text] == ["Pending", "Submitting"]


def test_a_run_keeps_the_order(real: Cycle, synthetic: Cycle) -> None:
    order = in_order(synthetic.run)
    assert order == in_order(real.run)
    assert [text.rpartition(" ")[2] for text in order if "set_state" in text] == ["Running", "Completed"]


@pytest.mark.parametrize("part", Cycle._fields)
def test_what_is_sent_looks_the_same(real: Cycle, synthetic: Cycle, part: str) -> None:
    assert shapes(getattr(synthetic, part)) == shapes(getattr(real, part))


def test_both_ask_for_a_token_before_they_write(real: Cycle, synthetic: Cycle, asks: bool) -> None:
    for part in Cycle._fields:
        counts = [
            sum(told(request) == "GET /csrf-token" for request in getattr(cycle, part)) for cycle in (real, synthetic)
        ]
        assert counts[0] == counts[1], part
        assert bool(counts[0]) is asks


def options(server: Server, **more: Any) -> dict[str, Any]:
    return {"api_url": f"http://127.0.0.1:{server.port}/api", **more}


def load(given: dict[str, Any], check: bool = False) -> dict[str, Any]:
    result = run_module("loadtest", given, check)
    return {name: value for name, value in result.items() if name != "invocation"}


def test_a_load_is_counted_and_removed(prefect: Server) -> None:
    given = options(prefect, rate=1, seconds=8, workers=2, query_seconds=1, objectives={"max_lost": 0})
    assert load(given, check=True) == {"changed": True, "planned_runs": 8}
    done = load(given)
    assert done["missed"] == []
    found = done["result"]
    well = {"submitted": 8, "started": 8, "completed": 8}
    assert found["runs"] == {**well, "not_submitted": 0, "failed": 0, "lost": 0, "duplicated": 0}
    assert found["requests"]["first_refusal"] is None
    assert found["requests"]["failed"] == 0
    assert 0 < found["start_seconds"]["p50"] <= found["start_seconds"]["most"]
    assert found["backlog"]["series"]
    removed = {"changed": True, "removed_runs": 8}
    assert load(options(prefect, state="absent"), check=True) == removed
    assert load(options(prefect, state="absent")) == removed
    assert load(options(prefect, state="absent")) == {"changed": False, "removed_runs": 0}
    client = client_of(prefect)
    assert client.get("work_pools", runner.NAME, missing_ok=True) is None
    assert client.get("flows", "name", runner.NAME, missing_ok=True) is None


@pytest.mark.parametrize("gone", [True, False], ids=["the file is gone", "nobody has looked"])
def test_an_abandoned_load_ends(prefect: Server, tmp_path: Path, *, gone: bool) -> None:
    progress = tmp_path / "progress"
    progress.touch()
    given = options(prefect, rate=2, seconds=120, workers=2, query_seconds=1, run_seconds=30)
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, {**given, "progress_file": str(progress)})
        wait_for(progress.read_text, 60)
        if gone:
            progress.unlink()
        else:
            os.utime(progress, (time.time() - 61, time.time() - 61))
        with pytest.raises(ModuleFailure, match="interrupted"):
            loading.result(timeout=60)
    assert not progress.exists()
    assert load(options(prefect, state="absent")) == {"changed": False, "removed_runs": 0}
