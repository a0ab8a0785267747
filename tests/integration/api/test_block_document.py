# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks: references by name, drift in all data, and secrets that are compared but never shown."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect import client as client_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_document import BLOCK_DOCUMENT

from .support import HERE, ROOT, Api, Fault, ModuleFailure, warnings_of

PLANTED = "planted/in+a%20test"
FIELDS: dict[str, Any] = {
    "title": "Thing",
    "type": "object",
    "properties": {
        "host": {"type": "string"},
        "port": {"type": "integer"},
        "options": {"type": "object"},
        "other": {"type": "object"},
        "password": {"type": "string", "writeOnly": True},
        "headers": {"type": "object"},
    },
    "required": ["host"],
    "secret_fields": ["password", "headers.*"],
}


@pytest.fixture
def slug(api: Api) -> str:
    """A block type with every feature of a schema."""
    api.run("block_type", slug="thing", name="Thing")
    api.run("block_schema", block_type="thing", version="1", fields=FIELDS)
    api.proxy.forget()
    return "thing"


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return str(request.node.originalname).replace("_", "-")


def raw(api: Api, slug: str, name: str, **more: Any) -> dict[str, Any]:
    body = {"block_documents": {"name": {"any_": [name]}}, "block_types": {"slug": {"any_": [slug]}}}
    found: list[dict[str, Any]] = api.raw("POST", "/block_documents/filter", {"include_secrets": True, **body, **more})
    assert len(found) == 1
    return found[0]


def data_of(api: Api, slug: str, name: str) -> Any:
    return raw(api, slug, name)["data"]


def test_a_block_is_created_changed_cleared_deleted(api: Api, name: str) -> None:
    item = {"block_type": "database-credentials", "name": name}
    made = api.ensure("block_document", **item, data={"host": "db", "port": 5432, "password": PLANTED})
    assert made["block_document"]["data"] == {"host": "db", "port": 5432, "password": "<secret>"}
    assert data_of(api, **keyed(item)) == {"host": "db", "port": 5432, "password": PLANTED}
    assert api.run("block_document_info", **item)["block_document"] == made["block_document"]
    assert not api.ensure("block_document", **item)["changed"], "omitted: left alone"
    changed = api.ensure("block_document", **item, data={"port": 5433})
    assert changed["block_document"]["id"] == made["block_document"]["id"]
    assert data_of(api, **keyed(item)) == {"host": "db", "port": 5433, "password": PLANTED}, "other keys are left alone"
    assert api.ensure("block_document", **item, data={"host": None})["block_document"]["data"]["host"] is None
    assert api.ensure("block_document", **item, data=None)["block_document"]["data"] == {}
    assert api.ensure("block_document", **item, state="absent")["block_document"] is None
    assert not api.ensure("block_document", **item, state="absent")["changed"]


def keyed(item: dict[str, Any]) -> dict[str, Any]:
    return {"slug": item["block_type"], "name": item["name"]}


def test_merge_and_replace(api: Api, slug: str, name: str) -> None:
    item = {"block_type": slug, "name": name}
    options = {"a": 1, "b": {"c": [1, {"d": None}], "e": {}}}
    api.ensure("block_document", **item, data={"host": "h", "options": options, "password": "p"})
    api.ensure("block_document", **item, data={"options": {"a": 2}})
    assert data_of(api, slug, name)["options"] == {"a": 2}, "only the first level is merged"
    api.ensure("block_document", **item, data={"host": "h", "port": 1}, replace=True)
    assert data_of(api, slug, name) == {"host": "h", "port": 1}
    assert not api.ensure("block_document", **item, data={"host": "h"})["changed"]
    assert api.ensure("block_document", **item, data={"host": "h"}, replace=True)["changed"]


DATA: list[dict[str, Any]] = [
    {"options": {}},
    {"options": {"": {"": 1}, "a.b": {"c.d": [[], {}]}}},
    {"host": "ünï 漢 \"q\" 'q' #? % & </>", "port": 0},
    {"host": "{{ braces }} {% raw %}", "options": {"{{ key }}": "{{ value }}"}},
    {"port": None, "options": {"on": True, "off": False, "number": 1.5}},
    {"headers": {"a": {"b": ["x", 1, None, True]}, "c": 2, "d": {}}},
    {"password": "", "headers": {}},
    {"password": {"not": ["a", "text"]}},
    {"password": 12345},
]


