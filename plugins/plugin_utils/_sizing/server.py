# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""API processes, background services, PgBouncer and Redis, and the connections between them."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import coefficients
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.arithmetic import (
    busiest,
    power_of_two,
    show,
    up_to,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.connections import connection_budget
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.model import CapacityPlan


def plan_database_load(p: CapacityPlan) -> None:
    rate = p.v["runs_per_second"]
    each, text = p.per_run("transactions")
    transactions = p.add(
        "Connections",
        "transactions_per_second",
        rate * each + p.v["workers_min"] * p.c("transactions_per_second_per_worker"),
        "tx/s",
        f"{show(rate)} runs/s × {text} + {p.v['workers_min']} workers × {p.text('transactions_per_second_per_worker')}",
        "each connected worker causes some, because the server checks its cleanup work once a second",
    )
    p.add(
        "Connections",
        "busy_connections",
        busiest(transactions * p.c("transaction_seconds_at_most")),
        "connections",
        f"L + 3√L with L = {show(transactions)} tx/s × {p.text('transaction_seconds_at_most')} s",
        "Little's law: concurrent transactions at a peak",
    )


def _api_cores(p: CapacityPlan, processes: float, workers: int) -> float:
    """Return the cores that API processes use together. Each process beyond the measured number adds CPU per run."""
    further = p.c("api_cpu_seconds_per_run_and_further_process") * (processes - p.c("measured_api_processes"))
    each, _text = p.per_run("api_cpu_seconds")
    return float(p.v["runs_per_second"] * (each + further) + workers * p.c("api_cores_per_worker"))


def _api_room(p: CapacityPlan, processes: int) -> float:
    """Return the capacity of API processes as a multiple of the load, in normal operation and while one restarts."""
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


def _api_processes(p: CapacityPlan) -> int:
    """Return the smallest sufficient number. If none is sufficient, the plan warns and names the possible rate."""
    most = int(p.c("api_processes_most"))
    found = next((number for number in range(1, most + 1) if round(_api_room(p, number), 9) >= 1), most)
    p.v["api_room"] = _api_room(p, found)
    p.used.clear()
    return found


def plan_server(p: CapacityPlan) -> None:
    rate, polls = p.v["runs_per_second"], p.v["polls_per_second"]
    each, text = p.per_run("api_requests")
    p.add(
        "Server",
        "api_requests_per_second",
        rate * each + polls * p.c("api_requests_per_poll"),
        "requests/s",
        f"{show(rate)} runs/s × {text} + {show(polls)} polls/s × {p.text('api_requests_per_poll')}",
        "a WebSocket connection counts as one request",
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
        "of all API processes. Each uses at most one core, and each further one adds CPU time to every run. "
        "On an overloaded host, a run needs several times as much",
    )
    most = _api_cores(p, processes, p.v["workers_max"])
    p.used.clear()
    connections = p.c("api_pool_size") + p.c("api_max_overflow")
    p.add(
        "Server",
        "server_replicas",
        processes,
        "processes",
        f"the smallest number up to {p.text('api_processes_most')} that is sufficient. Each process uses at most "
        f"{p.text('utilisation')} of a core (here {show(cores / processes)}), and at most one with all workers "
        f"({show(most / processes)}). Without {p.text('spare_replicas')} of them, the others have {show(cores)} "
        f"cores and {show(p.v['busy_connections'])} busy connections / {show(connections)}",
        "below the CPU limit in normal operation, and sufficient while one restarts",
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
    groups = 1 if cores <= p.c("utilisation") else len(coefficients.load()["services_groups"])
    p.add(
        "Server",
        "services_groups",
        groups,
        "processes",
        f"1 up to {p.text('utilisation')} cores, else {len(coefficients.load()['services_groups'])}",
        "a process uses at most one core, so the services are divided if that is not sufficient",
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


def plan_connections(p: CapacityPlan) -> None:
    total = max(p.c("pgbouncer_pool_least"), p.v["busy_connections"])
    per_machine = total / max(1, p.pgbouncers - 1)
    pool = p.add(
        "Connections",
        "pgbouncer_pool_size",
        up_to(per_machine, p.c("pgbouncer_pool_step")),
        "connections",
        f"the larger of {show(p.v['busy_connections'])} and {p.text('pgbouncer_pool_least')}, "
        + (f"over {p.pgbouncers - 1} of {p.pgbouncers} hosts, " if p.pgbouncers > 1 else "")
        + f"up to the next {p.text('pgbouncer_pool_step')}",
        "connections of each PgBouncer to PostgreSQL; with several, any of them may be unavailable",
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
        "max_connections of PostgreSQL; the preflight checks the sum of the actual settings",
    )


def plan_redis(p: CapacityPlan) -> None:
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
        "maxmemory: events wait here while the background services are unavailable; Redis rejects writes when it is "
        "full",
    )


def plan_processors(p: CapacityPlan) -> None:
    rate = p.v["runs_per_second"]
    for section, part, count in (("Connections", "pgbouncer", p.pgbouncers), ("Redis", "redis", 1)):
        each, text = p.per_run(f"{part}_cpu_seconds")
        p.add(
            section,
            f"{part}_cores",
            rate * each / count,
            "cores",
            f"{show(rate)} runs/s × {text} CPU s" + (f" / {count} hosts" if count > 1 else ""),
            f"of {'each PgBouncer' if part == 'pgbouncer' else 'Redis'}, which uses at most one core",
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
        "of all hosts of the server together, without workers and runs, and with nearly empty tables",
    )
