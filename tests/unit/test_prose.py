# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that the prose linter extracts from YAML and Python files, with their line numbers."""

from __future__ import annotations

from pathlib import Path

from prose import check

ROOT = Path(__file__).resolve().parents[2]


def test_comments_keep_their_lines() -> None:
    source = (
        "---\n# Copyright: (c) us\n# Ports of the gateway.\nport: 1  # behind a value\n  # Indented.\n#   a command\n"
    )
    assert check.comments(source) == {3: "Ports of the gateway.", 5: "Indented."}


def test_descriptions_keep_their_lines_and_lose_their_markup() -> None:
    source = "a:\n  description:\n    - First V(true),\n      and more.\n    - 'Second'\n  default: x\n"
    assert check.texts(source, check.DESCRIPTIONS) == {3: "- First `true`,", 4: "  and more.", 5: "- Second"}


def test_documentation_of_plugins_keeps_its_lines() -> None:
    source = (
        'A = 1\nDOCUMENTATION = r"""\nmodule: a\nshort_description: First\ndescription:\n  - See RV(x) and O(a).\n"""\n'
        'EXAMPLES = r"""\n- description: code\n"""\nRETURN = r"""\nx:\n  description: Third\n"""\n'
    )
    assert check.documentation(source) == {4: "- First", 6: "- See `x` and `a`.", 13: "- Third"}
    fragment = 'class ModuleDocFragment:\n    INFO = r"""\noptions:\n  a:\n    description: Second\n"""\n'
    assert check.documentation(fragment) == {5: "- Second"}


def test_names_of_tasks_are_read_and_names_of_things_are_not() -> None:
    source = '- name: Wait for it\n- name: "Run {{ x }}"\n- name: default\n- name: "{{ item }}"\n  name: Not a task\n'
    assert check.names(source) == {1: "Wait for it", 2: "Run `value`"}


def test_every_kind_of_text_is_found_in_this_checkout(tmp_path: Path) -> None:
    check.extract(tmp_path)
    for role in (ROOT / "roles").iterdir():
        assert (tmp_path / "descriptions" / "roles" / role.name / "meta/argument_specs.yml.descriptions.md").exists()
    for kind in ("modules", "lookup", "doc_fragments"):
        for plugin in (ROOT / "plugins" / kind).glob("[a-z]*.py"):
            assert (tmp_path / "descriptions" / "plugins" / kind / f"{plugin.name}.descriptions.md").exists()
    for playbook in (ROOT / "playbooks").glob("*.yml"):
        assert (tmp_path / "names" / "playbooks" / f"{playbook.name}.names.md").exists() or "- name:" not in (
            playbook.read_text()
        )
