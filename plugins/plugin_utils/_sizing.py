# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""From a workload to a plan. All numbers of experience are in sizing.yml; here are the formulas."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._connections import connection_budget
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._jobs import JOB, amount
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._problems import Problem, problem
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workload import WORKLOAD, read_workload

DATA = Path(__file__).with_name("sizing.yml")
HOUR, DAY = 3600, 86400
MB, GB = 1e6, 1e9
NODE_UNITS = {"pods": "pods", "cpu": "cores", "memory_mb": "MiB"}
DEFAULT_LIMIT_MB = (amount(JOB["memory_limit"]) or 0) / 2**20


@functools.cache
def load_data() -> dict[str, Any]:
    """What sizing.yml says."""
    return dict(yaml.safe_load(DATA.read_text(encoding="utf-8")))


def coefficient(name: str) -> float:
    return float(load_data()["coefficients"][name]["value"])


def up_to(number: float, step: float = 1) -> int:
    """The next multiple of the step. What floating-point arithmetic adds in the last digits does not count."""
    return int(math.ceil(round(number / step, 9)) * step)


def power_of_two(number: float, least: int) -> int:
    return int(max(least, 2 ** math.ceil(round(math.log2(max(number, 1)), 9))))


def two_digits(number: float) -> float:
    """The number, rounded down, because workers come in whole ones."""
    step = 10.0 ** (math.floor(math.log10(number)) - 1)
    return math.floor(number / step) * step


def busiest(mean: float) -> float:
    """How many are there at once when the mean is so many and they arrive at random.

    With random arrivals the number in a system is Poisson distributed, whatever the distribution of the time they
    stay; three standard deviations above the mean are exceeded in about one moment of a thousand.
    """
    return mean + 3 * math.sqrt(mean)


def show(number: float) -> str:
    """Three digits that count, and no exponent."""
    if number == int(number):
        return str(int(number))
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    return f"{number:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{number:.0f}"


def runs_of_a_node(nodes: Mapping[str, Any], run: Mapping[str, float]) -> dict[str, int]:
    """How many runs a node has room for, by what limits them. What is not given does not, except for the pods."""
    pods = (nodes.get("pods") or coefficient("pods_per_node")) - coefficient("system_pods_per_node")
    fitting = {"pods": int(pods)}
    for name, each in run.items():
        if nodes.get(name) and each:
            fitting[name] = math.floor(round(nodes[name] / each, 9))
    return fitting


def no_room(nodes: Mapping[str, Any], run: Mapping[str, float]) -> str:
    """What is wrong where not even one run fits on a node."""
    node = ", ".join(f"{show(nodes[name])} {unit}" for name, unit in NODE_UNITS.items() if nodes.get(name))
    wanted = " and ".join(f"{show(each)} {NODE_UNITS[name]}" for name, each in run.items() if each)
    return f"A run requests {wanted or 'a pod'}, for which a node of {node} has no room beside the system's pods."


class Plan:
    """The rows of a plan as they are computed, each with its reasons."""

    def __init__(self, workload: Mapping[str, Any], pgbouncers: int) -> None:
        self.w = workload
        self.kubernetes = workload["pool_type"] == "kubernetes"
        # A cluster has two by default, and the plan may be asked for where no inventory says so.
        self.pgbouncers = max(2 if self.kubernetes else 1, pgbouncers)
        self.rows: list[dict[str, Any]] = []
        self.v: dict[str, Any] = {}
        self.used: list[str] = []  # coefficients, since the last row

    def c(self, name: str) -> float:
        """A coefficient, which becomes part of the next row's sources."""
        self.used.append(name)
        return coefficient(name)

    def text(self, name: str) -> str:
        """A coefficient in a formula."""
        return show(self.c(name))

    def per_run(self, name: str, more: str = "") -> tuple[float, str]:
        """What a run costs with its tasks and its own events, and the sum as text.

        For the server a task is nothing but its events, so that an event of the run's own counts as its part of one.
        That is a little too much, because the recorder writes a row for a task and none for another event.
        """
        tasks, own = self.w["tasks_per_run"], self.w["events_per_run"]
        run, task = self.c(f"{name}_per_run"), self.c(f"{name}_per_task")
        units = f"{show(tasks)} tasks"
        if own:
            tasks += own / self.c("events_per_task")
            units = f"({units} + {show(own)} own events / {self.text('events_per_task')})"
        return run + tasks * task, f"({show(run)}{more} + {units} × {show(task)})"

    def add(self, section: str, name: str, value: Any, unit: str, formula: str, why: str) -> Any:
        data = load_data()
        kinds = dict.fromkeys(data["coefficients"][used]["source"] for used in self.used)
        self.rows.append(
            {
                "number": len(self.rows),
                "section": section,
                "name": name,
                "value": value,
                "shown": show(value),
                "unit": unit,
                "formula": formula,
                "why": why,
                "source": ", ".join(kinds) or "arithmetic",
                "coefficients": list(dict.fromkeys(self.used)),
            }
        )
        self.used = []
        self.v[name] = value
        return value


