# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that the linter for prose extracts from YAML files, code and templates, with their line numbers."""

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


def test_comments_of_templates_are_those_of_jinja_and_those_of_the_rendered_file() -> None:
    source = "{# First,\n   second. #}\n# Third.\na: {{ b }} {#- Fourth. -#}\n"
    assert check.jinja_comments(source) == {1: "First,", 2: "second.", 3: "Third.", 4: "Fourth."}


def test_comments_of_queries_keep_their_lines() -> None:
    assert check.sql_comments("-- First.\nSELECT 1;\n  -- Second.\n--\n") == {1: "First.", 3: "Second."}


def test_a_text_that_looks_like_a_comment_of_python_is_none() -> None:
    source = '# First.\nTEXT = """\n# a text\n"""\n# --- section ---\nx = 1  # behind a value\n'
    assert check.python_comments(source) == {1: "First."}


def test_docstrings_keep_their_lines_and_lose_commands() -> None:
    source = (
        '"""First.\n\nusage: program FILE\n\n    $ program\n"""\n\n\nclass A:\n    """Second,\n    third."""\n\n'
        '    def b(self):\n        r"""Fourth."""\n        return """not one"""\n\n\nasync def c():\n    """Fifth."""\n'
    )
    assert check.docstrings(source) == {1: "First.", 10: "Second,", 11: "third.", 14: "Fourth.", 19: "Fifth."}


def test_messages_are_texts_of_several_words_in_calls_and_exceptions() -> None:
    source = (
        "raise Failed(\n    f'the file {path} does not '\n    'exist', code)\n"
        "module.fail_json(msg='the first ' + 'of two parts' + x)\n"
        "problem('option', 'the option has no value', 'a remedy for the problem')\n"
        "plan.add('key', 'Two words')\nre.compile('this is no message of it')\nx = {'a': 'a value that is not shown'}\n"
    )
    assert check.messages(source) == {
        2: "- the file `value` does not exist",
        4: "- the first of two parts",
        5: "- the option has no value. a remedy for the problem",
    }


def test_messages_of_tasks_are_read() -> None:
    source = (
        "- ansible.builtin.assert:\n    fail_msg: >-\n      No {{ x }}.\n- ansible.builtin.debug:\n    msg: Shown\n"
    )
    assert check.yaml_messages(source) == {3: "  No `value`.", 5: "- Shown"}


def test_every_kind_of_text_is_found_in_this_checkout(tmp_path: Path) -> None:
    check.extract(tmp_path)
    for role in (ROOT / "roles").iterdir():
        assert (tmp_path / "descriptions" / "roles" / role.name / "meta/argument_specs.yml.descriptions.md").exists()
    for kind in ("modules", "lookup", "doc_fragments"):
        for plugin in (ROOT / "plugins" / kind).glob("[a-z]*.py"):
            assert (tmp_path / "descriptions" / "plugins" / kind / f"{plugin.name}.descriptions.md").exists()
    for place in (
        "plugins/module_utils/_prefect/client.py",
        "roles/prefect_server/files/migrate.py",
        "scripts/kinds.py",
    ):
        assert (tmp_path / "docstrings" / f"{place}.docstrings.md").exists(), place
    for place in (
        "roles/prefect_server/templates/kubernetes_migration.yml.j2",
        "roles/prefect_host/files/install.sh",
        "roles/prefect_server/files/schema.sql",
        "Makefile",
        ".github/workflows/ci.yml",
        "extensions/molecule/config.yml",
        "scripts/bootstrap.sh",
    ):
        assert (tmp_path / "comments" / f"{place}.comments.md").exists(), place
    assert (tmp_path / "messages/plugins/plugin_utils/_checks/host_problems.py.messages.md").exists()
    for playbook in (ROOT / "playbooks").glob("*.yml"):
        assert (tmp_path / "names" / "playbooks" / f"{playbook.name}.names.md").exists() or "- name:" not in (
            playbook.read_text()
        )
