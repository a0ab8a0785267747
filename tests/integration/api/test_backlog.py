# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of waiting and active runs, per pool and queue."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from .support import Api, ModuleFailure

COUNTS = ("due", "late", "pending", "running")
# State type, state name, minutes until the run is due, and the counts that include the run.
RUNS = [
    ("SCHEDULED", "Scheduled", -1, ["due"]),
    ("SCHEDULED", "Late", -2, ["due", "late"]),
    ("SCHEDULED", "Scheduled", 60, []),
    ("PENDING", "Pending", -1, ["pending"]),
    ("RUNNING", "Running", -1, ["running"]),
    ("COMPLETED", "Completed", -1, []),
]


@pytest.fixture(scope="module")
def expected() -> dict[str, dict[str, int]]:
    """Return the expected counts of each queue of the fixture `backlog`."""
    once = {count: sum(count in counts for *_run, counts in RUNS) for count in COUNTS}
    return {"default": once, "slow": {count: 2 * number for count, number in once.items()}}


@pytest.fixture
def backlog(api: Api) -> str:
    pool = "backlog #1"
    queues = [{"name": "slow", "concurrency_limit": 3, "paused": True}, {"name": "default"}]
    made = api.run("work_pool", name=pool, type="process", concurrency_limit=9, queues=queues)["changed"]
    for queue, times in (("default", 1), ("slow", 2)) if made else ():
        api.run("deployment", flow="backlog", name=queue, work_pool=pool, work_queue=queue)
        found = api.run("deployment_info", flow="backlog", name=queue)["deployment"]["id"]
        for state, name, minutes, _counts in RUNS * times:
            run = api.raw("POST", f"/deployments/{found}/create_flow_run", {})["id"]
            due = (datetime.now(timezone.utc) + timedelta(minutes=minutes)).isoformat()
            details = {"scheduled_time": due} if state == "SCHEDULED" else {}
            body = {"state": {"type": state, "name": name, "state_details": details}, "force": True}
            api.raw("POST", f"/flow_runs/{run}/set_state", body)
    api.proxy.forget()
    return pool


def counts(place: dict[str, Any]) -> dict[str, int]:
    return {count: place[count] for count in COUNTS}


def test_pools_and_queues_are_counted(api: Api, backlog: str, expected: dict[str, dict[str, int]]) -> None:
    result = api.run("backlog_info", work_pool=backlog, queues=True)
    (pool,) = result["work_pools"]
    assert [queue["name"] for queue in pool["work_queues"]] == ["slow", "default"]
    assert {queue["name"]: counts(queue) for queue in pool["work_queues"]} == expected
    assert counts(pool) == {count: sum(queue[count] for queue in expected.values()) for count in COUNTS}
    assert (pool["concurrency_limit"], pool["paused"]) == (9, False)
    assert (pool["work_queues"][0]["concurrency_limit"], pool["work_queues"][0]["paused"]) == (3, True)
    assert result["total"] == counts(pool)
    assert not api.proxy.writes


def test_it_asks_for_numbers_only(api: Api, backlog: str) -> None:
    """The number of requests does not depend on the number of runs. None of them asks for the server's slow status."""
    api.run("backlog_info", work_pool=backlog)
    assert [request.path for request in api.proxy.requests[1:]] == ["/api/flow_runs/count"] * 4
    assert "work_queues" not in api.run("backlog_info", work_pool=backlog)["work_pools"][0]


def test_every_pool_is_counted(api: Api, backlog: str) -> None:
    result = api.run("backlog_info")
    names = [pool["name"] for pool in result["work_pools"]]
    assert names == sorted(names)
    assert backlog in names
    assert result["total"]["running"] == sum(pool["running"] for pool in result["work_pools"])


def test_an_unknown_pool_is_told(api: Api) -> None:
    with pytest.raises(ModuleFailure, match="work_pool: there is no work pool 'nowhere'"):
        api.run("backlog_info", work_pool="nowhere")
