# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report of a load test: the differences of two readings, the summary, and the page."""

from __future__ import annotations

import copy
import json
import math
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._loadtest import page as page_module
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._loadtest import report as report_module

SPREAD = {"p50": 0.5, "p95": 1.25, "p99": 2.0, "most": 3.0}
LOAD: dict[str, Any] = {
    "missed": ["p95_start_seconds is 1.25, but the objective is at most 1"],
    "result": {
        "settings": {
            "mode": "control-plane",
            "profile": "steady",
            "rate": 2.0,
            "seconds": 50.0,
            "run_seconds": 0.0,
            "took_seconds": 52.0,
            "begun": "2026-01-01T00:00:00+00:00",
        },
        "runs": {
            "submitted": 100,
            "not_submitted": 0,
            "started": 100,
            "completed": 99,
            "failed": 0,
            "lost": 1,
            "duplicated": 0,
        },
        "rate": {"submitted_per_second": 2.0, "completed_per_second": 1.9},
        "start_seconds": SPREAD,
        "drain": {"seconds": 2.5},
        "backlog": {"most": 7, "most_running": 3, "series": [[0.0, 0, 0, 0], [2.0, 5, 2, 1], [4.0, 0, 0, 3]]},
        "api_seconds": SPREAD,
        "requests": {
            "sent": 3200,
            "per_second": 64.0,
            "per_run": 32.0,
            "retried": 0,
            "failed": 0,
            "first_refusal": None,
            "refused_starts": 1200,
            "troubles": {"GET /<script>: 503": 2},
            "problems": {},
            "by_request": [{"request": "GET /<b>", "count": 3, "mean": 0.1, **SPREAD}],
        },
        "timeline": {
            "bucket_seconds": 1,
            "submitted": [2.0, 2.0, 0.0],
            "started": [1.0, 2.0, 1.0],
            "completed": [0.0, 2.0, 2.0],
            "start_p50": [0.5, None, 0.6],
            "start_p95": [None, None, None],
        },
        "generator": {"cpu_seconds": 5.0, "cores": 0.1, "lag_seconds": SPREAD},
        "objectives": [{"name": "p95_start_seconds", "limit": 1.0, "seen": 1.25, "ok": False}],
    },
}


def process(name: str, pid: int, seconds: float) -> dict[str, Any]:
    return {"name": name, "group": "api", "pid": pid, "cpu_seconds": seconds, "memory_bytes": 256 * 1048576}


def database(**more: float) -> dict[str, Any]:
    counted = dict.fromkeys(("transactions", "blocks_read", "blocks_hit", "deadlocks", "wal_bytes"), 0.0)
    return {**counted, "connections": 12, "max_connections": 100, "size_bytes": 1048576.0, **more}


def pooler(transactions: int, waited: int) -> dict[str, Any]:
    times = {"total_wait_time": waited, "total_xact_time": 3_000_000}
    return {"database": "prefect", "total_xact_count": transactions, **times}


def redis(memory: int, commands: int) -> dict[str, int]:
    counted = {"used_memory": memory, "used_memory_peak": memory, "total_commands_processed": commands}
    return {**counted, "connected_clients": 9}


BEFORE: dict[str, Any] = {
    "moment": 1000.0,
    "processes": [process("api-1", 7, 10.0), process("api-2", 8, 30.0)],
    "database": database(transactions=500, wal_bytes=1e6, blocks_hit=100, blocks_read=100),
    "pooler": [pooler(100, 1_000_000)],
    "redis": redis(1048576, 1000),
}
AFTER: dict[str, Any] = {
    "moment": 1100.0,
    "processes": [process("api-1", 7, 60.0), process("api-2", 9, 5.0)],
    "database": database(transactions=5500, wal_bytes=3e6, blocks_hit=1000, blocks_read=200),
    "pooler": [pooler(5100, 2_000_000), {**pooler(9, 9), "database": "pgbouncer"}],
    "redis": redis(3 * 1048576, 51_000),
}


