# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure what each option that the collection controls costs or saves, under the same load.

usage, as root, on an otherwise idle host:
    scripts/bootstrap.sh test
    PYTHONPATH=tests:.collections .venv/bin/python tests/benchmarks/tuning.py [--rate 4] [--rounds 3] [--only api-1 ...]
    PYTHONPATH=tests:.collections .venv/bin/python tests/benchmarks/tuning.py --list

The local inventory on a test host of tests/machines is the base. A variant is this inventory with a few more variables,
applied by those parts of site.yml that read them. Base and variant take turns under the same control-plane load
(docs/load-testing.md), in the order base, variant, variant, base, and so on. Then a drift of the host affects both in
the same way, and each change of the inventory serves two loads. As soon as a variant is complete, the program prints a
row of a Markdown table. It contains the median of the loads and, in brackets, the median of their ratios to the base of
the same round. At the end, it prints a table with all loads. Costs are per run, and include what the deployment uses
while no run is active. With three rounds, a variant takes about a quarter of an hour.

Two options are missing: `prefect_separate_observer`, which exists only on a cluster, and the number of uvicorn workers
in a process, because the collection starts more processes instead. A control-plane load uses no real workers; where an
option of real workers has an equivalent in the load, the variant sets the option of the load.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from benchmarks.load import add_load_options, load, print_troubles
from benchmarks.local import REDIS, add_options, deployed, difference, machine_text, read, release
from defaults import ROOT
from e2e.machine import Machine, wait_for

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest import runner
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError

OVERRIDE = "tuning"  # name of the file of this program in the inventory
BASE = "base"
# Parts of site.yml. Each begins with the preflight, which one run executes only once.
DATABASE, SERVER, WORKERS, BOTH = ("database",), ("server",), ("workers",), ("database", "server")
# Background services that have lost Redis or PostgreSQL are restarted within the next minutes.
RECONNECTED_SECONDS = 150.0
DIRECT = {
    "prefect_pgbouncer_host": "{{ prefect_database_host }}",
    "prefect_pgbouncer_port": "{{ prefect_database_port }}",
}
# What the API caches: 100 statements, the default of asyncpg.
CACHED = {"prefect_pgbouncer_max_prepared_statements": 200}
SERVICE = "PREFECT_SERVER_SERVICES"
READ_BATCHES = {
    f"{SERVICE}_{service}_READ_BATCH_SIZE": 50 for service in ("EVENT_PERSISTER", "TRIGGERS", "TASK_RUN_RECORDER")
}
# A restart: to undo the change, the role compares the file with what the process has read since its start.
GATEWAY_KEEPS = (
    "sed -i '/option http-server-close/d' /etc/prefect/haproxy.cfg; sleep 1; systemctl restart prefect-gateway"
)

UV = "VIRTUAL_ENV=$(dirname $(dirname $(ls /opt/prefect/*/bin/prefect))) /opt/prefect/uv/bin/uv pip --quiet"
RESTART_API = "systemctl restart 'prefect-api-*'"
GATEWAY_UNPACKED = (
    "sed -i '/option http-server-close/i\\    http-request del-header accept-encoding' /etc/prefect/haproxy.cfg;"
    " sleep 1; systemctl restart prefect-gateway"
)


@dataclass(frozen=True)
class Variant:
    """The differences from the base."""

    about: str
    playbooks: tuple[str, ...] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    load: Mapping[str, Any] = field(default_factory=dict)  # options of the load
    command: str = ""  # on the test host, if no variable exists; the playbooks or undo_command undo it
    undo_command: str = ""
    settle: float = 15.0  # seconds to wait after the change
    release: str = ""  # release of Debian, if the other releases have no program that supports the variant


def settings(**values: Any) -> dict[str, Any]:
    """Return the variable that contains the server's other settings."""
    return {"prefect_server_settings": values}


