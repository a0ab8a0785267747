# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the effect of a fault during a load: what is lost, and how long it takes to work off the backlog.

usage, as root, on an otherwise idle host:
    scripts/bootstrap.sh test
    PYTHONPATH=tests:.collections .venv/bin/python tests/benchmarks/faults.py [--rate 3] [--only redis ...]

The local inventory is deployed on a test host of tests/machines. For each fault, the program starts a control-plane
load (docs/load-testing.md) and causes the fault in the middle of it. It prints a Markdown table. The backlog is
calculated from the runs, which contain their expected start and their start by the clock of the server: between the
two, a run waits. Therefore no request is needed while the server is not available. In the table, "back" is the time
from the fault until the backlog is no larger than its maximum before the fault, and stays so for some seconds. The
column "restarted" lists the processes whose pid has changed a minute after the load.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.load import add_load_options, load, print_troubles
from benchmarks.local import add_options, deployed, machine_text
from e2e.machine import Machine

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest import runner
from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.figures import percentile
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client

# Commands that cause the faults.
KILL = "kill -9 $(systemctl show --property=MainPID --value prefect-{})"
RESTART = "systemctl restart prefect-{}"
FAULTS = {
    "api": ("an API process is killed", KILL.format("api-1")),
    "services": ("the background services are killed", KILL.format("services")),
    "services-restart": ("the background services are restarted", RESTART.format("services")),
    "redis": ("Redis is restarted", RESTART.format("redis")),
    "postgres": ("PostgreSQL is restarted", RESTART.format("postgres")),
    "pgbouncer": ("PgBouncer is restarted", RESTART.format("pgbouncer")),
}
PROGRESS = "{seconds:>4} s  {submitted} of {total} submitted, {waiting} waiting, {running} running, {ended} ended"
BEGIN_SECONDS = 10.0  # at the beginning of a load, where the backlog is not yet typical
STEP_SECONDS = 0.5  # between two points of the curve
HOLD_SECONDS = 5.0  # how long the backlog has to stay low: the polling interval of a worker
# Background services that lose their tasks together with Redis are restarted within a minute.
SETTLE_SECONDS = 60.0


class Wait(NamedTuple):
    """When a run was due and when it started, in seconds since the epoch; infinity if it never did."""

    due: float
    begun: float


class Outcome(NamedTuple):
    """The effect of a fault."""

    fault: str
    found: dict[str, Any]
    before: int  # largest number of waiting runs before the fault
    most: int  # the same after the fault
    start_before: float | None  # the 95th percentile
    start_after: float | None
    back: float | None
    took: float  # duration of the command
    restarted: set[str]


def wait_of(run: dict[str, Any]) -> Wait:
    due, begun = (runner.timestamp(run[name]) for name in ("expected_start_time", "start_time"))
    return Wait(math.inf if due is None else due, math.inf if begun is None else begun)


def curve(waits: Sequence[Wait]) -> list[tuple[float, int]]:
    """Return moments and the number of runs that wait at each of them."""
    moments = [moment for wait in waits for moment in wait if moment < math.inf]
    count = int((max(moments) + HOLD_SECONDS - min(moments)) / STEP_SECONDS) + 2
    steps = [min(moments) + number * STEP_SECONDS for number in range(count)]
    return [(step, sum(wait.due <= step < wait.begun for wait in waits)) for step in steps]


def back_seconds(after: Sequence[tuple[float, int]], level: int, struck: float) -> float | None:
    """Return the seconds from the fault until the backlog was low again and stayed low; None if it never was."""
    peak = max(range(len(after)), key=lambda number: after[number][1])
    if after[peak][1] <= level:
        return 0.0
    points = int(HOLD_SECONDS / STEP_SECONDS)
    for number in range(peak, len(after) - points + 1):
        if all(count <= level for _moment, count in after[number : number + points]):
            return after[number][0] - struck
    return None


def strike(machine: Machine, command: str) -> tuple[float, float]:
    """Return when the fault began, and how long its command took."""
    begun = time.time()
    machine.sh(command)
    return begun, time.time() - begun


