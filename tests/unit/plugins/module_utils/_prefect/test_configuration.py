# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that are applied to a server in memory: properties of every document and every server."""

from __future__ import annotations

import fnmatch
import itertools
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import PrefectError, Remarks
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.configuration import configure, levels
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.export import variable_name
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import ChangeSet
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import KINDS, Step


class Memory:
    """A client of a server that has only variables."""

    def __init__(self, values: dict[str, Any], read_only: bool = False) -> None:
        self.variables = {name: {"name": name, "value": value, "tags": []} for name, value in values.items()}
        self.read_only, self.memo, self.remarks = read_only, {}, Remarks()  # type: ignore[var-annotated]

    def pages(self, *path: str, **_body: Any) -> Iterator[dict[str, Any]]:
        return iter([dict(one) for one in self.variables.values()] if path == ("variables", "filter") else [])

    def call(self, method: str, *path: str, body: Any = None, **_options: Any) -> None:
        assert not self.read_only
        assert path[0] == "variables"
        if method == "POST":
            assert body["name"] not in self.variables
            self.variables[body["name"]] = {"tags": [], **body}
        elif method == "PATCH":
            self.variables[path[-1]].update(body)
        else:
            del self.variables[path[-1]]


NAMES = [f"{word}-{number}" for word in ("app", "team", "tmp") for number in range(3)]
VALUES = st.none() | st.integers(0, 2) | st.sampled_from(["{{ x }}", ""]) | st.lists(st.integers(0, 1), max_size=2)
SERVERS = st.dictionaries(st.sampled_from(NAMES), VALUES)
DOCUMENTS = st.dictionaries(
    st.sampled_from(NAMES), st.tuples(VALUES, st.lists(st.sampled_from("ab"), max_size=2), st.booleans())
)
PATTERNS = st.lists(st.sampled_from(["*", "app-*", "*-1", "tmp-[02]", "team-2", ""]), max_size=2)


def document(wanted: dict[str, Any], **more: Any) -> dict[str, Any]:
    items = [
        {"name": name, "state": "absent"} if gone else {"name": name, "value": value, "tags": tags}
        for name, (value, tags, gone) in wanted.items()
    ]
    return {"variables": items, "parallel": 1, **more}


def purge(include: list[str], protect: list[str], maximum: int = 99) -> dict[str, Any]:
    return {"variables": {"include": include, "protect": protect, "maximum": maximum}}