def _load(p: Plan) -> None:
    w = p.w
    rate = w["runs_per_hour"] * w["peak_factor"] / HOUR
    p.add(
        "Load",
        "runs_per_second",
        rate,
        "runs/s",
        f"{show(w['runs_per_hour'])} runs/h × {show(w['peak_factor'])} at the peak / 3600 s",
        "everything below has to keep up with this rate",
    )
    running = p.add(
        "Load",
        "running",
        rate * w["run_seconds"],
        "runs at once",
        f"{show(rate)} runs/s × {show(w['run_seconds'])} s",
        "Little's law: arrivals times the time each stays",
    )
    # Importing Prefect keeps one core busy, so a process does not start in less than its CPU time.
    start = "start_seconds_kubernetes" if p.kubernetes else "run_start_cpu_seconds"
    p.add(
        "Load",
        "starting",
        rate * p.c(start),
        "runs at once",
        f"{show(rate)} runs/s × {p.text(start)} s from Pending to Running",
        "a run takes its slot when it becomes Pending, before its code runs",
    )
    limits = p.v["pool_limits"] = _pool_limits(p)
    p.add(
        "Load",
        "concurrency_limit",
        sum(limits),
        "runs at once",
        (f"sum over {len(limits)} pools, each by its share: " if len(limits) > 1 else "")
        + f"the larger of {p.text('headroom')} × {show(running)} and L + 3√L with L = {show(running)} + "
        f"{show(p.v['starting'])}, up to the next {p.text('limit_step')}",
        "limit of the work pool: random arrivals pass it in one moment of a thousand, a runaway does not",
    )


def _pool_limits(p: Plan) -> list[int]:
    """Limit of each work pool. Small pools vary more, so that several have more room together than one has."""
    total = sum(pool["share"] for pool in p.w["work_pools"])
    parts = [pool["share"] / total for pool in p.w["work_pools"]]
    busy, step = p.v["running"] + p.v["starting"], p.c("limit_step")
    # A limit of 0, to which a tiny share would be rounded, stops a pool.
    return [up_to(max(p.c("headroom") * p.v["running"] * part, busiest(busy * part), step), step) for part in parts]


def _workers_needed(p: Plan, rate: float) -> tuple[int, int, str]:
    """Workers for a rate of launches: least, most, and the formula."""
    if p.kubernetes:
        least = max(p.c("workers_least"), up_to(rate / p.c("launches_per_second_per_worker_kubernetes")))
        formula = f"{show(rate)} runs/s / {p.text('launches_per_second_per_worker_kubernetes')} launches/s of a worker"
        return int(least), int(least * p.c("workers_scale_out")), formula
    launching = rate * p.c("worker_cpu_seconds_per_run")
    least = max(p.c("workers_least"), up_to(launching / p.c("utilisation")))
    formula = (
        f"{show(rate)} runs/s × {p.text('worker_cpu_seconds_per_run')} CPU s of the worker / {p.text('utilisation')}"
    )
    return int(least), int(least), formula


def _workers(p: Plan) -> None:
    w = p.w
    total = sum(pool["share"] for pool in w["work_pools"])
    pools = []
    for pool, limit in zip(w["work_pools"], p.v["pool_limits"]):
        least, most, formula = _workers_needed(p, p.v["runs_per_second"] * pool["share"] / total)
        pools.append({"name": pool["name"], "limit": limit, "min": least, "max": most, "formula": formula})
    p.v["pools"] = pools
    least, most = sum(pool["min"] for pool in pools), sum(pool["max"] for pool in pools)
    what = pools[0]["formula"] if len(pools) == 1 else f"sum over {len(pools)} pools, each by its share"
    p.add(
        "Workers",
        "workers_min",
        least,
        "workers",
        f"{what}, at least {p.text('workers_least')} a pool",
        "they launch the runs; two, so that one can be replaced",
    )
    p.add(
        "Workers",
        "workers_max",
        most,
        "workers",
        f"{least} × {p.text('workers_scale_out')}" if p.kubernetes else "the same: plain machines do not scale",
        "bound of the autoscaler, for bursts and for draining a backlog" if p.kubernetes else "",
    )
    p.add(
        "Workers",
        "polls_per_second",
        least / p.c("query_seconds"),
        "polls/s",
        f"{least} workers / {p.text('query_seconds')} s",
        "every worker asks for work this often, whether there is any or not",
    )
    if p.kubernetes:
        p.add(
            "Workers",
            "worker_memory_mb",
            up_to(p.c("worker_memory_mb"), 64),
            "MiB",
            f"{p.text('worker_memory_mb')}, up to the next 64",
            "of each worker; its runs are Jobs of their own",
        )
        return
    p.add(
        "Workers",
        "worker_cores",
        (
            p.v["runs_per_second"] * (p.c("run_start_cpu_seconds") + p.c("worker_cpu_seconds_per_run"))
            + p.v["running"] * w["run_cpu"]
        )
        / p.c("utilisation"),
        "cores",
        f"({show(p.v['runs_per_second'])} runs/s × ({p.text('run_start_cpu_seconds')} CPU s to start + "
        f"{p.text('worker_cpu_seconds_per_run')} of the worker) + {show(p.v['running'])} runs × "
        f"{show(w['run_cpu'])}) / {p.text('utilisation')}",
        "of all worker machines together, not too busy: a process pool starts Python and imports Prefect for every run",
    )
    p.add(
        "Workers",
        "worker_machines_memory_mb",
        up_to(least * p.c("worker_memory_mb") + p.v["concurrency_limit"] * w["run_memory_mb"]),
        "MiB",
        f"{least} workers × {p.text('worker_memory_mb')} + {p.v['concurrency_limit']} runs × "
        f"{show(w['run_memory_mb'])}",
        "of all worker machines together, at the pool's limit",
    )


