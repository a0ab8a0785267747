# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load test with servers that behave in ways that are rare on a real server.

tests/integration/api/test_loadtest.py and test_loadtest_real.py use real servers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest import runner
from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.transport import Endpoint, LoadError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Address

NOWHERE = Endpoint(Address("127.0.0.1", 9, "/api", None, {}), None)
GOOD = {name: option.get("default") for name, option in runner.OPTIONS.items()}


def load_test(**options: Any) -> runner.Test:
    return runner.Test(NOWHERE, "3.9.1", {**GOOD, "mode": "real", "deployment": "a/b", **options}, {"id": "d"})


def ended(test: runner.Test, submissions: list[float]) -> dict[str, Any]:
    """Return the result of a test that submitted runs at these seconds. The server no longer has any of them."""
    test.submitted = {str(number): moment for number, moment in enumerate(submissions)}
    test.wall, test.last_submission, test.length = 0.0, submissions[-1], submissions[-1] + 3
    return test.result([])


@pytest.mark.parametrize(
    ("seconds", "submissions", "rate"),
    [
        (60, [0.0] * 60 + [30.0] * 60, 2),  # two bursts
        (60, [0.0] * 60, 1),
        (10, [number / 2 for number in range(20)], 2),
        (10, [float(number) for number in range(41)], 1.025),  # the server was slow, and accepted the last run late
    ],
)
def test_the_rate_of_submissions_is_that_of_the_whole_time(
    seconds: float, submissions: list[float], rate: float
) -> None:
    found = ended(load_test(seconds=seconds), submissions)
    assert found["rate"]["submitted_per_second"] == rate


class Refusals:
    """A server that accepts every second run, and rejects each of the others with a different message."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, *_arguments: Any) -> Refusals:
        return self

    async def call(self, *_arguments: Any) -> Any:
        self.asked += 1
        if self.asked % 2:
            raise LoadError(f"409 no, for the {self.asked}. time")
        return {"id": str(self.asked)}

    def close(self) -> None:
        pass


def test_runs_that_are_refused_are_counted_with_the_first_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "Http", Refusals())
    test = load_test()
    test.planned, test.begun = 5, time.monotonic()
    asyncio.run(test._submit([0.0] * 5))
    test.wall, test.last_submission, test.length = 0.0, 0.0, 1.0
    found = test.result([])
    assert (found["runs"]["submitted"], found["runs"]["not_submitted"], found["runs"]["lost"]) == (2, 3, 2)
    assert found["requests"]["first_refusal"] == "409 no, for the 1. time"


class Counts:
    """A server with an empty backlog. As long as `later` says so, it has runs that are scheduled for later."""

    def __init__(self, later: Callable[[], int]) -> None:
        self.later = later

    def __call__(self, *_arguments: Any) -> Counts:
        return self

    async def call(self, _method: str, path: str, _value: str, body: Any) -> Any:
        assert path == "/flow_runs/count"
        runs = body["flow_runs"]
        return self.later() if "next_scheduled_start_time" not in runs and "tags" in runs else 0


async def drained(test: runner.Test) -> float:
    """Return the seconds until the load test no longer waits for runs."""
    test.begun = time.monotonic()
    watcher = asyncio.ensure_future(test._watch())
    await test._drain()
    watcher.cancel()
    return test.now


@pytest.mark.parametrize(
    ("waits", "patience", "least", "most"),
    [(0, 30, 0, 1), (1, 30, 1, 2), (30, 1, 1, 2)],
    ids=["no run", "a run that gets its slot", "a run that never gets one"],
)
def test_runs_that_are_scheduled_for_later_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, waits: float, patience: float, least: float, most: float
) -> None:
    end = time.monotonic() + waits
    monkeypatch.setattr(runner, "Http", Counts(lambda: int(time.monotonic() < end)))
    monkeypatch.setattr(runner, "WATCH_SECONDS", 0.1)
    test = load_test(drain_seconds=patience)
    assert least <= asyncio.run(drained(test)) <= most
    assert {tuple(counts) for _moment, *counts in test.backlog} == {(0, 0, 0)}
