# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calculations of a load test: schedules, percentiles, lost and duplicated runs, objectives."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest import figures
from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.runner import OPTIONS, execute, planned
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError

RATES = st.floats(0.1, 50)
SECONDS = st.floats(1, 900)


def run(identifier: str, state: str = "COMPLETED", count: int = 1, begun: bool = True) -> dict[str, Any]:
    start = "2026-01-01T00:00:01Z" if begun else None
    return {"id": identifier, "state_type": state, "run_count": count, "start_time": start}


# --- Schedules ---


def test_a_steady_load_is_evenly_spread() -> None:
    assert figures.schedule("steady", 2, 3) == [0, 0.5, 1, 1.5, 2, 2.5]


def test_a_ramp_reaches_its_rate_at_the_end() -> None:
    offsets = figures.schedule("ramp", 10, 60)
    assert len(offsets) == 300
    last_second = [offset for offset in offsets if offset >= 59]
    assert len(last_second) == pytest.approx(10, abs=1)
    assert len([offset for offset in offsets if offset < 6]) == pytest.approx(3, abs=1)


def test_a_burst_submits_all_at_once() -> None:
    offsets = figures.schedule("burst", 2, 60, 20)
    assert {offset: offsets.count(offset) for offset in offsets} == {0: 40, 20: 40, 40: 40}


@example(profile="burst", rate=1.109375, seconds=448.0)
@given(profile=st.sampled_from(figures.PROFILES), rate=RATES, seconds=SECONDS)
def test_a_schedule_is_in_order_and_within_its_time(profile: str, rate: float, seconds: float) -> None:
    offsets = figures.schedule(profile, rate, seconds)
    assert all(earlier <= later for earlier, later in itertools.pairwise(offsets))
    assert all(0 <= offset <= seconds + 1e-6 for offset in offsets)
    mean = rate / 2 if profile == "ramp" else rate
    assert len(offsets) == pytest.approx(mean * seconds, abs=1)


@given(rate=RATES, seconds=SECONDS, part=st.floats(0.1, 1))
def test_no_stretch_of_a_steady_load_has_more_than_its_share(rate: float, seconds: float, part: float) -> None:
    offsets = figures.schedule("steady", rate, seconds)
    assert len([offset for offset in offsets if offset < seconds * part]) <= rate * seconds * part + 1


# --- Percentiles ---


@pytest.mark.parametrize(("share", "expected"), [(50, 50), (95, 95), (99, 99), (100, 100), (0, 1)])
def test_a_percentile_is_a_value_that_was_seen(share: float, expected: float) -> None:
    assert figures.percentile(list(range(100, 0, -1)), share) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    assert figures.percentile([], 95) is None
    assert figures.spread([]) == {"p50": None, "p95": None, "p99": None, "most": None}


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_percentiles_do_not_fall(values: list[float]) -> None:
    p50, p95, p99 = (figures.percentile(values, share) for share in (50, 95, 99))
    assert p50 is not None
    assert p95 is not None
    assert p99 is not None
    assert min(values) <= p50 <= p95 <= p99 <= max(values)
    assert sum(value <= p95 for value in values) >= 0.95 * len(values)


# --- Results of the runs ---


def test_runs_that_are_well() -> None:
    counts = figures.count_runs(2, ["a", "b"], [run("a"), run("b")], [])
    well = {"submitted": 2, "started": 2, "completed": 2}
    assert counts == {**well, "not_submitted": 0, "failed": 0, "lost": 0, "duplicated": 0}


def test_a_run_that_was_planned_and_never_submitted_is_not_lost() -> None:
    counts = figures.count_runs(3, ["a"], [run("a")], [])
    assert (counts["submitted"], counts["not_submitted"], counts["lost"]) == (1, 2, 0)
    assert figures.count_runs(3, [], [], [])["not_submitted"] == 3


@pytest.mark.parametrize("state", ["SCHEDULED", "PENDING", "RUNNING"])
def test_a_run_that_has_not_ended_is_lost(state: str) -> None:
    assert figures.count_runs(1, ["a"], [run("a", state, begun=False)], [])["lost"] == 1


def test_a_run_that_is_gone_is_lost() -> None:
    assert figures.count_runs(2, ["a", "b"], [run("a")], [])["lost"] == 1