VARIANTS = {
    # --- API processes ---
    "api-1": Variant("one API process instead of 2", SERVER, {"prefect_server_replicas": 1}),
    "api-3": Variant("three API processes", SERVER, {"prefect_server_replicas": 3}),
    "api-4": Variant("four API processes", BOTH, {"prefect_server_replicas": 4}),
    "api-pool-15": Variant(
        "as many connections of an API process, all kept (5 and 10 more)",
        SERVER,
        {"prefect_server_api_pool_size": 15, "prefect_server_api_max_overflow": 0},
    ),
    "api-pool-3": Variant(
        "few connections of an API process",
        SERVER,
        {"prefect_server_api_pool_size": 3, "prefect_server_api_max_overflow": 0},
    ),
    "uvloop": Variant(
        "uvicorn with uvloop and httptools instead of asyncio and h11 (no variable)",
        command=f"{UV} install uvloop httptools && {RESTART_API}",
        undo_command=f"{UV} uninstall uvloop httptools && {RESTART_API}",
        settle=30.0,
    ),
    "metrics": Variant("Prometheus metrics of the API on", SERVER, {"prefect_server_metrics": True}),
    # --- PgBouncer and statements ---
    "pgbouncer-5": Variant(
        "5 server connections of PgBouncer instead of 25", DATABASE, {"prefect_pgbouncer_pool_size": 5}
    ),
    "pgbouncer-10": Variant("10 of them", DATABASE, {"prefect_pgbouncer_pool_size": 10}),
    "pgbouncer-50": Variant("50 of them", DATABASE, {"prefect_pgbouncer_pool_size": 50}),
    "direct": Variant(
        "API straight to PostgreSQL, statements not cached",
        SERVER,
        {**DIRECT, "prefect_pgbouncer_max_prepared_statements": 0},
    ),
    "direct-cached": Variant(
        "API straight to PostgreSQL, statements cached",
        SERVER,
        {**DIRECT, **CACHED},
    ),
    "pgbouncer-prepared": Variant(
        "PgBouncer that keeps prepared statements, statements cached",
        BOTH,
        CACHED,
        release="trixie",  # PgBouncer 1.21
    ),
    # --- Logs and events ---
    "logs-off": Variant(
        "no log messages to the API: prefect_logging_to_api false, or prefect_logging_level WARNING",
        load={"logs": False},
    ),
    "asks": Variant(
        "clients look for a CSRF token and ask for the server's version, as Prefect's do",
        load={"csrf": True, "version_check": True},
    ),
    "events-1-day": Variant("events kept for a day instead of 3", SERVER, {"prefect_server_events_retention_days": 1}),
    "no-persister": Variant(
        "events not stored (a lower bound, not a choice)",
        SERVER,
        settings(**{f"{SERVICE}_EVENT_PERSISTER_ENABLED": False}),
    ),
    "no-triggers": Variant("no automations", SERVER, settings(**{f"{SERVICE}_TRIGGERS_ENABLED": False})),
    "no-recorder": Variant(
        "task-run events not recorded", SERVER, settings(**{f"{SERVICE}_TASK_RUN_RECORDER_ENABLED": False})
    ),
    # --- Background services ---
    "read-batches": Variant("50 events a read from Redis instead of 1", SERVER, settings(**READ_BATCHES)),
    "persister-batch": Variant(
        "100 events an insert instead of 20", SERVER, settings(**{f"{SERVICE}_EVENT_PERSISTER_BATCH_SIZE": 100})
    ),
    "event-batches": Variant(
        "both of them",
        SERVER,
        settings(**READ_BATCHES, **{f"{SERVICE}_EVENT_PERSISTER_BATCH_SIZE": 100}),
    ),
    "publisher-batch": Variant(
        "50 events a write to Redis instead of 5", SERVER, settings(PREFECT_REDIS_MESSAGING_PUBLISHER_BATCH_SIZE=50)
    ),
    "slow-loops": Variant(
        "scheduler every 60 s and 30 s, late runs every 30 s (10, 5 and 5)",
        SERVER,
        {
            "prefect_server_scheduler_loop_seconds": 60,
            "prefect_server_scheduler_recent_deployments_loop_seconds": 30,
            "prefect_server_late_runs_loop_seconds": 30,
        },
    ),
    "scheduler-batches": Variant(
        "Prefect's batches of the scheduler (matter with schedules only)",
        SERVER,
        {"prefect_server_scheduler_deployment_batch_size": 100, "prefect_server_scheduler_insert_batch_size": 500},
    ),
    "services-2": Variant(
        "what handles events in a process of its own",
        SERVER,
        {
            "prefect_services_groups": [
                {"name": "services"},
                {"name": "events", "services": ["event_persister", "triggers", "task_run_recorder"]},
            ]
        },
    ),
    # --- PostgreSQL and Redis ---
    "commit-off": Variant(
        "synchronous_commit off, which may lose the last moment",
        DATABASE,
        {"prefect_postgres_synchronous_commit": "off"},
    ),
    "commit-delay": Variant(
        "commits wait 1 ms for others",
        DATABASE,
        {"prefect_postgres_settings": {"commit_delay": 1000, "commit_siblings": 3}},
    ),
    "statements-off": Variant(
        "PostgreSQL does not count statements",
        DATABASE,
        {"prefect_postgres_statement_statistics": False},
        settle=RECONNECTED_SECONDS,
    ),
    "work-mem-32mb": Variant(
        "work_mem 32 MB instead of 8", DATABASE, {"prefect_postgres_settings": {"work_mem": "32MB"}}
    ),
    "jit-off": Variant("jit off", DATABASE, {"prefect_postgres_settings": {"jit": "off"}}),
    "parallel-off": Variant(
        "no parallel queries", DATABASE, {"prefect_postgres_settings": {"max_parallel_workers_per_gather": 0}}
    ),
    "wal-compression": Variant(
        "wal_compression on", DATABASE, {"prefect_postgres_settings": {"wal_compression": "on"}}
    ),
    "autovacuum-1min": Variant(
        "autovacuum looks every minute instead of every 15 s",
        DATABASE,
        {"prefect_postgres_settings": {"autovacuum_naptime": "1min"}},
    ),
    "buffers-128mb": Variant(
        "shared_buffers 128 MB", DATABASE, {"prefect_postgres_memory_mb": 512}, settle=RECONNECTED_SECONDS
    ),
    "buffers-2gb": Variant(
        "shared_buffers 2 GB", DATABASE, {"prefect_postgres_memory_mb": 8192}, settle=RECONNECTED_SECONDS
    ),
    "redis-fsync-no": Variant(
        "Redis leaves flushing to the kernel", DATABASE, {"prefect_redis_appendfsync": "no"}, settle=RECONNECTED_SECONDS
    ),
    # --- Gateway ---
    "gateway-keeps": Variant("gateway keeps its connections to the API (no variable)", SERVER, command=GATEWAY_KEEPS),
    "gateway-unpacked": Variant("API answers without compression (no variable)", SERVER, command=GATEWAY_UNPACKED),
    "clients-5s": Variant(
        "idle connections of clients kept for 5 s instead of 75", SERVER, {"prefect_gateway_client_timeout_seconds": 5}
    ),
    # --- Workers ---
    "query-2s": Variant(
        "workers look every 2 s instead of 5 (prefect_worker_query_seconds)", load={"query_seconds": 2.0}
    ),
    "query-10s": Variant("every 10 s", load={"query_seconds": 10.0}),
    "query-15s": Variant("every 15 s", load={"query_seconds": 15.0}),
    "workers-16": Variant("16 synthetic workers", load={"workers": 16}),
    "workers-32": Variant("32 synthetic workers", load={"workers": 32}),
    "heartbeat-120s": Variant(
        "the two real workers report every 120 s instead of 30", WORKERS, {"prefect_worker_heartbeat_seconds": 120}
    ),
}


