# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Variables of the inventory with the prefix of the collection that no role defines."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown_variables(names: Iterable[str], known: Iterable[str], prefixes: Iterable[str]) -> list[dict[str, str]]:
    """Return the names that begin with one of C(prefixes) and are not in C(known)."""
    known = sorted(known)
    beginnings = tuple(prefixes)
    problems = []
    for name in sorted(names):
        if name in known or not name.startswith(beginnings):
            continue
        closest = get_close_matches(name, known, n=1)
        problems.append(
            {
                "option": name,
                "problem": "No role of this collection has this variable.",
                "remedy": f"Did you mean {closest[0]}?" if closest else "Remove it, or use another prefix.",
            }
        )
    return problems