def _database_load(p: Plan) -> None:
    rate = p.v["runs_per_second"]
    each, text = p.per_run("transactions")
    transactions = p.add(
        "Connections",
        "transactions_per_second",
        rate * each + p.v["workers_min"] * p.c("transactions_per_second_per_worker"),
        "tx/s",
        f"{show(rate)} runs/s × {text} + {p.v['workers_min']} workers × {p.text('transactions_per_second_per_worker')}",
        "each connected worker costs some, because the server looks for its clean-ups once a second",
    )
    p.add(
        "Connections",
        "busy_connections",
        busiest(transactions * p.c("transaction_seconds_at_most")),
        "connections",
        f"L + 3√L with L = {show(transactions)} tx/s × {p.text('transaction_seconds_at_most')} s",
        "Little's law again: what is open at once in a bad moment",
    )


def _api_cores(p: Plan, processes: float, workers: int) -> float:
    """Cores that so many API processes take together. What was measured was measured with a number of them."""
    further = p.c("api_cpu_seconds_per_run_and_further_process") * (processes - p.c("measured_api_processes"))
    each, _text = p.per_run("api_cpu_seconds")
    return float(p.v["runs_per_second"] * (each + further) + workers * p.c("api_cores_per_worker"))


def _api_room(p: Plan, processes: int) -> float:
    """How many times the load so many API processes carry, not too busy as a rule and while one restarts."""
    cores = _api_cores(p, processes, p.v["workers_min"])
    left = processes - p.c("spare_replicas")
    connections = p.c("api_pool_size") + p.c("api_max_overflow")
    return float(
        min(
            processes * p.c("utilisation") / cores,
            processes / _api_cores(p, processes, p.v["workers_max"]),
            left / cores,
            left * connections / p.v["busy_connections"],
        )
    )


def _api_processes(p: Plan) -> int:
    """The smallest number that carries the load; what none does is warned of, with the rate that they carry."""
    most = int(p.c("api_processes_most"))
    found = next((number for number in range(1, most + 1) if round(_api_room(p, number), 9) >= 1), most)
    p.v["api_room"] = _api_room(p, found)
    p.used.clear()
    return found


def _server(p: Plan) -> None:
    rate, polls = p.v["runs_per_second"], p.v["polls_per_second"]
    each, text = p.per_run("api_requests")
    p.add(
        "Server",
        "api_requests_per_second",
        rate * each + polls * p.c("api_requests_per_poll"),
        "requests/s",
        f"{show(rate)} runs/s × {text} + {show(polls)} polls/s × {p.text('api_requests_per_poll')}",
        "websocket connections count as one",
    )
    processes = _api_processes(p)
    further = p.text("api_cpu_seconds_per_run_and_further_process")
    _each, text = p.per_run(
        "api_cpu_seconds", f" + {further} × ({processes} - {p.text('measured_api_processes')}) processes"
    )
    cores = p.add(
        "Server",
        "api_cores",
        _api_cores(p, processes, p.v["workers_min"]),
        "cores",
        f"{show(rate)} runs/s × {text} CPU s + {p.v['workers_min']} workers × {p.text('api_cores_per_worker')}",
        "of all API processes; one uses one core at the most, and a further one costs something of every run itself. "
        "On a crowded machine a run takes several times as much",
    )
    most = _api_cores(p, processes, p.v["workers_max"])
    p.used.clear()
    connections = p.c("api_pool_size") + p.c("api_max_overflow")
    p.add(
        "Server",
        "server_replicas",
        processes,
        "processes",
        f"the smallest number up to {p.text('api_processes_most')} of which each is busy for at most "
        f"{p.text('utilisation')} of a core (here {show(cores / processes)}), with all workers for at most one "
        f"({show(most / processes)}), and without {p.text('spare_replicas')} of which the others have {show(cores)} "
        f"cores and {show(p.v['busy_connections'])} busy connections / {show(connections)}",
        "not too busy as a rule, and able to carry the load while one restarts",
    )
    memory = p.add(
        "Server",
        "api_memory_mb",
        up_to(p.c("api_memory_mb"), 64),
        "MiB",
        f"{p.text('api_memory_mb')}, up to the next 64",
        "of each API process",
    )
    each, text = p.per_run("services_cpu_seconds")
    cores = p.add(
        "Server",
        "services_cores",
        p.c("services_idle_cores") + rate * each,
        "cores",
        f"{p.text('services_idle_cores')} + {show(rate)} runs/s × {text} CPU s",
        "of all background services together",
    )
    groups = 1 if cores <= p.c("utilisation") else len(load_data()["services_groups"])
    p.add(
        "Server",
        "services_groups",
        groups,
        "processes",
        f"1 up to {p.text('utilisation')} cores, else {len(load_data()['services_groups'])}",
        "one process uses one core at the most, so the services are divided when that is too little",
    )
    p.v["server_memory_mb"] = p.v["server_replicas"] * memory + groups * up_to(p.c("services_memory_mb"), 64)
    p.add(
        "Server",
        "server_memory_mb",
        p.v["server_memory_mb"],
        "MiB",
        f"{p.v['server_replicas']} × {memory} + {groups} × {up_to(p.c('services_memory_mb'), 64)}",
        "of API processes and background services together",
    )


