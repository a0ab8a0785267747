from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import (
    difference,
    merge,
    plan,
    plan_absent,
    same,
)

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)
OPTIONS = st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=4)
FRESH = {"a": None, "b": [], "c": {}, "d": 0}


@given(OPTIONS, OPTIONS)
def test_after_a_plan_is_applied_there_is_nothing_to_do(current: dict[str, Any], wanted: dict[str, Any]) -> None:
    for start in (None, {**FRESH, **current}):
        first = plan(start, wanted, FRESH)
        assert plan(first.after, wanted, FRESH).action is None


@given(OPTIONS, OPTIONS)
def test_a_plan_changes_what_is_wanted_and_nothing_else(current: dict[str, Any], wanted: dict[str, Any]) -> None:
    start = {**FRESH, **current}
    steps = plan(start, wanted, FRESH)
    assert steps.changed == (steps.before != steps.after or not all(same(start[key], wanted[key]) for key in wanted))
    assert steps.changes.keys() <= wanted.keys()
    assert all(steps.after[name] is start[name] for name in start if name not in wanted)
    assert all(same(steps.after[name], wanted[name]) for name in wanted)


@given(OPTIONS)
def test_creating_and_deleting_mirror_each_other(wanted: dict[str, Any]) -> None:
    created = plan(None, wanted, FRESH)
    deleted = plan_absent(created.after)
    assert (created.action, deleted.action) == ("create", "delete")
    assert (created.before, created.after) == (deleted.after, deleted.before)
    assert plan_absent(None).action is None


@given(VALUES, VALUES)
def test_same_is_symmetric_and_reflexive(one: Any, other: Any) -> None:
    assert same(one, one)
    assert same(one, other) == same(other, one)


@pytest.mark.parametrize(("left", "right", "expected"), [
    (1, 1.0, True), (1, True, False), (0, False, False), ([1], [1.0], True), ({"a": 1}, {"a": True}, False),
    ("1", 1, False), (None, "", False), ([], {}, False), ({"a": None}, {}, False),
])  # fmt: skip
def test_same_is_the_equality_of_json(left: Any, right: Any, expected: bool) -> None:
    assert same(left, right) is expected


@given(VALUES)
def test_an_empty_patch_changes_nothing(base: Any) -> None:
    if isinstance(base, dict):
        assert merge(base, {}) == base


@given(OPTIONS, OPTIONS)
def test_a_patch_applied_twice_is_applied_once(base: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge(base, patch)
    assert merge(once, patch) == once


def test_named_lists_merge_by_name_and_null_removes() -> None:
    base = {
        "keep": 1,
        "go": 2,
        "containers": [{"name": "a", "image": "x", "env": {"A": 1}}, {"name": "b"}],
        "args": [1, 2],
    }
    patch = {
        "go": None,
        "never": None,
        "containers": [{"name": "c", "image": None, "port": 1}, {"name": "a", "env": {"B": 2}}],
        "args": [3],
    }
    assert merge(base, patch) == {
        "keep": 1,
        "containers": [{"name": "a", "image": "x", "env": {"A": 1, "B": 2}}, {"name": "b"}, {"name": "c", "port": 1}],
        "args": [3],
    }
    assert base["containers"][0] == {"name": "a", "image": "x", "env": {"A": 1}}, "the base is not changed"


QUEUES = st.lists(
    st.fixed_dictionaries({"name": st.sampled_from("abc"), "priority": st.integers(1, 3)}),
    max_size=3,
    unique_by=lambda queue: queue["name"],
)
NESTED = st.dictionaries(st.sampled_from("abcd"), VALUES | QUEUES, max_size=4)


@given(NESTED, NESTED)
def test_a_difference_is_symmetric(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert difference(left, right) == difference(right, left)[::-1]


@given(NESTED, NESTED)
def test_a_difference_tells_what_is_not_the_same(left: dict[str, Any], right: dict[str, Any]) -> None:
    before, after = difference(left, right)
    assert (before == after == {}) == same(left, right)
    assert set(before) | set(after) == {
        name for name in {*left, *right} if not (name in left and name in right and same(left[name], right[name]))
    }


def test_a_difference_shows_only_what_differs() -> None:
    queues = [{"name": "a", "priority": 1}, {"name": "b", "priority": 2}]
    other = [{"name": "a", "priority": 1}, {"name": "b", "priority": 7}]
    before = {"queues": queues, "template": {"same": 1, "deep": {"x": 1, "y": [1]}}}
    after = {"queues": other, "template": {"same": 1, "deep": {"x": 2, "y": [1]}}}
    assert difference(before, after) == (
        {"queues": {"b": {"priority": 2}}, "template": {"deep": {"x": 1}}},
        {"queues": {"b": {"priority": 7}}, "template": {"deep": {"x": 2}}},
    )