def report(before: dict[str, Any] | None = None, after: dict[str, Any] | None = None) -> dict[str, Any]:
    return report_module.report(LOAD, {"one": [before or BEFORE, after or AFTER]})


def test_cpu_is_what_was_used_in_between() -> None:
    first, second = report()["processes"]
    assert (first["cpu_seconds"], first["cores"], first["cpu_seconds_per_run"]) == (50.0, 0.5, 0.5)
    assert first["memory_mb"] == 256
    assert not first["restarted"]
    # The counter of a restarted process starts at zero.
    assert (second["cpu_seconds"], second["restarted"]) == (5.0, True)


def test_the_database_is_told_per_second_and_per_run() -> None:
    found = report()["postgresql"]
    assert (found["transactions_per_second"], found["transactions_per_run"]) == (50.0, 50.0)
    assert found["wal_bytes_per_run"] == 20_000
    assert found["cache_hit_percent"] == 90.0


def test_pgbouncer_is_told_per_transaction() -> None:
    (found,) = report()["pgbouncer"]  # the database `pgbouncer` is PgBouncer's own
    assert found["transactions"] == 5000
    assert found["wait_milliseconds_per_transaction"] == 0.2


def test_redis_is_told() -> None:
    assert report()["redis"]["memory_grown_mb"] == 2.0
    assert report()["redis"]["commands_per_second"] == 500.0


def test_machines_are_put_together() -> None:
    """The report lists the processes of all hosts. Only one host has read the database."""
    other = [{"moment": moment, "processes": [process("worker", 3, cpu)]} for moment, cpu in ((999, 0.0), (1099, 10.0))]
    found = report_module.report(LOAD, {"other": other, "one": [BEFORE, AFTER], "silent": []})
    assert [(each["host"], each["name"]) for each in found["processes"]] == [
        ("one", "api-1"),
        ("one", "api-2"),
        ("other", "worker"),
    ]
    assert found["postgresql"]["transactions_per_run"] == 50.0
    assert "worker on other" in report_module.as_text(found)


def pods(cpu: float, transactions: int) -> dict[str, Any]:
    """Return a result of the module kubernetes_pod_info."""

    def printed(name: str, text: str) -> dict[str, Any]:
        return {"pod": name, "rc": 0, "stdout": text, "stderr": ""}

    named = [("prefect-api-7d9c-x", "n1"), ("prefect-worker-kubernetes-6b8f5c9d7-abcde", "n2")]
    rows = [f"prefect,{transactions * number},1000000,3000000" for number in (1, 2)]
    header = "database,total_xact_count,total_wait_time,total_xact_time"
    told = {"database": database(transactions=cpu * 100), "statements": None}
    return {
        "moment": 1000.0 + cpu,
        "processes": [{**process(name, 0, cpu), "host": node} for name, node in named],
        "programs": {
            "PostgreSQL": [printed("services", json.dumps(told))],
            "PgBouncer": [printed(f"pooler-{number}", f"{header}\n{row}\n") for number, row in enumerate(rows)],
            "Redis": [{"pod": "services", "rc": 1, "stdout": "", "stderr": "no"}],
        },
        "unread": ["Redis, in services: no"],
    }


def test_pods_are_told_as_machines_are() -> None:
    readings = [report_module.reading(pods(0.0, 10)), report_module.reading(pods(50.0, 1010))]
    found = report_module.report(LOAD, {"cluster": readings})
    used = [(each["name"], each["host"], each["cores"]) for each in found["processes"]]
    assert used == [("prefect-api-7d9c-x", "n1", 1.0), ("prefect-worker-kubernetes-6b8f5c9d7-abcde", "n2", 1.0)]
    assert found["postgresql"]["transactions_per_run"] == 50.0
    assert [(each["host"], each["transactions"]) for each in found["pgbouncer"]] == [
        ("pooler-0", 1000),
        ("pooler-1", 2000),
    ]
    assert found["redis"] == {}
    text = report_module.as_text(found)
    assert "PgBouncer on pooler-1" in text
    assert "1,200 starts rejected, because another worker had taken the run; 100 runs" in text
    assert text.count("not read               Redis, in services: no") == 1
    # Long names move all figures to the right.
    lines = [line for line in text.splitlines() if line.startswith(("process ", "prefect-"))]
    assert len({len(line) for line in lines}) == 1
    assert "Redis, in services: no" in page_module.page(found)
    drawn = next(svg(page_module.bars([(lines[2][:60], 1.0, "x")])).iter("rect"))
    assert float(drawn.attrib["x"]) + float(drawn.attrib["width"]) <= page_module.WIDTH - 100


