# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Text for configuration files and for output."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

_QUOTE: dict[str, Callable[[str], str]] = {
    # In double quotes, HAProxy expands $ and interprets backslash escapes.
    "haproxy": lambda text: '"' + re.sub(r'([\\"$])', r"\\\1", text) + '"',
    "pgbouncer": lambda text: '"' + text.replace('"', '""') + '"',
    "postgresql": lambda text: "'" + text.replace("\\", "\\\\").replace("'", "''") + "'",
    "redis": lambda text: '"' + re.sub(r'([\\"])', r"\\\1", text) + '"',
}


def quoted_for(text: str, program: str) -> str:
    """Return C(text) quoted in the syntax of C(program)."""
    if program not in _QUOTE:
        raise AnsibleFilterError(f"quoted_for: {program!r} is not one of {', '.join(sorted(_QUOTE))}")
    if any(character in text for character in "\n\r\0"):
        raise AnsibleFilterError("quoted_for: the text contains a line break or a NUL character. Remove it.")
    return _QUOTE[program](text)


_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _line(name: str, value: Any) -> str:
    if not _NAME.fullmatch(name):
        raise AnsibleFilterError(f"environment_file: {name!r} is not a valid name of an environment variable")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if any(character in text for character in "\n\r\0"):
        raise AnsibleFilterError(
            f"environment_file: the value of {name} contains a line break or a NUL character. Remove it."
        )
    return f'{name}="' + re.sub(r'([\\"$`])', r"\\\1", text) + '"\n'


def environment_file(variables: Mapping[str, Any]) -> str:
    """Return the text of an environment file with C(variables)."""
    return "".join(_line(name, value) for name, value in sorted(variables.items()) if value not in (None, ""))


def phase_seconds(began: Mapping[str, float], now: float) -> str:
    """Return the length of each phase in one line."""
    starts = sorted(began.items(), key=lambda item: item[1])
    ends = [start for _name, start in starts[1:]] + [now]
    parts = [f"{name} {end - start:.1f}" for (name, start), end in zip(starts, ends)]
    return ", ".join([*parts, f"{now - starts[0][1]:.1f} in all"]) if starts else ""