def under_load(machine: Machine, client: Client, fault: str, options: argparse.Namespace) -> tuple[Any, float, float]:
    """Return the figures of a load with a fault in the middle, when the fault began, and how long its command took."""
    struck: tuple[float, float] | None = None
    middle = math.inf
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(1) as pool:
        progress = Path(directory) / "progress"
        progress.touch()
        given = {"rate": options.rate, "drain_seconds": options.drain_seconds, "progress_file": str(progress)}
        loading = pool.submit(load, client, options, **given)
        shown = 0
        while not loading.done():
            lines = progress.read_text().splitlines()
            progress.touch()
            for line in lines[shown:]:
                told = json.loads(line)
                if middle == math.inf:
                    middle = time.time() - told["seconds"] + options.seconds / 2
                print(PROGRESS.format(**told), file=sys.stderr, flush=True)
            shown = len(lines)
            if struck is None and time.time() >= middle:
                print(f"        now: {FAULTS[fault][1]}", file=sys.stderr, flush=True)
                struck = strike(machine, FAULTS[fault][1])
            time.sleep(0.2)
        found = loading.result()
    assert struck is not None, "the load was over before its middle had come"
    return found, *struck


def measure(machine: Machine, fault: str, options: argparse.Namespace) -> Outcome:
    client = Client(f"http://{machine.ip}:{machine.port}/api", timeout=60)
    pids = machine.pids()
    found, struck, took = under_load(machine, client, fault, options)
    tagged = client.pages("flow_runs", "filter", sort="ID_DESC", flow_runs=runner.tagged(runner.TAG))
    waits = [wait_of(run) for run in tagged]
    points = curve(waits)
    usual = [count for moment, count in points if points[0][0] + BEGIN_SECONDS <= moment < struck]
    after = [(moment, count) for moment, count in points if moment >= struck]
    runner.remove(client)
    machine.wait_until_ready()
    time.sleep(SETTLE_SECONDS)
    level = max(usual)
    outcome = Outcome(
        fault,
        found,
        level,
        max(count for _moment, count in after),
        percentile([wait.begun - wait.due for wait in waits if wait.begun < struck], 95),
        percentile([wait.begun - wait.due for wait in waits if struck <= wait.begun < math.inf], 95),
        back_seconds(after, level, struck),
        took,
        machine.restarted(pids),
    )
    print(row(outcome), file=sys.stderr, flush=True)
    print_troubles(found)
    return outcome


COLUMNS = (
    *("fault", "submitted", "not submitted", "completed", "failed", "lost", "duplicated"),
    *("requests repeated", "requests failed", "waiting before", "waiting at most"),
    *("start p95 before s", "start p95 after s", "back after s", "command s", "restarted"),
)
HEADER = f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}"


def row(outcome: Outcome) -> str:
    runs, requests = outcome.found["runs"], outcome.found["requests"]
    cells = [FAULTS[outcome.fault][0], str(runs["submitted"]), str(runs["not_submitted"])]
    cells += [str(runs[name]) for name in ("completed", "failed", "lost", "duplicated")]
    cells += [str(requests["retried"]), str(requests["failed"]), str(outcome.before), str(outcome.most)]
    cells += ["none" if each is None else f"{each:.1f}" for each in (outcome.start_before, outcome.start_after)]
    cells += ["never" if outcome.back is None else f"{outcome.back:.1f}", f"{outcome.took:.1f}"]
    return "| " + " | ".join([*cells, ", ".join(sorted(outcome.restarted)) or "none"]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=FAULTS, default=list(FAULTS), metavar="FAULT", help=", ".join(FAULTS)
    )
    parser.add_argument("--rate", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--drain-seconds", type=float, default=120)
    add_load_options(parser, seconds=90)
    add_options(parser)
    options = parser.parse_args()
    if options.seconds / 2 < BEGIN_SECONDS + runner.PROGRESS_SECONDS:
        parser.error(f"--seconds: at least {2 * (BEGIN_SECONDS + runner.PROGRESS_SECONDS):g}")
    with deployed(options, "faults") as machine:
        machine.wait_until_ready()
        load(Client(f"http://{machine.ip}:{machine.port}/api", timeout=60), options, rate=1, seconds=20)  # warm-up
        outcomes = [measure(machine, fault, options) for _round in range(options.rounds) for fault in options.only]
        print(f"{machine_text(machine)}; {options.rate:g} runs/s for {options.seconds:g} s, each takes", end="")
        print(f" {options.run_seconds:g} s; {options.workers} synthetic workers\n")
        print(HEADER)
        print("\n".join(row(outcome) for outcome in outcomes))


if __name__ == "__main__":
    main()
