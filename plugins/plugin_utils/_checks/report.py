# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The result of a verification as text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def _lines(checks: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for check in checks:
        yield f"{'ok    ' if check['ok'] else 'FAILED'}  {check['check']}: {check['detail']}"
        if not check["ok"]:
            yield f"        Remedy: {check['remedy']}"


def checks_as_text(checks: Iterable[Mapping[str, Any]]) -> str:
    """Return one line per check, and the remedy for each failed one."""
    return "\n".join(_lines(checks))
