"""Behavior of all kinds of objects: identity, adoption, encoding, null, deletion, pagination, errors.

The module with the name of a kind contains the tests for this kind only.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.configuration import configure
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import ORDER

from .kinds import SAMPLES
from .support import Api, Fault, ModuleFailure
from .test_lifecycle import DOCUMENT

KIND = {kind.noun: kind for kind in ORDER}
KINDS = list(KIND)
# Kinds whose natural keys can contain almost any character.
FREE = [kind for kind in KINDS if SAMPLES[kind].free]


def make(api: Api, kind: str, name: str) -> dict[str, Any]:
    """Return an item of a kind, after creating the objects that it needs."""
    for other in SAMPLES[kind].needs:
        api.run(other, **SAMPLES[other].item(name))
    return SAMPLES[kind].item(name)


def key_of(kind: str, item: dict[str, Any]) -> dict[str, Any]:
    return {part: item[part] for part in KIND[kind].key}


@pytest.mark.parametrize("kind", KINDS)
def test_found_by_natural_key_without_state(api: Api, kind: str, name: str) -> None:
    item = make(api, kind, f"{name} {kind}")
    created = api.ensure(kind, **item)
    assert created["changed"]
    key = key_of(kind, item)
    seen = api.run(f"{kind}_info", **key)
    assert seen[kind] == created[kind] | {field: seen[kind][field] for field in ("updated",)}
    assert seen[f"{kind}s"] == [seen[kind]]
    gone = api.ensure(kind, **key, state="absent")
    assert gone["changed"]
    assert gone[kind] is None
    assert api.run(f"{kind}_info", **key)[kind] is None
    assert not api.ensure(kind, **key, state="absent")["changed"]


# An option to change. The server cannot change any field of a block schema.
_CHANGES = {kind: SAMPLES[kind].change for kind in KINDS}
CHANGES = {kind: change for kind, change in _CHANGES.items() if change}


@pytest.mark.parametrize("kind", CHANGES)
def test_adopts_what_exists_and_leaves_unlisted_options(api: Api, kind: str, name: str) -> None:
    item = make(api, kind, f"{name} {kind}")
    before = api.run(kind, **item)[kind]
    option, value = CHANGES[kind]
    after = api.ensure(kind, **key_of(kind, item), **{option: value})
    assert after[kind]["id"] == before["id"], "changed in place, never deleted and created"
    assert not any(write.startswith("DELETE") for write in after["writes"])
    ignored = (option, "updated")
    assert {field: before[field] for field in before if field not in ignored} == {
        field: after[kind][field] for field in before if field not in ignored
    }
    if not SAMPLES[kind].sends_more:
        assert list(after["bodies"][-1]) == [option], "only what differs is sent"


def test_a_deployment_keeps_schedules_and_parameters(api: Api, name: str) -> None:
    flow = api.raw("POST", "/flows/", {"name": name})
    schedule = {"schedule": {"cron": "0 3 * * *", "timezone": "UTC"}, "slug": "nightly"}
    made = {"name": "d", "flow_id": flow["id"], "parameters": {"p": 1}, "schedules": [schedule], "paused": True}
    deployment = api.raw("POST", "/deployments/", made)
    result = api.ensure("deployment", flow=name, name="d", description="adopted", tags=["t"])
    assert result["deployment"]["id"] == deployment["id"]
    assert api.raw("GET", f"/deployments/{deployment['id']}/schedules") == deployment["schedules"]
    assert [(one["slug"], one["cron"]) for one in result["deployment"]["schedules"]] == [("nightly", "0 3 * * *")]
    assert result["deployment"]["parameters"] == {"p": 1}
    assert result["deployment"]["paused"] is True


NAMES = ["a#b with space", "a?b=c;d+e", "quote\"and'\\", "ünï-çødé 漢 {{ braces }}", ".."]


@pytest.mark.parametrize("odd", NAMES)
def test_names_are_percent_encoded(api: Api, odd: str) -> None:
    name = f"03 {odd}"
    kinds = [*FREE, "deployment_schedule", "automation"]
    for kind in kinds:
        api.ensure(kind, **make(api, kind, name))
    for kind in reversed(kinds):
        assert api.ensure(kind, **key_of(kind, SAMPLES[kind].item(name)), state="absent")["changed"]


@pytest.mark.parametrize("kind", FREE)
@pytest.mark.parametrize("character", "/%&<>")
def test_forbidden_characters_are_refused_before_any_request(api: Api, kind: str, character: str) -> None:
    item = SAMPLES[kind].item("03")
    option = "tag" if kind == "tag_concurrency_limit" else "name"
    with pytest.raises(ModuleFailure, match=rf"{kind} .*{option}: must not be empty nor contain") as refusal:
        api.run(kind, **{**item, option: f"a{character}b"})
    assert refusal.value.result["option"] == option
    assert api.proxy.requests == []


def test_compares_with_the_servers_normal_form(api: Api, name: str) -> None:
    api.ensure("flow", name=name, tags=["b", "a", "b"])
    item = {
        "flow": name,
        "name": "d",
        "tags": ["z", "y"],
        "parameter_openapi_schema": {"type": "object", "properties": {}},
        "parameters": {"number": 1.0, "nothing": None, "list": [1, {"a": "{{ braces }}"}]},
        "concurrency_options": {"collision_strategy": "ENQUEUE"},
        "pull_steps": [],
    }
    api.ensure("deployment", **item)
    api.ensure("global_concurrency_limit", name=name, limit=2, slot_decay_per_second=0.25)
    api.ensure("work_pool", name=name, type="process", description="", concurrency_limit=0)
    api.ensure("work_pool", name=name, description=None)


def test_a_changed_global_limit_leaves_held_slots(api: Api, name: str) -> None:
    api.run("global_concurrency_limit", name=name, limit=5)
    api.raw("POST", "/v2/concurrency_limits/increment", {"names": [name], "slots": 3, "mode": "concurrency"})
    result = api.ensure("global_concurrency_limit", name=name, limit=10)
    assert result["global_concurrency_limit"]["active_slots"] == 3
    api.ensure("global_concurrency_limit", name=name, limit=1, slot_decay_per_second=0, active=True)
    assert api.run("global_concurrency_limit_info", name=name)["global_concurrency_limit"]["active_slots"] == 3


def test_a_changed_tag_limit_leaves_held_slots(api: Api, name: str) -> None:
    tag = "held by a task"
    api.run("tag_concurrency_limit", tag=tag, concurrency_limit=5)
    holder = "11111111-1111-4111-8111-111111111111"
    api.raw("POST", "/concurrency_limits/increment", {"names": [tag], "task_run_id": holder})
    result = api.ensure("tag_concurrency_limit", tag=tag, concurrency_limit=2)
    assert result["tag_concurrency_limit"]["active_slots"] == 1
    api.raw("POST", "/concurrency_limits/decrement", {"names": [tag], "task_run_id": holder})


def test_runtime_fields_are_never_a_difference(api: Api, name: str) -> None:
    item = {"name": name, "type": "process"}
    api.run("work_pool", **item)
    api.raw("POST", f"/work_pools/{_quoted(name)}/workers/heartbeat", {"name": "w"})
    assert api.run("work_pool_info", name=name)["work_pool"]["status"] == "READY"
    assert not api.ensure("work_pool", **item)["changed"]


def _quoted(name: str) -> str:
    return "".join(f"%{byte:02X}" for byte in name.encode())


CLEARED = {kind: SAMPLES[kind].cleared for kind in KINDS if SAMPLES[kind].cleared}
IGNORED_BY = {"3.6.0": ("work_pool", "job_variables")}  # this version accepts the null, but keeps the value


@pytest.mark.parametrize(("kind", "option"), [(kind, option) for kind in CLEARED for option in CLEARED[kind]])
def test_omitted_leaves_null_clears_value_sets(api: Api, kind: str, option: str) -> None:
    api.run("work_pool", name="06 pool", type="process")
    value, empty = CLEARED[kind][option]
    item = make(api, kind, f"06 {kind} {option}")
    item.pop(option, None)
    assert api.ensure(kind, **item, **{option: value})[kind][option] == value
    assert api.ensure(kind, **item)[kind][option] == value, "omitted: left alone"
    if kind == "deployment" and option in IGNORED_BY.get(api.server.version, ()):
        with pytest.raises(ModuleFailure, match=f"{option}: this version of Prefect cannot clear it"):
            api.run(kind, **item, **{option: None})
    else:
        assert api.ensure(kind, **item, **{option: None})[kind][option] == empty, "null: cleared"


@pytest.mark.parametrize(
    ("kind", "option"),
    [("global_concurrency_limit", "limit"), ("tag_concurrency_limit", "concurrency_limit"), ("work_pool", "type")],
)
def test_null_where_nothing_can_be_cleared_is_refused(api: Api, kind: str, option: str) -> None:
    item = make(api, kind, f"06 refused {kind}")
    with pytest.raises(ModuleFailure, match=f"{option}: cannot be null"):
        api.run(kind, **{**item, option: None})
    assert api.proxy.requests == []


@pytest.mark.parametrize("kind", KINDS)
def test_deleted_elsewhere_is_made_again(api: Api, kind: str, name: str) -> None:
    item = make(api, kind, f"{name} {kind}")
    first = api.run(kind, **item)[kind]["id"]
    api.run(kind, **key_of(kind, item), state="absent")
    assert api.ensure(kind, **item)[kind]["id"] != first


def test_deleted_elsewhere_is_made_again_at_once(api: Api, name: str) -> None:
    item = {"name": name, "type": "process"}
    api.run("work_pool", **item)
    api.raw("DELETE", f"/work_pools/{_quoted(name)}")
    start = time.monotonic()
    assert api.run("work_pool", **item)["changed"]
    assert time.monotonic() - start < 1


def test_deleted_between_plan_and_delete_is_success(api: Api, name: str) -> None:
    api.run("global_concurrency_limit", name=name, limit=1)
    # The answer to the first DELETE is lost, so the retry finds no object.
    api.proxy.faults.append(Fault("DELETE", "/v2/concurrency_limits/", status=502, acts=True))
    assert api.run("global_concurrency_limit", name=name, state="absent")["changed"]


def test_lists_are_read_to_the_end(api: Api) -> None:
    # The server has both kinds of limits in one list.
    document: dict[str, list[dict[str, Any]]] = {
        "global_concurrency_limits": [{"name": f"08-{n}", "limit": n} for n in range(205)],
        "tag_concurrency_limits": [{"tag": f"08-{n}", "concurrency_limit": n} for n in range(5)],
    }
    total = sum(len(items) for items in document.values())
    assert api.run("configuration", **document)["summary"]["create"] == total
    api.proxy.forget()
    assert api.run("configuration", **document)["summary"]["unchanged"] == total
    assert api.proxy.writes == []
    for kind, items in document.items():
        info = api.run(f"{kind[:-1]}_info")[kind]
        assert len([one for one in info if str(one.get("name", one.get("tag"))).startswith("08-")]) == len(items)
    assert all(request.body["limit"] <= 200 for request in api.proxy.requests if request.method == "POST")


def test_one_list_request_per_kind_then_only_the_writes(api: Api, name: str) -> None:
    document: dict[str, Any] = {
        "global_concurrency_limits": [{"name": f"{name} {n}", "limit": n} for n in range(20)],
        "work_pools": [{"name": f"{name} {n}", "type": "process", "job": {"stream_output": False}} for n in range(5)],
        "deployments": [{"flow": name, "name": f"{n}", "work_pool": f"{name} 1"} for n in range(20)],
    }
    api.run("configuration", **document)
    api.proxy.forget()
    document["global_concurrency_limits"][7]["limit"] = 100
    result = api.run("configuration", **document)
    assert result["summary"] == {"create": 0, "update": 1, "delete": 0, "unchanged": 44}
    assert len(api.proxy.writes) == 1
    reads = Counter(request.path for request in api.proxy.requests if not request.writes)
    assert set(reads) == {
        "/api/v2/concurrency_limits/filter",
        "/api/work_pools/filter",
        "/api/work_queues/filter",
        "/api/flows/filter",
        "/api/deployments/filter",
        "/api/collections/views/aggregate-worker-metadata",
    }
    assert all(count <= 4 for count in reads.values()), reads


def test_errors_name_object_field_and_the_servers_detail(api: Api, name: str) -> None:
    api.run("work_pool", name=name, type="process")
    with pytest.raises(ModuleFailure) as failure:
        api.run("deployment", flow="f", name="d", work_pool="no such pool")
    result = failure.value.result
    assert result["msg"].startswith("deployment 'f/d': POST ")
    assert 'returned HTTP 404: Work pool "no such pool" not found.' in result["msg"]
    assert (result["status"], result["method"]) == (404, "POST")
    with pytest.raises(ModuleFailure, match=r"job: .* no variable 'comand'; did you mean command"):
        api.run("work_pool", name=name, job={"comand": "x"})
    with pytest.raises(ModuleFailure, match="type: is 'process' and the server cannot change it to 'kubernetes'"):
        api.run("work_pool", name=name, type="kubernetes")


def test_a_document_reports_every_failure_then_fails(api: Api, name: str) -> None:
    with pytest.raises(ModuleFailure) as refusal:
        api.run(
            "configuration",
            global_concurrency_limits=[
                {"name": "ok", "limit": 1},
                {"name": "bad", "limit": -1},
                {"name": "c", "lim": 1},
            ],
            work_pools=[{"name": "a/b", "type": "process"}, {"name": "q", "queues": [{"name": "x", "prio": 1}]}],
            tag_concurrency_limits=[{"tag": "twice", "concurrency_limit": 1}, {"tag": "twice", "concurrency_limit": 2}],
        )
    assert len(refusal.value.result["failures"]) == 5
    assert "Nothing was changed" in refusal.value.result["msg"]
    assert api.proxy.writes == []
    with pytest.raises(ModuleFailure) as failure:
        api.run(
            "configuration",
            global_concurrency_limits=[{"name": name, "limit": 1}],
            deployments=[
                {"flow": name, "name": "a", "work_pool": "nope"},
                {"flow": name, "name": "b", "global_concurrency_limit": "nope"},
                {"flow": name, "name": "c", "global_concurrency_limit": name},
            ],
        )
    assert len(failure.value.result["failures"]) == 2
    assert "Nothing was changed" in failure.value.result["msg"]
    assert api.proxy.writes == []
    api.proxy.rewrite = lambda body: {**body, "name": 5} if body.get("name") in ("failing", name) else body
    with pytest.raises(ModuleFailure) as failure:
        api.run(
            "configuration",
            variables=[{"name": "failing", "value": 1}],
            global_concurrency_limits=[{"name": name, "limit": 1}],
            deployments=[
                {"flow": "whole", "name": "b"},
                {"flow": "whole", "name": "c", "global_concurrency_limit": name},
            ],
        )
    result = failure.value.result
    assert result["changed"] is True
    assert len(result["failures"]) == 3, "the limit, and the deployment that wants it, too"
    assert "1 of 4 changes were made" in result["msg"]
    assert api.run("deployment_info", flow="whole", name="b")["deployment"]["name"] == "b"


def test_two_runs_at_the_same_time_both_end_well(api: Api, name: str) -> None:
    """Both runs find nothing and create everything. The slower one continues if objects already exist."""
    document = {**DOCUMENT, "flows": [*DOCUMENT["flows"], *({"name": f"{name} {n}"} for n in range(10))]}
    errors: list[BaseException] = []
    start = threading.Barrier(2)

    def apply() -> None:
        try:
            client = Client(api.proxy.url, retry_max_delay=0.1)
            start.wait()
            configure(client, document)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=apply) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert api.run("configuration", **document)["changed"] is False
    absent = {plural: [{**item, "state": "absent"} for item in items] for plural, items in document.items()}
    api.run("configuration", **absent)