@pytest.mark.parametrize("state", ["FAILED", "CRASHED", "CANCELLED"])
def test_a_run_that_failed_is_not_lost(state: str) -> None:
    counts = figures.count_runs(1, ["a"], [run("a", state)], [])
    assert (counts["failed"], counts["lost"], counts["completed"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("found", "twice"),
    [
        ([run("a", count=2)], []),
        ([run("a")], ["a"]),
        ([run("a"), run("nobody's")], []),
        ([run("a", count=3)], ["a"]),
    ],
    ids=["started twice", "taken twice", "not submitted", "both, which is one run"],
)
def test_a_run_is_duplicated(found: list[dict[str, Any]], twice: list[str]) -> None:
    assert figures.count_runs(1, ["a"], found, twice)["duplicated"] == 1


# --- Over time ---


def test_the_timeline_has_every_run_once() -> None:
    submitted = [number / 2 for number in range(40)]
    runs = [(0.5, moment + 0.5, moment + 1.5) for moment in submitted]
    timeline = figures.timeline(submitted, [*runs, (None, None, None)])
    width = timeline["bucket_seconds"]
    for name in ("submitted", "started", "completed"):
        assert sum(timeline[name]) * width == pytest.approx(40)
    assert set(timeline["start_p95"]) <= {0.5, None}


@given(st.floats(1, 100_000))
def test_a_curve_has_few_points(length: float) -> None:
    assert length / figures.bucket_seconds(length) <= figures.BUCKETS


# --- Objectives ---

RESULT: dict[str, Any] = {
    "start_seconds": {"p50": 1.0, "p95": 4.0, "p99": None},
    "api_seconds": {"p95": 0.1, "p99": 0.2},
    "backlog": {"most": 12},
    "drain": {"seconds": 3.0},
    "runs": {"not_submitted": 0, "lost": 0, "duplicated": 0, "failed": 0},
    "requests": {"failed": 0},
    "rate": {"completed_per_second": 6.9},
}


@pytest.mark.parametrize("name", sorted(figures.OBJECTIVES))
def test_an_objective_can_be_reached_and_missed(name: str) -> None:
    seen = {**RESULT, "start_seconds": {"p50": 1.0, "p95": 4.0, "p99": 5.0}}
    least = figures.OBJECTIVES[name][2] == "least"
    generous, strict = (0, 1000) if least else (1000, -1)
    assert figures.missed(figures.judged(seen, {name: generous})) == []
    (sentence,) = figures.missed(figures.judged(seen, {name: strict}))
    assert sentence.startswith(f"{name} is ")
    assert f"{'at least' if least else 'at most'} {strict}" in sentence


def test_the_limit_itself_is_good_enough() -> None:
    assert figures.missed(figures.judged(RESULT, {"max_lost": 0, "p95_start_seconds": 4})) == []


def test_what_was_not_seen_is_missed() -> None:
    assert figures.missed(figures.judged(RESULT, {"p99_start_seconds": 5})) == [
        "p99_start_seconds is unknown, but the objective is at most 5"
    ]


def test_a_reason_stands_behind_its_objective() -> None:
    verdicts = figures.judged(RESULT, {"max_not_submitted": -1, "max_lost": -1})
    assert figures.missed(verdicts, {"max_not_submitted": "409 no"}) == [
        "max_not_submitted is 0, but the objective is at most -1 (409 no)",
        "max_lost is 0, but the objective is at most -1",
    ]


# --- Invalid options ---

GOOD = {name: option.get("default") for name, option in OPTIONS.items()}


@pytest.mark.parametrize(
    ("changes", "option"),
    [
        ({"rate": 0}, "rate"),
        ({"rate": -1}, "rate"),
        ({"seconds": 0}, "seconds"),
        ({"workers": 0}, "workers"),
        ({"query_seconds": 0}, "query_seconds"),
        ({"max_runs": 0}, "max_runs"),
        ({"run_seconds": -1}, "run_seconds"),
        ({"start_seconds": -1}, "start_seconds"),
        ({"drain_seconds": -1}, "drain_seconds"),
        ({"mode": "real"}, "deployment"),
        ({"rate": 7, "seconds": 3600}, "max_runs"),
        ({"rate": 0.001, "seconds": 10}, "rate"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(changes: dict[str, Any], option: str) -> None:
    client = Client("http://192.0.2.1:1/api")  # no server has this address
    with pytest.raises(PrefectError, match=f"^{option}: "):
        execute(client, {**GOOD, **changes})


def test_a_ramp_may_be_twice_as_high() -> None:
    steady = {**GOOD, "rate": 10, "seconds": 100, "max_runs": 600}
    with pytest.raises(PrefectError, match="max_runs"):
        planned(steady)
    assert len(planned({**steady, "profile": "ramp"})) == 500
