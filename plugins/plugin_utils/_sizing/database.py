# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""PostgreSQL: what is stored, memory, cores, disk and writes."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import coefficients
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.arithmetic import (
    GB,
    MB,
    power_of_two,
    show,
    up_to,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.model import CapacityPlan


def plan_database(p: CapacityPlan) -> None:
    w, rate = p.w, p.v["runs_per_second"]
    # The size depends on the mean rate, not on the peak.
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
            ". The plan sets the level WARNING. It includes INFO messages, so that you can enable them"
            if logs and logs_only_warnings(p)
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
        "recent rows are read and changed again, so they should be in memory",
    )
    each, text = p.per_run("postgres_cpu_seconds")
    used = rate * each + p.v["workers_min"] * p.c("postgres_cores_per_worker")
    p.add(
        "Database",
        "database_busy_cores",
        used,
        "cores",
        f"{show(rate)} runs/s × {text} CPU s + {p.v['workers_min']} workers × {p.text('postgres_cores_per_worker')}",
        "with nearly empty tables, so this is the minimum",
    )
    p.add(
        "Database",
        "database_cpu",
        max(power_of_two(used / p.c("utilisation"), 1), up_to(memory / p.c("memory_gb_per_core"))),
        "vCPU",
        f"the larger of {show(used)} busy cores / {p.text('utilisation')} and {memory} GiB / "
        f"{p.text('memory_gb_per_core')}",
        "the second is the usual ratio of hosts; it includes a reserve for vacuum and full tables",
    )
    p.add(
        "Database",
        "shared_buffers_mb",
        memory * 1024 // 4,
        "MiB",
        f"{memory} GiB / 4",
        "cache of PostgreSQL; effective_cache_size is three quarters of the memory",
    )
    kept = w["keep_runs_days"] or p.c("projected_days")
    size = p.add(
        "Database",
        "database_gb",
        growth_runs * kept + growth_events * w["keep_events_days"],
        "GB",
        f"{show(growth_runs)} GB × {show(kept)} days + {show(growth_events)} GB × {show(w['keep_events_days'])} days",
        "at the end of the retention" if w["keep_runs_days"] else "after this number of days; it keeps growing",
    )
    p.add(
        "Database",
        "database_disk_gb",
        up_to(size * p.c("disk_factor") + p.c("wal_gb"), 10),
        "GB",
        f"{show(size)} GB × {p.text('disk_factor')} + {p.text('wal_gb')} GB of WAL, up to the next 10",
        "with dead rows, index rebuilds and temporary files",
    )
    # The measured runs include a few messages. Of further messages, only the size in tables is known.
    further = max(0, logs - measured_logs)
    more = f" + {show(further)} further logs × {p.text('stored_bytes_per_log')}" if further else ""
    each, text = p.per_run("wal_bytes", more)
    each += further * coefficients.value("stored_bytes_per_log")
    p.add(
        "Database",
        "wal_mb_per_second",
        rate * each / MB,
        "MB/s",
        f"{show(rate)} runs/s × {text} bytes",
        "a replica and an archive receive the same",
    )
    each, text = p.per_run("wal_flushes")
    p.add(
        "Database",
        "flushes_per_second",
        rate * each,
        "flushes/s",
        f"{show(rate)} runs/s × {text}",
        "every commit waits for one, so the disk needs more IOPS and a latency of a few milliseconds",
    )


def logs_only_warnings(p: CapacityPlan) -> bool:
    """Whether flow runs send only warnings to the API."""
    return coefficients.value("quiet_logs_runs_per_second") <= float(p.v["runs_per_second"])
