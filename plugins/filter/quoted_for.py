# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strings quoted for configuration files."""

from __future__ import annotations

DOCUMENTATION = r"""
name: quoted_for
short_description: Quote a string for a configuration file
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Quotes a string so that the named program reads back exactly that string.
positional: program
options:
  _input:
    description: Any text without a line break.
    type: str
    required: true
  program:
    description: Whose syntax to use.
    type: str
    choices: [haproxy, pgbouncer, postgresql, redis]
    required: true
"""

EXAMPLES = r"""
- name: A line of redis.conf
  ansible.builtin.debug:
    msg: "requirepass {{ prefect_redis_password | selfhosted.prefect.quoted_for('redis') }}"
"""

RETURN = r"""
_value:
  description: The quoted text, with its quotes.
  type: str
"""

import re
from typing import Any, Callable

from ansible.errors import AnsibleFilterError

_QUOTE: dict[str, Callable[[str], str]] = {
    # Inside weak quotes HAProxy expands $ and reads backslash escapes.
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
        raise AnsibleFilterError("quoted_for: the text has a line break or a NUL; take it out")
    return _QUOTE[program](text)


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"quoted_for": quoted_for}
