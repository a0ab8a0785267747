# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts for people."""

from __future__ import annotations

DOCUMENTATION = r"""
name: checks_as_text
short_description: Print the verdicts on a deployment, one line each
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Failed checks come with what to do.
options:
  _input:
    description: What P(selfhosted.prefect.deployment_checks#filter) returns.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Show a verdict
  ansible.builtin.debug:
    msg: "{{ checks | selfhosted.prefect.checks_as_text }}"
  vars:
    checks:
      - {check: The API answers, ok: true, detail: Prefect 3.9.1, remedy: ""}
"""

RETURN = r"""
_value:
  description: The text.
  type: str
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def _lines(checks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for check in checks:
        yield f"{'ok    ' if check['ok'] else 'FAILED'}  {check['check']}: {check['detail']}"
        if not check["ok"]:
            yield f"        What to do: {check['remedy']}"


def checks_as_text(checks: Iterable[Mapping[str, Any]]) -> str:
    """Return one line per check, and what to do about those that failed."""
    return "\n".join(_lines(checks))


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"checks_as_text": checks_as_text}
