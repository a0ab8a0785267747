# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Block types and their schemas."""

from __future__ import annotations

from typing import Any

import pytest

from .support import Api, Fault, ModuleFailure

FIELDS: dict[str, Any] = {
    "title": "Thing",
    "type": "object",
    "properties": {
        "host": {"type": "string", "title": "Host"},
        "port": {"type": "integer", "default": 1},
        "password": {"type": "string", "format": "password", "writeOnly": True},
    },
    "required": ["host"],
    "secret_fields": ["password"],
}


def with_default(port: int) -> dict[str, Any]:
    """Return the fields of another schema."""
    return {**FIELDS, "properties": {**FIELDS["properties"], "port": {"type": "integer", "default": port}}}


@pytest.fixture
def slug(request: pytest.FixtureRequest, api: Api) -> str:
    """A block type for this test."""
    result = request.node.originalname.replace("_", "-")
    api.run("block_type", slug=result, name=result)
    api.proxy.forget()
    return str(result)


def schemas(api: Api, slug: str) -> list[dict[str, Any]]:
    found = api.run("block_schema_info", block_type=slug)["block_schemas"]
    return [one for one in found if one["block_type"] == slug]


# Types


def test_a_type_is_created_changed_cleared_deleted(api: Api) -> None:
    item = {"slug": "life-of-a-type", "name": "Life #1? ü'\" {{ x }}"}
    texts = {
        "description": "text",
        "logo_url": "http://127.0.0.1/logo.png",
        "documentation_url": "http://127.0.0.1/docs?a=b#c",
        "code_example": "```python\n{{ braces }} ü\n```",
    }
    made = api.ensure("block_type", **item, **texts)
    assert {name: made["block_type"][name] for name in texts} == texts
    assert api.run("block_type_info", slug=item["slug"])["block_type"] == made["block_type"]
    assert not api.ensure("block_type", slug=item["slug"])["changed"], "omitted: left alone"
    for name in texts:
        changed = api.ensure("block_type", **item, **{name: "other"})
        assert changed["bodies"] == [{name: "other"}]
        assert changed["block_type"]["id"] == made["block_type"]["id"]
        assert api.ensure("block_type", slug=item["slug"], **{name: None})["block_type"][name] is None
    assert api.ensure("block_type", slug=item["slug"], state="absent")["block_type"] is None
    assert not api.ensure("block_type", slug=item["slug"], state="absent")["changed"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"slug": "With Space", "name": "x"}, "slug: must be lowercase letters, digits and dashes"),
        ({"slug": "", "name": "x"}, "slug: must be lowercase"),
        ({"slug": "under_score", "name": "x"}, "slug: must be lowercase"),
        ({"slug": "refused", "name": "a/b"}, "name: must not be empty nor contain any of"),
        ({"slug": "refused", "name": ""}, "name: must not be empty"),
        ({"slug": "refused", "name": None}, "name: cannot be null"),
    ],
)
def test_types_that_cannot_be_are_refused_before_any_request(api: Api, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModuleFailure, match=problem):
        api.run("block_type", **options)
    assert api.proxy.requests == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"slug": "refused"}, "name: is needed to create the block_type"),
        ({"slug": "refused", "name": "Prefect Thing"}, "name: the server reserves names that start with 'prefect'"),
        ({"slug": "secret", "description": "mine"}, "slug: is a built-in type"),
        ({"slug": "secret", "state": "absent"}, "slug: is a built-in type"),
        (
            {"slug": "slack-credentials", "name": "Other"},
            "name: is 'Slack Credentials' and the server cannot change it",
        ),
    ],
)
def test_types_that_cannot_be_are_refused(api: Api, options: dict[str, Any], problem: str) -> None:
    for run in (api.check, api.run):
        with pytest.raises(ModuleFailure, match=problem):
            run("block_type", **options)
    assert api.proxy.writes == []


def test_two_types_may_have_the_same_name(api: Api, slug: str) -> None:
    """Without the module, the server answers the creation of the second one with the first one."""
    second = api.ensure("block_type", slug=f"{slug}-2", name=slug, description="second")["block_type"]
    assert (second["slug"], second["description"]) == (f"{slug}-2", "second")
    assert api.run("block_type_info", slug=slug)["block_type"]["description"] is None


