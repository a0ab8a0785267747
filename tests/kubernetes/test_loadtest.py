# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""loadtest.yml on a cluster: runs in Jobs, runs of synthetic workers, and the figures of the pods in the report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.facts import quantity

from .conftest import Installed, Note
from .deployment import BATCH, Deployment, Run, wait_for

NAME = "selfhosted-prefect-loadtest"
TAG = "selfhosted.prefect.loadtest"
READING = "Read CPU time and memory of the pods, and the counters of PostgreSQL, PgBouncer and Redis"
COMPONENTS = {"postgres", "pgbouncer", "redis", "api", "services", "workers"}


def play(deployment: Deployment, directory: Path, *words: str, **values: Any) -> tuple[Run, dict[str, Any]]:
    variables = {f"prefect_loadtest_{name}": value for name, value in values.items()}
    run = deployment.play("loadtest", *words, prefect_loadtest_directory=str(directory), **variables)
    assert run.tasks().count(READING) == 2
    assert run.changed == 0
    return run, json.loads((directory / "loadtest.json").read_text())


def running(deployment: Deployment) -> dict[str, int]:
    """Return the permanent pods, and how many times they were restarted."""
    return {
        pod["metadata"]["name"]: sum(each["restartCount"] for each in pod["status"]["containerStatuses"])
        for pod in deployment.pods()
        if pod["status"]["phase"] == "Running"
    }


def jobs_made(deployment: Deployment) -> set[str]:
    """Return the Jobs whose creation is still in the events of the cluster."""
    events = deployment.objects("events", fieldSelector="involvedObject.kind=Job,reason=SuccessfulCreate")
    return {event["involvedObject"]["uid"] for event in events}


def jobs_there(deployment: Deployment) -> list[dict[str, Any]]:
    return deployment.objects("jobs", BATCH, labelSelector="prefect.io/flow-run-id")


def left_behind(deployment: Deployment) -> tuple[int, list[str], list[Path]]:
    runs = deployment.api("POST", "/flow_runs/count", {"flow_runs": {"tags": {"all_": [TAG]}}})
    objects = deployment.api("POST", "/work_pools/filter", {}) + deployment.api("POST", "/flows/filter", {})
    files = list(Path("/tmp").glob("selfhosted-prefect-loadtest.*"))
    return runs, [each["name"] for each in objects if each["name"] == NAME], files


def all_completed(number: int) -> dict[str, int]:
    well = {"submitted": number, "started": number, "completed": number}
    return {**well, "not_submitted": 0, "failed": 0, "lost": 0, "duplicated": 0}


def check_figures(deployment: Deployment, report: dict[str, Any]) -> None:
    """Verify that all figures are present and plausible."""
    assert report["unread"] == []
    pods = {pod["metadata"]["name"]: pod for pod in deployment.pods()}
    processes = report["processes"]
    assert {each["name"] for each in processes} == running(deployment).keys()
    assert {each["group"] for each in processes} == COMPONENTS
    for each in processes:
        assert each["host"] == pods[each["name"]]["spec"]["nodeName"]
        assert each["memory_mb"] > 0
        assert not each["restarted"]
    cpu = {
        component: sum(each["cpu_seconds"] for each in processes if each["group"] == component)
        for component in COMPONENTS
    }
    assert min(cpu.values()) > 0, cpu
    nodes = {each["host"] for each in processes}
    there = [node for node in deployment.cluster.items("/api/v1/nodes") if node["metadata"]["name"] in nodes]
    assert sum(each["cores"] for each in processes) < sum(quantity(node["status"]["capacity"]["cpu"]) for node in there)
    database = report["postgresql"]
    assert 0 < database["connections"] < database["max_connections"]
    assert database["transactions_per_run"] > 10
    assert database["wal_bytes_per_run"] > 1000
    poolers = {each["host"]: each["transactions"] for each in report["pgbouncer"]}
    assert poolers.keys() <= {pod["metadata"]["name"] for pod in deployment.pods("pgbouncer")}
    assert sum(poolers.values()) > 100
    assert report["redis"]["memory_mb"] > 0
    assert report["redis"]["commands_per_second"] > 0


def test_runs_that_are_jobs(
    development: Deployment, installed: Installed, tmp_path: Path, record_testsuite_property: Note
) -> None:
    pods, jobs = running(development), jobs_made(development)
    run, report = play(development, tmp_path, mode="real", rate=0.3, seconds=40, run_seconds=1)
    assert report["settings"]["deployment"] == "selfhosted-prefect-probe/kubernetes"
    assert report["runs"] == all_completed(12)
    assert len(jobs_made(development) - jobs) == 12
    assert report["start_seconds"]["p50"] > 1  # a pod had to start
    assert all(each["ok"] for each in report["objectives"])
    assert "12 submitted, 0 not submitted, 12 started, 12 completed, 0 failed, 0 lost, 0 duplicated" in run.output
    check_figures(development, report)
    # The worker that created the Jobs is listed. The pods of the runs are not, because they are gone.
    assert [each["name"] for each in report["processes"] if "-worker-kubernetes-" in each["name"]]
    page = (tmp_path / "loadtest.html").read_text()
    assert page.count("<svg") == 4
    assert all(name in page for name in pods)
    # Nothing is left.
    assert left_behind(development) == (0, [], [])
    wait_for("the Jobs of the runs to be removed", lambda: not jobs_there(development), 90)
    assert running(development) == pods
    start, api = report["start_seconds"], report["api_seconds"]
    record_testsuite_property("load test with Jobs, start latency p50 and p95, seconds", (start["p50"], start["p95"]))
    record_testsuite_property("load test with Jobs, API p95, seconds", api["p95"])


def test_a_control_plane_load(development: Deployment, installed: Installed, tmp_path: Path) -> None:
    pods, jobs = running(development), jobs_made(development)
    objectives = {"max_failed_requests": 0, "p95_start_seconds": 120}
    # High verbosity, to verify that the output contains no secret.
    run, report = play(development, tmp_path, "-vvv", mode="control-plane", rate=1, seconds=20, objectives=objectives)
    assert report["runs"] == all_completed(20)
    assert all(each["ok"] for each in report["objectives"])
    check_figures(development, report)
    assert report["statements"] is None
    assert "no pg_stat_statements" in run.output
    secrets = [path.read_text().strip() for path in (development.inventory / ".secrets").iterdir()]
    written = run.output + "".join(path.read_text() for path in tmp_path.iterdir())
    assert secrets
    assert not [secret for secret in secrets if secret in written]
    assert left_behind(development) == (0, [], [])
    assert jobs_made(development) - jobs == set()
    assert running(development) == pods