def matched(name: str, patterns: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


@settings(max_examples=200, deadline=None)
@given(SERVERS, DOCUMENTS, PATTERNS, PATTERNS)
def test_after_a_document_is_applied_its_plan_is_empty(
    there: dict[str, Any], wanted: dict[str, Any], include: list[str], protect: list[str]
) -> None:
    options = document(wanted, purge=purge(include, protect))
    server, prediction = Memory(there), Memory(there, read_only=True)
    predicted = configure(prediction, options)  # type: ignore[arg-type]
    done = configure(server, options)  # type: ignore[arg-type]
    assert predicted == done
    again = configure(server, options)  # type: ignore[arg-type]
    assert not again["changed"]
    assert again["diff"]["before"] == again["diff"]["after"] == ""


@settings(max_examples=200, deadline=None)
@given(SERVERS, DOCUMENTS, PATTERNS, PATTERNS)
def test_a_purge_deletes_what_is_asked_for_and_never_what_is_protected(
    there: dict[str, Any], wanted: dict[str, Any], include: list[str], protect: list[str]
) -> None:
    server = Memory(there)
    result = configure(server, document(wanted, purge=purge(include, protect)))  # type: ignore[arg-type]
    for name in there.keys() - wanted.keys():
        stays = name in server.variables
        assert stays == (matched(name, protect) or not matched(name, include))
        if stays:
            assert server.variables[name] == {"name": name, "value": there[name], "tags": []}
    assert {one["name"] for one in result["kept"]} == {
        name for name in there.keys() - wanted.keys() if matched(name, protect) and matched(name, include)
    }


@settings(max_examples=100, deadline=None)
@given(SERVERS, DOCUMENTS, st.integers(0, 4))
def test_a_purge_over_the_maximum_changes_nothing(there: dict[str, Any], wanted: dict[str, Any], maximum: int) -> None:
    server = Memory(there)
    before = {name: dict(one) for name, one in server.variables.items()}
    options = document(wanted, purge=purge(["*"], [], maximum))
    if len(there.keys() - wanted.keys()) > maximum:
        with pytest.raises(PrefectError, match="Nothing was changed"):
            configure(server, options)  # type: ignore[arg-type]
        assert server.variables == before
    else:
        configure(server, options)  # type: ignore[arg-type]


# Order

AUTOMATION = next(kind for kind in KINDS if kind.noun == "automation")


def automation(name: str, *others: str) -> Step:
    actions = [{"type": "pause-automation", "automation": other} for other in others]
    return Step(AUTOMATION, {"name": name, "actions": actions}, None, ChangeSet("create", {}, {}, {}))


@given(st.permutations([("a", "b", "c"), ("b", "c"), ("c",), ("d", "a", "x"), ("e",)]))
def test_what_others_refer_to_comes_first(specs: list[tuple[str, ...]]) -> None:
    waves = list(levels(AUTOMATION, [automation(*spec) for spec in specs]))
    assert [sorted(step.item["name"] for step in wave) for wave in waves] == [["c", "e"], ["b"], ["a"], ["d"]]


def test_a_circle_ends() -> None:
    waves = list(levels(AUTOMATION, [automation("a", "b"), automation("b", "a"), automation("c", "c")]))
    assert sorted(step.item["name"] for step in itertools.chain(*waves)) == ["a", "b", "c"]


@pytest.mark.parametrize("parallel", [1, 4])
def test_as_many_writes_at_the_same_time_as_asked_for(parallel: int) -> None:
    together = threading.Barrier(parallel)  # breaks if there are fewer concurrent writes

    class Slow(Memory):
        def call(self, *path: Any, **options: Any) -> None:
            assert together.n_waiting < parallel
            together.wait(20)
            super().call(*path, **options)

    server = Slow({})
    configure(server, {"variables": [{"name": name, "value": 1} for name in "abcdefgh"], "parallel": parallel})  # type: ignore[arg-type]
    assert sorted(server.variables) == list("abcdefgh")


def test_what_a_busy_server_refuses_to_many_is_made_alone() -> None:
    class Busy(Memory):
        def get(self, *path: str, **_options: Any) -> Any:
            return self.variables.get(path[-1])

        def call(self, method: str, *path: str, **options: Any) -> None:
            if threading.current_thread() is not threading.main_thread():
                raise PrefectError("busy", status=503, unsure=False)
            super().call(method, *path, **options)

    server = Busy({"old": 1})
    wanted = [{"name": "new", "value": 1}, {"name": "old", "state": "absent"}]
    assert configure(server, {"variables": wanted, "parallel": 2})["changed"]  # type: ignore[arg-type]
    assert list(server.variables) == ["new"]
    with pytest.raises(PrefectError, match="0 of 1 changes were made"):
        configure(server, {"variables": [{"name": "one", "value": 1}], "parallel": 1})  # type: ignore[arg-type]


# Names of variables for secrets

PARTS = st.text(st.sampled_from("ab-_A. "), min_size=1, max_size=4)
SLUGS = st.from_regex(r"[ab-]{1,4}", fullmatch=True)
PLACES = st.tuples(SLUGS, SLUGS, st.lists(PARTS, min_size=1, max_size=2)).map(lambda place: [*place[:2], *place[2]])


@settings(max_examples=500)
@given(PLACES, PLACES)
def test_no_two_secrets_share_a_variable(one: list[str], other: list[str]) -> None:
    assert (variable_name(one, 2) == variable_name(other, 2)) == (one == other)
    assert variable_name(one, 2).isidentifier() or one[0].strip("-") == ""
