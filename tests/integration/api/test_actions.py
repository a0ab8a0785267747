# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions: release slots, set the states of many flow runs, remove inactive workers, pause."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from .support import Api, Fault, ModuleFailure, wait_for

HOLDER = "11111111-1111-4111-8111-111111111111"


def twice(api: Api, module: str, **options: Any) -> dict[str, Any]:
    """Run in check mode, for real, and again. Check mode has to predict the real run; the last run changes nothing."""
    api.proxy.forget()
    predicted = api.check(module, **options)
    assert api.proxy.writes == []
    done = api.run(module, **options)
    assert (predicted["changed"], predicted["diff"]) == (done["changed"], done["diff"])
    assert done["changed"] is bool(api.proxy.writes)
    writes = list(api.proxy.writes)
    api.proxy.forget()
    again = api.run(module, **options)
    assert again["changed"] is False
    assert again["diff"]["before"] == again["diff"]["after"] or again["diff"]["before"] == {}
    assert api.proxy.writes == []
    return {**done, "writes": writes}


# Slots


def test_slots_of_a_global_limit_are_released(api: Api, name: str) -> None:
    api.run("global_concurrency_limit", name=name, limit=5)
    api.raw("POST", "/v2/concurrency_limits/increment", {"names": [name], "slots": 3, "mode": "concurrency"})
    assert twice(api, "concurrency_slots", global_concurrency_limit=name)["released_slots"] == 3
    found = api.run("global_concurrency_limit_info", name=name)["global_concurrency_limit"]
    assert (found["active_slots"], found["limit"]) == (0, 5)


def test_slots_of_a_tag_are_released(api: Api, name: str) -> None:
    api.run("tag_concurrency_limit", tag=name, concurrency_limit=5)
    api.raw("POST", "/concurrency_limits/increment", {"names": [name], "task_run_id": HOLDER})
    assert twice(api, "concurrency_slots", tag=name)["released_slots"] == 1
    assert api.run("tag_concurrency_limit_info", tag=name)["tag_concurrency_limit"]["active_slots"] == 0
    api.raw("POST", "/concurrency_limits/increment", {"names": [name], "task_run_id": HOLDER})


def test_slots_of_a_deployment_are_released(api: Api, name: str) -> None:
    api.run("deployment", flow=name, name="d", concurrency_limit=3)
    deployment = api.raw("GET", f"/deployments/name/{quote(name, safe='')}/d")
    limit = deployment["global_concurrency_limit"]
    api.raw("POST", "/v2/concurrency_limits/increment", {"names": [limit["name"]], "slots": 2, "mode": "concurrency"})
    assert twice(api, "concurrency_slots", deployment=f"{name}/d")["released_slots"] == 2
    assert api.run("deployment_info", flow=name, name="d")["deployment"]["concurrency_limit"] == 3


def test_slots_that_nobody_can_mean_are_refused(api: Api, name: str) -> None:
    api.run("global_concurrency_limit", name=name, limit=1)
    api.run("deployment", flow=name, name="shares", global_concurrency_limit=name)
    api.run("deployment", flow=name, name="free")
    for options, problem in (
        (
            {"global_concurrency_limit": "no such"},
            "global_concurrency_limit: there is no concurrency limit of 'no such'",
        ),
        ({"global_concurrency_limit": "tag:x"}, "the server reserves names that start with"),
        ({"tag": "no such"}, "tag: there is no concurrency limit of 'no such'"),
        ({"deployment": f"{name}/free"}, "deployment: there is no concurrency limit of"),
        ({"deployment": f"{name}/shares"}, "shares a limit with others: give global_concurrency_limit="),
        ({"deployment": "no/such"}, "deployment: there is no deployment 'no/such'"),
        ({}, "one of the following is required: global_concurrency_limit, tag, deployment"),
        ({"tag": "a", "deployment": "b/c"}, "parameters are mutually exclusive"),
    ):
        with pytest.raises(ModuleFailure, match=problem):
            api.run("concurrency_slots", **options)


# States of flow runs


@pytest.fixture
def pool(api: Api, name: str) -> str:
    api.run("work_pool", name=f"{name} pool", type="process")
    api.run("deployment", flow=name, name="d", work_pool=f"{name} pool")
    return f"{name} pool"


def runs(api: Api, flow: str, count: int, state: str | None = None, **options: Any) -> list[dict[str, Any]]:
    """Create runs of the test's deployment, in a state of the given type."""
    made = api.run("flow_run", deployment=f"{flow}/d", count=count, wait=False, **options)["flow_runs"]
    for run in made if state else ():
        api.raw("POST", f"/flow_runs/{run['id']}/set_state", {"state": {"type": state}, "force": True})
    return list(made)


