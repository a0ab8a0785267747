# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Automations: names instead of ids, all triggers, the server's normal form, and no duplicate names."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect import client as client_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import ensure
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.automation import AUTOMATION

from .support import Api, Fault, ModuleFailure

EVENT = {"posture": "Reactive", "expect": ["prefect.flow-run.Failed"]}
NOTHING = [{"type": "do-nothing"}]


def raw_named(api: Api, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.raw("POST", "/automations/filter", {"automations": {"name": {"any_": [name]}}})
    return found


def test_create_read_change_delete(api: Api, name: str) -> None:
    made = api.ensure("automation", name=name, trigger=EVENT, actions=NOTHING, tags=["b", "a"])
    assert made["automation"] == api.run("automation_info", name=name)["automation"]
    assert made["automation"]["tags"] == ["a", "b"]
    changed = api.ensure("automation", name=name, description="text", trigger={**EVENT, "threshold": 2, "within": 60})
    assert changed["automation"]["id"] == made["automation"]["id"]
    assert changed["automation"]["tags"] == ["a", "b"], "omitted: left alone"
    assert changed["automation"]["actions"] == NOTHING
    cleared = api.ensure("automation", name=name, description=None, tags=None)["automation"]
    assert (cleared["description"], cleared["tags"]) == ("", [])
    assert api.ensure("automation", name=name, state="absent")["automation"] is None
    assert raw_named(api, name) == []


def test_on_and_off_leaves_counted_events(api: Api, name: str) -> None:
    api.run("automation", name=name, trigger=EVENT, actions=NOTHING)
    trigger_id = raw_named(api, name)[0]["trigger"]["id"]
    off = api.ensure("automation", name=name, enabled=False)
    assert off["bodies"] == [{"enabled": False}]
    assert raw_named(api, name)[0]["trigger"]["id"] == trigger_id
    assert api.ensure("automation", name=name, enabled=None)["automation"]["enabled"] is True


@pytest.mark.parametrize(
    "trigger",
    [
        {
            "type": "event",
            "posture": "Proactive",
            "after": ["z", "a", "z"],
            "expect": ["prefect.flow-run.*"],
            "for_each": ["prefect.resource.id", "related:flow:prefect.resource.id"],
            "match": {"prefect.resource.id": ["prefect.flow-run.*"], "other": ["z", "y"]},
            "match_related": [{"prefect.resource.role": "flow"}, {"prefect.resource.role": ["deployment", "a"]}],
            "threshold": "1",
            "within": "90",
        },
        {"posture": "Proactive", "within": 10, "match_related": [{"prefect.resource.role": "flow"}]},
        {"posture": "Reactive", "within": 0.5, "threshold": None, "match": None},
        {
            "require": "all",
            "triggers": [
                {"within": 60, "triggers": [EVENT, {"require": 1, "within": 5, "triggers": [EVENT, EVENT]}]},
                {"type": "sequence", "triggers": [EVENT, {"posture": "Proactive"}]},
            ],
        },
    ],
)
def test_any_trigger_in_the_servers_normal_form(api: Api, name: str, trigger: dict[str, Any]) -> None:
    api.ensure("automation", name=name, trigger=trigger, actions=NOTHING)
    shown = api.run("automation_info", name=name)["automation"]
    assert not api.ensure("automation", name=name, trigger=shown["trigger"], actions=shown["actions"])["changed"]
    api.ensure("automation", name=name, state="absent")


def test_a_require_changed_elsewhere_is_drift(api: Api, name: str) -> None:
    trigger = {"type": "compound", "require": "all", "within": 60, "triggers": [EVENT, EVENT]}
    api.run("automation", name=name, trigger=trigger, actions=NOTHING)
    found = raw_named(api, name)[0]
    body = {part: found[part] for part in found if part not in ("id", "created", "updated")}
    body["trigger"]["require"] = "any"
    api.raw("PUT", f"/automations/{found['id']}", body)
    again = api.ensure("automation", name=name, trigger=trigger, actions=NOTHING)
    assert again["diff"]["before"]["trigger"]["require"] == "any"
    assert again["diff"]["after"]["trigger"]["require"] == "all"


def around(api: Api) -> dict[str, str]:
    """Create one object of each kind to which an action can refer."""
    api.run("work_pool", name="around pool #1", type="process", queues=[{"name": "a queue"}])
    api.run("deployment", flow="around flow", name="d ü", work_pool="around pool #1")
    api.run("automation", name="around automation", trigger=EVENT, actions=NOTHING)
    block_type = api.raw("GET", "/block_types/slug/webhook")
    schemas = api.raw(
        "POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [block_type["id"]]}}}
    )
    blocks = api.raw("POST", "/block_documents/filter", {})
    if "around" not in [block["name"] for block in blocks]:
        body = {"name": "around", "data": {"url": "http://127.0.0.1/"}, "block_type_id": block_type["id"]}
        api.raw("POST", "/block_documents/", {**body, "block_schema_id": schemas[0]["id"]})
    return {
        "deployment": "around flow/d ü",
        "work_pool": "around pool #1",
        "work_queue": "around pool #1/a queue",
        "automation": "around automation",
        "block": "webhook/around",
    }


def test_actions_refer_by_name(api: Api, name: str) -> None:
    there = around(api)
    verbs = ("pause", "resume")
    nouns = {
        "deployment": "deployment",
        "work-pool": "work_pool",
        "work-queue": "work_queue",
        "automation": "automation",
    }
    named = [{"type": f"{verb}-{noun}", option: there[option]} for verb in verbs for noun, option in nouns.items()]
    inferred = [{"type": f"{verb}-{noun}"} for verb in verbs for noun in nouns]
    text = "{{ flow_run.name }} {% if 1 %}{% endif %} \\ 'quoted' \"double\""
    actions = [
        *named,
        *inferred,
        {"type": "run-deployment", "deployment": there["deployment"], "parameters": {"x": text}, "schedule_after": "5"},
        {"type": "send-notification", "block": there["block"], "body": text, "subject": "s"},
        {"type": "call-webhook", "block": there["block"], "payload": {"a": text}},
        {"type": "change-flow-run-state", "state": "CRASHED", "message": text},
        *({"type": kind} for kind in ("cancel-flow-run", "suspend-flow-run", "resume-flow-run")),
    ]
    made = api.ensure("automation", name=name, trigger=EVENT, actions=actions, actions_on_trigger=named[:1])
    assert made["automation"]["actions"][: len(named)] == named
    assert made["automation"]["actions_on_trigger"] == named[:1]
    kept = raw_named(api, name)[0]["actions"]
    assert all(action["source"] == "selected" for action in kept[: len(named)])
    assert all(action["source"] == "inferred" for action in kept[len(named) : len(named) + len(inferred)])
    by_type = {action["type"]: action for action in made["automation"]["actions"]}
    assert by_type["send-notification"] == {
        "type": "send-notification",
        "block": there["block"],
        "body": text,
        "subject": "s",
    }
    assert by_type["run-deployment"]["parameters"] == {"x": text}
    everything = api.run("automation_info")["automations"]
    assert [one["actions"] for one in everything if one["name"] == name] == [made["automation"]["actions"]]


def test_a_reference_that_went_elsewhere_is_drift(api: Api, name: str) -> None:
    api.run("work_pool", name=f"{name} pool", type="process")
    item = {"name": name, "trigger": EVENT, "actions": [{"type": "pause-work-pool", "work_pool": f"{name} pool"}]}
    api.run("automation", **item)
    api.run("work_pool", name=f"{name} pool", state="absent")
    api.run("work_pool", name=f"{name} pool", type="process")
    assert api.ensure("automation", **item)["changed"], "the pool of this name is another one now"


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ({"type": "run-deployment", "deployment": "no/such"}, "there is no deployment 'no/such'"),
        ({"type": "run-deployment", "deployment": "half"}, "must be written as flow/deployment"),
        ({"type": "pause-work-pool", "work_pool": "no such"}, "actions: there is no work_pool 'no such'"),
        ({"type": "pause-work-queue", "work_queue": "p/q"}, "there is no work_queue 'p/q'"),
        ({"type": "pause-work-queue", "work_queue": "half"}, "must be written as pool/queue"),
        ({"type": "pause-automation", "automation": "no such"}, "there is no automation 'no such'"),
        ({"type": "call-webhook", "block": "webhook/none"}, "there is no block 'webhook/none'"),
    ],
)
def test_a_reference_to_nothing_is_told(api: Api, name: str, action: dict[str, Any], message: str) -> None:
    with pytest.raises(ModuleFailure, match=message) as failure:
        api.run("automation", name=name, trigger=EVENT, actions=[action])
    assert failure.value.result["msg"].startswith(f"automation {name!r}")
    assert api.proxy.writes == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trigger": {"expect": ["x"]}}, "trigger: event needs 'posture'"),
        ({"trigger": {**EVENT, "expcet": []}}, "trigger: event has no 'expcet': did you mean 'expect'"),
        ({"trigger": {"posture": "Lazy"}}, "posture must be Reactive or Proactive, not 'Lazy'"),
        ({"trigger": {"posture": "Proactive", "within": 5}}, "within must be 10 seconds or more"),
        ({"trigger": {**EVENT, "within": "soon"}}, "within must be a number, not 'soon'"),
        (
            {"trigger": {"type": "compuond", "triggers": []}},
            "the type 'compuond' does not exist: did you mean 'compound'",
        ),
        ({"trigger": {"require": "any", "triggers": [EVENT, {}]}}, r"trigger.triggers\[1\]: event needs 'posture'"),
        ({"actions": [{"state": "x"}]}, r"actions\[0\]: needs a type: do-nothing, run-deployment"),
        ({"actions": [{"type": "pause-workpool"}]}, "did you mean 'pause-work-pool'"),
        ({"actions": [{"type": "pause-work-pool", "work_pool_id": "x"}]}, "did you mean 'work_pool'"),
        ({"actions": [{"type": "send-notification", "block": "a/b"}]}, "send-notification needs 'body'"),
        ({"actions": None}, "actions: cannot be null"),
        ({"trigger": {**EVENT, "match": "x"}}, "trigger: match must be a mapping, not 'x'"),
        ({"trigger": {**EVENT, "match": {"a": 5}}}, "match must be labels, each with a text or a list of texts"),
        ({"trigger": {**EVENT, "match_related": "x"}}, "match_related must be a mapping or a list, not 'x'"),
        ({"trigger": {**EVENT, "match_related": ["x"]}}, "match_related must be labels"),
        ({"trigger": {**EVENT, "expect": 5}}, "expect must be text or a list, not 5"),
        ({"trigger": {**EVENT, "expect": [["x"]]}}, "expect must be a list of texts"),
        ({"trigger": {"triggers": "x"}}, "trigger: triggers must be a list, not 'x'"),
        ({"trigger": {"triggers": ["x"]}}, r"trigger.triggers\[0\]: must be a mapping, not 'x'"),
        ({"trigger": {"type": 5}}, "trigger: type must be text, not 5"),
        ({"trigger": {"triggers": [EVENT], "require": "abc"}}, "require must be a number or any or all, not 'abc'"),
        ({"actions": [{"type": 5}]}, r"actions\[0\]: type must be text, not 5"),
        ({"actions": [{"type": "pause-automation", "automation": ""}]}, "automation must be a name, not ''"),
        ({"actions": [{"type": "pause-work-pool", "work_pool": "a/b"}]}, "work_pool must be the name of a pool"),
        ({"actions": [{"type": "run-deployment", "deployment": "a/b/c"}]}, "must be written as flow/deployment"),
        ({"actions": [{"type": "call-webhook", "block": "b"}]}, "block must be written as type/name, not 'b'"),
        ({"actions": [{"type": "run-deployment", "deployment": 5}]}, "deployment must be text, not 5"),
        ({"actions": [{"type": "run-deployment", "parameters": [1]}]}, "parameters must be a mapping"),
        (
            {"actions": [{"type": "change-flow-run-state", "state": "FAILED", "force": "yes"}]},
            "force must be true or f",
        ),
    ],
)
def test_mistakes_are_refused_before_any_request(api: Api, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ModuleFailure, match=message):
        api.run("automation", **{"name": name, "trigger": EVENT, "actions": NOTHING, **options})
    assert api.proxy.requests == []


