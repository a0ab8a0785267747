# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A synthetic worker when the API fails during a run, which a real server does not do on demand.

tests/integration/api/test_loadtest.py compares everything else with real workers.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.transport import Endpoint, LoadError, Meter
from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.worker import (
    Worker,
    WorkerResults,
    WorkerSettings,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Address

RUN = {"id": "r", "deployment_id": "d", "flow_id": "f", "name": "swift-mole"}


class Api:
    """An API that accepts every state, and fails once at the given request."""

    def __init__(self, fails_at: str) -> None:
        self.fails_at = fails_at
        self.proposed: list[str] = []

    async def call(self, method: str, path: str, _value: str = "", body: Any = None) -> Any:
        if path.endswith("/get_scheduled_flow_runs"):
            return [] if "PENDING" in self.proposed else [{"flow_run": RUN}]
        what = body["state"]["type"] if path.endswith("/set_state") else f"{method} {path}"
        if what == self.fails_at:
            self.fails_at = ""
            raise LoadError(f"{what}: 500")
        if path.endswith("/set_state"):
            self.proposed.append(what)
            return {"status": "ACCEPT", "state": body["state"]}
        return {"id": "x", "name": "x", "pull_steps": []}


async def looked(worker: Worker) -> None:
    """Let the worker poll once, and wait until its runs have ended."""
    await worker._look_for_work()
    await asyncio.gather(*worker._runs)


@pytest.fixture(name="worker")
def _worker() -> Worker:
    nowhere = Endpoint(Address("127.0.0.1", 9, "/api", None, {}), None)
    return Worker("w", nowhere, Meter(), WorkerSettings("pool", "3.9.1", logs=False), WorkerResults())


def test_a_run_that_could_not_be_taken_is_taken_at_the_next_look(worker: Worker, monkeypatch: Any) -> None:
    executed: list[str] = []

    async def execute(run: Any, _sockets: Any) -> None:
        executed.append(run["id"])

    api = Api(fails_at="PENDING")
    monkeypatch.setattr(worker, "http", api)
    monkeypatch.setattr(worker, "_execute", execute)
    asyncio.run(looked(worker))
    assert (executed, worker.results.taken) == ([], set())
    asyncio.run(looked(worker))
    assert (executed, worker.results.taken, worker.results.twice) == (["r"], {"r"}, set())
    assert worker.results.problems == {"PENDING: 500": 1}


def test_a_run_that_could_not_be_executed_is_reported_as_crashed(worker: Worker, monkeypatch: Any) -> None:
    api = Api(fails_at="GET /flows/{}")
    monkeypatch.setattr(worker, "http", api)
    asyncio.run(looked(worker))
    assert api.proposed == ["PENDING", "CRASHED"]
    assert worker.results.active == 0
    asyncio.run(looked(worker))
    assert api.proposed == ["PENDING", "CRASHED"]


@pytest.mark.parametrize(("limit", "asked"), [(0, 3), (2, 2), (5, 3)])
def test_a_worker_asks_for_no_more_runs_than_its_limit(
    worker: Worker, monkeypatch: Any, *, limit: int, asked: int
) -> None:
    class Busy(Api):
        """Returns three runs. When the worker proposes a state, another worker already has the run."""

        async def call(self, method: str, path: str, _value: str = "", body: Any = None) -> Any:
            if path.endswith("/get_scheduled_flow_runs"):
                return [{"flow_run": {**RUN, "id": name}} for name in ("a", "b", "c")]
            return {"status": "ABORT"} if body else {}

    monkeypatch.setattr(worker, "http", Busy(fails_at=""))
    worker.plan.limit = limit
    asyncio.run(looked(worker))
    assert worker.results.refused == asked
    assert worker._mine == set()