class Sample(NamedTuple):
    """The figures of one load."""

    variant: str
    round: int
    side: str  # base, or the name of the variant
    figures: dict[str, float]
    completed: int
    lost: int
    failed: int  # requests


# --- Changing the inventory ---


def play(machine: Machine, variant: Variant) -> None:
    if variant.playbooks:
        first, *others = variant.playbooks
        machine.playbook(first, *(str(ROOT / f"playbooks/{name}.yml") for name in others))


def apply(machine: Machine, variant: Variant) -> None:
    if variant.variables:
        machine.override(OVERRIDE, dict(variant.variables))
        play(machine, variant)
    if variant.command:
        machine.sh(variant.command)


def undo(machine: Machine, name: str) -> None:
    variant = VARIANTS[name]
    if variant.variables:
        machine.forget(OVERRIDE)
    if variant.undo_command:
        machine.sh(variant.undo_command)
    try:
        play(machine, variant)
    except AssertionError as error:  # the following loads would not be comparable with the base
        sys.exit(f"{name} cannot be undone: {error}")


def settle(machine: Machine, seconds: float) -> None:
    time.sleep(seconds)
    wait_for(lambda: machine.api("POST", "/flows/count", {}) is not None, 120)


# --- Measuring ---


def waiting_events(machine: Machine) -> int:
    """Return the number of events that the background services have not handled yet."""
    lines = machine.sh(f"{REDIS} xinfo groups events").splitlines()
    pairs = zip(lines, lines[1:], strict=False)
    return sum(int(value) for name, value in pairs if name in ("lag", "pending") and value.isdigit())