def test_of_the_servers_many_complaints_the_one_that_counts_is_told(api: Api, name: str) -> None:
    actions = [{"type": "change-flow-run-state", "state": "NOPE"}]
    with pytest.raises(ModuleFailure) as failure:
        api.run("automation", name=name, trigger={**EVENT, "threshold": 1.5}, actions=actions)
    detail = failure.value.result["detail"]
    assert "actions.0.ChangeFlowRunState.state" in detail
    assert "trigger.EventTrigger.threshold" in detail
    assert len(detail.split("; ")) == 2, detail


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trigger": {**EVENT, "zzz": 1}}, "trigger: event has no 'zzz' in this version of Prefect"),
        ({"trigger": {"type": "moon"}}, "trigger: this version of Prefect has no type 'moon'"),
        ({"actions": [{"type": "do-nothing", "zzz": 1}]}, "actions: do-nothing has no 'zzz' in this version"),
        ({"actions": [{"type": "do-nothing", "source": "selected"}]}, "actions: do-nothing has no 'source'"),
        ({"actions": [{"type": "do-nothing", "deployment_id": "x"}]}, "actions: do-nothing has no 'deployment_id'"),
        ({"trigger": {"triggers": [{**EVENT, "source": "inferred"}]}}, "trigger: event has no 'source'"),
        ({"actions": [{"type": "sing"}]}, "actions: this version of Prefect has no type 'sing'"),
    ],
)
def test_what_the_server_would_ignore_is_refused(api: Api, name: str, options: dict[str, Any], message: str) -> None:
    wanted = {"name": name, "trigger": EVENT, "actions": NOTHING, **options}
    for run in (api.check, api.run):
        with pytest.raises(ModuleFailure, match=message):
            run("automation", **wanted)
    assert api.proxy.writes == []
    api.run("automation", name=name, trigger=EVENT, actions=NOTHING)
    api.proxy.forget()
    with pytest.raises(ModuleFailure, match=message):
        api.run("automation", **wanted)
    api.proxy.forget()
    api.proxy.faults.append(Fault("GET", "/openapi.json", 404))
    with pytest.raises(ModuleFailure, match=r"its openapi\.json is not available at this address"):
        api.run("automation", **wanted)
    assert api.proxy.writes == []
    api.run("automation", name=name, state="absent")