def _connections(p: Plan) -> None:
    total = max(p.c("pgbouncer_pool_least"), p.v["busy_connections"])
    per_machine = total / max(1, p.pgbouncers - 1)
    pool = p.add(
        "Connections",
        "pgbouncer_pool_size",
        up_to(per_machine, p.c("pgbouncer_pool_step")),
        "connections",
        f"the larger of {show(p.v['busy_connections'])} and {p.text('pgbouncer_pool_least')}, "
        + (f"over {p.pgbouncers - 1} of {p.pgbouncers} machines, " if p.pgbouncers > 1 else "")
        + f"up to the next {p.text('pgbouncer_pool_step')}",
        "what each PgBouncer may hold to PostgreSQL; with several, one may be away",
    )
    budget = connection_budget(
        {
            "prefect_pgbouncer_replicas": p.pgbouncers,
            "prefect_pgbouncer_pool_size": pool,
            "prefect_services_groups": range(p.v["services_groups"]),
            "prefect_server_services_pool_size": p.c("services_pool_size"),
            "prefect_server_services_max_overflow": p.c("services_max_overflow"),
        }
    )
    parts = " + ".join(f"{count} {name}" for name, count in budget.items() if name != "sum")
    p.add(
        "Connections",
        "max_connections",
        up_to(budget["sum"], 10),
        "connections",
        f"{parts} = {budget['sum']}, up to the next 10",
        "PostgreSQL's max_connections; the preflight checks this sum with what is really set",
    )


def _database(p: Plan) -> None:
    w, rate = p.w, p.v["runs_per_second"]
    # What is kept grows with the mean, not with the peak.
    runs = w["runs_per_hour"] * 24
    measured_logs = p.c("logs_per_run")
    logs = measured_logs if w["logs_per_run"] is None else w["logs_per_run"]
    p.used.clear()
    run_bytes = p.c("stored_bytes_per_run") + w["tasks_per_run"] * p.c("stored_bytes_per_task")
    growth_runs = p.add(
        "Database",
        "stored_runs_gb_per_day",
        runs * (run_bytes + logs * p.c("stored_bytes_per_log")) / GB,
        "GB/day",
        f"{show(runs)} runs/day × ({p.text('stored_bytes_per_run')} + {show(w['tasks_per_run'])} tasks × "
        f"{p.text('stored_bytes_per_task')} + {show(logs)} logs × {p.text('stored_bytes_per_log')}) bytes",
        "runs, task runs, their states and logs, with all indexes"
        + (
            ". The planned level WARNING keeps messages of INFO away; they count, so that there is room to turn them on"
            if logs and _quiet(p)
            else ""
        ),
    )
    events = p.c("events_per_run") + w["tasks_per_run"] * p.c("events_per_task") + w["events_per_run"]
    growth_events = p.add(
        "Database",
        "stored_events_gb_per_day",
        runs * events * p.c("stored_bytes_per_event") / GB,
        "GB/day",
        f"{show(runs)} runs/day × ({p.text('events_per_run')} + {show(w['tasks_per_run'])} tasks × "
        f"{p.text('events_per_task')} + {show(w['events_per_run'])} own) events × "
        f"{p.text('stored_bytes_per_event')} bytes",
        f"events and their resources, with all indexes; kept for {w['keep_events_days']} days",
    )
    growth = growth_runs + growth_events
    memory = p.add(
        "Database",
        "database_memory_gb",
        power_of_two(growth * p.c("hot_days") / p.c("cache_share"), int(p.c("database_memory_least_gb"))),
        "GiB",
        f"({show(growth_runs)} + {show(growth_events)}) GB/day × {p.text('hot_days')} day / {p.text('cache_share')}, "
        "up to the next power of two",
        "what was written last is read and changed again: it should be found in memory",
    )
    each, text = p.per_run("postgres_cpu_seconds")
    used = rate * each + p.v["workers_min"] * p.c("postgres_cores_per_worker")
    p.add(
        "Database",
        "database_busy_cores",
        used,
        "cores",
        f"{show(rate)} runs/s × {text} CPU s + {p.v['workers_min']} workers × {p.text('postgres_cores_per_worker')}",
        "with nearly empty tables, so this is the least",
    )
    p.add(
        "Database",
        "database_cpu",
        max(power_of_two(used / p.c("utilisation"), 1), up_to(memory / p.c("memory_gb_per_core"))),
        "vCPU",
        f"the larger of {show(used)} busy cores / {p.text('utilisation')} and {memory} GiB / "
        f"{p.text('memory_gb_per_core')}",
        "the second is the shape that machines with this memory have; it leaves room for vacuum and full tables",
    )
    p.add(
        "Database",
        "shared_buffers_mb",
        memory * 1024 // 4,
        "MiB",
        f"{memory} GiB / 4",
        "PostgreSQL's own cache; the planner is told of three quarters (effective_cache_size)",
    )
    kept = w["keep_runs_days"] or p.c("projected_days")
    size = p.add(
        "Database",
        "database_gb",
        growth_runs * kept + growth_events * w["keep_events_days"],
        "GB",
        f"{show(growth_runs)} GB × {show(kept)} days + {show(growth_events)} GB × {show(w['keep_events_days'])} days",
        "at the end of the time that things are kept" if w["keep_runs_days"] else "after so many days, and then more",
    )
    p.add(
        "Database",
        "database_disk_gb",
        up_to(size * p.c("disk_factor") + p.c("wal_gb"), 10),
        "GB",
        f"{show(size)} GB × {p.text('disk_factor')} + {p.text('wal_gb')} GB of WAL, up to the next 10",
        "dead rows, indexes being rebuilt, temporary files",
    )
    # A run that was measured wrote its few messages, too. Of more, nothing is known but what they take in tables.
    further = max(0, logs - measured_logs)
    more = f" + {show(further)} further logs × {p.text('stored_bytes_per_log')}" if further else ""
    each, text = p.per_run("wal_bytes", more)
    each += further * coefficient("stored_bytes_per_log")
    p.add(
        "Database",
        "wal_mb_per_second",
        rate * each / MB,
        "MB/s",
        f"{show(rate)} runs/s × {text} bytes",
        "also what a replica and an archive have to take",
    )
    each, text = p.per_run("wal_flushes")
    p.add(
        "Database",
        "flushes_per_second",
        rate * each,
        "flushes/s",
        f"{show(rate)} runs/s × {text}",
        "every commit waits for one, so the disk needs more IOPS than this and answers in a few milliseconds",
    )


