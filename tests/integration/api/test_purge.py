# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A purge deletes unlisted objects only within its limits, and never an object that another one needs."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_type import BLOCK_TYPE, BUILTIN

from .support import Api, ModuleFailure

LISTED = [{"name": "14-listed", "value": 1}]


def limits(*names: str) -> list[dict[str, Any]]:
    return [{"name": f"14 {name}", "limit": 1} for name in names]


def test_patterns_and_protected_names(api: Api) -> None:
    api.run("configuration", global_concurrency_limits=limits("a1", "a2", "a3", "b1", "listed"))
    options = {
        "global_concurrency_limits": limits("listed"),
        "purge": {"global_concurrency_limits": {"include": ["14 *"], "protect": ["14 a2", "14 b?"]}},
    }
    api.proxy.forget()
    predicted = api.check("configuration", **options)
    assert api.proxy.writes == []
    result = api.run("configuration", **options)
    assert result == predicted
    assert [(one["action"], one["name"], one["purged"]) for one in result["changes"]] == [
        ("delete", "14 a1", True),
        ("delete", "14 a3", True),
    ]
    assert sorted((one["name"], one["reason"]) for one in result["kept"]) == [
        ("14 a2", "protected"),
        ("14 b1", "protected"),
    ]
    left = {one["name"] for one in api.run("global_concurrency_limit_info")["global_concurrency_limits"]}
    assert {name for name in left if name.startswith("14 ")} == {"14 a2", "14 b1", "14 listed"}
    assert not api.run("configuration", **options)["changed"]
    nothing = {"global_concurrency_limits": [], "purge": {"global_concurrency_limits": {"include": ["14 *"]}}}
    assert api.run("configuration", **nothing)["summary"]["delete"] == 3


def test_more_than_the_maximum_is_refused_before_anything_is_written(api: Api) -> None:
    api.run("configuration", global_concurrency_limits=limits(*(f"max {n}" for n in range(12))))
    purge: dict[str, Any] = {"include": ["14 max *"]}
    options = {"variables": LISTED, "global_concurrency_limits": [], "purge": {"global_concurrency_limits": purge}}
    for run in (api.check, api.run):
        api.proxy.forget()
        with pytest.raises(ModuleFailure) as refusal:
            run("configuration", **options)
        assert "global_concurrency_limits: 12 would be deleted, and maximum is 10: 14 max 0," in str(refusal.value)
        assert "Nothing was changed" in str(refusal.value)
        assert api.proxy.writes == []
    purge["maximum"] = 12
    assert api.run("configuration", **options)["summary"]["delete"] == 12


def test_a_kind_without_its_list_is_refused(api: Api) -> None:
    for kind, owner in (("variables", "variables"), ("work_queues", "work_pools")):
        with pytest.raises(ModuleFailure, match=f"purge: {kind}: {owner} is not given"):
            api.run("configuration", purge={kind: {}})
    assert api.proxy.requests == []


def test_nothing_is_purged_by_default(api: Api) -> None:
    api.run("configuration", variables=LISTED)
    assert not api.run("configuration", variables=[])["changed"]