def test_a_type_in_use_is_not_deleted(api: Api, slug: str) -> None:
    api.run("block_schema", block_type=slug, fields=FIELDS)
    for number in range(7):
        api.run("block_document", block_type=slug, name=f"b{number}", data={"host": "h"})
    used = f"blocks use it, and would be deleted with it: delete {slug}/b0, .*{slug}/b4 and 2 more first"
    with pytest.raises(ModuleFailure, match=f"slug: {used}"):
        api.run("block_type", slug=slug, state="absent")
    with pytest.raises(ModuleFailure, match=f"block_type: {used}"):
        api.run("block_schema", block_type=slug, state="absent")
    blocks = [{"block_type": slug, "name": f"b{number}", "state": "absent"} for number in range(7)]
    gone = api.run(
        "configuration",
        block_documents=blocks,
        block_schemas=[{"block_type": slug, "state": "absent"}],
        block_types=[{"slug": slug, "state": "absent"}],
    )
    assert gone["summary"]["delete"] == 9
    assert api.run("block_type_info", slug=slug)["block_type"] is None


# Schemas


def test_a_schema_is_added_found_and_deleted(api: Api, slug: str) -> None:
    made = api.ensure("block_schema", block_type=slug, fields=FIELDS, capabilities=["b", "a", "b"])
    assert made["block_schema"]["capabilities"] == ["a", "b"]
    assert made["block_schema"]["version"] == "non-versioned"
    assert (
        api.run("block_schema_info", block_type=slug, version="non-versioned")["block_schema"] == made["block_schema"]
    )
    assert not api.ensure("block_schema", block_type=slug, fields=made["block_schema"]["fields"])["changed"]
    assert not api.ensure("block_schema", block_type=slug)["changed"]
    assert not api.ensure("block_schema", block_type=slug, version="7", state="absent")["changed"]
    gone = api.ensure("block_schema", block_type=slug, state="absent")
    assert gone["changed"]
    assert schemas(api, slug) == []


def test_other_fields_are_another_schema(api: Api, slug: str) -> None:
    first = api.ensure("block_schema", block_type=slug, fields=FIELDS)["block_schema"]
    second = api.ensure("block_schema", block_type=slug, fields=with_default(2))["block_schema"]
    assert first["id"] != second["id"]
    assert not api.ensure("block_schema", block_type=slug, fields=FIELDS)["changed"], "the first is still there"
    assert len(schemas(api, slug)) == 2
    newest = api.run("block_schema_info", block_type=slug, version="non-versioned")["block_schema"]
    assert newest["id"] == second["id"]
    with pytest.raises(
        ModuleFailure, match="version: 2 schemas have this version: set fields to those of the schema to delete"
    ):
        api.run("block_schema", block_type=slug, state="absent")
    assert api.ensure("block_schema", block_type=slug, fields=FIELDS, state="absent")["changed"]
    assert [one["id"] for one in schemas(api, slug)] == [second["id"]]


def test_versions_are_apart(api: Api, slug: str) -> None:
    for version in ("1.0", "2.0 ü #?"):
        made = api.ensure("block_schema", block_type=slug, fields=FIELDS, version=version)
        assert made["changed"]
        assert made["block_schema"]["version"] == version
    assert not api.ensure("block_schema", block_type=slug, version="1.0")["changed"]
    assert api.ensure("block_schema", block_type=slug, version="1.0", state="absent")["changed"]
    assert [one["version"] for one in schemas(api, slug)] == ["2.0 ü #?"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"fields": {**FIELDS, "secret_fields": []}}, "fields: secret_fields differ .* use another version"),
        ({"capabilities": ["x"]}, "capabilities: differ .* use another version"),
        ({"fields": None}, "fields: cannot be null"),
        (
            {"fields": {**FIELDS, "block_type_slug": "other"}},
            "fields: block_type_slug is that of another block type: 'other'",
        ),
        ({"version": "9"}, "fields: is needed to create the block_schema"),
        ({"version": ""}, "version: must not be empty"),
        ({"block_type": "A B", "fields": FIELDS}, "block_type: must be lowercase"),
    ],
)
def test_what_the_server_would_ignore_is_refused(api: Api, slug: str, options: dict[str, Any], problem: str) -> None:
    api.run("block_schema", block_type=slug, fields=FIELDS)
    api.proxy.forget()
    for run in (api.check, api.run):
        with pytest.raises(ModuleFailure, match=problem):
            run("block_schema", **{"block_type": slug, **options})
    assert api.proxy.writes == []