def catch_up(machine: Machine) -> None:
    """Wait until all events are handled, or until no more are handled because a variant has disabled the services."""
    before = waiting_events(machine)
    while before:
        time.sleep(10)
        now = waiting_events(machine)
        if now >= before:
            return
        before = now


CPU = ("postgres", "api", "services", "gateway", "pgbouncer", "redis")


def measure(machine: Machine, name: str, number: int, side: str, warm: bool, options: argparse.Namespace) -> Sample:
    given = {"rate": options.rate, **(VARIANTS[name].load if side != BASE else {})}
    client = Client(f"http://{machine.ip}:{machine.port}/api", timeout=60)
    if options.warm_up and not warm:
        load(client, options, **{**given, "seconds": options.warm_up})
    runner.remove(client)
    catch_up(machine)
    # Every load begins in the same state: no dead rows, and the first change of each page writes the whole page to the
    # WAL.
    machine.sql("VACUUM ANALYZE;\nCHECKPOINT;\n")
    pids, before = machine.pids(), read(machine)
    found = load(client, options, **given)
    time.sleep(10)  # the background services write the last events
    used = difference(before, read(machine))
    if machine.restarted(pids):
        print(f"  restarted meanwhile: {', '.join(sorted(machine.restarted(pids)))}", file=sys.stderr)
    runs = max(1, found["runs"]["submitted"])
    seconds = {part.removeprefix("cpu "): value / runs for part, value in used.items() if part.startswith("cpu ")}
    figures = {
        "start p95 s": found["start_seconds"]["p95"] or 0.0,
        "API p95 s": found["api_seconds"]["p95"] or 0.0,
        "CPU s": sum(value for part, value in seconds.items() if part != "run"),
        **{f"of {part}": seconds.get(part, 0.0) for part in CPU},
        "requests": used["requests"] / runs,
        "transactions": used["transactions"] / runs,
        "WAL kB": used["wal"] / runs / 1000,
        "generator cores": found["generator"]["cores"],
    }
    counts = found["runs"]
    sample = Sample(name, number, side, figures, counts["completed"], counts["lost"], found["requests"]["failed"])
    print(sample_row(sample), file=sys.stderr, flush=True)
    print_troubles(found)
    runner.remove(client)
    return sample


def alternate(machine: Machine, name: str, options: argparse.Namespace) -> list[Sample]:
    """Measure all rounds of a variant. Afterwards the test host is in its original state."""
    variant, samples, applied, warm = VARIANTS[name], [], False, False
    try:
        for number in range(1, options.rounds + 1):
            for side in (BASE, name) if number % 2 else (name, BASE):
                if (side != BASE) != applied:
                    applied = not applied
                    if applied:
                        apply(machine, variant)
                    else:
                        undo(machine, name)
                    if variant.playbooks or variant.command:
                        settle(machine, variant.settle)
                        warm = False
                samples.append(measure(machine, name, number, side, warm, options))
                warm = True
    finally:
        if applied:
            undo(machine, name)
            if variant.playbooks or variant.command:
                settle(machine, variant.settle)
    return samples


# --- Output ---