def _redis(p: Plan) -> None:
    w, rate = p.w, p.v["runs_per_second"]
    events = p.c("events_per_run") + w["tasks_per_run"] * p.c("events_per_task") + w["events_per_run"]
    backlog = rate * events * p.c("redis_bytes_per_event") * p.c("outage_seconds") / 2**20
    p.add(
        "Redis",
        "redis_memory_mb",
        power_of_two(p.c("redis_idle_mb") + backlog, int(p.c("redis_memory_least_mb"))),
        "MiB",
        f"{p.text('redis_idle_mb')} + {show(rate)} runs/s × {show(events)} events × "
        f"{p.text('redis_bytes_per_event')} bytes × {p.text('outage_seconds')} s, at least "
        f"{p.text('redis_memory_least_mb')}, up to the next power of two",
        "maxmemory: events wait here while the background services are away, and Redis refuses them when it is full",
    )


def _processors(p: Plan) -> None:
    rate = p.v["runs_per_second"]
    for section, part, count in (("Connections", "pgbouncer", p.pgbouncers), ("Redis", "redis", 1)):
        each, text = p.per_run(f"{part}_cpu_seconds")
        p.add(
            section,
            f"{part}_cores",
            rate * each / count,
            "cores",
            f"{show(rate)} runs/s × {text} CPU s" + (f" / {count} machines" if count > 1 else ""),
            f"of {'each PgBouncer' if part == 'pgbouncer' else 'Redis'}, which uses one core at the most",
        )
    parts = ("pgbouncer_cpu_seconds", "redis_cpu_seconds", "gateway_cpu_seconds")
    busy = {
        "API": p.v["api_cores"],
        "background services": p.v["services_cores"],
        "PostgreSQL": p.v["database_busy_cores"],
        "PgBouncer, Redis and gateway": rate * sum(p.per_run(part)[0] for part in parts),
    }
    p.add(
        "Server",
        "prefect_cores",
        up_to(sum(busy.values()) / p.c("utilisation")),
        "cores",
        f"({' + '.join(f'{show(cores)} {name}' for name, cores in busy.items())}) / {p.text('utilisation')}",
        "of all machines together that carry Prefect itself, without workers and runs, and with nearly empty tables",
    )


def _run(workload: Mapping[str, Any]) -> dict[str, float]:
    return {"cpu": workload["run_cpu"], "memory_mb": workload["run_memory_mb"]}