def test_a_schema_of_no_type_is_told(api: Api) -> None:
    with pytest.raises(ModuleFailure, match="there is no block type 'slack-webhok'; did you mean slack-webhook"):
        api.run("block_schema", block_type="slack-webhok", fields=FIELDS)
    with pytest.raises(ModuleFailure, match="is a built-in type of the server, whose schemas cannot be deleted"):
        api.run("block_schema", block_type="secret", version=api.server.version, state="absent")


def test_two_types_may_have_the_same_fields(api: Api, slug: str) -> None:
    """Without the module, the server confuses the schemas of the two types."""
    api.run("block_type", slug=f"{slug}-2", name=f"{slug}-2")
    first = api.ensure("block_schema", block_type=slug, fields=FIELDS)["block_schema"]
    second = api.ensure("block_schema", block_type=f"{slug}-2", fields=FIELDS)["block_schema"]
    assert first["id"] != second["id"]
    assert second["block_type"] == f"{slug}-2"


def test_references_between_schemas_by_type(api: Api, slug: str) -> None:
    """The server requires checksums, and returns definitions that the task does not contain."""
    child = f"{slug}-child"
    api.run("block_type", slug=child, name=child)
    properties = {"child": {"$ref": "#/definitions/Child"}, "own": {"$ref": "#/definitions/Own"}}
    definitions = {"Own": {"title": "Own", "type": "object"}}
    parent: dict[str, Any] = {"title": "Parent", "type": "object", "properties": properties, "definitions": definitions}
    parent["block_schema_references"] = {"child": {"block_type_slug": child}}
    with pytest.raises(ModuleFailure, match=f"there is no schema of block type '{child}'"):
        api.run("block_schema", block_type=slug, fields=parent)
    fields = {"title": "Child", "type": "object", "properties": {"x": {"type": "string"}}}
    checksum = api.run("block_schema", block_type=child, fields=fields)["block_schema"]["checksum"]
    assert api.check("block_schema", block_type=slug, fields=parent)["changed"]
    made = api.run("block_schema", block_type=slug, fields=parent)["block_schema"]
    assert not api.ensure("block_schema", block_type=slug, fields=parent)["changed"]
    assert made["fields"]["block_schema_references"]["child"]["block_schema_checksum"] == checksum
    assert not api.ensure("block_schema", block_type=slug, fields=made["fields"])["changed"]
    alternatives = {**parent, "block_schema_references": {"child": [{"block_type_slug": child}]}}
    assert not api.ensure("block_schema", block_type=slug, fields=alternatives)["changed"], "a list of one"
    assert api.check("block_schema", block_type=slug, fields={**parent, "definitions": {}})["changed"]


def test_the_schemas_that_prefect_brings_are_found_unchanged(api: Api) -> None:
    """The server normalizes schemas. A schema that the _info module returns is accepted without a change."""
    items = [
        {option: one[option] for option in ("block_type", "version", "fields", "capabilities")}
        for one in api.run("block_schema_info")["block_schemas"]
    ]
    assert len(items) > 50
    api.proxy.forget()
    unchanged = 0
    keys: set[tuple[str, str]] = set()
    document = []
    for item in items:
        key = (item["block_type"], item["version"])
        document += [] if key in keys else [item]
        keys.add(key)
    unchanged = api.run("configuration", block_schemas=document)["summary"]["unchanged"]
    assert unchanged == len(document)
    assert len(api.proxy.requests) <= 2


@pytest.mark.parametrize("path", ["/block_types/", "/block_schemas/"])
def test_a_lost_answer_is_no_second_object(api: Api, slug: str, path: str) -> None:
    api.proxy.faults.append(Fault("POST", path, acts=True))
    if path == "/block_types/":
        assert api.run("block_type", slug=f"{slug}-lost", name=f"{slug}-lost")["changed"]
    else:
        assert api.run("block_schema", block_type=slug, fields=FIELDS)["changed"]
        assert len(schemas(api, slug)) == 1
