# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make new-kind` in a copy of this checkout: its modules work at once, and all lists of kinds contain the kind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from defaults import ROOT

# This name is longer than real ones, and so are the lines that contain it.
NOUN = "long_named_example_object"
PLURAL = f"{NOUN}s"
BIN = Path(sys.executable).parent
BY_SCRIPT = {
    f"plugins/module_utils/_resources/{NOUN}.py",
    f"plugins/modules/{NOUN}.py",
    f"plugins/modules/{NOUN}_info.py",
    f"tests/integration/api/kinds/{NOUN}.py",
    "plugins/module_utils/_prefect/registry.py",
}
DERIVED = {
    "README.md",
    "meta/runtime.yml",
    "plugins/modules/configuration.py",
    "plugins/modules/export.py",
    "roles/prefect_configuration/README.md",
    "roles/prefect_configuration/tasks/main.yml",
}
ASK = f"""
import json
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect import configuration, export, purge, registry
from ansible_collections.selfhosted.prefect.plugins.modules import {NOUN}, {NOUN}_info
print(json.dumps({{
    "order": [kind.noun for kind in registry.ORDER],
    "document": list(configuration.OPTIONS),
    "export": export.OPTIONS["kinds"]["choices"],
    "purge": list(purge.PURGE["options"]),
    "file": registry.__file__,
}}))
"""


def run(tree: Path, *command: str | Path, fails: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command in the copy. Only its programs come from this checkout."""
    collections = tree / ".collections"
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_HOME": str(tree / ".ansible"),
        "PYTHONPATH": str(collections),
    }
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert bool(done.returncode) is fails, done.stdout + done.stderr
    return done


def contents(tree: Path) -> dict[str, bytes]:
    paths = (path for path in tree.rglob("*") if path.is_file() and ".collections" not in path.parts)
    skipped = (".ansible", "__pycache__", ".ruff_cache")
    return {str(path.relative_to(tree)): path.read_bytes() for path in paths if not {*path.parts}.intersection(skipped)}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("new_kind") / "checkout"
    subprocess.run([ROOT / "scripts" / "copy-tree.sh", tree], check=True)
    link = tree / ".collections" / "ansible_collections" / "selfhosted" / "prefect"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../..")
    return tree


@pytest.fixture(scope="module")
def before(untouched: Path) -> dict[str, bytes]:
    return contents(untouched)


@pytest.fixture(scope="module")
def tree(untouched: Path, before: dict[str, bytes]) -> Path:
    assert before
    run(untouched, sys.executable, "scripts/new_kind.py", NOUN)
    return untouched


@pytest.fixture(scope="module")
def known(tree: Path) -> dict[str, Any]:
    """Return the values in the code of the copy. This also verifies that the code can be imported."""
    return dict(json.loads(run(tree, sys.executable, "-c", ASK).stdout))


def test_it_changes_what_contributing_says(tree: Path, before: dict[str, bytes]) -> None:
    now = contents(tree)
    assert {name for name in now if now[name] != before.get(name)} == BY_SCRIPT | DERIVED
    assert set(before) <= set(now)


def test_the_copy_knows_the_kind(tree: Path, known: dict[str, Any]) -> None:
    assert known["file"].startswith(str(tree))
    assert NOUN in known["order"]
    for place in ("document", "export", "purge"):
        assert PLURAL in known[place]


def test_ruff_has_nothing_to_say(tree: Path) -> None:
    run(tree, BIN / "ruff", "check", ".")
    run(tree, BIN / "ruff", "format", "--check", ".")


def test_yamllint_has_nothing_to_say(tree: Path) -> None:
    run(tree, BIN / "yamllint", "--strict", "meta", "roles/prefect_configuration")


def test_ansible_doc_reads_it(tree: Path) -> None:
    names = [f"selfhosted.prefect.{name}" for name in (NOUN, f"{NOUN}_info", "configuration", "export")]
    read = json.loads(run(tree, BIN / "ansible-doc", "--json", *names).stdout)
    assert set(read) == set(names)
    for name in names[:2]:
        assert read[name]["doc"]["filename"].startswith(str(tree))
        assert "api_url" in read[name]["doc"]["options"]
        assert read[name]["examples"]
        assert read[name]["return"]
    options = read["selfhosted.prefect.configuration"]["doc"]["options"]
    assert PLURAL in options
    assert PLURAL in options["purge"]["suboptions"]
    assert PLURAL in read["selfhosted.prefect.export"]["doc"]["options"]["kinds"]["choices"]


def test_the_role_passes_its_list_on(tree: Path) -> None:
    tasks = yaml.safe_load((tree / "roles/prefect_configuration/tasks/main.yml").read_text())
    (options,) = (task[name] for task in tasks if (name := "selfhosted.prefect.configuration") in task)
    assert PLURAL in options


def test_its_modules_are_in_the_action_group(tree: Path) -> None:
    group = yaml.safe_load((tree / "meta/runtime.yml").read_text())["action_groups"]["prefect"]
    assert {NOUN, f"{NOUN}_info"} <= set(group)


def test_tests_of_all_kinds_hold_for_it(tree: Path) -> None:
    """tests/unit/test_kinds.py needs no server. The contract tests need one, so the test only collects them."""
    told = run(tree, BIN / "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_kinds.py", "-k", NOUN).stdout
    assert " passed" in told
    cases = run(tree, BIN / "pytest", "-q", "--collect-only", "tests/integration/api/test_every_kind.py").stdout
    assert re.search(rf"::test_found_by_natural_key_without_state\[[\d.]+-{NOUN}\]", cases)


def test_a_kind_that_is_there_is_left_alone(tree: Path) -> None:
    now = contents(tree)
    told = run(tree, sys.executable, "scripts/new_kind.py", NOUN, fails=True).stderr
    assert f"these files already exist: plugins/module_utils/_resources/{NOUN}.py" in told
    assert contents(tree) == now


@pytest.mark.parametrize("name", ["", "Example", "example-object", "../example", "example object", "_x", "x2"])
def test_other_names_are_refused(tree: Path, name: str) -> None:
    told = run(tree, sys.executable, "scripts/new_kind.py", name, fails=True).stderr
    assert "set the name of one object" in told