def test_what_stays_keeps_what_it_needs(api: Api) -> None:
    api.run(
        "configuration",
        block_documents=[{"block_type": "local-file-system", "name": f"needed-{n}", "data": {}} for n in range(3)],
        global_concurrency_limits=limits("needed", "free"),
        work_pools=[
            {"name": "14 needed", "type": "process",
             "storage_configuration": {"default_result_storage_block": "local-file-system/needed-0"}},
            {"name": "14 free", "type": "process",
             "storage_configuration": {"default_result_storage_block": "local-file-system/needed-1"}},
        ],
        flows=[{"name": "14 free"}],
        deployments=[
            {"flow": "14 needed", "name": "d", "work_pool": "14 needed", "global_concurrency_limit": "14 needed"},
            {"flow": "14 listed", "name": "d"},
        ],
    )  # fmt: skip
    everything = {"include": ["14 *", "*/needed-*"]}
    kinds = ("block_documents", "global_concurrency_limits", "work_pools", "flows")
    options: dict[str, Any] = {**{kind: [] for kind in kinds}, "purge": dict.fromkeys(kinds, everything)}
    options["deployments"] = [{"flow": "14 listed", "name": "d"}]
    result = api.run("configuration", **options)
    assert sorted(f"{one['kind']} {one['name']}" for one in result["changes"]) == [
        "block_document local-file-system/needed-1",
        "block_document local-file-system/needed-2",
        "flow 14 free",
        "global_concurrency_limit 14 free",
        "work_pool 14 free",
    ]
    assert {(one["kind"], one["name"]): one["reason"] for one in result["kept"]} == {
        ("block_document", "local-file-system/needed-0"): "needed by work_pool '14 needed'",
        ("flow", "14 listed"): "needed by deployment '14 listed/d'",
        ("flow", "14 needed"): "needed by deployment '14 needed/d'",
        ("global_concurrency_limit", "14 needed"): "needed by deployment '14 needed/d'",
        ("work_pool", "14 needed"): "needed by deployment '14 needed/d'",
    }
    # After the document has removed the deployments of a pool, the pool is no longer needed.
    options["purge"]["deployments"] = {"include": ["14 *"]}
    options["deployments"] = []
    assert api.run("configuration", **options)["summary"]["delete"] == 7


def test_what_prefect_makes_itself_is_never_purged(api: Api) -> None:
    api.run("configuration", work_pools=[{"name": "14 queues", "type": "process", "queues": [{"name": "extra"}]}])
    api.run("deployment", flow="14", name="own", concurrency_limit=2)
    api.run("tag_concurrency_limit", tag="14", concurrency_limit=1)
    trigger = {"posture": "Reactive"}
    api.run("automation", name="own__automation_1", trigger=trigger, actions=[{"type": "do-nothing"}])
    anything = {"maximum": 1000}
    result = api.check(
        "configuration",
        **{kind: [] for kind in ("block_types", "block_schemas", "global_concurrency_limits", "automations")},
        work_pools=[{"name": "14 queues", "queues": []}],
        purge=dict.fromkeys(
            ("block_types", "block_schemas", "global_concurrency_limits", "automations", "work_queues"), anything
        ),
    )
    gone = {(one["kind"], one["name"]) for one in result["changes"]}
    assert ("work_queue", "14 queues/extra") in gone
    assert ("work_queue", "14 queues/default") not in gone
    assert ("automation", "own__automation_1") not in gone
    assert not [name for kind, name in gone if kind == "block_type" and name in BUILTIN]
    assert not [name for kind, name in gone if kind == "block_schema" and name.split("/")[0] in BUILTIN]
    assert not [name for kind, name in gone if kind == "global_concurrency_limit" and name.startswith(("tag:", "dep"))]
    api.run("deployment", flow="14", name="own", state="absent")


def test_queues_of_pools_whose_queues_are_listed(api: Api) -> None:
    pools = [
        {"name": f"14 {word}", "type": "process", "queues": [{"name": name} for name in ("a", "b", "default")]}
        for word in ("one", "two")
    ]
    api.run("configuration", work_pools=pools)
    api.run("deployment", flow="14", name="queue", work_pool="14 one", work_queue="b")
    options = {
        "work_pools": [{"name": "14 one", "queues": [{"name": "a"}]}, {"name": "14 two"}],
        "purge": {"work_queues": {}},
    }
    result = api.run("configuration", **options)
    assert result["summary"]["delete"] == 0
    assert result["kept"] == [{"kind": "work_queue", "name": "14 one/b", "reason": "needed by deployment '14/queue'"}]
    api.run("deployment", flow="14", name="queue", state="absent")
    assert api.run("configuration", **options)["summary"]["delete"] == 1
    seen = api.run("work_queue_info", work_pool="14 one")["work_queues"]
    assert {queue["name"] for queue in seen} == {"a", "default"}
    assert not api.run("configuration", **options)["changed"]


def test_every_type_of_a_new_server_is_known_as_its_own(empty: Api) -> None:
    found = empty.raw("POST", "/block_types/filter", {"limit": 200})
    assert [one["slug"] for one in found if not BLOCK_TYPE.builtin(one)] == []
    assert BUILTIN - {one["slug"] for one in found} == set()
