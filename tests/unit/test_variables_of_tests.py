# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The variables that tests on hosts and clusters give to playbooks are options of roles.

Those tests run for an hour, and Ansible ignores a variable that no role reads: the test then shows something else than
it says. They are read here, and not run.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted(path for name in ("kubernetes", "e2e", "security") for path in (ROOT / "tests" / name).rglob("*.py"))
SPECS = [
    yaml.safe_load(path.read_text())["argument_specs"] for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")
]
VARS = [yaml.safe_load(path.read_text()) for path in (ROOT / "roles").glob("*/vars/main.yml")]
OPTIONS = {
    *(name for spec in SPECS for entry in spec.values() for name in entry["options"]),
    *(name for constants in VARS for name in constants),
}
# Of Ansible, and a misspelled one that the preflight has to find.
OTHERS = re.compile(r"ansible_\w+|prefect_databse_port")


def texts(node: ast.expr, names: dict[str, Any]) -> str | None:
    """The text of a constant or of an f-string of known names; None where only a run can tell."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.FormattedValue):
        return texts(node.value, names)
    if isinstance(node, ast.JoinedStr):
        parts = [texts(part, names) for part in node.values]
        return None if None in parts else "".join(str(part) for part in parts)
    return None


def constants(node: ast.expr) -> list[str]:
    """The items of a list or tuple of texts."""
    items = node.elts if isinstance(node, (ast.Tuple, ast.List)) else []
    return [str(item.value) for item in items if isinstance(item, ast.Constant)]


def keys(node: ast.expr) -> list[str]:
    """The keys of a dictionary, also where a comprehension makes them."""
    if isinstance(node, ast.Dict):
        return [key for key in (texts(entry, {}) for entry in node.keys if entry) if key is not None]
    if isinstance(node, ast.DictComp):
        names = [loop.target.id for loop in node.generators if isinstance(loop.target, ast.Name)]
        values = itertools.product(*(constants(loop.iter) for loop in node.generators))
        made = (texts(node.key, dict(zip(names, each))) for each in values)
        return [key for key in made if key is not None]
    return []


def functions_with_variables(trees: dict[Path, ast.Module]) -> dict[str, set[str]]:
    """Functions that pass C(**variables) on to a playbook, methods with a dot, and their own parameters."""
    found: dict[str, set[str]] = {}
    for node in (node for tree in trees.values() for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef) and node.args.kwarg and node.args.kwarg.arg == "variables":
            own = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)}
            found.setdefault(f".{node.name}" if "self" in own else node.name, set()).update(own)
    return found


def is_of_variables(names: list[str]) -> bool:
    return any(name.startswith("prefect_") for name in names)


def given(tree: ast.Module, functions: dict[str, set[str]]) -> Iterator[tuple[int, str]]:
    """Lines and names of the variables in a test."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Dict, ast.DictComp)) and is_of_variables(keys(node)):
            yield from ((node.lineno, key) for key in keys(node))
        elif isinstance(node, ast.Call):
            name = f".{node.func.attr}" if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in functions:
                words = (word.arg for word in node.keywords if word.arg and word.arg not in functions[name])
                yield from ((node.lineno, word) for word in words)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from ((node.lineno, word) for word in re.findall(r"\b(prefect_\w+)=", node.value))


TREES = {path: ast.parse(path.read_text()) for path in PATHS}
FUNCTIONS = functions_with_variables(TREES)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: str(path.relative_to(ROOT / "tests")))
def test_a_test_gives_playbooks_the_options_of_roles(path: Path) -> None:
    # A dot comes before a key of the option.
    unknown = {(line, name) for line, name in given(TREES[path], FUNCTIONS) if name.partition(".")[0] not in OPTIONS}
    assert sorted((line, name) for line, name in unknown if not OTHERS.fullmatch(name)) == []


def test_a_wrong_name_is_found_wherever_it_stands() -> None:
    text = """
PATCHES = {f"{name}_pod_patch": {} for name in ("pgbouncer", "prefect_server")}
VARIABLES = {"prefect_namespace": "a", "prefect_namespaces": "b"}
deployment.play("site", check=False, prefect_database_hosts="c", **{"prefect_replicas": 1})
run("-e", "prefect_teardown_confirmed=prefect")
unrelated = {"name": "prefect", "worker_pod_patch": {}}
"""
    wrong = {name for _line, name in given(ast.parse(text), FUNCTIONS) if name not in OPTIONS}
    assert wrong == {
        "pgbouncer_pod_patch",
        "prefect_namespaces",
        "prefect_database_hosts",
        "prefect_replicas",
        "prefect_teardown_confirmed",
    }


def test_most_tests_are_read() -> None:
    """So the functions that give variables are still found."""
    assert {".play", ".play_and_kill", ".playbook"} <= FUNCTIONS.keys()
    names = {name for path in PATHS for _line, name in given(TREES[path], FUNCTIONS)} & OPTIONS
    assert len(names) > 40