def side_by_side(**ended: Any) -> dict[str, Any]:
    """Return the output of the program that runs others concurrently."""
    return {"rc": 0, "stdout": json.dumps(ended)}


def test_a_machine_tells_what_could_not_be_read() -> None:
    results = {
        "processes": {"processes": [process("api-1", 1, 2.0)]},
        "pooler": {"msg": "unable to connect to database:\nconnection refused"},
        "server": side_by_side(
            PostgreSQL={"rc": 0, "stdout": json.dumps({"database": database(transactions=5), "statements": None})},
            Redis={"rc": 1, "stdout": "", "stderr": "Traceback\nredis.exceptions.ConnectionError: no"},
        ),
    }
    found = report_module.host_reading(results)
    assert found["database"] == database(transactions=5)
    assert (found["pooler"], found["statements"], found["redis"]) == ([], None, {})
    assert found["unread"] == ["PgBouncer: connection refused", "Redis: redis.exceptions.ConnectionError: no"]
    redis = side_by_side(Redis={"rc": 0, "stdout": '{"used_memory": 1}'})
    assert report_module.host_reading({"server": redis})["redis"] == {"used_memory": 1}
    assert report_module.host_reading({name: {} for name in results})["unread"] == []
    # A host without background services, and a host on which the programs could not be started.
    assert report_module.host_reading({"server": {"skipped": True}})["unread"] == []
    unread = report_module.host_reading({"server": {"failed": True, "msg": "no python"}})["unread"]
    assert unread == ["PostgreSQL: no python", "Redis: no python"]


def test_statements_that_could_not_be_read_are_said() -> None:
    why = "the statements of PostgreSQL: pg_stat_statements must be loaded"
    printed = json.dumps({"database": database(transactions=5), "statements": None, "unread": [why]})
    found = report_module.host_reading({"server": side_by_side(PostgreSQL={"rc": 0, "stdout": printed})})
    assert (found["database"], found["statements"]) == (database(transactions=5), None)
    assert found["unread"] == [why]


def test_a_cluster_that_could_not_be_read_is_said() -> None:
    assert report_module.reading({}) == {}
    reading = report_module.reading({"msg": "there is no kubeconfig", "changed": False})
    found = report_module.report(LOAD, {"cluster": [{"moment": 1, **reading}, {"moment": 2, **reading}]})
    assert found["unread"] == ["pods: there is no kubeconfig"]
    assert found["processes"] == []


def test_what_is_known_of_the_end_only_is_not_told() -> None:
    """Otherwise it would contain everything since the start of the counters."""
    found = report(
        {"moment": 1000.0}, {**AFTER, "statements": [{"queryid": "1", "query": "x", "calls": 9, "milliseconds": 1.0}]}
    )
    assert (found["processes"], found["postgresql"], found["pgbouncer"], found["redis"]) == ([], {}, [], {})
    assert found["statements"] is None


