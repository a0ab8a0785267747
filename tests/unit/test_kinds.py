# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of objects: the files that are derived from their registry are current, and each kind is complete."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import kinds as generator
import pytest
import yaml
from defaults import ROOT
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.configuration import OPTIONS
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import STATE, Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import (
    KINDS,
    ORDER,
    REGISTERED,
    by_dependencies,
)

every_kind = pytest.mark.parametrize("kind", ORDER, ids=lambda kind: kind.noun)


def options_of(module: str) -> dict[str, dict[str, Any]]:
    """Return the options in the DOCUMENTATION of a module."""
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text())
    texts = {node.targets[0].id: node.value for node in tree.body if isinstance(node, ast.Assign)}  # type: ignore[attr-defined]
    return dict(yaml.safe_load(ast.literal_eval(texts["DOCUMENTATION"]))["options"])


def spec_of(documented: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a documented option that an argument spec also has."""
    names = ("type", "elements", "required", "default", "choices")
    spec = {name: documented[name] for name in names if documented.get(name) is not None}
    inner = documented.get("suboptions") or {}
    return {**spec, **({"options": {name: spec_of(one) for name, one in inner.items()}} if inner else {})}


def comparable(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return an option of an argument spec, without the fields that documentation does not have."""
    rest = {name: value for name, value in spec.items() if name not in ("no_log", "options")}
    inner = spec.get("options") or {}
    return {**rest, **({"options": {name: comparable(one) for name, one in inner.items()}} if inner else {})}


@pytest.mark.parametrize("name", generator.FILES)
def test_what_is_derived_is_up_to_date(name: str) -> None:
    assert generator.written(name) == (ROOT / name).read_text(), "run `make kinds`"


def files_of(noun: str) -> list[str]:
    return [
        f"plugins/module_utils/_resources/{noun}.py",
        f"plugins/modules/{noun}.py",
        f"plugins/modules/{noun}_info.py",
        f"tests/integration/api/kinds/{noun}.py",
    ]


@every_kind
def test_a_kind_has_all_its_files(kind: Kind) -> None:
    assert [name for name in files_of(kind.noun) if not (ROOT / name).is_file()] == []


def test_a_sample_belongs_to_a_kind() -> None:
    samples = {path.stem for path in (ROOT / "tests/integration/api/kinds").glob("[a-z]*.py")}
    assert samples == {kind.noun for kind in ORDER}


@every_kind
def test_a_module_documents_the_options_of_its_kind(kind: Kind) -> None:
    documented = {name: spec_of(option) for name, option in options_of(kind.noun).items()}
    assert documented == {name: comparable(option) for name, option in {**kind.options, "state": STATE}.items()}


@every_kind
def test_an_info_module_takes_the_natural_key(kind: Kind) -> None:
    documented = {name: option["type"] for name, option in options_of(f"{kind.noun}_info").items()}
    assert documented == {name: kind.options[name]["type"] for name in kind.key}


def test_the_document_is_documented() -> None:
    documented = {name: spec_of(option) for name, option in options_of("configuration").items()}
    assert documented == {name: comparable(option) for name, option in OPTIONS.items()}


@pytest.mark.parametrize("attribute", ["noun", "plural"])
def test_no_two_kinds_share_a_name(attribute: str) -> None:
    names = [getattr(kind, attribute) for kind in REGISTERED]
    assert sorted(names) == sorted(set(names))


@every_kind
def test_a_kind_refers_to_kinds(kind: Kind) -> None:
    assert {*kind.refers_to, *([kind.part_of] if kind.part_of else [])} <= {one.noun for one in ORDER}


@given(st.permutations(REGISTERED))
def test_a_kind_comes_after_those_that_it_refers_to(shuffled: list[Kind]) -> None:
    ordered = by_dependencies(shuffled)
    assert {*ordered} == {*shuffled}
    place = {kind.noun: number for number, kind in enumerate(ordered)}
    for kind in ordered:
        for other in {*kind.refers_to, kind.part_of} - {kind.noun, ""}:
            assert place[other] < place[kind.noun]


def test_kinds_that_need_each_other_are_refused() -> None:
    class First(Kind):
        noun, refers_to = "first", ("second",)

    class Second(Kind):
        noun, refers_to = "second", ("first",)

    with pytest.raises(ValueError, match="circular references: first, second"):
        by_dependencies([First(), Second()])


def test_a_kind_can_refer_to_its_own() -> None:
    class Tree(Kind):
        noun, refers_to = "tree", ("tree",)

    assert [kind.noun for kind in by_dependencies([Tree()])] == ["tree"]


def test_contributing_names_every_file_of_a_kind() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = [*generator.FILES, "plugins/module_utils/_prefect/registry.py", "docs/migrate-from-terraform.md"]
    assert [name for name in paths if f"`{name}`" not in text] == []
    assert [name for name in files_of("<noun>") if f"`{name}`" not in text] == []
    assert len(KINDS) > 1
