# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the cost of a flow run on the local platform, for plugins/plugin_utils/_sizing/coefficients.yml.

usage, as root, on an otherwise idle host:
    scripts/bootstrap.sh test
    PYTHONPATH=tests .venv/bin/python tests/benchmarks/coefficients.py [--runs 30] [--rounds 3] [--write]

The local inventory is deployed on a test host of tests/machines. In each round, the program submits real runs to its
pool: runs of an empty flow, runs with tasks, and runs with log messages. It subtracts what the deployment uses in the
same time without runs. With --write, the figures replace those between the lines "begin measured" and "end measured" of
coefficients.yml; otherwise they are printed. CPU seconds are those of /proc: they hardly depend on other load on the
processors. Durations and rates do.
"""

from __future__ import annotations

import argparse
import functools
import re
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from datetime import date

from benchmarks.local import REDIS, add_options, deployed, difference, machine_text, read
from defaults import ROOT, VENV
from e2e.machine import Machine, wait_for
from e2e.runs import Flows

DATA = ROOT / "plugins/plugin_utils/_sizing/coefficients.yml"
FLOW = """import time

from prefect import flow, get_run_logger, task


@task
def unit():
    pass


@flow
def work(seconds: float = 0, tasks: int = 0, logs: int = 0):
    for number in range(tasks):
        unit()
    for number in range(logs):
        get_run_logger().info("%d of the messages of a run, as long as most of them are", number)
    time.sleep(seconds)
"""
TASKS, LOGS = 10, 50  # for the runs that have tasks or log messages
IDLE_SECONDS = 60
WORKERS = 2  # in the local inventory
QUERY_SECONDS = 5
ROWS = 20_000  # enough rows that the minimum size of a table and of its indexes does not matter
EVENTS, LOG = ("events", "event_resources"), ("log",)


class Work(Flows):
    """Runs of a flow with a chosen number of tasks and log messages, and a chosen duration."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        machine.sh("cat > /srv/flows/work.py", input=FLOW)
        flow = machine.api("POST", "/flows/", {"name": "work"})["id"]
        body = {
            "name": "work",
            "flow_id": flow,
            "work_pool_name": "default",
            "path": "/srv/flows",
            "entrypoint": "work.py:work",
            "job_variables": {"command": f"{VENV}/bin/python -m prefect.engine"},
        }
        self.deployment = machine.api("POST", "/deployments/", body)["id"]

    def through(self, number: int, **parameters: float) -> list[str]:
        """Submit runs and wait until they are completed."""
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        path = f"/deployments/{self.deployment}/create_flow_run"
        runs = [str(self.machine.api("POST", path, body)["id"]) for _number in range(number)]
        ids = ",".join(f"'{run}'" for run in runs)
        # A query of the database, because this program counts the requests to the API.
        query = f"SELECT count(*) FROM flow_run WHERE state_type = 'COMPLETED' AND id IN ({ids})"
        wait_for(lambda: int(self.machine.sql(query)[0][0]) == number, 120 + 30 * number, every=2)
        return runs


# --- Reading ---