def test_statements_are_those_of_the_test() -> None:
    def statement(number: int, calls: int, milliseconds: float) -> dict[str, Any]:
        return {"queryid": str(number), "query": f"SELECT\n  {number}", "calls": calls, "milliseconds": milliseconds}

    less = {**BEFORE, "statements": [statement(1, 10, 9e9), statement(2, 1, 5.0)]}
    more = {**AFTER, "statements": [statement(1, 10, 9e9), statement(2, 3, 2005.0), statement(3, 1, 50.0)]}
    assert report(less, more)["statements"] == [
        {"query": "SELECT 2", "calls": 2, "seconds": 2.0, "began_anew": False},
        {"query": "SELECT 3", "calls": 1, "seconds": 0.05, "began_anew": False},
    ]
    assert "SELECT 2" in report_module.as_text(report(less, more))
    # The statistics were reset, or a statement was evicted and came back.
    anew = report(more, less)
    assert anew["statements"] == [
        {"query": "SELECT 2", "calls": 1, "seconds": 0.005, "began_anew": True},
    ]
    assert re.search(rf"SELECT 2 +1 +0.01  {report_module.ANEW}", report_module.as_text(anew))
    assert f"SELECT 2; {report_module.ANEW}" in page_module.page(anew)


RESTARTED: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    # Only the transactions have decreased, but all counters of the same view start again. The WAL continues.
    "postgresql": (
        {"database": database(transactions=400, wal_bytes=3e6, blocks_hit=150, blocks_read=150, deadlocks=1)},
        "PostgreSQL  .* 4 transactions/s .*",
        {"transactions_per_run": 4.0, "cache_hit_percent": 50.0, "deadlocks": 1, "wal_bytes_per_run": 20_000},
    ),
    # Its wait time is larger than before the restart.
    "pgbouncer": (
        {"pooler": [pooler(50, 2_000_000)]},
        "PgBouncer on one  .* 50 of them",
        {"transactions": 50, "wait_milliseconds_per_transaction": 40.0, "busy_seconds": 3.0},
    ),
    "redis": ({"redis": redis(524288, 900)}, "Redis  .* 9 commands/s", {"commands_per_second": 9.0}),
}


@pytest.mark.parametrize("part", RESTARTED)
def test_counters_that_began_anew_count_from_zero(part: str) -> None:
    after, text, expected = RESTARTED[part]
    found = report(after={**AFTER, **after})
    (told,) = found[part] if isinstance(found[part], list) else [found[part]]
    assert {name: told[name] for name in expected} == expected
    assert told["began_anew"]
    assert re.search(f"^{text}; {report_module.ANEW}$", report_module.as_text(found), re.M)
    assert page_module.page(found).count(report_module.ANEW) == 1
    assert report_module.ANEW not in report_module.as_text(report())


def test_a_pooler_that_has_done_nothing_since_its_restart_is_told() -> None:
    found = report(after={**AFTER, "pooler": [pooler(0, 0)]})
    assert found["pgbouncer"][0]["wait_milliseconds_per_transaction"] is None
    assert f"- ms of waiting per transaction, 0 of them; {report_module.ANEW}" in report_module.as_text(found)


def test_the_log_of_another_server_is_not_compared() -> None:
    """Otherwise it would contain everything since the start of the server."""
    found = report(after={**AFTER, "database": database(transactions=5500, wal_bytes=9e5)})
    assert found["postgresql"]["wal_bytes_per_run"] is None
    assert found["postgresql"]["began_anew"]
    assert "- KiB of WAL per run" in report_module.as_text(found)


COUNTS = st.fixed_dictionaries({name: st.integers(0, 10**12) for name in ("a", "b")})


@given(COUNTS, COUNTS)
def test_nothing_was_counted_backwards(before: dict[str, int], after: dict[str, int]) -> None:
    counted, anew = report_module._counted(before, after, "a", "b")
    assert min(counted) >= 0
    assert anew == any(after[name] < before[name] for name in before)


def test_what_cannot_be_read_is_said() -> None:
    assert report_module.NO_STATEMENTS in report_module.as_text(report())
    nothing = report({"moment": 0}, {"moment": 100})
    assert (nothing["processes"], nothing["postgresql"], nothing["pgbouncer"], nothing["redis"]) == ([], {}, [], {})
    text = report_module.as_text(nothing)
    assert "PostgreSQL" not in text
    assert "Redis" not in text
    page_module.page(nothing)


