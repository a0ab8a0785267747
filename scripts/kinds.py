# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Update the lists of all kinds of objects in several files, from the registry of kinds.

usage: .venv/bin/python scripts/kinds.py

Ansible reads documentation, argument lists and action groups without executing code of the collection, so files have to
contain them as text. Each text is between two comments. The first comment contains its name: `# kinds: purge` or `<!--
kinds: lists -->`.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / ".collections"))

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import (
    EXPORTED,
    KINDS,
    ORDER,
    PURGED,
)

WIDTH = 120
INDENTATION = 6  # maximum indentation of a block in documentation
FRAGMENT = "\n  - selfhosted.prefect.prefect\n"  # in the documentation of a module that uses the API
BLOCK = re.compile(
    r"(?P<first>^(?P<indent> *)(?:#|<!--) kinds: (?P<name>\w+)(?: -->)?\n).*?(?P<last>^ *(?:#|<!--) end of kinds)",
    re.DOTALL | re.MULTILINE,
)


def words_of(kind: Kind) -> str:
    return kind.plural.replace("_", " ").capitalize()


def sentences(*texts: str) -> str:
    """Return a description of one item in YAML, without its indentation."""
    text = " ".join(one if one.endswith(".") else f"{one}." for one in texts if one)
    assert ": " not in text, f"YAML would read a mapping: {text}"
    return text


def described(name: str, text: str, rest: Iterable[str]) -> Iterator[str]:
    """Return an option for DOCUMENTATION."""
    yield f"{name}:"
    short = f"  description: {text}"
    if len(short) <= WIDTH - INDENTATION:
        yield short
    else:
        yield "  description:"
        room = WIDTH - INDENTATION
        yield from textwrap.wrap(text, room, initial_indent="    - ", subsequent_indent="      ")
    yield from (f"  {line}" for line in rest)


def document_options() -> Iterator[str]:
    for kind in KINDS:
        options = f"each with the options of M(selfhosted.prefect.{kind.noun}), with C(state)"
        text = sentences(f"{kind.documentation or words_of(kind)}, {options}", kind.documentation_more)
        yield from described(kind.plural, text, ["type: list", "elements: dict"])


# The options are the same for every kind, so the other kinds refer to them.
PURGE_OPTIONS = """\
suboptions: &purge
  include:
    description: Shell patterns of names that may be deleted.
    type: list
    elements: str
    default: ["*"]
  protect:
    description: Shell patterns of names that are never deleted.
    type: list
    elements: str
    default: []
  maximum:
    description: Maximum number of objects to delete. If there are more, the task fails without a change.
    type: int
    default: 10
"""


def purge_options() -> Iterator[str]:
    for kind in PURGED:
        what = kind.purge_documentation or kind.documentation or words_of(kind)
        text = sentences(what, f"Names in patterns are C({'/'.join(kind.key)})")
        options = PURGE_OPTIONS.splitlines() if kind is PURGED[0] else ["suboptions: *purge"]
        yield from described(kind.plural, text, ["type: dict", *options])


def module_references() -> Iterator[str]:
    return (f"- module: selfhosted.prefect.{kind.noun}" for kind in KINDS)


def export_choices() -> Iterator[str]:
    return (f"- {kind.plural}" for kind in EXPORTED)


def task_arguments() -> Iterator[str]:
    document = "__prefect_configuration_document"
    return (f'{kind.plural}: "{{{{ {document}.{kind.plural} | default(omit) }}}}"' for kind in KINDS)


def action_group() -> Iterator[str]:
    """Return all modules that use the API, including modules that do not belong to a kind."""
    paths = sorted((ROOT / "plugins" / "modules").glob("*.py"))
    return (f"- {path.stem}" for path in paths if FRAGMENT in path.read_text())


def enumeration(names: Iterable[str]) -> list[str]:
    """Return a list of names in Markdown."""
    text = f"{', '.join(f'`{name}`' for name in names)}."
    return textwrap.wrap(text, WIDTH, break_on_hyphens=False)


def document_lists() -> list[str]:
    return enumeration(kind.plural for kind in KINDS)


def modules_of_kinds() -> list[str]:
    return enumeration(kind.noun for kind in ORDER)


FILES: Mapping[str, Mapping[str, Callable[[], Iterable[str]]]] = {
    "README.md": {"modules": modules_of_kinds},
    "meta/runtime.yml": {"action_group": action_group},
    "plugins/modules/configuration.py": {
        "lists": document_options,
        "purge": purge_options,
        "seealso": module_references,
    },
    "plugins/modules/export.py": {"choices": export_choices},
    "roles/prefect_configuration/README.md": {"lists": document_lists},
    "roles/prefect_configuration/tasks/main.yml": {"arguments": task_arguments},
}


def written(name: str) -> str:
    """Return the text of a file with the updated blocks."""
    text = (ROOT / name).read_text()
    blocks = FILES[name]
    assert [found["name"] for found in BLOCK.finditer(text)] == list(blocks), f"{name}: its blocks are not {[*blocks]}"

    def block(found: re.Match[str]) -> str:
        lines = "".join(f"{found['indent']}{line}\n" for line in blocks[found["name"]]())
        # A comment in Markdown is a separate paragraph.
        lines = f"\n{lines}\n" if name.endswith(".md") else lines
        return f"{found['first']}{lines}{found['last']}"

    return BLOCK.sub(block, text)


def main() -> None:
    for name in FILES:
        path = ROOT / name
        text = written(name)
        if text != path.read_text():
            path.write_text(text)
            print(f"kinds: {name}")


if __name__ == "__main__":
    main()
