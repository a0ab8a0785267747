"""Deployments, their limits, and running them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .support import Api, Fault, ModuleFailure, Server, wait_for, warnings_of

FLOW = """
from prefect import flow

@flow
def greet(name: str = "you", fail: bool = False) -> str:
    if fail:
        raise ValueError("asked to fail")
    return f"hello {name}"
"""
POOL = "runs"


@pytest.fixture(scope="module")
def worker(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start a worker for the pool, and yield the directory of the flow."""
    code = tmp_path_factory.mktemp("flows")
    (code / "greet.py").write_text(FLOW)
    command = [f"{server.venv}/bin/prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", "w1"]
    environment = {**server.environment, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with (code / "worker.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=code)
    yield code
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@pytest.fixture
def deployment(api: Api, worker: Path) -> str:
    api.run("work_pool", name=POOL, type="process")
    options = {"work_pool": POOL, "path": str(worker), "entrypoint": "greet.py:greet", "tags": ["deployed"]}
    api.run("deployment", flow="greet", name="here", **options)
    return "greet/here"


def test_a_worker_is_seen(api: Api, deployment: str) -> None:
    api.proxy.forget()

    def alive() -> Any:
        workers = api.run("worker_info", work_pool=POOL)["workers"]
        return [one for one in workers if one["alive"]]

    found = wait_for(alive, 120)[0]
    assert (found["name"], found["work_pool"], found["status"]) == ("w1", POOL, "ONLINE")
    assert 0 <= found["seconds_since_heartbeat"] < 90
    assert [one["id"] for one in api.run("worker_info", work_pool=POOL, name="w1")["workers"]] == [found["id"]]
    assert api.run("worker_info", name="nobody")["workers"] == []
    assert all(not request.writes for request in api.proxy.requests)


def test_a_run_is_waited_for(api: Api, deployment: str) -> None:
    assert api.check("flow_run", deployment=deployment)["flow_run"] is None
    assert api.proxy.writes == []
    options = {"parameters": {"name": "me"}, "tags": ["mine"], "name": "by hand", "job_variables": {"env": {"A": "1"}}}
    result = api.run("flow_run", deployment=deployment, **options)
    run = result["flow_run"]
    assert result["changed"]
    assert result["states"] == {"COMPLETED": 1}
    assert (run["name"], run["state_name"], run["deployment"]) == ("by hand", "Completed", deployment)
    assert (run["work_pool"], run["work_queue"]) == (POOL, "default")
    assert run["parameters"]["name"] == "me"
    assert sorted(run["tags"]) == ["deployed", "mine"]
    assert run["start_time"] < run["end_time"]
    assert run["total_run_time"] > 0
    seen = api.run("flow_run_info", id=run["id"])
    assert seen["flow_run"] == {**run, "run_count": seen["flow_run"]["run_count"]}


def test_a_run_that_fails_fails_the_task_and_shows_its_log(api: Api, deployment: str) -> None:
    def failing() -> dict[str, Any]:
        with pytest.raises(
            ModuleFailure, match=f"1 of 1 runs of {deployment} are not COMPLETED: .* is Failed: .*asked"
        ) as e:
            api.run("flow_run", deployment=deployment, parameters={"fail": True})
        return e.value.result

    result = failing()
    assert result["changed"] is True
    assert result["flow_run"]["state_type"] == "FAILED"
    assert any("asked to fail" in line for line in result["logs"])
    api.proxy.faults.append(Fault("POST", "/logs/filter", 500))
    unexplained = failing()  # the module fails with the state of the run, even if it cannot read the log
    assert unexplained["logs"] == []
    assert "cannot be read: POST" in warnings_of(unexplained)[0]
    kept = api.run("flow_run", deployment=deployment, parameters={"fail": True}, fail_on_state=False)
    assert kept["states"] == {"FAILED": 1}
    found = api.run("flow_run_info", deployment=deployment, states=["FAILED", "Late"], limit=1)["flow_runs"]
    assert [run["id"] for run in found] == [kept["flow_run"]["id"]]


def test_many_runs_and_no_worker(api: Api, name: str) -> None:
    api.run("work_pool", name="nobody works", type="process")
    api.run("deployment", flow="idle", name="d", work_pool="nobody works")
    result = api.run("flow_run", deployment="idle/d", count=12, name="many", wait=False, work_queue="default")
    assert [run["name"] for run in result["flow_runs"]] == [f"many-{number}" for number in range(1, 13)]
    assert result["states"] == {"SCHEDULED": 12}
    start = time.monotonic()
    with pytest.raises(ModuleFailure, match="has work pool 'nobody works' a worker that is alive") as failure:
        api.run("flow_run", deployment="idle/d", count=12, wait_timeout=1)
    assert 1 <= time.monotonic() - start < 10
    assert "12 of 12 runs" in str(failure.value)
    assert len(failure.value.result["flow_runs"]) == 10


def test_an_idempotency_key_makes_one_run(api: Api) -> None:
    api.run("deployment", flow="idle", name="keyed")
    options = {"deployment": "idle/keyed", "idempotency_key": "release 7", "wait": False, "count": 2}
    assert api.check("flow_run", **options)["changed"]
    first = api.run("flow_run", **options)
    again = api.run("flow_run", **options)
    assert (first["changed"], again["changed"], api.check("flow_run", **options)["changed"]) == (True, False, False)
    assert [run["id"] for run in first["flow_runs"]] == [run["id"] for run in again["flow_runs"]]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"deployment": "no slash"}, "must be written as flow/deployment"),
        ({"deployment": "no/such"}, "there is no deployment 'no/such'"),
        ({"deployment": "idle/refused", "count": 0}, "count: must be 1 or more"),
    ],
)
def test_what_cannot_run_is_told(api: Api, options: dict[str, Any], problem: str) -> None:
    api.run("deployment", flow="idle", name="refused")
    api.proxy.forget()
    with pytest.raises(ModuleFailure, match=problem):
        api.run("flow_run", **options)
    assert api.proxy.writes == []


