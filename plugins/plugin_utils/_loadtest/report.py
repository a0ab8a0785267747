# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The results of a load test, combined with the counters of hosts, database and Redis, and their text format."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MB = 1048576
STATEMENTS = 10  # number of statements with the longest total time
ANEW = "counters were reset during the test; values since the reset"
NO_STATEMENTS = "The database has no pg_stat_statements, so the slowest queries are unknown."


# Readings on a host: their label, and their key in the result of the task.
READ = {"processes": ("CPU and memory of the processes", "processes"), "pooler": ("PgBouncer", "query_result")}
PROGRAMS = ("PostgreSQL", "Redis")  # prefect_loadtest runs them with the environment of the background services


def _why(result: Mapping[str, Any]) -> str:
    """Return the reason of a failed reading, in one line."""
    return str(result.get("stderr") or result.get("msg") or "no output").strip().splitlines()[-1]


def _server_reading(printed: Mapping[str, str]) -> dict[str, Any]:
    """Return the parsed output of the programs."""
    told = json.loads(printed.get("PostgreSQL") or "{}")
    return {
        "database": told.get("database") or {},
        "statements": told.get("statements"),
        "redis": json.loads(printed.get("Redis") or "{}"),
        "unread": list(told.get("unread") or []),
    }


def host_reading(results: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the readings of a host from the results of its tasks."""
    found: dict[str, Any] = {"processes": [], "pooler": []}
    unread = []
    for name, (called, key) in READ.items():
        result = results.get(name) or {}
        if not result or result.get("skipped"):
            continue
        if result.get("rc") or key not in result:
            unread.append(f"{called}: {_why(result)}")
        else:
            found[name] = result[key]
    together = results.get("server") or {}
    printed = {}
    if together and not together.get("skipped"):
        ended = json.loads(together["stdout"]) if together.get("rc") == 0 else dict.fromkeys(PROGRAMS, together)
        for name, result in ended.items():
            if result.get("rc") == 0 and result.get("stdout"):
                printed[name] = result["stdout"]
            else:
                unread.append(f"{name}: {_why(result)}")
    server = _server_reading(printed)
    return {**found, **server, "unread": unread + server["unread"]}


def reading(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the readings of the pods of a cluster, in the format of the readings of a host."""
    if "processes" not in found:
        return {"unread": [f"pods: {found['msg']}"]} if found.get("msg") else {}
    printed = {
        name: [(answer["pod"], answer["stdout"]) for answer in answers if answer["rc"] == 0]
        for name, answers in found["programs"].items()
    }
    server = _server_reading({name: texts[0][1] for name, texts in printed.items() if texts})
    return {
        "moment": found["moment"],
        "processes": found["processes"],
        "pooler": [
            {"host": pod, **{name: int(value) if value.isdigit() else value for name, value in row.items()}}
            for pod, text in printed.get("PgBouncer", [])
            for row in csv.DictReader(text.splitlines())
        ],
        **server,
        "unread": found["unread"] + server["unread"],
    }


def report(load: Mapping[str, Any], readings: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Return the result of the module with the differences between the first and the last counters."""
    before, after = (_combined(readings, position) for position in (0, -1))
    found = {**load["result"], "missed": list(load["missed"])}
    runs = max(1, found["runs"]["submitted"])
    seconds = max(1.0, after["moment"] - before["moment"])
    found["between_readings_seconds"] = round(seconds, 1)
    found["processes"] = list(_processes(before["processes"], after["processes"], runs, seconds))
    found["postgresql"] = _database(before["database"], after["database"], runs, seconds)
    found["pgbouncer"] = list(_poolers(before["poolers"], after["poolers"]))
    found["redis"] = _redis(before["redis"], after["redis"], seconds)
    found["statements"] = _statements(before["statements"], after["statements"])
    found["unread"] = list(dict.fromkeys((*before["unread"], *after["unread"])))
    return found


def _combined(readings: Mapping[str, Sequence[Mapping[str, Any]]], position: int) -> dict[str, Any]:
    """Return the readings of all hosts at one time. One host reads the database and Redis."""
    there = {host: each[position] for host, each in readings.items() if each}

    def known(name: str) -> Any:
        return next((each[name] for each in there.values() if each.get(name)), None)

    return {
        "moment": max((float(each["moment"]) for each in there.values()), default=0.0),
        "processes": {host: each.get("processes") or [] for host, each in there.items()},
        "poolers": {host: each.get("pooler") or [] for host, each in there.items()},
        "database": known("database") or {},
        "redis": known("redis") or {},
        "statements": known("statements"),
        "unread": [text for each in there.values() for text in each.get("unread") or []],
    }


def _processes(
    before: Mapping[str, Any], after: Mapping[str, Any], runs: int, seconds: float
) -> Iterator[dict[str, Any]]:
    """Yield the CPU time of every process or pod, since its start if it was restarted."""
    for host in sorted(
        host for host in after if before.get(host)
    ):  # without an earlier reading, the CPU time since the start would count
        earlier = {each["name"]: each for each in before[host]}
        for process in after[host]:
            same = earlier.get(process["name"], {})
            known = same.get("cpu_seconds", 0.0) if same.get("pid") == process["pid"] else 0.0
            used = max(0.0, process["cpu_seconds"] - known)
            yield {
                "host": process.get("host", host),
                "name": process["name"],
                "group": process["group"],
                "restarted": bool(same) and same.get("pid") != process["pid"],
                "cpu_seconds": round(used, 2),
                "cores": round(used / seconds, 3),
                "cpu_seconds_per_run": round(used / runs, 4),
                "memory_mb": round(process["memory_bytes"] / MB, 1),
            }


def _counted(before: Mapping[str, Any], after: Mapping[str, Any], *names: str) -> tuple[list[float], bool]:
    """Return the differences of the counters of one source, and whether they were reset.

    A restart of the source, or a reset of its statistics, sets all its counters to zero. If one counter is lower than
    before, the later values of all counters are the differences.
    """
    earlier = [float(before.get(name) or 0) for name in names]
    later = [float(after[name]) for name in names]
    if any(now < then for then, now in zip(earlier, later, strict=True)):
        return later, True
    return [now - then for then, now in zip(earlier, later, strict=True)], False


def _database(before: Mapping[str, Any], after: Mapping[str, Any], runs: int, seconds: float) -> dict[str, Any]:
    if not before or not after:
        return {}
    names = ("transactions", "blocks_read", "blocks_hit", "deadlocks")
    (transactions, read, hit, deadlocks), anew = _counted(before, after, *names)
    # A WAL position survives restarts. If it is lower than before, it is that of another server, and is ignored.
    (wal,), other_server = _counted(before, after, "wal_bytes")
    return {
        "connections": int(after["connections"]),
        "max_connections": int(after["max_connections"]),
        "transactions_per_second": round(transactions / seconds, 1),
        "transactions_per_run": round(transactions / runs, 1),
        "wal_bytes_per_second": None if other_server else round(wal / seconds),
        "wal_bytes_per_run": None if other_server else round(wal / runs),
        "deadlocks": int(deadlocks),
        "cache_hit_percent": round(100 * hit / (hit + read), 2) if hit + read else None,
        "size_mb": round(float(after["size_bytes"]) / MB, 1),
        "began_anew": anew or other_server,
    }


def _poolers(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the waiting time of clients for a server connection, from PgBouncer's counters in microseconds.

    In a cluster, one reading contains the rows of several PgBouncers, and each row names its pod.
    """
    names = ("total_xact_count", "total_wait_time", "total_xact_time")
    for host in sorted(host for host in after if before.get(host)):
        earlier = {(row.get("host", host), row["database"]): row for row in before[host]}
        for row in after[host]:
            place = row.get("host", host)
            (transactions, waited, busy), anew = _counted(earlier.get((place, row["database"]), {}), row, *names)
            if row["database"] == "pgbouncer" or not (transactions or anew):
                continue
            yield {
                "host": place,
                "database": row["database"],
                "transactions": int(transactions),
                "wait_seconds": round(waited / 1e6, 3),
                "wait_milliseconds_per_transaction": round(waited / 1000 / transactions, 3) if transactions else None,
                "busy_seconds": round(busy / 1e6, 2),
                "began_anew": anew,
            }


def _redis(before: Mapping[str, Any], after: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    if not before or not after:
        return {}
    (commands,), anew = _counted(before, after, "total_commands_processed")
    return {
        "memory_mb": round(after["used_memory"] / MB, 1),
        "memory_grown_mb": round((after["used_memory"] - before["used_memory"]) / MB, 1),
        "memory_peak_mb": round(after["used_memory_peak"] / MB, 1),
        "clients": int(after["connected_clients"]),
        "commands_per_second": round(commands / seconds, 1),
        "began_anew": anew,
    }


def _statements(before: Any, after: Any) -> list[dict[str, Any]] | None:
    """Return the statements with the longest total time, None if the database does not count them."""
    if before is None or after is None:
        return None
    earlier = {row["queryid"]: row for row in before}
    found = []
    for row in after:
        (calls, spent), anew = _counted(earlier.get(row["queryid"], {}), row, "calls", "milliseconds")
        if calls > 0:
            text = " ".join(str(row["query"]).split())
            found.append({"query": text, "calls": int(calls), "seconds": round(spent / 1000, 3), "began_anew": anew})
    return sorted(found, key=lambda each: float(str(each["seconds"])), reverse=True)[:STATEMENTS]


def shown(value: Any, digits: int = 3) -> str:
    """Return a number with a readable precision."""
    if value is None:
        return "-"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def title(found: Mapping[str, Any]) -> str:
    settings = found["settings"]
    runs = f"{settings['rate']:g} runs/s for {settings['seconds']:g} s"
    return f"{settings['mode']}, {settings['profile']}, {runs}, {settings['run_seconds']:g} s each"


def noted(counted: Mapping[str, Any], mark: str = "; ") -> str:
    """Return a note if the values cover only a part of the test."""
    return f"{mark}{ANEW}" if counted["began_anew"] else ""


def facts(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the results as labels and texts, for the terminal and the HTML page."""

    def spread(part: str) -> str:
        return ", ".join(f"{name} {shown(value)} s" for name, value in found[part].items())

    requests, generator = found["requests"], found["generator"]
    yield "runs", ", ".join(f"{shown(count)} {name.replace('_', ' ')}" for name, count in found["runs"].items())
    if requests["first_refusal"]:
        yield "first refusal", requests["first_refusal"]
    rate = found["rate"]
    drained = f"the last one ended {shown(found['drain']['seconds'])} s after the last submission"
    submitted, completed = shown(rate["submitted_per_second"]), shown(rate["completed_per_second"])
    yield "rate", f"{submitted} runs/s submitted, {completed} ended; {drained}"
    yield "start latency", spread("start_seconds")
    backlog = found["backlog"]
    yield "backlog", f"at most {shown(backlog['most'])} waiting, {shown(backlog['most_running'])} running"
    yield (
        "API",
        f"{shown(requests['per_second'])} requests/s, {shown(requests['per_run'])} per run; {spread('api_seconds')};"
        f" {shown(requests['retried'])} retried, {shown(requests['failed'])} failed",
    )
    if found["settings"]["mode"] == "control-plane":
        started, refused = found["runs"]["started"], requests["refused_starts"]
        yield (
            "workers",
            f"{shown(refused)} starts rejected, because another worker had taken the run; {shown(started)} runs "
            "started",
        )
    database = found["postgresql"]
    if database:
        connections = f"{database['connections']} of {database['max_connections']} connections"
        transactions, per_run = (shown(database[f"transactions_per_{each}"]) for each in ("second", "run"))
        wal_bytes = database["wal_bytes_per_run"]
        wal = f"{shown(None if wal_bytes is None else wal_bytes / 1024)} KiB of WAL per run"
        counted = f"{connections}, {transactions} transactions/s ({per_run} per run), {wal}"
        yield "PostgreSQL", counted + noted(database)
    for pooler in found["pgbouncer"]:
        waits = shown(pooler["wait_milliseconds_per_transaction"])
        yield (
            f"PgBouncer on {pooler['host']}",
            f"{waits} ms of waiting per transaction, {pooler['transactions']:,} of them{noted(pooler)}",
        )
    redis = found["redis"]
    if redis:
        memory = (
            f"{shown(redis['memory_mb'])} MiB ({redis['memory_grown_mb']:+g}), peak {shown(redis['memory_peak_mb'])}"
        )
        yield "Redis", f"{memory}; {shown(redis['commands_per_second'])} commands/s{noted(redis)}"
    lag = shown(generator["lag_seconds"]["p95"])
    yield "load generator", f"{shown(generator['cores'])} cores; 95 of 100 submissions at most {lag} s late"
    for text in found["unread"]:
        yield "not read", text


def as_text(found: Mapping[str, Any]) -> str:
    """Return the summary for a terminal."""
    lines = [title(found), ""]
    lines += [f"{name:<22} {text}" for name, text in facts(found)]
    if found["processes"]:
        several = len({each["host"] for each in found["processes"]}) > 1
        names = [f"{each['name']} on {each['host']}" if several else each["name"] for each in found["processes"]]
        width = max(22, *map(len, names))  # pods have long names
        lines += ["", f"{'process':<{width}} {'cores':>7} {'CPU s':>8} {'per run':>8} {'MiB':>7}"]
        for name, each in zip(names, found["processes"], strict=True):
            restarted = "  restarted during the test" if each["restarted"] else ""
            lines.append(
                f"{name:<{width}} {each['cores']:>7.2f} {each['cpu_seconds']:>8.1f}"
                f" {each['cpu_seconds_per_run']:>8.3f} {each['memory_mb']:>7.0f}{restarted}"
            )
    if found["statements"] is None:
        lines += ["", NO_STATEMENTS] if found["postgresql"] else []
    else:
        lines += ["", f"{'statement':<90} {'calls':>8} {'s':>8}"]
        lines += [
            f"{row['query'][:90]:<90} {row['calls']:>8} {row['seconds']:>8.2f}{noted(row, '  ')}"
            for row in found["statements"]
        ]
    for kind in ("troubles", "problems"):
        lines += [f"{count:>6} x  {text}" for text, count in found["requests"][kind].items()]
    if found["objectives"]:
        lines.append("")
    for each in found["objectives"]:
        verdict = "ok    " if each["ok"] else "MISSED"
        lines.append(f"{verdict}  {each['name']}: {shown(each['seen'])}, objective {each['limit']:g}")
    return "\n".join(lines)
