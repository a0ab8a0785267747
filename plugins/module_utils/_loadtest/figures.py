# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Calculations of a load test: the schedule of runs and the evaluation of measurements. Pure functions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PROFILES = ("steady", "ramp", "burst")
TERMINAL = frozenset(("COMPLETED", "FAILED", "CANCELLED", "CRASHED"))
BUCKETS = 60  # maximum number of points of a curve
SHARES = {"p50": 50, "p95": 95, "p99": 99}

# The measurement of an objective, and whether the objective is a maximum or a minimum.
OBJECTIVES: dict[str, tuple[str, str, str]] = {
    "p50_start_seconds": ("start_seconds", "p50", "most"),
    "p95_start_seconds": ("start_seconds", "p95", "most"),
    "p99_start_seconds": ("start_seconds", "p99", "most"),
    "p95_api_seconds": ("api_seconds", "p95", "most"),
    "p99_api_seconds": ("api_seconds", "p99", "most"),
    "max_backlog": ("backlog", "most", "most"),
    "max_drain_seconds": ("drain", "seconds", "most"),
    "max_not_submitted": ("runs", "not_submitted", "most"),
    "max_lost": ("runs", "lost", "most"),
    "max_duplicated": ("runs", "duplicated", "most"),
    "max_failed": ("runs", "failed", "most"),
    "max_failed_requests": ("requests", "failed", "most"),
    "min_runs_per_second": ("rate", "completed_per_second", "least"),
}


def schedule(profile: str, rate: float, seconds: float, burst_seconds: float = 30) -> list[float]:
    """Return the seconds after the start at which runs are submitted. Bursts have the mean rate of a steady load."""
    if profile == "ramp":  # the rate rises linearly from 0: run n is due when its integral is n
        return [math.sqrt(2 * seconds * number / rate) for number in range(int(rate * seconds / 2))]
    number_of_runs = int(rate * seconds + 1e-9)
    if profile == "burst":
        return [int(number / (rate * burst_seconds) + 1e-9) * burst_seconds for number in range(number_of_runs)]
    return [number / rate for number in range(number_of_runs)]


def percentile(values: Sequence[float], share: float) -> float | None:
    """Return a percentile, None without values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * share / 100) - 1)]


def spread(values: Sequence[float]) -> dict[str, float | None]:
    """Return the percentiles and the maximum of a measurement."""
    ordered = sorted(values)
    found = {name: _rounded(percentile(ordered, share)) for name, share in SHARES.items()}
    return {**found, "most": _rounded(ordered[-1] if ordered else None)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def count_runs(
    planned: int, submitted: Iterable[str], found: Sequence[Mapping[str, Any]], twice: Iterable[str]
) -> dict[str, int]:
    """Return the results of the runs.

    not_submitted: the server rejected the run or did not answer.
    lost: the run was submitted, and has not ended or no longer exists.
    duplicated: the run was started more than once, or two workers were allowed to start it, or it exists although it
    was not submitted.
    """
    wanted = set(submitted)
    ended = {run["id"] for run in found if run["state_type"] in TERMINAL}
    states = Counter(run["state_type"] for run in found)
    again = {run["id"] for run in found if run["run_count"] > 1} | set(twice)
    return {
        "submitted": len(wanted),
        "not_submitted": planned - len(wanted),
        "started": sum(run["start_time"] is not None for run in found),
        "completed": states["COMPLETED"],
        "failed": sum(states[state] for state in TERMINAL - {"COMPLETED"}),
        "lost": len(wanted - ended),
        "duplicated": len(again | ({run["id"] for run in found} - wanted)),
    }


def curve(moments: Sequence[float], width: float, length: float) -> list[int]:
    """Count the timestamps in each interval."""
    counts = [0] * max(1, math.ceil(length / width))
    for moment in moments:
        counts[min(len(counts) - 1, max(0, int(moment // width)))] += 1
    return counts


def bucket_seconds(length: float) -> float:
    """Return the width of the intervals: a round number of seconds."""
    for width in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600):
        if length / width <= BUCKETS:
            return width
    return 3600


def timeline(
    submitted: Sequence[float], runs: Sequence[tuple[float | None, float | None, float | None]]
) -> dict[str, Any]:
    """Return runs per second and start latency over time. A run is (seconds until the start, started, ended)."""
    started = [begun for _latency, begun, _ended in runs if begun is not None]
    ended = [end for _latency, _begun, end in runs if end is not None]
    length = max([*submitted, *started, *ended, 1.0])
    width = bucket_seconds(length)
    latencies: dict[int, list[float]] = {}
    for latency, begun, _ended in runs:
        if latency is not None and begun is not None:
            latencies.setdefault(max(0, int(begun // width)), []).append(latency)
    count = len(curve(submitted, width, length))
    return {
        "bucket_seconds": width,
        "submitted": [round(number / width, 3) for number in curve(submitted, width, length)],
        "started": [round(number / width, 3) for number in curve(started, width, length)],
        "completed": [round(number / width, 3) for number in curve(ended, width, length)],
        "start_p50": [_rounded(percentile(latencies.get(number, []), 50)) for number in range(count)],
        "start_p95": [_rounded(percentile(latencies.get(number, []), 95)) for number in range(count)],
    }


def judged(result: Mapping[str, Any], objectives: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return each objective with its measurement and whether it is met. Without a measurement, it is not met."""
    verdicts = []
    for name, limit in objectives.items():
        part, figure, kind = OBJECTIVES[name]
        seen = result[part][figure]
        good = seen is not None and (seen <= limit if kind == "most" else seen >= limit)
        verdicts.append({"name": name, "limit": limit, "seen": seen, "ok": good})
    return verdicts


def missed(verdicts: Sequence[Mapping[str, Any]], reasons: Mapping[str, str] | None = None) -> list[str]:
    """Return a sentence for every missed objective, with the reason if it is known."""
    return [
        f"{each['name']} is {'unknown' if each['seen'] is None else format(each['seen'], '.4g')},"
        f" but the objective is {'at least' if OBJECTIVES[each['name']][2] == 'least' else 'at most'} {each['limit']:g}"
        + (f" ({reasons[each['name']]})" if reasons and each["name"] in reasons else "")
        for each in verdicts
        if not each["ok"]
    ]