def _cluster(p: Plan) -> None:
    if not p.kubernetes:
        return
    w, rate, limit = p.w, p.v["runs_per_second"], p.v["concurrency_limit"]
    p.add(
        "Cluster",
        "jobs_per_second",
        rate,
        "Jobs/s",
        "one Job, and one pod, per run",
        "created, finished and removed at this rate by API server, scheduler, controllers and etcd",
    )
    p.add(
        "Cluster",
        "control_plane_cores",
        rate * p.c("control_plane_cpu_seconds_per_job"),
        "cores",
        f"{show(rate)} Jobs/s × {p.text('control_plane_cpu_seconds_per_job')} CPU s",
        "of the control plane, for these objects alone: kubelets, watches and webhooks come on top",
    )
    p.add(
        "Cluster",
        "finished_jobs_kept",
        up_to(rate * p.c("job_ttl_seconds")),
        "Jobs",
        f"{show(rate)} Jobs/s × {p.text('job_ttl_seconds')} s",
        "ttlSecondsAfterFinished: they wait in etcd, each with its pod, to be looked at",
    )
    run, nodes = _run(w), w["nodes"]
    fitting = runs_of_a_node(nodes, run)
    p.used += ["pods_per_node", "system_pods_per_node"]
    parts = [f"{fitting['pods']} pods"]
    parts += [f"{show(nodes[name])} / {show(run[name])} {NODE_UNITS[name]}" for name in run if name in fitting]
    least = f"the least of {', '.join(parts)}" if len(parts) > 1 else parts[0]
    per_node = p.add(
        "Cluster",
        "runs_per_node",
        max(0, min(fitting.values())),
        "runs at once",
        f"{least}; {p.text('system_pods_per_node')} of the node's pods are the system's",
        "what of the requests of a run is left over on a node is of no use to another one",
    )
    p.add(
        "Cluster",
        "nodes",
        up_to(limit / max(1, per_node)) + int(p.c("spare_nodes")),
        "nodes",
        f"{limit} runs / {show(max(1, per_node))} of a node, + {p.text('spare_nodes')}",
        "for the flow runs at the pool's limit, with one node away",
    )


def _limits(p: Plan) -> None:
    for limit in p.w["rate_limits"]:
        p.add(
            "Limits",
            f"slots of {limit['name']}",
            max(1, int(limit["per_second"])),
            "slots",
            f"{show(limit['per_second'])} calls/s that the service allows, a second's worth",
            f"with slot_decay_per_second {show(limit['per_second'])} and rate_limit() in the flow",
        )


def _advice(p: Plan) -> dict[str, Any]:
    """What to do instead of one Job per run, where that is too much for a cluster."""
    rate = p.v["runs_per_second"]
    threshold = p.c("utilisation") / p.c("control_plane_cpu_seconds_per_job")
    p.used.clear()
    if not p.kubernetes or rate < threshold:
        return {}
    process = Plan({**p.w, "pool_type": "process"}, p.pgbouncers)
    for step in (_load, _workers):
        step(process)
    size = up_to(rate / threshold)
    p.used.clear()
    return {
        "process": {
            name: process.v[name]
            for name in ("workers_min", "worker_cores", "worker_machines_memory_mb", "concurrency_limit")
        },
        "batching": {
            "micro_flows_per_run": size,
            "jobs_per_second": rate / size,
            "run_seconds_one_after_another": p.w["run_seconds"] * size,
            "jobs_per_second_saved": rate - rate / size,
        },
    }


def _saturated(p: Plan) -> Iterator[Problem]:
    """Where a further process does not help, or there can be none."""
    rate, room = p.v["runs_per_second"], p.v["api_room"]
    option = f"{WORKLOAD}.runs_per_hour"
    if round(room, 9) < 1:
        carried = rate * room
        yield problem(
            option,
            f"{show(rate)} runs/s are more than one deployment carries: {p.v['server_replicas']} API processes end at "
            f"about {show(carried)}, and more are not planned because each costs something of every run itself.",
            "Divide the load among several instances, each with "
            f"{show(two_digits(carried * HOUR / p.w['peak_factor']))} runs an hour at the most, or do several units of "
            "work in one run.",
        )
    for part, title, remedy in (
        ("pgbouncer", "PgBouncer", "Put more machines into prefect_pgbouncer, or raise prefect_pgbouncer_replicas."),
        ("redis", "Redis", "Divide the load among several instances."),
    ):
        cores = p.v[f"{part}_cores"]
        if cores > p.c("utilisation"):
            yield problem(
                option,
                f"{title} uses one core at the most, and the load keeps {show(cores)} of it busy; "
                f"{p.text('utilisation')} is much.",
                remedy,
            )


def _beyond(p: Plan) -> Iterator[Problem]:
    """Runs that write much more than those which were measured."""
    for name, what, known in (
        ("events_per_run", "events", "only as a part of a task"),
        ("logs_per_run", "log messages", "only with the bytes that they take"),
    ):
        given, measured = p.w[name] or 0, p.c(name)
        if given > measured * p.c("trusted_per_run"):
            yield problem(
                f"{WORKLOAD}.{name}",
                f"{show(given)} {what} of a run are more than {p.text('trusted_per_run')} times the {show(measured)} "
                f"that a measured one had; what further ones cost is in the plan {known}.",
                "Send fewer, or try the plan with such flows before you rely on it.",
            )


