# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""loadtest.yml on the local platform: its report, its verdict, and the removal of all its objects."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from e2e.machine import Machine, Played, wait_for

NAME = "selfhosted-prefect-loadtest"
TAG = "selfhosted.prefect.loadtest"


@contextlib.contextmanager
def variables(machine: Machine, **values: Any) -> Iterator[None]:
    """Set variables in the inventory, so that the test host does not count as changed."""
    machine.override("loadtest", {f"prefect_loadtest_{name}": value for name, value in values.items()})
    try:
        yield
    finally:
        machine.forget("loadtest")


def play(machine: Machine, directory: Path, fails: bool = False, **values: Any) -> tuple[Played, dict[str, Any]]:
    with variables(machine, directory=str(directory), **values):
        played = machine.playbook("loadtest", fails=fails)
    path = directory / "loadtest.json"
    return played, json.loads(path.read_text()) if path.exists() else {}


# Objectives that apply unless a test changes them.
ALWAYS = {"max_not_submitted", "max_lost", "max_duplicated", "max_failed"}


def left_behind(machine: Machine) -> tuple[int, list[str]]:
    runs = machine.api("POST", "/flow_runs/count", {"flow_runs": {"tags": {"all_": [TAG]}}})
    objects = machine.api("POST", "/work_pools/filter", {}) + machine.api("POST", "/flows/filter", {})
    return runs, [each["name"] for each in objects if each["name"] == NAME]


def test_a_control_plane_load(deployment: Machine, tmp_path: Path) -> None:
    before = deployment.pids()
    objectives = {"max_failed_requests": 0, "p95_start_seconds": 120}
    played, report = play(deployment, tmp_path, rate=1, seconds=30, objectives=objectives)
    well = {"submitted": 30, "started": 30, "completed": 30}
    assert report["runs"] == {**well, "not_submitted": 0, "failed": 0, "lost": 0, "duplicated": 0}
    assert all(each["ok"] for each in report["objectives"])
    assert {each["name"] for each in report["objectives"]} == {*objectives, *ALWAYS}
    assert report["generator"]["cores"] < 0.5
    # All components carried the load: each process is listed, and those in the path of a request used CPU time.
    used = {each["name"]: each["cpu_seconds"] for each in report["processes"]}
    assert used.keys() == before.keys()
    for name in ("api-1", "api-2", "api-3", "services", "postgres", "pgbouncer", "redis", "gateway"):
        assert used[name] > 0, name
    assert report["postgresql"]["transactions_per_run"] > 10
    assert report["pgbouncer"][0]["transactions"] > 300
    assert report["redis"]["memory_mb"] > 0
    assert report["unread"] == []
    assert sum(each["calls"] for each in report["statements"]) > 30
    assert any("flow_run" in each["query"] for each in report["statements"])
    # The progress is shown during the load, and the result at the end.
    assert re.search(r"^ +\d+ s  \d+ of 30 submitted, \d+ waiting, \d+ running, \d+ ended", played.output, re.M)
    assert "30 submitted, 0 not submitted, 30 started, 30 completed, 0 failed, 0 lost, 0 duplicated" in played.output
    page = (tmp_path / "loadtest.html").read_text()
    assert page.count("<svg") == 4
    assert not re.search(r"(src|href)=|url\(|<script", page)
    # Nothing is left.
    assert played.recap["changed"] == 0
    assert left_behind(deployment) == (0, [])
    assert deployment.pids() == before


def test_runs_that_workers_execute(deployment: Machine, tmp_path: Path) -> None:
    _played, report = play(deployment, tmp_path, mode="real", rate=0.2, seconds=20, run_seconds=1)
    assert report["settings"]["deployment"] == "selfhosted-prefect-probe/default"
    assert (report["runs"]["completed"], report["runs"]["lost"], report["runs"]["duplicated"]) == (4, 0, 0)
    assert report["start_seconds"]["p50"] > 1  # a process had to start
    assert report["backlog"]["most"] >= 1
    assert left_behind(deployment) == (0, [])


def test_a_missed_objective_is_a_failure(deployment: Machine, tmp_path: Path) -> None:
    objectives = {"p95_start_seconds": 0, "max_failed": None}
    played, report = play(deployment, tmp_path, fails=True, rate=1, seconds=5, objectives=objectives)
    assert played.code == 2
    assert re.search(
        r"The load test missed objectives: p95_start_seconds is [0-9.]+, but the objective is at most 0", played.output
    )
    held = dict.fromkeys(ALWAYS - {"max_failed"}, True)
    assert {each["name"]: each["ok"] for each in report["objectives"]} == {"p95_start_seconds": False, **held}
    assert left_behind(deployment) == (0, [])


def test_an_abandoned_load_ends(deployment: Machine, tmp_path: Path) -> None:
    """The module runs in the background of the test host, so it does not end when the playbook is killed."""
    with variables(deployment, directory=str(tmp_path), rate=1, seconds=600, run_seconds=1):
        process = deployment.start("loadtest")
        try:
            wait_for(lambda: left_behind(deployment)[0] > 0, 60)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    wait_for(lambda: left_behind(deployment) == (0, []), 120)
    time.sleep(5)
    assert left_behind(deployment) == (0, [])


def test_bad_input_is_refused_with_its_name(deployment: Machine, tmp_path: Path) -> None:
    for values, expected in (
        ({"rate": 100, "seconds": 3600}, "max_runs: a steady load up to 100 runs/s for 3600 s is more than 10000 runs"),
        ({"rate": 0}, "rate: must be more than 0"),
        ({"mode": "imaginary"}, "value of prefect_loadtest_mode must be one of"),
        ({"objectives": {"p95_strat_seconds": 1}}, "p95_strat_seconds"),
        ({"mode": "real", "deployment": "no/where"}, "there is no deployment 'no/where'"),
    ):
        played, _report = play(deployment, tmp_path, fails=True, **values)
        assert expected in played.output
        assert not (tmp_path / "loadtest.json").exists()
    assert left_behind(deployment) == (0, [])