def test_an_automation_about_itself(api: Api, name: str) -> None:
    item = {"name": name, "trigger": EVENT, "actions": [{"type": "pause-automation", "automation": name}, *NOTHING]}
    made = api.ensure("automation", **item)
    assert [write.split()[0] for write in made["writes"]] == ["POST", "PUT"]
    assert made["bodies"][0]["enabled"] is False, "it does nothing before it is whole"
    assert made["automation"]["enabled"] is True
    assert made["automation"]["actions"] == item["actions"]
    api.run("automation", name=name, state="absent")


def test_two_of_a_name_are_not_guessed_between(api: Api, name: str) -> None:
    body = {"name": name, "trigger": EVENT, "actions": NOTHING}
    ids = [api.raw("POST", "/automations/", body)["id"] for _number in range(2)]
    with pytest.raises(ModuleFailure, match="2 automations have this name: select one with id") as failure:
        api.run("automation", name=name, description="x")
    assert all(one in failure.value.result["msg"] for one in ids)
    with pytest.raises(ModuleFailure, match="2 automations have this name"):
        api.run("configuration", automations=[{"name": name, "description": "x"}])
    info = api.run("automation_info", name=name)
    assert info["automation"] is None
    assert sorted(one["id"] for one in info["automations"]) == sorted(ids)
    api.run("configuration", automations=[{"name": name, "id": ids[1], "description": "second"}])
    assert {one["id"]: one["description"] for one in raw_named(api, name)} == {ids[0]: "", ids[1]: "second"}
    renamed = api.ensure("automation", id=ids[0], name=f"{name} renamed")
    assert renamed["automation"]["id"] == ids[0]
    assert api.ensure("automation", name=name)["automation"]["id"] == ids[1]
    with pytest.raises(ModuleFailure, match="there is no automation with the id"):
        api.run("automation", id="11111111-1111-4111-8111-111111111111", name=name)