@pytest.mark.parametrize("data", DATA, ids=str)
def test_any_data(api: Api, slug: str, name: str, data: dict[str, Any]) -> None:
    item = {"block_type": slug, "name": name, "data": {"host": "h", **data}}
    assert api.ensure("block_document", **item)["changed"]
    assert data_of(api, slug, name) == item["data"]
    api.ensure("block_document", **item, replace=True)
    api.run("block_document", block_type=slug, name=name, data={"host": "other"}, replace=True)
    assert api.ensure("block_document", **item)["changed"], "written by a change as by a creation"
    assert data_of(api, slug, name) == item["data"]
    api.ensure("block_document", block_type=slug, name=name, state="absent")


# References


def test_references_by_name(api: Api, slug: str, name: str) -> None:
    for number in (1, 2):
        data = {"host": f"h{number}", "password": PLANTED}
        api.run("block_document", block_type=slug, name=f"{name}-{number}", data=data)
    item = {"block_type": slug, "name": name}
    reference = {"$ref": f"{slug}/{name}-1"}
    made = api.ensure("block_document", **item, data={"host": "h", "other": reference})
    assert made["block_document"]["data"] == {"host": "h", "other": reference}
    api.ensure("block_document", **item, data={"port": 1})
    assert api.run("block_document_info", **item)["block_document"]["data"]["other"] == reference, (
        "the server's own merge would have lost it"
    )
    moved = api.ensure("block_document", **item, data={"other": {"$ref": f"{slug}/{name}-2"}})
    assert moved["diff"]["before"]["data"]["other"] == reference
    assert PLANTED not in json.dumps(moved["diff"])
    assert data_of(api, slug, name)["other"] == {"host": "h2", "password": PLANTED}
    value = api.ensure("block_document", **item, data={"other": {"a": 1}})
    assert value["block_document"]["data"]["other"] == {"a": 1}
    api.ensure("block_document", **item, data={"other": reference})
    gone = api.ensure("block_document", **item, data={"host": "h"}, replace=True)["block_document"]
    assert gone["data"] == {"host": "h"}


def test_a_reference_that_broke_is_drift(api: Api, slug: str, name: str) -> None:
    target = {"block_type": slug, "name": f"{name}-target", "data": {"host": "h"}}
    item = {"block_type": slug, "name": name, "data": {"host": "h", "other": {"$ref": f"{slug}/{name}-target"}}}
    api.run("block_document", **target)
    api.run("block_document", **item)
    api.run("block_document", block_type=slug, name=f"{name}-target", state="absent")
    with pytest.raises(ModuleFailure, match=f"data: other: there is no block '{slug}/{name}-target'"):
        api.run("block_document", **item)
    api.run("block_document", **target)
    again = api.ensure("block_document", **item)
    assert again["changed"], "the block of this name is another one now"
    assert data_of(api, slug, name)["other"] == {"host": "h"}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"other": {"$ref": "half"}}, "other: a reference must have the format {.ref: type/name}"),
        ({"other": {"$ref": {"block_document_id": "x"}}}, "other: a reference must have the format"),
        ({"other": {"$ref": "thing/x", "more": 1}}, "other: a reference must have the format"),
        ({"other": {"$ref": "thing/refused"}}, "other: a block cannot refer to itself"),
        (
            {"options": {"deep": [{"$ref": "thing/x"}]}},
            "options: a reference is only allowed at the first level of data",
        ),
        ({"password": "********"}, "password: this is a placeholder of a secret: omit the key to keep"),
        ({"headers": {"x": "<secret>"}}, "headers: this is a placeholder of a secret"),
        ({"password": "<old secret>"}, "password: this is a placeholder of a secret"),
    ],
)
def test_data_that_cannot_be_meant_is_refused_before_any_request(api: Api, data: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModuleFailure, match=problem):
        api.run("block_document", block_type="thing", name="refused", data={"host": "db.example.com", **data})
    assert api.proxy.requests == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"name": "With Space"}, "name: must be lowercase letters, digits and dashes"),
        ({"name": "a_b"}, "name: must be lowercase"),
        ({"name": ""}, "name: must be lowercase"),
        ({"block_type": "A"}, "block_type: must be lowercase"),
        ({"block_schema": None}, "block_schema: cannot be null"),
        ({"data": {"port": 5432}}, "data: the type needs 'host'"),
        (
            {"data": {"host": "db.example.com", "pasword": "x"}},
            "data: the type has no 'pasword': did you mean 'password'",
        ),
        ({"data": {"host": "h", "other": {"$ref": "thing/none"}}}, "data: other: there is no block 'thing/none'"),
        ({"block_type": "secrets"}, "block_type: there is no block type 'secrets'; did you mean .*secret"),
        ({"block_schema": "9"}, "block_schema: block type 'thing' has no schema with the version or checksum '9'"),
    ],
)
def test_blocks_that_cannot_be_are_refused(api: Api, slug: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModuleFailure, match=problem):
        api.run(
            "block_document", **{"block_type": slug, "name": "refused", "data": {"host": "db.example.com"}, **options}
        )
    assert api.proxy.writes == []


