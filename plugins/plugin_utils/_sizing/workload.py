# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The options of a workload, their valid values, and the problems with a given workload."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem

WORKLOAD = "prefect_workload"
POOL_TYPES = ("process", "kubernetes")


@dataclass(frozen=True)
class Number:
    """A numeric option with its bounds and its default."""

    meaning: str
    default: float | None = None
    required: bool = False
    least: float = 0
    exclusive: bool = False  # the bound itself is invalid
    most: float = 1e12
    whole: bool = False

    @property
    def range(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        return f"{kind} {'above' if self.exclusive else 'of at least'} {self.least:g}"

    def read(self, value: Any) -> float:
        """Return the number, or raise ValueError with the problem."""
        if isinstance(value, bool):
            raise ValueError(f"{value!r} is not {self.range}.")
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"{value!r} is not {self.range}.") from None
        low = number <= self.least if self.exclusive else number < self.least
        if low or not math.isfinite(number) or (self.whole and number != int(number)):
            raise ValueError(f"{value!r} is not {self.range}.")
        if number > self.most:
            raise ValueError(f"{value!r} is more than {self.most:g}.")
        return int(number) if self.whole else number


RUN: dict[str, Number] = {
    "runs_per_hour": Number("flow runs that start in a mean hour", required=True, exclusive=True, most=1e9),
    "run_seconds": Number("mean seconds that a run takes", required=True, exclusive=True, most=1e7),
    "run_seconds_p95": Number("seconds that 95 of 100 runs take at the most", exclusive=True, most=1e7),
    "peak_factor": Number("rate of the busiest minutes as a multiple of the mean", default=1, least=1, most=1e4),
    "tasks_per_run": Number("task runs of a flow run", default=0, most=1e6),
    "logs_per_run": Number("log messages that a run sends to the API", most=1e6),
    "events_per_run": Number("events that a run emits beside Prefect's own", default=0, most=1e6),
    "run_cpu": Number("cores that a run uses while it runs", default=0.1, exclusive=True, most=1024),
    "run_memory_mb": Number("MiB that a run uses", default=256, exclusive=True, most=1e7),
    "keep_runs_days": Number("days after which runs are deleted; null keeps them", least=1, most=36500, whole=True),
    "keep_events_days": Number("days after which events are deleted", default=3, least=1, most=36500, whole=True),
}
POOL: dict[str, Number] = {"share": Number("share of the runs, in any unit", default=1, exclusive=True)}
RATE_LIMIT: dict[str, Number] = {
    "per_second": Number("calls that the service allows in a second", required=True, exclusive=True),
    "calls_per_run": Number("calls that a run makes", default=1),
}
NODES: dict[str, Number] = {
    "count": Number("nodes that carry flow runs", least=1, whole=True),
    "cpu": Number("allocatable cores of a node", exclusive=True),
    "memory_mb": Number("allocatable MiB of a node", exclusive=True),
    "pods": Number("pods that a node may run", least=1, whole=True),
}
DATABASE: dict[str, Number] = {
    "cpu": Number("cores of the database server", exclusive=True),
    "memory_mb": Number("MiB of the database server", exclusive=True),
    "disk_gb": Number("GB of disk for the database", exclusive=True),
    "max_connections": Number("connections that it accepts", least=1, whole=True),
}
LISTS = {"work_pools": POOL, "rate_limits": RATE_LIMIT}
DICTIONARIES = {"nodes": NODES, "database": DATABASE}
OPTIONS = (*RUN, "pool_type", *LISTS, *DICTIONARIES)
NAME = "name"


class BadWorkload(Exception):
    """A workload with problems."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(f"{each['option']}: {each['problem']} {each['remedy']}" for each in problems))
        self.problems = problems


def _unknown(where: str, given: Mapping[str, Any], known: tuple[str, ...]) -> Iterator[Problem]:
    for name in given:
        if name not in known:
            closest = get_close_matches(str(name), known, n=1)
            remedy = f"Did you mean {closest[0]}?" if closest else f"Use: {', '.join(known)}."
            yield problem(f"{where}.{name}", "The option does not exist.", remedy)


def _numbers(
    where: str, given: Mapping[str, Any], numbers: Mapping[str, Number], into: dict[str, Any]
) -> Iterator[Problem]:
    for name, number in numbers.items():
        value = given.get(name)
        if value is None:
            into[name] = number.default
            if number.required:
                yield problem(f"{where}.{name}", "It is missing.", f"Set it to the {number.meaning}.")
            continue
        try:
            into[name] = number.read(value)
        except ValueError as error:
            yield problem(f"{where}.{name}", str(error), f"Set it to the {number.meaning}.")


def _named(where: str, given: Any, numbers: Mapping[str, Number], into: list[dict[str, Any]]) -> Iterator[Problem]:
    if not isinstance(given, (list, tuple)) or not all(isinstance(entry, Mapping) for entry in given):
        yield problem(where, "It is not a list of dictionaries.", f"Use entries with {', '.join((NAME, *numbers))}.")
        return
    for position, entry in enumerate(given):
        name = str(entry.get(NAME) or "")
        here = f"{where}[{name or position}]"
        if not name.strip():
            yield problem(f"{here}.{NAME}", "It is missing.", "Set a name for every entry.")
        read: dict[str, Any] = {NAME: name}
        yield from _unknown(here, entry, (NAME, *numbers))
        yield from _numbers(here, entry, numbers, read)
        into.append(read)
    for name, count in Counter(entry[NAME] for entry in into).items():
        if count > 1:
            yield problem(where, f"Two entries are called {name!r}.", "Set a different name for every entry.")


def _read(given: Any, into: dict[str, Any]) -> Iterator[Problem]:
    if not isinstance(given, Mapping):
        yield problem(WORKLOAD, f"It is not a dictionary but {given!r}.", "Set options and values.")
        return
    yield from _unknown(WORKLOAD, given, OPTIONS)
    yield from _numbers(WORKLOAD, given, RUN, into)
    into["pool_type"] = given.get("pool_type") or POOL_TYPES[0]
    if into["pool_type"] not in POOL_TYPES:
        yield problem(
            f"{WORKLOAD}.pool_type", f"{into['pool_type']!r} is not supported.", f"Use {' or '.join(POOL_TYPES)}."
        )
    for name, numbers in LISTS.items():
        into[name] = []
        yield from _named(f"{WORKLOAD}.{name}", given.get(name) or [], numbers, into[name])
    for name, numbers in DICTIONARIES.items():
        into[name], inner = {}, given.get(name) or {}
        if not isinstance(inner, Mapping):
            yield problem(f"{WORKLOAD}.{name}", "It is not a dictionary.", f"Use: {', '.join(numbers)}.")
            continue
        yield from _unknown(f"{WORKLOAD}.{name}", inner, tuple(numbers))
        yield from _numbers(f"{WORKLOAD}.{name}", inner, numbers, into[name])
    into["work_pools"] = into["work_pools"] or [{NAME: "default", "share": 1.0}]


def workload_problems(given: Any) -> list[Problem]:
    """Return the problems with a workload."""
    return list(_read(given, {}))


def read_workload(given: Any) -> dict[str, Any]:
    """Return the workload with every option, or raise BadWorkload with all problems."""
    read: dict[str, Any] = {}
    problems = list(_read(given, read))
    if problems:
        raise BadWorkload(problems)
    return read