@pytest.mark.parametrize(
    "fault", [Fault("POST", "/automations/", acts=True), Fault("POST", "/automations/", 502, acts=True)]
)
def test_a_create_whose_answer_was_lost_is_not_repeated(
    api: Api, name: str, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = AUTOMATION.create

    def create_with_fault(*arguments: Any) -> None:
        api.proxy.faults.append(fault)
        create(*arguments)

    monkeypatch.setattr(AUTOMATION, "create", create_with_fault)
    assert api.run("automation", name=name, trigger=EVENT, actions=NOTHING)["changed"]
    assert api.proxy.faults == []
    assert len(raw_named(api, name)) == 1
    monkeypatch.undo()
    api.run("automation", name=name, state="absent")


def test_runs_at_the_same_time_leave_one(api: Api, name: str) -> None:
    item = {"name": name, "trigger": EVENT, "actions": NOTHING}
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def apply() -> None:
        try:
            client = Client(api.proxy.url, retry_max_delay=0.1)
            start.wait()
            ensure(AUTOMATION, client, item)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=apply) for _number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(raw_named(api, name)) == 1


def test_a_document_reads_a_page_per_request(api: Api, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "PAGE", 20)
    there = around(api)
    pause = [{"type": "pause-work-pool", "work_pool": there["work_pool"]}]
    document = {"automations": [{"name": f"{name} {n}", "trigger": EVENT, "actions": pause} for n in range(41)]}
    assert api.run("configuration", **document)["summary"]["create"] == 41
    api.proxy.forget()
    assert api.run("configuration", **document)["summary"]["unchanged"] == 41
    paths = [request.path for request in api.proxy.requests]
    lists = paths.count("/api/automations/filter")
    assert lists == len(list(Client(api.proxy.url).pages("automations", "filter"))) // 20 + 1
    # One list for each kind to which the actions of automations refer.
    assert len(paths) - lists <= 5, paths
    for item in document["automations"]:
        item["state"] = "absent"
    assert api.run("configuration", **document)["summary"]["delete"] == 41