def test_runs_that_were_never_submitted_are_seen() -> None:
    refusal = "POST /deployments/{}/create_flow_run: 409 <no> parameter"
    found = report()
    assert "first refusal" not in report_module.as_text(found)
    found = {
        **found,
        "runs": {**found["runs"], "lost": 0, "not_submitted": 7},
        "requests": {**found["requests"], "first_refusal": refusal},
    }
    text = report_module.as_text(found)
    assert "100 submitted, 7 not submitted, 100 started" in text
    assert f"first refusal          {refusal}\n" in text
    page = page_module.page(found)
    assert "<span>not submitted</span><b class=bad>7</b>" in page
    assert "409 &lt;no&gt; parameter" in page


def test_the_summary_has_the_figures() -> None:
    text = report_module.as_text(report())
    assert "100 submitted, 0 not submitted, 100 started, 99 completed, 0 failed, 1 lost, 0 duplicated" in text
    assert "p50 0.5 s, p95 1.25 s, p99 2 s" in text
    assert "MISSED  p95_start_seconds: 1.25, objective 1" in text
    assert "api-2                     0.05      5.0    0.050     256  restarted during the test" in text
    assert "2 x  GET /<script>: 503" in text


class Page(HTMLParser):
    """Parses the page. It verifies that all tags are closed, and collects what the page would load."""

    VOID = ("meta", "br")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_else() -> None:
    text = page_module.page(report())
    page = Page(text)
    assert page.open == []
    assert page.loads == []
    assert "script" not in page.tags
    assert "url(" not in text
    assert page.tags.count("svg") == 4
    assert "GET /&lt;b&gt;" in text
    assert "GET /&lt;script&gt;: 503" in text
    assert 'class="bad">missed' in text
    assert "<b class=bad>1</b>" in text


def curve(*values: float | None) -> page_module.Curve:
    return page_module.Curve("one", [(float(number), value) for number, value in enumerate(values)])


def svg(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text.partition("<div")[0])


def test_a_curve_has_a_gap_where_nothing_was_seen() -> None:
    paths = svg(page_module.plot([curve(1, 2, None, 3, 4)], "s")).findall("path")
    assert len(paths) == 2


def test_a_single_point_can_be_seen() -> None:
    (path,) = svg(page_module.plot([curve(None, 2, None)], "s")).findall("path")
    assert path.attrib["d"].endswith("h2")


@given(st.lists(st.floats(0, 1e7) | st.none(), max_size=30))
def test_curves_stay_inside_their_plot(values: list[float | None]) -> None:
    for path in svg(page_module.plot([curve(*values)], "s")).findall("path"):
        for pair in path.attrib["d"].removesuffix("h2").replace("M", "L").split("L")[1:]:
            x, y = (float(number) for number in pair.split())
            assert page_module.LEFT - 0.1 <= x <= page_module.WIDTH
            assert page_module.TOP - 0.1 <= y <= page_module.HEIGHT - page_module.BOTTOM + 0.1


@given(st.floats(0, 1e9))
def test_an_axis_is_round_and_long_enough(most: float) -> None:
    values = page_module.ticks(most)
    assert values[0] == 0
    assert values[-1] >= most * (1 - 1e-6)
    assert 2 <= len(values) <= 2 * page_module.TICKS + 1
    steps = {round((later - earlier) / values[1], 6) for earlier, later in zip(values, values[1:], strict=False)}
    assert steps == {1.0}


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "-"), (0, "0"), (1234567, "1,234,567"), (0.01234, "0.0123"), ("x", "x"), (5000.4, "5,000")],
)
def test_numbers_are_readable(value: Any, expected: str) -> None:
    assert report_module.shown(value) == expected


def test_the_report_is_not_changed_by_its_readers() -> None:
    found = report()
    copied = copy.deepcopy(found)
    page_module.page(found)
    report_module.as_text(found)
    assert found == copied
    assert not math.isnan(found["processes"][0]["cores"])