def states(api: Api, made: list[dict[str, Any]]) -> list[str]:
    return [str(api.raw("GET", f"/flow_runs/{run['id']}")["state_type"]) for run in made]


def test_zombies_are_declared_dead(api: Api, name: str, pool: str) -> None:
    zombies = runs(api, name, 53, "RUNNING", tags=["a", "b"])
    pending = runs(api, name, 1, "PENDING")
    done = runs(api, name, 1, "COMPLETED")
    options = {
        "work_pool": pool,
        "states": ["RUNNING", "PENDING"],
        "state": "CRASHED",
        "state_message": "gone ü",
        "tags": ["a"],
    }
    result = twice(api, "flow_run_state", **options, max_count=53)
    assert result["states"] == {"CRASHED": 53}
    assert {run["id"] for run in result["flow_runs"]} == {run["id"] for run in zombies}
    assert {run["previous_state"] for run in result["flow_runs"]} == {"Running"}
    assert {run["message"] for run in result["flow_runs"]} == {"gone ü"}
    assert {run["deployment"] for run in result["flow_runs"]} == {f"{name}/d"}
    assert set(states(api, zombies)) == {"CRASHED"}
    assert states(api, [*pending, *done]) == ["PENDING", "COMPLETED"]
    bulk = [write for write in result["writes"] if write.endswith("/flow_runs/bulk_set_state")]
    assert len(bulk) == (1 if api.server.version == "3.6.0" else 2), "50 in a request, where the server can"


def test_too_many_runs_are_refused(api: Api, name: str, pool: str) -> None:
    made = runs(api, name, 4, "RUNNING")
    options = {"work_pool": pool, "states": ["RUNNING"], "state": "CRASHED"}
    for run in (api.check, api.run):
        with pytest.raises(
            ModuleFailure, match=r"max_count: more than 3 runs match, .* for example: narrow the filter"
        ):
            run("flow_run_state", **options, max_count=3)
    assert not [write for write in api.proxy.writes if "set_state" in write]
    assert set(states(api, made)) == {"RUNNING"}
    assert api.run("flow_run_state", **options, max_count=4)["changed"]


def test_cancelling(api: Api, name: str, pool: str) -> None:
    waiting = runs(api, name, 2)
    running = runs(api, name, 2, "RUNNING")
    options = {"deployment": f"{name}/d", "states": ["SCHEDULED", "RUNNING"], "state": "CANCELLING"}
    result = twice(api, "flow_run_state", **options)
    assert result["states"] == {"CANCELLED": 2, "CANCELLING": 2}
    assert states(api, waiting) == ["CANCELLED", "CANCELLED"], "nothing has started, so there is nothing to end"
    assert states(api, running) == ["CANCELLING", "CANCELLING"]


def test_only_old_ones(api: Api, name: str, pool: str) -> None:
    made = runs(api, name, 2, "RUNNING")
    options = {"flow": name, "states": ["RUNNING"], "state": "FAILED", "state_name": "Lost"}
    assert not twice(api, "flow_run_state", **options, older_than=3600)["changed"]
    wait_for(lambda: api.check("flow_run_state", **options, older_than=1)["changed"])
    result = api.run("flow_run_state", **options, older_than=0.5)
    assert {run["state_name"] for run in result["flow_runs"]} == {"Lost"}
    assert states(api, made) == ["FAILED", "FAILED"]


def test_by_name_id_and_queue(api: Api, name: str, pool: str) -> None:
    first, second, third = (runs(api, name, 1, "RUNNING", name=f"{name} {n}")[0] for n in range(3))
    options = {"states": ["RUNNING"], "state": "CANCELLED", "work_pool": pool}
    assert not api.run("flow_run_state", **options, work_queue="other")["changed"]
    assert api.run("flow_run_state", **options, ids=[first["id"]], work_queue="default")["changed"]
    assert states(api, [first, second, third]) == ["CANCELLED", "RUNNING", "RUNNING"]
    assert api.run("flow_run_state", **options, names=[f"{name} 1"])["changed"]
    assert states(api, [first, second, third]) == ["CANCELLED", "CANCELLED", "RUNNING"]


def test_by_the_name_of_a_state(api: Api, name: str, pool: str) -> None:
    late, made = runs(api, name, 2)
    api.raw(
        "POST", f"/flow_runs/{late['id']}/set_state", {"state": {"type": "SCHEDULED", "name": "Late"}, "force": True}
    )
    result = api.run("flow_run_state", flow=name, states=["Late"], state="CANCELLED")
    assert [run["id"] for run in result["flow_runs"]] == [late["id"]]
    assert states(api, [made]) == ["SCHEDULED"]


