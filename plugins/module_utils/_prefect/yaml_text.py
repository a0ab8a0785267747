# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Readable YAML from JSON values. PyYAML is missing on many hosts where modules run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

PLAIN = re.compile(r"[^\W\d_](?:[\w./@+*-]|:(?=[\w/]))*(?: [\w./@+*-]+)*|/[\w./-]*")
TAKEN = frozenset(("null", "true", "false", "yes", "no", "on", "off", "y", "n"))  # no strings in some versions of YAML
TEMPLATE = re.compile(r"{[{%#]")
ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}


class Expression(str):
    """A template that Ansible evaluates. Ansible does not evaluate other texts, even if they look like templates."""


def yaml_text(value: Any, *, tagged: bool = False) -> str:
    """Return the YAML text. With tagged, for files that Ansible reads, template-like texts get the tag !unsafe."""
    lines = list(_lines(value, tagged))
    return "\n".join(lines) + "\n" if lines[0] else ""


def _lines(value: Any, tagged: bool) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _entry(f"{_scalar(str(key), False)}:", inner, tagged)
    elif isinstance(value, (list, tuple)) and value:
        for inner in value:
            if isinstance(inner, (Mapping, list, tuple)) and inner:
                head, *rest = _lines(inner, tagged)
                yield f"- {head}"
                yield from _indented(rest)
            else:
                yield from _entry("-", inner, tagged)
    else:
        yield _scalar(value, tagged)


def _entry(head: str, value: Any, tagged: bool) -> Iterator[str]:
    if isinstance(value, (Mapping, list, tuple)) and value:
        yield head
        yield from _indented(_lines(value, tagged))
    elif isinstance(value, str) and _is_block(value):
        yield f"{head} {_tag(value, tagged)}|{'' if value.endswith(chr(10)) else '-'}"
        yield from _indented(value.rstrip("\n").split("\n"))
    else:
        yield f"{head} {_scalar(value, tagged)}"


def _indented(lines: Any) -> Iterator[str]:
    return (f"  {line}" if line else "" for line in lines)


def _scalar(value: Any, tagged: bool) -> str:
    if isinstance(value, str):
        plain = PLAIN.fullmatch(value) and value.lower() not in TAKEN
        return value if plain else _tag(value, tagged) + _quoted(value)
    if isinstance(value, float):
        return _float(value)
    return json.dumps(value)


def _float(value: float) -> str:
    text = {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}.get(repr(value), repr(value))
    digits, exponent, power = text.partition("e")
    return f"{digits}{'' if '.' in digits else '.0'}{exponent}{power}"  # YAML 1.1 parses 1e+20 as a string


def _tag(value: str, tagged: bool) -> str:
    unsafe = tagged and TEMPLATE.search(value) and not isinstance(value, Expression)
    return "!unsafe " if unsafe else ""


def _quoted(value: str) -> str:
    return (
        '"' + "".join(ESCAPES.get(one) or (one if one.isprintable() else f"\\U{ord(one):08x}") for one in value) + '"'
    )


def _is_block(value: str) -> bool:
    """Whether the text can be a block scalar."""
    lines = value[:-1].split("\n") if value.endswith("\n") else value.split("\n")
    whole = all(line == line.rstrip() and line.replace("\t", " ").isprintable() for line in lines)
    return "\n" in value and whole and lines[0] != "" and lines[-1] != "" and lines[0][0] not in " \t"