def _warnings(p: Plan, advice: Mapping[str, Any]) -> Iterator[Problem]:
    w, rate = p.w, p.v["runs_per_second"]
    if advice:
        process, batch = advice["process"], advice["batching"]
        yield problem(
            f"{WORKLOAD}.pool_type",
            f"The objects of {show(rate)} Jobs a second keep {show(p.v['control_plane_cores'])} cores of a Kubernetes "
            f"control plane busy, and {p.text('utilisation')} is much.",
            f"If its API server throttles: batch {batch['micro_flows_per_run']} micro-flows into a run "
            f"({show(batch['jobs_per_second'])} Jobs/s), or use a process pool: {process['workers_min']} workers on "
            f"{show(process['worker_cores'])} cores and {show(process['worker_machines_memory_mb'] / 1024)} GiB.",
        )
    if p.v["starting"] > p.v["running"]:
        yield problem(
            f"{WORKLOAD}.run_seconds",
            f"A run takes {show(w['run_seconds'])} s and its start longer: most slots hold runs that do not run yet.",
            "Do several units of work in one run.",
        )
    for limit in w["rate_limits"]:
        needed = rate * limit["calls_per_run"]
        if needed > limit["per_second"]:
            most = limit["per_second"] * HOUR / limit["calls_per_run"] / w["peak_factor"]
            yield problem(
                f"{WORKLOAD}.rate_limits[{limit['name']}]",
                f"The runs make {show(needed)} calls/s, but only {show(limit['per_second'])} are allowed: the target "
                "cannot be reached.",
                f"With this limit {show(most)} runs an hour are possible; lower runs_per_hour, or the calls of a run.",
            )
    growth = p.v["stored_runs_gb_per_day"]
    if w["keep_runs_days"] is None and growth >= p.c("noticeable_gb_per_day"):
        yield problem(
            f"{WORKLOAD}.keep_runs_days",
            f"Runs are kept for ever, and the database grows by {show(growth)} GB a day.",
            "Set it to the days after which runs may be deleted.",
        )
    given = w["database"]
    for name, needed, unit in (
        ("cpu", p.v["database_cpu"], "vCPU"),
        ("memory_mb", p.v["database_memory_gb"] * 1024, "MiB"),
        ("disk_gb", p.v["database_disk_gb"], "GB"),
        ("max_connections", p.v["max_connections"], "connections"),
    ):
        if given[name] is not None and given[name] < needed:
            yield problem(
                f"{WORKLOAD}.database.{name}",
                f"The database has {show(given[name])} {unit}, and the plan needs {show(needed)}.",
                "Give it more, or lower keep_runs_days." if name == "disk_gb" else "Give it more.",
            )
    yield from _saturated(p)
    yield from _beyond(p)
    if p.v["services_cores"] > p.v["services_groups"] * p.c("utilisation"):
        yield problem(
            f"{WORKLOAD}.runs_per_hour",
            f"The background services need {show(p.v['services_cores'])} cores, which is more than "
            f"{p.v['services_groups']} processes give: events will lag behind.",
            "Divide the load among several instances.",
        )
    if w["run_memory_mb"] < p.c("run_memory_mb"):
        yield problem(
            f"{WORKLOAD}.run_memory_mb",
            f"A run that only imports Prefect uses {p.text('run_memory_mb')} MiB already.",
            "Set it to that and what your flow needs.",
        )
    if rate > p.c("measured_runs_per_second") * p.c("trusted_extrapolation"):
        yield problem(
            f"{WORKLOAD}.runs_per_hour",
            f"{show(rate)} runs/s are more than {p.text('trusted_extrapolation')} times what the coefficients were "
            f"measured with ({p.text('measured_runs_per_second')} runs/s).",
            "Try the plan with a load test before you rely on it.",
        )
    p.used.clear()


def _problems(p: Plan) -> Iterator[Problem]:
    """What cannot work: the sums of pods, cores and memory on the nodes. The preflight adds up the real pools."""
    nodes = p.w["nodes"]
    if p.kubernetes and p.v["runs_per_node"] < 1:
        yield problem(
            f"{WORKLOAD}.nodes",
            no_room(nodes, _run(p.w)),
            "Use larger nodes, or lower run_cpu or run_memory_mb.",
        )
    elif p.kubernetes and nodes["count"] and nodes["count"] < p.v["nodes"] - p.c("spare_nodes"):
        yield problem(
            f"{WORKLOAD}.nodes.count",
            f"{p.v['concurrency_limit']} runs at once do not fit on {nodes['count']} nodes.",
            f"Use {p.v['nodes']} nodes, larger ones, or lower what a run requests.",
        )


def _pool_variables(p: Plan, pool: Mapping[str, Any]) -> dict[str, Any]:
    w = p.w
    entry: dict[str, Any] = {
        "name": pool["name"],
        "type": w["pool_type"],
        "concurrency_limit": pool["limit"],
        "workers": {"min": pool["min"]},
    }
    if p.kubernetes:
        cpu, memory = f"{up_to(w['run_cpu'] * 1000)}m", f"{up_to(w['run_memory_mb'])}Mi"
        # The default limit would be below a large request, and Kubernetes refuses such a pod.
        limit_mb = max(w["run_memory_mb"] * p.c("memory_limit_factor"), DEFAULT_LIMIT_MB)
        entry["workers"]["max"] = pool["max"]
        entry["job"] = {
            "cpu_request": cpu,
            "memory_request": memory,
            "memory_limit": f"{up_to(limit_mb)}Mi",
            "finished_job_ttl": int(p.c("job_ttl_seconds")),
        }
        seconds = int(p.c("termination_grace_seconds"))
        pod = {"terminationGracePeriodSeconds": seconds}
        entry["job_manifest_patch"] = {"job_manifest": {"spec": {"template": {"spec": pod}}}}
        entry["pre_pull"] = True
    return entry