def test_a_type_without_a_schema_is_told(api: Api) -> None:
    api.run("block_type", slug="schemaless", name="schemaless")
    with pytest.raises(ModuleFailure, match="block_schema: block type 'schemaless' has no schema"):
        api.run("block_document", block_type="schemaless", name="x", data={})


def test_a_key_unlike_all_others_passes(api: Api, slug: str, name: str) -> None:
    """The class of a block may accept more keys than its schema."""
    assert api.ensure("block_document", block_type=slug, name=name, data={"host": "h", "zzz": 1})["changed"]


# Schemas


def test_a_block_moves_to_another_schema(api: Api, name: str) -> None:
    slug = "moving"
    api.run("block_type", slug=slug, name=slug)
    item = {"block_type": slug, "name": name}
    first = api.run("block_schema", block_type=slug, version="1", fields=FIELDS)["block_schema"]
    api.ensure("block_document", **item, data={"host": "h", "password": PLANTED, "port": 1})
    more = {**FIELDS, "secret_fields": ["password", "port"]}
    second = api.run("block_schema", block_type=slug, version="2", fields=more)["block_schema"]
    stays = api.ensure("block_document", **item, data={"host": "h"})["block_document"]
    assert stays["block_schema"]["version"] == "1", "omitted: left alone"
    assert raw(api, slug, name)["block_schema_id"] == first["id"]
    moved = api.ensure("block_document", **item, block_schema="latest")
    assert moved["changed"]
    assert first["checksum"] == second["checksum"], "only the versions differ"
    assert raw(api, slug, name)["block_schema_id"] == second["id"]
    assert data_of(api, slug, name) == {"host": "h", "password": PLANTED, "port": 1}
    assert moved["block_document"]["data"] == {"host": "h", "password": "<secret>", "port": "<secret>"}
    back = api.run("block_document", **item, block_schema="1")
    assert back["diff"]["after"]["data"]["port"] == "<secret>", "what one of the two schemas calls secret stays so"
    assert back["block_document"]["block_schema"]["version"] == "1"
    assert not api.ensure("block_document", **item, block_schema="1")["changed"]
    newer = api.run("block_schema", block_type=slug, version="3", fields={**FIELDS, "title": "New"})["block_schema"]
    chosen = api.ensure("block_document", **item, block_schema=newer["checksum"], data={"port": 2})
    assert chosen["block_document"]["block_schema"]["version"] == "3"
    old = api.ensure("block_document", block_type=slug, name=f"{name}-old", data={"host": "h"}, block_schema="1")
    assert old["block_document"]["block_schema"]["version"] == "1"


# Secrets


def test_a_changed_secret_is_shown_as_such(api: Api, slug: str, name: str) -> None:
    item = {"block_type": slug, "name": name}
    first = {"host": "h", "password": f"{PLANTED}-1", "headers": {"a": f"{PLANTED}-2", "b": f"{PLANTED}-3"}}
    made = api.ensure("block_document", **item, data=first)
    headers = {"a": "<secret>", "b": "<secret>"}
    assert made["diff"]["after"]["data"] == {"host": "h", "password": "<secret>", "headers": headers}
    second = {"password": f"{PLANTED}-4", "headers": {"a": f"{PLANTED}-2", "b": f"{PLANTED}-5", "c": f"{PLANTED}-6"}}
    changed = api.ensure("block_document", **item, data=second)
    assert changed["diff"]["before"]["data"] == {
        "host": "h",
        "password": "<old secret>",
        "headers": {"a": "<secret>", "b": "<old secret>"},
    }
    assert changed["diff"]["after"]["data"] == {
        "host": "h",
        "password": "<secret>",
        "headers": {**headers, "c": "<secret>"},
    }
    assert data_of(api, slug, name) == {"host": "h", **second}
    gone = api.ensure("block_document", **item, state="absent")
    for result in (made, changed, gone):
        assert PLANTED not in json.dumps({**result, "bodies": None})


