# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/structure.md shows all imports and includes of the files, in diagrams that are small enough to read."""

from __future__ import annotations

import graphlib
import re

import pytest
from defaults import ROOT
from structure import (
    PAGE,
    PICTURES,
    PLUGINS,
    Edge,
    drawing,
    imports_of,
    merged,
    picture,
    playbooks,
    roles,
    with_pictures,
)

READABLE = 40  # maximum number of boxes in a diagram


def test_the_pictures_are_those_of_the_files() -> None:
    text = PAGE.read_text()
    assert with_pictures(text) == text, "run `make structure`, and look at what has changed"


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_readable(name: str) -> None:
    text = PICTURES[name]()
    assert len(re.findall(r"^    n\d+\[", text, re.MULTILINE)) <= READABLE
    assert "-->" in text or "| By |" in text


def test_nothing_is_left_out() -> None:
    packages = [path for path in (PLUGINS / "module_utils").iterdir() if path.is_dir() and path.name[0] == "_"]
    packages += [path for path in (PLUGINS / "plugin_utils").iterdir() if path.is_dir() and path.name[0] == "_"]
    rooms = {
        *(path.name for path in playbooks()),
        *roles(),
        *(f"filter/{path.stem}" for path in (PLUGINS / "filter").glob("[a-z]*.py")),
        *(f"action/{path.stem}" for path in (PLUGINS / "action").glob("[a-z]*.py")),
        *(path.name for path in packages if path.name != "__pycache__"),
    }
    text = PAGE.read_text()
    assert sorted(room for room in rooms if room not in text) == []


def test_every_package_of_plugins_is_drawn() -> None:
    """doc_fragments contain no code. New types of plugins, such as callbacks, would need a diagram."""
    drawn = {"action", "doc_fragments", "filter", "lookup", "module_utils", "modules", "plugin_utils"}
    assert {path.name for path in PLUGINS.iterdir() if path.is_dir()} - {"__pycache__"} == drawn


def test_rooms_that_use_the_same_share_a_box() -> None:
    edges = {Edge("a", "x"), Edge("b", "x"), Edge("c", "x", "includes"), Edge("x", "y")}
    assert merged(edges) == {Edge("a<br>b", "x"), Edge("c", "x", "includes"), Edge("x", "y")}


def test_two_that_use_each_other_have_one_arrow() -> None:
    text = drawing({Edge("a", "b"), Edge("b", "a"), Edge("b", "c", "includes")})
    assert re.findall(r"^  n.*$", text, re.MULTILINE) == ["  n0 <--> n1", "  n1 -.->|includes| n2"]
    assert picture({Edge("a", "b")}).startswith("```mermaid\nflowchart LR\n")


def test_the_page_is_listed() -> None:
    assert "(structure.md)" in (ROOT / "docs" / "README.md").read_text()


def test_no_files_import_each_other_in_a_circle() -> None:
    paths = [path for package in ("module_utils", "plugin_utils") for path in (PLUGINS / package).rglob("*.py")]
    graph = {".".join(path.relative_to(PLUGINS).with_suffix("").parts): imports_of(path) for path in paths}
    assert list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError
