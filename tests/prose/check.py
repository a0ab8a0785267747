# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the prose of this checkout with Vale: Markdown, and texts in YAML files and in the documentation of plugins.

usage: .venv/bin/python tests/prose/check.py

Comments, option descriptions and the names of plays and tasks are copied to temporary Markdown files. Each keeps its
line number, so that a message points to the YAML or Python file.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = ("*.md", "docs/**/*.md", "roles/*/README.md", "tests/*/README.md", "inventories/**/*.md")
COMMENTED = (
    "roles/*/defaults/*.yml",
    "roles/*/vars/*.yml",
    "roles/*/tasks/**/*.yml",
    "playbooks/**/*.yml",
    "inventories/**/*.yml",
)
DESCRIBED = ("roles/*/meta/argument_specs.yml", "plugins/filter/*.yml")
DOCUMENTED = ("plugins/modules/*.py", "plugins/lookup/*.py", "plugins/doc_fragments/*.py")
NOT_PROSE = ("EXAMPLES",)  # constants of plugins that are not checked
NAMED = ("roles/*/tasks/**/*.yml", "roles/*/handlers/*.yml", "playbooks/**/*.yml")
DESCRIPTIONS = ("description", "short_description")
MARKUP = re.compile(r"\b(?:RV|[A-Z])\(([^)]*)\)")  # markup of Ansible's documentation, such as V(true)
TEMPLATE = re.compile(r"\{\{.*?\}\}")
LICENSE = re.compile(r"Copyright|GNU General Public License|SPDX-")

Lines = dict[int, str]  # line number from 1: its text in Markdown


def comments(source: str) -> Lines:
    """Return the comments on their own lines, without indented commands. Others are seldom complete sentences."""
    found = {}
    for number, line in enumerate(source.splitlines(), 1):
        text = line.strip()
        if text.startswith("# ") and not text.startswith("#  ") and not LICENSE.search(text):
            found[number] = text[2:]
    return found


def scalars(source: str, keys: Iterable[str]) -> Iterator[yaml.ScalarNode]:
    """Yield every text that is the value of one of the keys, or an item of a list that is such a value."""
    waiting = [node for node in yaml.compose_all(source, Loader=yaml.SafeLoader) if node]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value in keys:
                    items = value.value if isinstance(value, yaml.SequenceNode) else [value]
                    yield from (item for item in items if isinstance(item, yaml.ScalarNode))
                waiting.append(value)


def texts(source: str, keys: Iterable[str]) -> Lines:
    """Return each text as a list item, with one line of Markdown for each of its lines."""
    lines = source.splitlines()
    found = {}
    for scalar in scalars(source, keys):
        start, end = scalar.start_mark, scalar.end_mark
        for number in range(start.line, end.line + 1):
            first = start.column if number == start.line else 0
            last = end.column if number == end.line else None
            text = lines[number][first:last].strip().strip("\"'").lstrip(">|-").strip()
            if text:
                found[number + 1] = ("- " if number == start.line else "  ") + readable(text)
    return found


def documentation(source: str) -> Lines:
    """Return the descriptions in the YAML constants of a module, or in those of a documentation fragment."""
    found = {}
    bodies = [node.body for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Module, ast.ClassDef))]
    for node in (statement for body in bodies for statement in body if isinstance(statement, ast.Assign)):
        name, value = node.targets[0], node.value
        if not isinstance(name, ast.Name) or not name.id.isupper() or name.id in NOT_PROSE:
            continue
        # The value of a constant starts on the line of its quotes.
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and "\n" in value.value:
            lines = texts(value.value, DESCRIPTIONS)
            found.update({value.lineno - 1 + number: text for number, text in lines.items()})
    return found


def readable(text: str) -> str:
    """Return markup and templates as code, which Vale does not check."""
    return TEMPLATE.sub("`value`", MARKUP.sub(r"`\1`", text))


def names(source: str) -> Lines:
    """Return the names of plays and tasks. Lower-case names without a space belong to other objects, such as pools."""
    found = {}
    for number, line in enumerate(source.splitlines(), 1):
        match = re.match(r"\s*- name: (?:\"|')?([A-Z].*?|[a-z][^\"'.{]* .*?)(?:\"|')?$", line)
        if match:
            found[number] = readable(match[1])
    return found


def write(path: Path, found: Lines) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(found.get(number, "") for number in range(1, max(found, default=0) + 1)) + "\n")


def matches(patterns: Iterable[str]) -> list[Path]:
    return sorted({path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()})


def extract(target: Path) -> None:
    for kind, patterns in (
        ("comments", COMMENTED),
        ("descriptions", (*DESCRIBED, *DOCUMENTED)),
        ("names", NAMED),
    ):
        for path in matches(patterns):
            source = path.read_text()
            if kind == "comments":
                found = comments(source)
            elif kind == "descriptions":
                found = documentation(source) if path.suffix == ".py" else texts(source, DESCRIPTIONS)
            else:
                found = names(source)
            if found:
                write(target / kind / f"{path.relative_to(ROOT)}.{kind}.md", found)


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory)
        extract(target)
        command = [f"{ROOT}/tests/prose/vale", "--config", ".vale.ini", "--output", "line", directory]
        command += map(str, matches(MARKDOWN))
        ended = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        place = re.compile(rf"{re.escape(directory)}/\w+/(.*?)\.\w+\.md:")
        for line in ended.stdout.splitlines():
            print(place.sub(r"\1:", line.replace(f"{ROOT}/", "")))
    return ended.returncode


if __name__ == "__main__":
    sys.exit(main())