def limit_of(api: Api, name: str) -> Any:
    found = api.run("global_concurrency_limit_info", name=name)["global_concurrency_limit"]
    return found and found["limit"]


def test_a_shared_limit_survives_what_its_deployments_do(api: Api) -> None:
    """Without the module, the server would change or delete the shared limit in each of these steps."""
    api.run("global_concurrency_limit", name="shared", limit=9)
    item = {"flow": "sharing", "name": "d"}
    api.ensure("deployment", **item, global_concurrency_limit="shared", concurrency_limit=None)
    assert limit_of(api, "shared") == 9
    api.ensure("deployment", **item, concurrency_limit=2)
    assert limit_of(api, "shared") == 9
    assert api.run("deployment_info", **item)["deployment"]["concurrency_limit"] == 2
    api.ensure("deployment", **item, global_concurrency_limit="shared")
    assert api.run("deployment_info", **item)["deployment"]["concurrency_limit"] is None
    limits = api.raw("POST", "/v2/concurrency_limits/filter", {"limit": 200})
    assert not [one for one in limits if one["name"].startswith("deployment:") and one["limit"] == 2], (
        "no orphan is left"
    )
    api.ensure("deployment", **item, global_concurrency_limit=None)
    assert limit_of(api, "shared") == 9
    api.ensure("deployment", **item, global_concurrency_limit="shared")
    api.ensure("deployment", **item, state="absent")
    assert limit_of(api, "shared") == 9
    with pytest.raises(ModuleFailure, match="global_concurrency_limit: there is no limit 'none'"):
        api.run("deployment", **item, global_concurrency_limit="none")