FIGURES = (
    *(
        "start p95 s",
        "API p95 s",
        "CPU s",
        *(f"of {part}" for part in CPU),
        "requests",
        "transactions",
        "WAL kB",
        "generator cores",
    ),
)


def table_head(*columns: str) -> str:
    return f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}"


def sample_row(sample: Sample) -> str:
    cells = [sample.variant, str(sample.round), sample.side]
    cells += [f"{sample.figures[name]:.4g}" for name in FIGURES]
    return "| " + " | ".join([*cells, str(sample.completed), str(sample.lost), str(sample.failed)]) + " |"


def cell(samples: Sequence[Sample], figure: str) -> str:
    """Return the median of the variant, and its ratio to the base."""
    base = {sample.round: sample.figures[figure] for sample in samples if sample.side == BASE}
    own = {sample.round: sample.figures[figure] for sample in samples if sample.side != BASE}
    ratios = [value / base[number] for number, value in own.items() if base[number]]
    times = f" (×{statistics.median(ratios):.2f})" if ratios else ""
    return f"{statistics.median(own.values()):.3g}{times}"


def variant_row(name: str, samples: Sequence[Sample]) -> str:
    own = [sample for sample in samples if sample.side != BASE]
    cells = [name, VARIANTS[name].about, *(cell(samples, figure) for figure in FIGURES)]
    cells += [str(sum(sample.lost for sample in own)), str(sum(sample.failed for sample in own))]
    return "| " + " | ".join(cells) + " |"


def base_row(samples: Sequence[Sample]) -> str:
    own = [sample for sample in samples if sample.side == BASE]
    cells = [BASE, "the local inventory"]
    cells += [f"{statistics.median(sample.figures[figure] for sample in own):.3g}" for figure in FIGURES]
    cells += [str(sum(sample.lost for sample in own)), str(sum(sample.failed for sample in own))]
    return "| " + " | ".join(cells) + " |"


def print_variants() -> None:
    print(table_head("variant", "what", "how", "by"))
    for name, variant in VARIANTS.items():
        how = [f"`{variable}: {json.dumps(value)}`" for variable, value in variant.variables.items()]
        how += [f"load `{option}: {json.dumps(value)}`" for option, value in variant.load.items()]
        how += [f"`{variant.command}`"] if variant.command else []
        cells = (name, variant.about, ", ".join(how).replace("|", "\\|"), ", ".join(variant.playbooks) or "nothing")
        print("| " + " | ".join(cells) + " |")


def tail(error: Exception, lines: int = 30) -> str:
    return "\n".join(str(error).splitlines()[-lines:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="VARIANT")
    parser.add_argument("--list", action="store_true", help="print the variants, and do nothing")
    parser.add_argument("--rate", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=float, default=15, help="seconds of the same load after each change")
    add_load_options(parser, seconds=60)
    add_options(parser)
    options = parser.parse_args()
    if options.list:
        print_variants()
        return
    with deployed(options, "tuning") as machine:
        if (machine.inventory / f"group_vars/all/zz-{OVERRIDE}.json").exists():  # a previous benchmark was killed
            machine.forget(OVERRIDE)
            machine.playbook("site")
        system = release(machine)
        print(f"{machine_text(machine)}; {options.rate:g} runs/s for {options.seconds:g} s, each takes", end="")
        print(f" {options.run_seconds:g} s; {options.rounds} rounds\n")
        print(table_head("variant", "what", *FIGURES, "lost", "failed requests"), flush=True)
        every: list[Sample] = []
        for name in options.only:
            variant = VARIANTS[name]
            if variant.release not in ("", system):
                print(f"{name} needs --release {variant.release}", file=sys.stderr)
                continue
            try:
                samples = alternate(machine, name, options)
            except (AssertionError, PrefectError, subprocess.SubprocessError) as error:
                print(f"{name} failed: {tail(error)}", file=sys.stderr, flush=True)
                continue
            every += samples
            print(variant_row(name, samples), flush=True)
        if every:
            print(base_row(every) + "\n")
            print(table_head("variant", "round", "side", *FIGURES, "completed", "lost", "failed requests"))
            print("\n".join(sample_row(sample) for sample in every))


if __name__ == "__main__":
    main()