def test_a_secret_changed_elsewhere_is_drift(api: Api, name: str) -> None:
    item = {"block_type": "secret", "name": name, "data": {"value": PLANTED}}
    found = api.run("block_document", **item)["block_document"]
    api.raw("PATCH", f"/block_documents/{found['id']}", {"data": {"value": "other"}})
    assert api.ensure("block_document", **item)["changed"]
    assert data_of(api, "secret", name) == {"value": PLANTED}


def hide(body: Any) -> Any:
    """Change a request like a gateway that never returns secrets."""
    return {**body, "include_secrets": False} if isinstance(body, dict) and "include_secrets" in body else body


def test_secrets_that_the_server_hides(api: Api, slug: str, name: str) -> None:
    item = {"block_type": slug, "name": name}
    data = {"host": "h", "password": PLANTED, "headers": {"a": "1st", "b": "2nd"}}
    api.ensure("block_document", **item, data=data)

    def run(**options: Any) -> dict[str, Any]:
        api.proxy.rewrite = hide
        checked = api.check("block_document", **item, **options)
        done = api.run("block_document", **item, **options)
        assert (checked["changed"], checked["diff"]) == (done["changed"], done["diff"])
        return done

    kept = run(data={"password": "new", "headers": {"a": "x"}}, hidden_secrets="keep")
    assert kept["changed"], "a key less below headers is no secret"
    assert data_of(api, slug, name) == {**data, "headers": {"a": "1st"}}
    assert not run(data={"password": "new", "headers": {"a": "x"}}, hidden_secrets="keep")["changed"]
    assert not run(data={"host": "h"})["changed"], "only what is given is written"
    other = run(data={"port": 2})
    assert other["changed"]
    assert other["block_document"]["data"]["password"] == "<secret>"
    assert data_of(api, slug, name) == {**data, "headers": {"a": "1st"}, "port": 2}, (
        "hidden values are not written back"
    )
    written = run(data={"password": "new", "headers": {"a": "x", "new": "y"}})
    assert written["changed"]
    assert [
        text
        for text in warnings_of(written)
        if "this server hides password, headers.a, so the block is written" in text
    ]
    assert data_of(api, slug, name) == {"host": "h", "port": 2, "password": "new", "headers": {"a": "x", "new": "y"}}
    assert run(data={"password": "new"})["changed"], "nobody can tell"


def test_only_secrets_are_masked(api: Api, slug: str, name: str) -> None:
    """With no_log, Ansible would mask every value of the option in the whole output, even digits in dates."""
    data = {"host": "visible.example.com", "port": 2, "password": PLANTED, "options": {"a": "present"}}
    for result in (
        api.run("block_document", block_type=slug, name=name, data=data),
        api.run("configuration", block_documents=[{"block_type": slug, "name": f"{name}-2", "data": data}]),
    ):
        text = json.dumps(result)
        assert "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in json.dumps(result["invocation"])
        assert "visible.example.com" in text
        assert "thing" in text
        assert "2026" in text or "-2" in text
        assert PLANTED not in text
    assert result["changes"][0]["name"] == f"{slug}/{name}-2"


def test_as_long_as_the_schema_is_not_known_everything_is_masked(api: Api, name: str) -> None:
    data = {"host": "planted-host", "password": "planted-password"}
    unreachable = {"api_url": "http://127.0.0.1:9/api", "retry_timeout": 0}
    for options in (unreachable, {"block_type": "no-such-type"}):
        with pytest.raises(ModuleFailure) as failure:
            api.run("block_document", **{"block_type": "thing", "name": name, "data": data, **options})
        assert "planted-" not in json.dumps(failure.value.result)
    document = {
        "block_types": [{"slug": name, "name": name}],
        "block_schemas": [{"block_type": name, "fields": FIELDS}],
        "block_documents": [{"block_type": name, "name": name, "data": data}],
    }
    predicted = json.dumps(api.check("configuration", **document))
    assert "planted-password" not in predicted
    assert "planted-host" in predicted, "the schema stands in the same document, so this is known to be no secret"
    made = api.run("configuration", **document)
    assert made["summary"]["create"] == 3
    assert "planted-password" not in json.dumps(made)
    assert data_of(api, name, name) == data
    assert api.run("configuration", **document)["changed"] is False