def test_the_servers_rules_and_past_them(api: Api, name: str, pool: str) -> None:
    made = runs(api, name, 1, "COMPLETED")
    options = {"deployment": f"{name}/d", "states": ["COMPLETED"], "state": "CRASHED"}
    problem = (
        r"The state of 1 of 1 runs was not changed: .* is still Completed: Run is already in terminal state COMPLETED"
    )
    with pytest.raises(ModuleFailure, match=problem) as failure:
        api.run("flow_run_state", **options)
    assert failure.value.result["states"] == {"COMPLETED": 1}
    assert states(api, made) == ["COMPLETED"]
    assert api.run("flow_run_state", **options, force=True)["states"] == {"CRASHED": 1}
    again = api.run("flow_run_state", deployment=f"{name}/d", states=["CRASHED"], state="SCHEDULED")
    assert again["states"] == {"SCHEDULED": 1}, "it runs again"


def test_a_lost_answer_is_no_failure(api: Api, name: str, pool: str) -> None:
    made = runs(api, name, 3, "RUNNING")
    api.proxy.faults.append(Fault("POST", "set_state", status=502, acts=True))
    assert api.run("flow_run_state", flow=name, states=["RUNNING"], state="CRASHED")["states"] == {"CRASHED": 3}
    assert set(states(api, made)) == {"CRASHED"}


def test_filters_that_cannot_be_meant_are_refused(api: Api) -> None:
    for options, problem in (
        ({"state": "CRASHED"}, "missing required arguments: states"),
        ({"states": ["RUNNING"]}, "missing required arguments: state"),
        ({"states": ["RUNNING"], "state": "PAUSED"}, "value of state must be one of"),
        ({"states": ["RUNNING"], "state": "CRASHED", "deployment": "no/such"}, "there is no deployment 'no/such'"),
    ):
        with pytest.raises(ModuleFailure, match=problem):
            api.run("flow_run_state", **options)
    assert api.proxy.writes == []


# Workers


def test_silent_workers_are_forgotten(api: Api, name: str) -> None:
    pools = [f"{name} {n}" for n in range(2)]
    for pool in pools:
        api.run("work_pool", name=pool, type="process")
        for worker in ("w 1", "w#2?"):
            api.raw("POST", f"/work_pools/{quote(pool, safe='')}/workers/heartbeat", {"name": worker})

    def left() -> list[str]:
        found = api.run("worker_info")["workers"]
        return [f"{one['work_pool'][-1]} {one['name']}" for one in found if one["work_pool"] in pools]

    assert not twice(api, "worker", work_pool=pools[0], status="OFFLINE", state="absent")["changed"]
    assert not twice(api, "worker", work_pool=pools[0], older_than=3600, state="absent")["changed"]
    with pytest.raises(ModuleFailure, match="max_count: 2 workers match, more than 1: narrow the filter"):
        api.run("worker", work_pool=pools[0], status="ONLINE", max_count=1, state="absent")
    gone = twice(api, "worker", work_pool=pools[0], name="w#2?", state="absent")
    assert [worker["name"] for worker in gone["workers"]] == ["w#2?"]
    assert left() == ["0 w 1", "1 w 1", "1 w#2?"]
    wait_for(lambda: api.check("worker", work_pool=pools[1], older_than=0.01, state="absent")["changed"])
    assert (
        len(twice(api, "worker", work_pool=pools[1], older_than=0.01, status="ONLINE", state="absent")["workers"]) == 2
    )
    assert left() == ["0 w 1"]
    with pytest.raises(ModuleFailure, match="one of the following is required: name, status, older_than"):
        api.run("worker", work_pool=pools[0], state="absent")
    with pytest.raises(ModuleFailure, match="missing required arguments: state"):
        api.run("worker", name="x")


# Pausing


def test_everything_that_can_be_paused_has_the_option(api: Api, name: str) -> None:
    api.run("work_pool", name=name, type="process")
    items: dict[str, dict[str, Any]] = {
        "work_pool": {"name": name},
        "work_queue": {"work_pool": name, "name": "q"},
        "deployment": {"flow": name, "name": "d"},
        "deployment_schedule": {"deployment": f"{name}/d", "slug": "s", "cron": "0 3 * * *"},
    }
    for module, item in items.items():
        api.run(module, **item)
        assert api.ensure(module, **item, paused=True)[module]["paused"] is True
        assert not api.ensure(module, **item)["changed"], "omitted: left alone"
        assert api.ensure(module, **item, paused=False)[module]["paused"] is False
