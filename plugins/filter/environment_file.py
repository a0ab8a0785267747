# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of an environment file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: environment_file
short_description: Render variables as an environment file for systemd and the shell
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Renders one C(NAME="value") line per variable, sorted by name.
  - Backslash, double quote, dollar sign and backtick are escaped, so that the C(EnvironmentFile=) of systemd and a
    POSIX shell read back the same value.
  - A boolean becomes C(true) or C(false).
  - A variable whose value is null or empty is left out. Before ansible-core 2.19, null becomes an empty text in Jinja.
options:
  _input:
    description: Variables and their values.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: An environment file
  ansible.builtin.copy:
    content: "{{ {'PREFECT_API_URL': prefect_api_url} | selfhosted.prefect.environment_file }}"
    dest: /etc/prefect/client.env
    mode: "0600"
"""

RETURN = r"""
_value:
  description: The text of the file.
  type: str
"""

import re
from collections.abc import Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _line(name: str, value: Any) -> str:
    if not _NAME.fullmatch(name):
        raise AnsibleFilterError(f"environment_file: {name!r} is not a name of an environment variable")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if any(character in text for character in "\n\r\0"):
        raise AnsibleFilterError(f"environment_file: the value of {name} has a line break or a NUL; take it out")
    return f'{name}="' + re.sub(r'([\\"$`])', r"\\\1", text) + '"\n'


def environment_file(variables: Mapping[str, Any]) -> str:
    """Return the text of an environment file with C(variables)."""
    return "".join(_line(name, value) for name, value in sorted(variables.items()) if value not in (None, ""))


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"environment_file": environment_file}