def test_a_login_stays_masked_though_a_block_holds_it_in_clear(api: Api, slug: str, name: str) -> None:
    data = {"host": "user:another-planted-one"}
    result = api.run("block_document", block_type=slug, name=name, data=data, auth_string=data["host"])
    assert "another-planted-one" not in json.dumps(result)


def test_secrets_are_found_nowhere_in_what_ansible_prints(api: Api, slug: str, name: str, tmp_path: Path) -> None:
    """No secret is in -vvvv output, in the diff, in errors, in warnings or in the fact cache."""
    block = {"block_type": slug, "name": name, "data": {"host": "shown.example.com", "password": PLANTED}}
    changed = {**block, "data": {"password": f"{PLANTED}-new", "headers": {"k": f"{PLANTED}-k"}}}
    bad = {**block, "data": {"password": PLANTED, "other": {"$ref": "thing/none"}}}
    tasks: list[dict[str, Any]] = [
        {"selfhosted.prefect.block_document": block},
        {"selfhosted.prefect.block_document": changed, "check_mode": True},
        {"selfhosted.prefect.block_document": changed},
        {"selfhosted.prefect.block_document_info": {}},
        {"selfhosted.prefect.configuration": {"block_documents": [block]}},
        {"selfhosted.prefect.block_document": bad, "ignore_errors": True},
        {"selfhosted.prefect.configuration": {"block_documents": [bad]}, "ignore_errors": True},
        {"selfhosted.prefect.configuration": {"block_documents": [{**block, "x": 1}]}, "ignore_errors": True},
        {"selfhosted.prefect.block_document": {**block, "typo": 1}, "ignore_errors": True},
        {"selfhosted.prefect.block_document": {**block, "state": "absent"}},
    ]
    defaults = {"group/selfhosted.prefect.prefect": {"api_url": api.proxy.url}}
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "module_defaults": defaults, "tasks": tasks}])
    )
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts")}
    done = subprocess.run(
        ["ansible-playbook", "-vvvv", "--diff", *HERE, str(playbook)],
        cwd=ROOT,
        env={**os.environ, **cache, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed=0" in done.stdout
    assert "ignored=4" in done.stdout
    assert "<old secret>" in done.stdout
    assert "shown.example.com" in done.stdout
    cached = [path.read_text() for path in (tmp_path / "facts").rglob("*") if path.is_file()]
    for text in (done.stdout, done.stderr, *cached):
        assert PLANTED not in text


# In a document


def test_a_document_of_blocks_in_one_request_per_page(
    api: Api, slug: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "PAGE", 40)
    blocks = [
        {"block_type": slug, "name": f"{name}-{n}", "data": {"host": "h", "port": n, "password": f"p{n}"}}
        for n in range(45)
    ]
    blocks[-1]["data"]["other"] = {"$ref": f"{slug}/{name}-0"}
    assert api.run("configuration", block_documents=blocks)["summary"]["create"] == 45
    api.proxy.forget()
    assert api.run("configuration", block_documents=blocks)["summary"]["unchanged"] == 45
    assert len(api.proxy.requests) <= 3
    blocks[7]["data"]["password"] = "other"
    changed = api.run("configuration", block_documents=blocks)
    assert changed["summary"]["update"] == 1
    assert changed["changes"][0]["options"] == ["data"]
    for block in blocks:
        block["state"] = "absent"
    assert api.run("configuration", block_documents=blocks)["summary"]["delete"] == 45


@pytest.mark.parametrize("verb", ["create", "update"])
@pytest.mark.parametrize("status", [0, 502])
def test_a_lost_answer_is_no_second_block(
    api: Api, slug: str, name: str, verb: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = {"block_type": slug, "name": name}
    if verb == "update":
        api.run("block_document", **item, data={"host": "h"})
    write = getattr(BLOCK_DOCUMENT, verb)

    def write_with_fault(*arguments: Any) -> None:
        method = "POST" if verb == "create" else "PATCH"
        api.proxy.faults.append(Fault(method, "/block_documents/", status, acts=True))
        write(*arguments)

    monkeypatch.setattr(BLOCK_DOCUMENT, verb, write_with_fault)
    assert api.run("block_document", **item, data={"host": "new", "password": PLANTED})["changed"]
    assert api.proxy.faults == []
    assert data_of(api, slug, name) == {"host": "new", "password": PLANTED}
    monkeypatch.undo()
    api.run("block_document", **item, state="absent")