def test_pool_and_queue_of_a_deployment(api: Api) -> None:
    for pool in ("one", "two"):
        api.run("work_pool", name=pool, type="process", queues=[{"name": "default"}, {"name": "q"}])
    item = {"flow": "moving", "name": "d"}
    queue = api.ensure("deployment", **item, work_pool="one", work_queue="q")["deployment"]["work_queue"]
    assert queue == "q"
    assert api.ensure("deployment", **item, work_queue=None)["deployment"]["work_queue"] == "default"
    api.ensure("deployment", **item, work_queue="q")
    moved = api.ensure("deployment", **item, work_pool="two")["deployment"]
    assert (moved["work_pool"], moved["work_queue"]) == ("two", "default")
    with pytest.raises(ModuleFailure, match="work_pool: there is no work pool 'three'"):
        api.run("deployment", **item, work_pool="three")
    with pytest.raises(ModuleFailure, match="work_queue: needs a work_pool"):
        api.run("deployment", flow="moving", name="e", work_queue="q")


def test_labels_are_set_at_the_creation_only(api: Api) -> None:
    item = {"flow": "labelled", "name": "d"}
    api.ensure("flow", name="labelled", labels={"team": "a"})
    api.ensure("deployment", **item, labels={"x": "y", "n": 1})
    assert api.run("deployment_info", **item)["deployment"]["labels"] == {"team": "a", "x": "y", "n": 1}
    with pytest.raises(ModuleFailure, match=r"labels: is .* and the server cannot change it"):
        api.run("deployment", **item, labels={"x": "z"})
    with pytest.raises(ModuleFailure, match=r"labels: is .* and the server cannot change it"):
        api.run("flow", name="labelled", labels={"team": "b"})


def test_deleting_a_flow_deletes_its_deployments(api: Api) -> None:
    api.run("deployment", flow="leaving", name="d")
    api.ensure("flow", name="leaving", state="absent")
    assert api.run("deployment_info", flow="leaving", name="d")["deployment"] is None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"concurrency_limit": 0}, "concurrency_limit: must be 1 or more"),
        ({"concurrency_limit": 1, "global_concurrency_limit": "x"}, "its own limit or a shared one, not both"),
        ({"storage_document": "local-file-system/none"}, "there is no block 'local-file-system/none'"),
    ],
)
def test_deployments_that_cannot_work_are_refused(api: Api, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModuleFailure, match=problem):
        api.run("deployment", flow="refused", name="d", **options)


@pytest.mark.parametrize("name", ["tag:x", "deployment:y"])
def test_limits_that_belong_to_others_are_refused(api: Api, name: str) -> None:
    with pytest.raises(ModuleFailure, match="the server reserves names that start with"):
        api.run("global_concurrency_limit", name=name, limit=1)
    assert api.proxy.requests == []


def test_in_check_mode_what_is_missing_is_a_warning(api: Api, name: str) -> None:
    """An earlier task may create it. Values that the server would reject are rejected, too."""
    cron = [{"slug": "s", "cron": "0 3 * * *"}]
    predicted = api.check("deployment", flow=name, name="d", work_pool="yet to come", schedules=cron)
    assert predicted["changed"]
    (warning,) = warnings_of(predicted)
    assert "/d': work_pool: there is no work pool 'yet to come'. It must exist when the playbook runs" in warning
    (warning,) = warnings_of(api.check("deployment_schedule", deployment=f"{name}/d", **cron[0]))
    assert "deployment: there is no deployment " in warning
    action = {"type": "run-deployment", "deployment": f"{name}/d"}
    (warning,) = warnings_of(api.check("automation", name=name, trigger={"posture": "Reactive"}, actions=[action]))
    assert "actions: there is no deployment " in warning
    for wrong in ({"cron": "99 * * * *"}, {"interval": 60, "timezone": "Mars/Base"}, {"rrule": "FREQ=NEVER"}):
        with pytest.raises(ModuleFailure, match="schedule 's': "):
            api.check("deployment", flow=name, name="d", schedules=[{"slug": "s", **wrong}])
    assert api.proxy.writes == []