def row_bytes(machine: Machine, wanted: Collection[str]) -> dict[str, float]:
    """Return the bytes of a row, including its share of all indexes, by table.

    The rows of the runs are copied many times, with other ids and times, into tables of the same structure. The size of
    a table that is nearly empty is useless: each of its indexes takes at least a page.
    """
    machine.sql("CREATE SCHEMA IF NOT EXISTS sized")
    columns: dict[str, list[str]] = defaultdict(list)
    query = """SELECT c.table_name, c.column_name, c.data_type FROM information_schema.columns c
        JOIN information_schema.tables t USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND is_generated = 'NEVER'"""
    changed = {
        "uuid": "md5({0}::text || n)::uuid",
        "timestamp with time zone": "{0} + n * interval '1 minute'",
        "idempotency_key": "{0} || n",
    }
    for table, column, kind in machine.sql(query):
        value = changed.get(kind) or changed.get(column) or "{0}"
        columns[table].append(f'"{column}"\t' + value.format(f'"{column}"'))
    found = {}
    for table in wanted:
        pairs = columns[table]
        names, values = (", ".join(part) for part in zip(*(pair.split("\t") for pair in pairs), strict=True))
        count = int(machine.sql(f'SELECT count(*) FROM public."{table}"')[0][0])
        if not count:  # the rows have been deleted
            continue
        copies = max(1, ROWS // count)
        machine.sql(f'CREATE TABLE sized."{table}" (LIKE public."{table}" INCLUDING ALL)')
        machine.sql(
            f'INSERT INTO sized."{table}" ({names}) SELECT {values}'
            f' FROM public."{table}", generate_series(1, {copies}) n'
        )
        size = f"SELECT pg_total_relation_size('sized.\"{table}\"')::float / {count * copies}"
        found[table] = float(machine.sql(size)[0][0])
        machine.sql(f'DROP TABLE sized."{table}"')
    machine.sql("DROP SCHEMA sized")
    return found


def memory_mb(machine: Machine, name: str) -> list[float]:
    """Return the memory in MiB (PSS) of every process whose name begins with the given text."""
    pids = [pid for process, pid in machine.pids().items() if process.startswith(name)]
    lines = [machine.sh(f"awk '/^Pss:/ {{print $2}}' /proc/{pid}/smaps_rollup") for pid in pids]
    return [int(line) / 1024 for line in lines]


def run_memory_mb(machine: Machine) -> list[float]:
    """Return the memory in MiB (PSS) of every active run."""
    pss = machine.sh(
        "for pid in $(pgrep -f '[p]refect.engine'); do awk '/^Pss:/ {print $2}' /proc/$pid/smaps_rollup; done",
        check=False,
    )
    return [int(line) / 1024 for line in pss.split()]


# --- Measuring ---


class Results:
    """All measured values of each coefficient."""

    def __init__(self) -> None:
        self.units: dict[str, str] = {}
        self.values: dict[str, list[float]] = defaultdict(list)

    def note(self, name: str, unit: str, *values: float) -> None:
        self.units[name] = unit
        self.values[name] += values
        print(f"{name}: {', '.join(f'{value:.4g}' for value in values)} {unit}", file=sys.stderr)


def idle(machine: Machine) -> dict[str, float]:
    """Return how much each counter increases per second while no flow run is active."""
    before = read(machine)
    time.sleep(IDLE_SECONDS)
    passed = difference(before, read(machine))
    return {name: value / passed["time"] for name, value in passed.items()}


COSTS = (  # coefficient, unit, counter
    ("api_requests", "requests", "requests"),
    ("api_cpu_seconds", "CPU s", "cpu api"),
    ("services_cpu_seconds", "CPU s", "cpu services"),
    ("postgres_cpu_seconds", "CPU s", "cpu postgres"),
    ("pgbouncer_cpu_seconds", "CPU s", "cpu pgbouncer"),
    ("redis_cpu_seconds", "CPU s", "cpu redis"),
    ("gateway_cpu_seconds", "CPU s", "cpu gateway"),
    ("transactions", "transactions", "transactions"),
    ("wal_bytes", "bytes", "wal"),
    ("wal_flushes", "flushes", "flushes"),
)


def measure_polls(machine: Machine, results: Results) -> dict[str, float]:
    """Measure the cost of polling by stopping the workers. Return the cost per second with workers."""
    workers = " ".join(f"prefect-{name}" for name in machine.pids() if name.startswith("worker-"))
    machine.sh(f"systemctl stop {workers}")
    without = idle(machine)
    machine.sh(f"systemctl start {workers}")
    time.sleep(30)  # the start of the workers does not count as polling
    with_workers = idle(machine)
    more = {name: max(0.0, with_workers[name] - without[name]) / WORKERS for name in without}
    results.note("api_requests_per_poll", "requests", more["requests"] * QUERY_SECONDS)
    results.note("api_cores_per_worker", "cores", more["cpu api"])
    results.note("postgres_cores_per_worker", "cores", more["cpu postgres"])
    results.note("transactions_per_second_per_worker", "tx/s", more["transactions"])
    results.note("services_idle_cores", "cores", without["cpu services"])
    return with_workers


def cost(work: Work, rest: dict[str, float], number: int, **parameters: float) -> tuple[dict[str, float], list[str]]:
    """Return how much each counter increases per run, minus its increase without runs; and the ids of the runs."""
    before = read(work.machine)
    runs = work.through(number, **parameters)
    time.sleep(10)  # the services write the last events
    spent = difference(before, read(work.machine))
    return {name: (value - rest.get(name, 0) * spent["time"]) / number for name, value in spent.items()}, runs


def measure_runs(work: Work, results: Results, rest: dict[str, float], number: int) -> None:
    empty, runs = cost(work, rest, number)
    for name, unit, counter in COSTS:
        results.note(f"{name}_per_run", unit, empty[counter])
    results.note("run_start_cpu_seconds", "CPU s", empty["cpu run"])
    results.note("worker_cpu_seconds_per_run", "CPU s", empty["cpu worker"])
    results.note("events_per_run", "events", empty["rows events"])
    results.note("logs_per_run", "logs", empty["rows log"])
    # Each API process reads every event, so the cost of a run depends on the number of processes.
    results.note("measured_api_processes", "processes", sum(name.startswith("api-") for name in work.machine.pids()))
    history = work.history(runs)
    begun = [state.begun for state in history if state.type == "RUNNING"]
    first = min(state.begun for state in history if state.type == "PENDING")
    results.note("measured_runs_per_second", "runs/s", number / (max(begun) - first))
    with_tasks, _runs = cost(work, rest, max(5, number // 2), tasks=TASKS)
    for name, unit, counter in COSTS:
        results.note(f"{name}_per_task", unit, max(0.0, (with_tasks[counter] - empty[counter]) / TASKS))
    results.note("events_per_task", "events", (with_tasks["rows events"] - empty["rows events"]) / TASKS)
    written = {
        name.removeprefix("rows ") for name, rows in with_tasks.items() if name.startswith("rows ") and rows >= 1
    }
    sizes = row_bytes(work.machine, written)
    kept = [table for table in sizes if table not in (*EVENTS, *LOG)]
    run_bytes = sum(empty[f"rows {table}"] * sizes[table] for table in kept)
    task_bytes = sum((with_tasks[f"rows {table}"] - empty[f"rows {table}"]) * sizes[table] for table in kept) / TASKS
    results.note("stored_bytes_per_run", "bytes", run_bytes)
    results.note("stored_bytes_per_task", "bytes", task_bytes)
    event_bytes = sum(empty[f"rows {table}"] * sizes[table] for table in EVENTS) / empty["rows events"]
    results.note("stored_bytes_per_event", "bytes", event_bytes)


def measure_logs(work: Work, results: Results, number: int) -> None:
    work.through(max(3, number // 6), logs=LOGS)
    wait_for(lambda: int(work.machine.sql("SELECT count(*) FROM log")[0][0]) >= LOGS)
    results.note("stored_bytes_per_log", "bytes", row_bytes(work.machine, LOG)["log"])


def measure_outage(work: Work, results: Results, number: int) -> None:
    """Measure the memory of events, which wait in Redis while the background services are stopped."""
    machine = work.machine

    def used() -> tuple[int, int]:
        memory = re.findall(r"^used_memory:(\d+)", machine.sh(f"{REDIS} info memory"), re.M)[0]
        return int(memory), int(machine.sh(f"{REDIS} xlen events"))

    services = " ".join(f"prefect-{name}" for name in machine.pids() if name.startswith("services"))
    results.note("redis_idle_mb", "MiB", used()[0] / 2**20)
    machine.sh(f"systemctl stop {services}")
    try:
        memory, events = used()
        work.through(number)
        more_memory, more_events = used()
    finally:
        machine.sh(f"systemctl start {services}")
    results.note("redis_bytes_per_event", "bytes", (more_memory - memory) / (more_events - events))


def measure_memory(work: Work, results: Results) -> None:
    for name in ("api", "services", "worker"):
        results.note(f"{name}_memory_mb", "MiB", *memory_mb(work.machine, f"{name}-" if name != "services" else name))
    body = {"parameters": {"seconds": 30}, "state": {"type": "SCHEDULED"}}
    path = f"/deployments/{work.deployment}/create_flow_run"
    runs = [str(work.machine.api("POST", path, body)["id"]) for _number in range(4)]
    work.wait(runs, {"RUNNING"})
    time.sleep(3)
    results.note("run_memory_mb", "MiB", *run_memory_mb(work.machine))
    work.wait(runs, {"COMPLETED"})


def measure(machine: Machine, results: Results, runs: int) -> None:
    """Measure one round."""
    work = Work(machine)
    work.through(2)  # the first runs also do what is done only once
    rest = measure_polls(machine, results)
    measure_runs(work, results, rest, runs)
    measure_logs(work, results, runs)
    measure_memory(work, results)
    measure_outage(work, results, runs)


# --- Output ---


def lines(results: Results) -> Iterator[str]:
    """Return the lines of the measured part of coefficients.yml."""
    for name, values in results.values.items():
        middle = statistics.median(values)
        shown = " / ".join(f"{value:.3g}" for value in (min(values), middle, max(values)))
        yield f"  {name}:"
        yield f"    value: {float(f'{middle:.3g}'):g}"
        yield f"    unit: {results.units[name]}"
        yield "    source: measured"
        yield f"    spread: {shown} ({len(values)} value{'s' if values[1:] else ''})"


def write(text: list[str], command: str, machine: str) -> None:
    data = DATA.read_text(encoding="utf-8")
    block = "  # begin measured\n" + "\n".join(text) + "\n  # end measured\n"
    data = re.sub(r"  # begin measured\n.*?  # end measured\n", lambda _match: block, data, flags=re.S)
    for name, value in (("command", command), ("machine", machine), ("date", f'"{date.today()}"')):
        data = re.sub(rf"(?s)(  measured:\n.*?    {name}: )[^\n]*", functools.partial(_replaced, value), data, count=1)
    DATA.write_text(data, encoding="utf-8")


def _replaced(value: str, match: re.Match[str]) -> str:
    return match[1] + value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    add_options(parser)
    options = parser.parse_args()
    with deployed(options, "coefficients") as machine:
        results = Results()
        for number in range(1, options.rounds + 1):
            measure(machine, results, options.runs)
            if options.write:  # after every round: a round takes minutes, and a later one may fail
                command = f"tests/benchmarks/coefficients.py --runs {options.runs} --rounds {number}"
                write(list(lines(results)), command, machine_text(machine))
        print("\n".join(lines(results)))


if __name__ == "__main__":
    main()
