from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.job_template import job_template, undeclared
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_queue import (
    DEFAULT_QUEUE,
    queues_after,
    shift,
)

NAMES = ["default", "a", "b", "c", "d"]


def queues(names: list[str], priorities: list[int]) -> list[dict[str, Any]]:
    return [{**DEFAULT_QUEUE, "name": name, "priority": priority} for name, priority in zip(names, priorities)]


@st.composite
def pools(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = ["default", *draw(st.lists(st.sampled_from(NAMES[1:]), unique=True))]
    count = len(names)
    return queues(names, draw(st.lists(st.integers(1, 9), min_size=count, max_size=count, unique=True)))


@st.composite
def declarations(draw: st.DrawFn) -> list[dict[str, Any]]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    if draw(st.booleans()):
        return [{"name": name} for name in names]
    count = len(names)
    priorities = draw(st.lists(st.integers(1, 9), min_size=count, max_size=count, unique=True))
    return [{"name": name, "priority": priority} for name, priority in zip(names, priorities)]


@given(pools(), declarations())
def test_declared_queues_get_their_place_and_nothing_is_left_to_do(
    current: list[dict[str, Any]], declared: list[dict[str, Any]]
) -> None:
    after, writes = queues_after(current, declared)
    priorities = {queue["name"]: queue["priority"] for queue in after}
    for place, queue in enumerate(declared, 1):
        assert priorities[queue["name"]] == queue.get("priority", place)
    assert len(set(priorities.values())) == len(after)
    assert {queue["name"] for queue in after} == {queue["name"] for queue in [*current, *declared]}
    assert len(writes) <= len(declared)
    assert queues_after(after, declared) == (after, [])


@given(pools())
def test_the_moved_queue_keeps_its_priority_and_the_others_their_order(current: list[dict[str, Any]]) -> None:
    priorities = {queue["name"]: queue["priority"] for queue in current}
    for wish in (1, 5, 9):
        shifted = shift({**priorities, "default": wish}, "default")
        assert shifted["default"] == wish
        others = [name for name in priorities if name != "default"]
        assert sorted(others, key=shifted.__getitem__) == sorted(others, key=priorities.__getitem__)
        assert all(shifted[name] >= priorities[name] for name in others)


TEMPLATE: dict[str, Any] = {
    "job_configuration": {
        "command": "{{ command }}",
        "nested": [{"x": "{{image}} {{ prefect.variables.v }} {{ $HOME }}"}],
    },
    "variables": {"type": "object", "properties": {"command": {"type": "string"}, "image": {"default": "old"}}},
    "added_by_a_newer_server": True,
}


def test_a_job_template_keeps_what_it_does_not_know() -> None:
    result = job_template(TEMPLATE, {"image": "new"}, {"extra": 1})
    assert result == {
        "job_configuration": {**TEMPLATE["job_configuration"], "extra": 1},
        "variables": {"type": "object", "properties": {"command": {"type": "string"}, "image": {"default": "new"}}},
        "added_by_a_newer_server": True,
    }
    assert TEMPLATE["variables"]["properties"]["image"] == {"default": "old"}, "the original is not changed"
    assert job_template(TEMPLATE, None, None) == TEMPLATE


def test_undeclared_placeholders() -> None:
    assert undeclared(TEMPLATE) == []
    assert undeclared(job_template(TEMPLATE, None, {"a": {"b": "x{{ grace }}{{other}}"}})) == ["grace", "other"]
    assert undeclared({}) == []