def _quiet(p: Plan) -> bool:
    """Whether only warnings go to the API."""
    return coefficient("quiet_logs_runs_per_second") <= float(p.v["runs_per_second"])


def _server_variables(p: Plan, formulas: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Of the server and of what it stands on."""
    w = p.w
    groups = load_data()["services_groups"] if p.v["services_groups"] > 1 else [{"name": "services"}]
    connections = "Prefect's own default; the number of processes and max_connections are computed with it"
    return {
        "prefect_server_replicas": (p.v["server_replicas"], formulas["server_replicas"]),
        "prefect_services_groups": (groups, f"{show(p.v['services_cores'])} cores: {formulas['services_groups']}"),
        "prefect_server_api_pool_size": (int(p.c("api_pool_size")), connections),
        "prefect_server_api_max_overflow": (int(p.c("api_max_overflow")), connections),
        "prefect_server_services_pool_size": (int(p.c("services_pool_size")), connections),
        "prefect_server_services_max_overflow": (int(p.c("services_max_overflow")), connections),
        "prefect_pgbouncer_pool_size": (p.v["pgbouncer_pool_size"], formulas["pgbouncer_pool_size"]),
        "prefect_database_max_connections": (p.v["max_connections"], formulas["max_connections"]),
        "prefect_postgres_memory_mb": (p.v["database_memory_gb"] * 1024, f"{formulas['database_memory_gb']}, × 1024 MiB"),
        "prefect_redis_maxmemory": (f"{p.v['redis_memory_mb']}mb", formulas["redis_memory_mb"]),
        "prefect_server_events_retention_days": (w["keep_events_days"], "keep_events_days of the workload"),
        "prefect_server_flow_runs_retention_days": (w["keep_runs_days"], "keep_runs_days of the workload"),
    }


def _run_variables(p: Plan, formulas: Mapping[str, str]) -> dict[str, tuple[Any, str]]:
    """Of what runs flows."""
    w, rate = p.w, show(p.v["runs_per_second"])
    p95, least = w["run_seconds_p95"] or w["run_seconds"] * p.c("p95_factor"), int(p.c("drain_least_seconds"))
    return {
        "prefect_logging_level": (
            "WARNING" if _quiet(p) else "INFO",
            f"at {rate} runs/s; WARNING from {p.text('quiet_logs_runs_per_second')} runs/s on, because messages are "
            "many rows then",
        ),
        "prefect_worker_query_seconds": (
            int(p.c("query_seconds")),
            "each worker asks for work this often: seldom enough for the API, and soon enough for a run that is due",
        ),
        "prefect_worker_prefetch_seconds": (
            int(p.c("prefetch_seconds")),
            "Prefect's own default: with more, runs hold slots of the pool for longer before they are due",
        ),
        "prefect_worker_drain_seconds": (
            max(least, up_to(p95, 10)),
            f"95 of 100 runs end within {show(p95)} s, up to the next 10, at least {least}",
        ),
        "prefect_work_pools": (
            [_pool_variables(p, pool) for pool in p.v["pools"]],
            f"concurrency_limit: {formulas['concurrency_limit']}. Workers: {formulas['workers_min']}"
            + (f"; at most {formulas['workers_max']}. {_job_reason(p)}" if p.kubernetes else ""),
        ),
        "prefect_global_concurrency_limits": (
            [
                {
                    "name": limit["name"],
                    "limit": max(1, int(limit["per_second"])),
                    "slot_decay_per_second": limit["per_second"],
                }
                for limit in w["rate_limits"]
            ],
            "rate_limits of the workload: slots for a second's worth of calls, which come back as fast as it allows",
        ),
    }


def _variables(p: Plan) -> dict[str, tuple[Any, str]]:
    """The numbers as variables of the roles, each with its formula or its reason."""
    formulas = {row["name"]: row["formula"] for row in p.rows}
    variables = {**_server_variables(p, formulas), **_run_variables(p, formulas)}
    p.used.clear()
    return variables


def _job_reason(p: Plan) -> str:
    return (
        f"Requests: run_cpu and run_memory_mb of the workload; memory_limit: {p.text('memory_limit_factor')} times the "
        f"request, at least {show(DEFAULT_LIMIT_MB)} MiB. finished_job_ttl: long enough to be looked at. "
        "terminationGracePeriodSeconds: a run that is stopped has nothing to finish. pre_pull: no run waits for "
        "its image"
    )


STEPS = (_load, _workers, _database_load, _server, _connections, _database, _redis, _processors, _cluster, _limits)


def make_plan(given: Any, pgbouncers: int = 1) -> dict[str, Any]:
    """Return the plan for a workload, or raise BadWorkload."""
    plan = Plan(read_workload(given), pgbouncers)
    for step in STEPS:
        step(plan)
    advice, variables = _advice(plan), _variables(plan)
    return {
        "workload": plan.w,
        "rows": plan.rows,
        "numbers": {row["name"]: row["value"] for row in plan.rows},
        "variables": {name: value for name, (value, _reason) in variables.items()},
        "reasons": {name: reason for name, (_value, reason) in variables.items()},
        "warnings": list(_warnings(plan, advice)),
        "problems": list(_problems(plan)),
        "advice": advice,
        "sources": load_data()["sources"],
    }
