# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the prose of this checkout with Vale: Markdown, and the texts in YAML files, code and templates.

usage: .venv/bin/python tests/prose/check.py

Comments, docstrings, messages, option descriptions and the names of plays and tasks are copied to temporary Markdown
files. Each keeps its line number, so that an alert of Vale points to the original file.

The comments and docstrings of tests/ are not checked: they describe the cases of one test to its author, while all
texts that are checked here are read by people who operate or change the product.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = ("*.md", "docs/**/*.md", "roles/*/README.md", "tests/*/README.md", "inventories/**/*.md")
YAML = (
    "roles/*/defaults/*.yml",
    "roles/*/vars/*.yml",
    "roles/*/tasks/**/*.yml",
    "playbooks/**/*.yml",
    "inventories/**/*.yml",
    "extensions/**/*.yml",
    ".github/**/*.yml",
    "*.yml",
    "plugins/**/*.yml",
)
OTHER_COMMENTED = ("scripts/*.sh", "roles/*/files/*.sh", ".ci/run", "tests/prose/vale", "Makefile", "pyproject.toml")
TEMPLATES = ("roles/*/templates/*.j2",)
SQL = ("roles/*/files/*.sql",)
PYTHON = ("plugins/**/*.py", "roles/*/files/*.py", "scripts/**/*.py", "extensions/**/*.py")
TASKS = ("roles/*/tasks/**/*.yml", "playbooks/**/*.yml", "extensions/molecule/*/*.yml", "extensions/**/tasks/*.yml")
DESCRIBED = ("roles/*/meta/argument_specs.yml", "plugins/filter/*.yml")
DOCUMENTED = ("plugins/modules/*.py", "plugins/lookup/*.py", "plugins/doc_fragments/*.py")
NOT_PROSE = ("EXAMPLES",)  # constants of plugins
DESCRIPTIONS = ("description", "short_description")
MESSAGES = ("fail_msg", "success_msg", "msg")
NOT_MESSAGES = ("compile", "search", "match", "fullmatch", "finditer", "sub", "split", "execute", "run", "check_output")
WORD = re.compile(r"\b[A-Za-z][a-z]+\b")
WORDS_OF_A_MESSAGE = 4
MARKUP = re.compile(r"\b(?:RV|[A-Z])\(([^)]*)\)")  # of Ansible's documentation, such as V(true)
TEMPLATE = re.compile(r"\{\{.*?\}\}")
LICENSE = re.compile(r"Copyright|GNU General Public License|SPDX-")

Lines = dict[int, str]  # line number from 1: its text in Markdown


def comments(source: str) -> Lines:
    """Comments on lines of their own, without indented commands. Those behind a value are seldom sentences."""
    found = {}
    for number, line in enumerate(source.splitlines(), 1):
        text = line.strip()
        if text.startswith("# ") and not text.startswith("#  ") and not LICENSE.search(text):
            found[number] = text[2:]
    return found


def jinja_comments(source: str) -> Lines:
    """Comments of a template, and comments of the file that it renders."""
    found = comments(source)
    for match in re.finditer(r"\{#-?(.*?)-?#\}", source, re.DOTALL):
        first = source.count("\n", 0, match.start()) + 1
        for number, line in enumerate(match[1].splitlines(), first):
            if line.strip():
                found[number] = line.strip()
    return found


def sql_comments(source: str) -> Lines:
    lines = enumerate((line.strip() for line in source.splitlines()), 1)
    return {number: line[3:] for number, line in lines if line.startswith("-- ")}


def python_comments(source: str) -> Lines:
    """Comments on lines of their own. A line that looks like one in a text is none."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    numbers = {token.start[0] for token in tokens if token.type == tokenize.COMMENT}
    return {number: text for number, text in comments(source).items() if number in numbers and text[:3] != "---"}


def docstrings(source: str) -> Lines:
    """Docstrings, without indented lines and the line that shows the arguments of a program."""
    lines = source.splitlines()
    found = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if ast.get_docstring(node) is None or not node.body:
            continue
        statement = node.body[0]
        for number in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1):
            text = lines[number - 1][statement.col_offset :].rstrip().removeprefix('r"').strip('"')
            if text and not text.startswith((" ", "usage:")) and not LICENSE.search(text):
                found[number] = text
    return found


def messages(source: str) -> Lines:
    """Texts that a program shows: strings with several words in calls and exceptions. One line for each."""
    found: Lines = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in NOT_MESSAGES:
            continue
        for argument in (*node.args, *(keyword.value for keyword in node.keywords)):
            text = shown(argument)
            if len(WORD.findall(text)) >= WORDS_OF_A_MESSAGE:
                number = argument.lineno
                found[number] = f"{found[number]}. {text}" if number in found else f"- {text}"
    return found


def shown(node: ast.expr) -> str:
    """The text of a string, of an f-string, or of several that are added, with its expressions as code."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value.replace("\n", " ")
    if isinstance(node, ast.JoinedStr):
        return "".join(shown(part) if isinstance(part, ast.Constant) else "`value`" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return shown(node.left) + shown(node.right)
    if isinstance(node, ast.IfExp):
        return shown(node.body)
    return ""


def yaml_messages(source: str) -> Lines:
    return texts(source, MESSAGES)


def scalars(source: str, keys: Iterable[str]) -> Iterator[yaml.ScalarNode]:
    """Every text that is the value of one of the keys, or an item of the list that is."""
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
    """Each text as a list item, one line of Markdown for each of its lines."""
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
    """The descriptions in the YAML constants of a module, or of the classes of a documentation fragment."""
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
    """Markup and templates as code, which Vale does not judge."""
    return TEMPLATE.sub("`value`", MARKUP.sub(r"`\1`", text))


def names(source: str) -> Lines:
    """The names of plays and tasks. A name in lower case without a space is that of something else, such as a pool."""
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


def descriptions(source: str) -> Lines:
    return texts(source, DESCRIPTIONS)


# Kind of text, files that contain it, and function that extracts it.
EXTRACTED: tuple[tuple[str, tuple[str, ...], Callable[[str], Lines]], ...] = (
    ("comments", (*YAML, *OTHER_COMMENTED), comments),
    ("comments", TEMPLATES, jinja_comments),
    ("comments", SQL, sql_comments),
    ("comments", PYTHON, python_comments),
    ("docstrings", PYTHON, docstrings),
    ("messages", PYTHON, messages),
    ("messages", TASKS, yaml_messages),
    ("descriptions", DESCRIBED, descriptions),
    ("descriptions", DOCUMENTED, documentation),
    ("names", (*TASKS, "roles/*/handlers/*.yml"), names),
)


def extract(target: Path) -> None:
    for kind, patterns, extractor in EXTRACTED:
        for path in matches(patterns):
            if found := extractor(path.read_text()):
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
