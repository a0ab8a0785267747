"""Work pools: templates, queues, and input that is rejected before anything is written."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_queue import queues_after

from .support import Api, ModuleFailure


def default_template(api: Api, pool_type: str) -> dict[str, Any]:
    views = api.raw("GET", "/collections/views/aggregate-worker-metadata")
    templates = {kind: worker for workers in views.values() for kind, worker in workers.items()}
    result: dict[str, Any] = templates[pool_type]["default_base_job_configuration"]
    return result


def test_queues_are_one_ordered_list(api: Api, name: str) -> None:
    pool = {"name": name, "type": "process"}
    queues = [{"name": "api", "concurrency_limit": 4}, {"name": "bulk", "paused": True}, {"name": "default"}]
    result = api.ensure("work_pool", **pool, queues=queues)["work_pool"]
    assert [(queue["name"], queue["priority"]) for queue in result["queues"]] == [
        ("api", 1),
        ("bulk", 2),
        ("default", 3),
    ]
    assert result["queues"][0]["concurrency_limit"] == 4
    assert result["queues"][1]["paused"] is True
    turned = api.ensure("work_pool", **pool, queues=list(reversed(queues)))["work_pool"]
    assert [queue["name"] for queue in turned["queues"]] == ["default", "bulk", "api"]
    cleared = api.ensure(
        "work_pool", **pool, queues=[{"name": "default"}, {"name": "bulk"}, {"name": "api", "concurrency_limit": None}]
    )
    assert cleared["work_pool"]["queues"][2]["concurrency_limit"] is None
    assert cleared["work_pool"]["queues"][1]["paused"] is True, "omitted: left alone"


def test_queues_with_priorities_of_their_own(api: Api, name: str) -> None:
    pool = {"name": name, "type": "process"}
    queues = [{"name": "default", "priority": 10}, {"name": "external-api", "priority": 1, "concurrency_limit": 40}]
    api.ensure("work_pool", **pool, queues=queues)
    swapped = [{"name": "default", "priority": 1}, {"name": "external-api", "priority": 10}]
    result = api.ensure("work_pool", **pool, queues=swapped)["work_pool"]
    assert [(queue["name"], queue["priority"]) for queue in result["queues"]] == [("default", 1), ("external-api", 10)]


def test_check_mode_predicts_the_order_of_the_server(api: Api, name: str) -> None:
    """Twelve random orders, some with only a part of the queues; ensure() compares check mode with the server."""
    dice = random.Random(7)
    names = ["default", "a", "b", "c", "d"]
    api.run("work_pool", name=name, type="process", queues=[{"name": one} for one in names])
    for _number in range(12):
        some = dice.sample(names, dice.randint(1, len(names)))
        priorities = dice.sample(range(1, 9), len(some))
        queues = [{"name": one, "priority": priority} for one, priority in zip(some, priorities)]
        api.ensure("work_pool", name=name, queues=queues)
        found = api.run("work_pool_info", name=name)["work_pool"]["queues"]
        assert queues_after(found, queues) == (found, [])


@pytest.mark.parametrize(
    ("queues", "problem"),
    [
        ([{"name": "a", "priority": 1}, {"name": "b", "priority": 1}], "priorities must be unique in a pool"),
        ([{"name": "a", "priority": 1}, {"name": "b"}], "set the priority of every queue or of none"),
        ([{"name": "a"}, {"name": "a"}], "names must be unique"),
        ([{"name": "a", "priority": 0}], "priority: must be 1"),
        ([{"name": "a", "concurrency_limit": -1}], "concurrency_limit: must be 0 or more"),
        ([{"name": "a/b"}], "name: must not be empty nor contain any of"),
        ([{"name": "a", "limit": 1}], "Unsupported parameters .* queues.limit"),
    ],
)
def test_queues_that_cannot_work_are_refused(api: Api, queues: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(ModuleFailure, match=problem):
        api.run("work_pool", name="refused", type="process", queues=queues)
    assert api.proxy.requests == []


def test_the_default_queue_cannot_be_deleted(api: Api, name: str) -> None:
    api.run("work_pool", name=name, type="process")
    with pytest.raises(ModuleFailure, match="the queue 'default' of a pool cannot be deleted"):
        api.run("work_queue", work_pool=name, name="default", state="absent")


def test_a_new_pool_gets_the_servers_default_template(api: Api, name: str) -> None:
    result = api.ensure("work_pool", name=name, type="kubernetes")
    assert result["work_pool"]["base_job_template"] == default_template(api, "kubernetes")


def test_job_sets_defaults_and_keeps_the_rest(api: Api, name: str) -> None:
    job = {"finished_job_ttl": 300, "image": "flows:1", "namespace": "jobs", "labels": {"team": "data"}}
    result = api.ensure("work_pool", name=name, type="kubernetes", job=job)
    expected = copy.deepcopy(default_template(api, "kubernetes"))
    for variable, value in job.items():
        expected["variables"]["properties"][variable]["default"] = value
    assert result["work_pool"]["base_job_template"] == expected
    fewer = api.ensure("work_pool", name=name, job={"image": "flows:1"})["work_pool"]["base_job_template"]
    assert fewer["variables"]["properties"]["namespace"]["default"] == "default", "back to the template's own default"
    assert api.ensure("work_pool", name=name, job=None)["work_pool"]["base_job_template"] == default_template(
        api, "kubernetes"
    )


def test_a_manifest_patch_is_merged_deeply(api: Api, name: str) -> None:
    patch = {
        "job_manifest": {
            "metadata": {"labels": None},
            "spec": {
                "template": {
                    "spec": {
                        "terminationGracePeriodSeconds": 10,
                        "containers": [
                            {"name": "prefect-job", "securityContext": {"runAsNonRoot": True}, "image": "{{ image }}"},
                            {"name": "sidecar", "image": "busybox"},
                        ],
                    }
                }
            },
        }
    }
    result = api.ensure("work_pool", name=name, type="kubernetes", job={"image": "x"}, job_manifest_patch=patch)
    default = default_template(api, "kubernetes")["job_configuration"]["job_manifest"]
    manifest = result["work_pool"]["base_job_template"]["job_configuration"]["job_manifest"]
    pod = manifest["spec"]["template"]["spec"]
    assert "labels" not in manifest["metadata"]
    assert manifest["metadata"]["namespace"] == default["metadata"]["namespace"]
    assert pod["terminationGracePeriodSeconds"] == 10
    first = default["spec"]["template"]["spec"]["containers"][0]
    assert pod["containers"] == [
        {**first, "securityContext": {"runAsNonRoot": True}},
        {"name": "sidecar", "image": "busybox"},
    ]


def test_drift_is_found_though_only_a_patch_is_given(api: Api) -> None:
    item: dict[str, Any] = {"name": "drift", "type": "process", "job": {"stream_output": False}}
    template = api.run("work_pool", **item)["work_pool"]["base_job_template"]
    template["job_configuration"]["env"] = {"EDITED": "by hand"}
    api.raw("PATCH", "/work_pools/drift", {"base_job_template": template})
    result = api.ensure("work_pool", **item)
    assert result["changed"]
    assert result["bodies"][0].keys() == {"base_job_template"}


def test_a_template_is_left_alone_when_not_asked_for(api: Api) -> None:
    mine = {
        "job_configuration": {"command": "{{ command }}"},
        "variables": {"properties": {"command": {"type": "string"}}},
    }
    api.raw("POST", "/work_pools/", {"name": "own template", "type": "process", "base_job_template": mine})
    assert api.ensure("work_pool", name="own template", description="x")["work_pool"]["base_job_template"] == mine
    changed = api.ensure("work_pool", name="own template", base_job_template=mine, job={"command": "x"})["work_pool"]
    assert changed["base_job_template"]["variables"]["properties"]["command"]["default"] == "x"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"job": {"job_ttl": 1}},
            "job: the template of this pool has no variable 'job_ttl'; did you mean finished_job_ttl",
        ),
        (
            {"job_manifest_patch": {"job_manifest": {"spec": {"x": "{{ grace }}"}}}},
            r"job_manifest_patch: uses \['grace'\] which variables.properties does not declare",
        ),
        (
            {"base_job_template": {"job_configuration": {"a": "{{ b }}"}, "variables": {"properties": {"c": {}}}}},
            r"base_job_template: uses \['b'\]",
        ),
        ({"base_job_template": {"variables": {}}}, "must have both job_configuration and variables"),
    ],
)
def test_undeclared_variables_are_refused_before_the_write(api: Api, options: dict[str, Any], problem: str) -> None:
    for run in (api.run, api.check):
        with pytest.raises(ModuleFailure, match=problem):
            run("work_pool", name="refused", type="kubernetes", **options)
    assert api.proxy.writes == []


def test_a_type_without_a_default_template(api: Api) -> None:
    assert api.ensure("work_pool", name="odd type", type="made-up")["work_pool"]["base_job_template"] == {}
    with pytest.raises(ModuleFailure, match=r"has no default template for 'made-up', only for .*kubernetes.*process"):
        api.run("work_pool", name="odd type 2", type="made-up", job={"env": {}})


def test_a_pool_needs_a_type_to_be_created(api: Api) -> None:
    with pytest.raises(ModuleFailure, match="type: is needed to create the work_pool"):
        api.check("work_pool", name="typeless")


@pytest.mark.parametrize("state", ["present", "absent"])
def test_the_servers_own_pools_are_refused(api: Api, state: str) -> None:
    with pytest.raises(ModuleFailure, match=r"starts? with 'prefect'"):
        api.run("work_pool", name="Prefect-managed", type="process", state=state)
    assert api.proxy.writes == []


def test_storage_configuration_by_block_name(api: Api) -> None:
    types = api.raw("POST", "/block_types/filter", {"block_types": {"slug": {"any_": ["local-file-system"]}}})
    if not types:
        api.raw("POST", "/block_types/install_system_block_types")
        types = api.raw("POST", "/block_types/filter", {"block_types": {"slug": {"any_": ["local-file-system"]}}})
    schemas = {"block_schemas": {"block_type_id": {"any_": [types[0]["id"]]}}}
    schema = api.raw("POST", "/block_schemas/filter", schemas)[0]
    block = {
        "name": "results",
        "block_type_id": types[0]["id"],
        "block_schema_id": schema["id"],
        "data": {"basepath": "/x"},
    }
    api.raw("POST", "/block_documents/", block)
    pool = {"name": "storage", "type": "process"}
    wanted = {"default_result_storage_block": "local-file-system/results", "bundle_upload_step": {"step": {"a": "b"}}}
    result = api.ensure("work_pool", **pool, storage_configuration=wanted)
    assert result["work_pool"]["storage_configuration"] == wanted
    part = api.ensure("work_pool", **pool, storage_configuration={"bundle_upload_step": None})
    assert part["work_pool"]["storage_configuration"] == {"default_result_storage_block": "local-file-system/results"}
    assert api.ensure("work_pool", **pool, storage_configuration=None)["work_pool"]["storage_configuration"] == {}
    with pytest.raises(ModuleFailure, match="there is no block 'local-file-system/none'"):
        api.run("work_pool", **pool, storage_configuration={"default_result_storage_block": "local-file-system/none"})


def test_a_queue_takes_the_first_free_priority(api: Api, name: str) -> None:
    api.run("work_pool", name=name, type="process", queues=[{"name": "default", "priority": 3}])
    assert api.ensure("work_queue", work_pool=name, name="first")["work_queue"]["priority"] == 1
    assert api.ensure("work_queue", work_pool=name, name="second")["work_queue"]["priority"] == 2
    with pytest.raises(ModuleFailure, match='Work pool "none" not found'):
        api.run("work_queue", work_pool="none", name="x")
