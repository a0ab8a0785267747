from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import same
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_document import (
    ALL,
    at,
    leaves,
    masked,
    texts,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_schema import (
    comparable,
    secret_fields,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.variable import SECRET_NAME

KEYS = st.sampled_from(["a", "b", "c"])
LEAVES = st.none() | st.booleans() | st.integers(0, 9) | st.text("xyz", max_size=2)
DATA = st.dictionaries(
    KEYS, st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner), max_leaves=5)
)
PATHS = st.lists(st.sampled_from(["a", "b", "a.b", "a.*", "b.c.*", "c.a.b", "*"]), max_size=3)


def test_paths() -> None:
    data = {"a": {"b": "x", "c": [{"d": "y"}, None]}, "e": "z", "n": None}
    assert masked(data, ["a.b"]) == {**data, "a": {"b": "<secret>", "c": [{"d": "y"}, None]}}
    assert masked(data, ["a.*"]) == {**data, "a": {"b": "<secret>", "c": [{"d": "<secret>"}, None]}}
    assert masked(data, ["a"]) == {**data, "a": "<secret>"}
    assert masked(data, ["n", "e.f", "missing.*"]) == data
    assert masked(data, ALL) == {"a": {"b": "<secret>", "c": [{"d": "<secret>"}, None]}, "e": "<secret>", "n": None}


@given(DATA, PATHS, DATA)
def test_masking_leaves_all_else(data: dict[str, Any], paths: list[str], other: dict[str, Any]) -> None:
    assert same(masked(data, []), data)
    assert {leaf for leaf in leaves(masked(data, ALL)) if leaf is not None} <= {"<secret>"}
    shown = masked(data, paths, other)
    assert masked(data, paths, data) == masked(data, paths)
    assert shown.keys() == data.keys()
    for key in data.keys() - {path.partition(".")[0] for path in paths} if "*" not in paths else ():
        assert same(shown[key], data[key])


@given(DATA, PATHS)
def test_what_is_masked_is_not_there(data: dict[str, Any], paths: list[str]) -> None:
    for path in (path for path in paths if "*" not in path):
        value = at(data, tuple(path.split(".")))
        if value is not None:
            assert at(masked(data, [path]), tuple(path.split("."))) == "<secret>"


def test_an_old_secret_is_told_from_a_new_one() -> None:
    before, after = {"p": "1", "h": {"a": 1, "b": 2}}, {"p": "2", "h": {"a": 1}}
    paths = ["p", "h.*"]
    assert masked(before, paths, after) == {"p": "<old secret>", "h": {"a": "<secret>", "b": "<secret>"}}
    assert masked(after, paths) == {"p": "<secret>", "h": {"a": "<secret>"}}


def test_texts_are_what_ansible_looks_for() -> None:
    assert texts({"a": ["x", 1, 1.5, True, None, ""], "b": {"c": 0}}) == {"x", "1", "1.5", "0"}


def test_schemas_are_compared_without_what_the_server_fills_in() -> None:
    fields: dict[str, Any] = {"title": "T", "properties": {"x": {"type": "string"}}, "secret_fields": ["x"]}
    filled = {**fields, "block_schema_references": {}, "block_type_slug": "t", "secret_fields": []}
    assert comparable(fields, filled) == comparable(filled)
    reference = {"block_type_slug": "c", "block_schema_checksum": "sha256:1"}
    found = {
        **filled,
        "block_schema_references": {"x": [reference, {**reference, "block_type_slug": "d"}]},
        "definitions": {"C": {"block_type_slug": "c"}, "Own": {"type": "object"}},
    }
    stated: dict[str, Any] = {**fields, "definitions": {"Own": {"type": "object"}}}
    stated["block_schema_references"] = {"x": [{"block_type_slug": "d"}, {"block_type_slug": "c"}]}
    assert comparable(stated, found) == comparable(found)
    for other in (
        {**stated, "definitions": {}},
        {**stated, "block_schema_references": {}},
        {**stated, "block_schema_references": {"x": {"block_type_slug": "c"}}},
        {**stated, "block_schema_references": {"x": [reference, {"block_type_slug": "d"}, {"block_type_slug": "e"}]}},
        {**stated, "title": "U"},
    ):
        assert comparable(other, found) != comparable(found), json.dumps(other)
    assert secret_fields({"secret_fields": ["b", "a", "b"]}) == ["a", "b"]


@pytest.mark.parametrize(("name", "secret"), [
    ("password", True), ("db_password", True), ("x-token-2", True), ("api_key", True), ("apikey", True),
    ("secrets", True), ("credentials", True), ("private-key", True), ("access_keys", True),
    ("passwordless", False), ("tokenizer", False), ("key", False), ("keys", False), ("secretary", False),
])  # fmt: skip
def test_names_of_secrets(name: str, secret: bool) -> None:
    assert bool(SECRET_NAME.search(name)) is secret
