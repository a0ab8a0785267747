# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Problems with options, which are reported before the first change."""

from __future__ import annotations

Problem = dict[str, str]


def problem(option: str, what: str, remedy: str) -> Problem:
    """Return a problem with an option, and its remedy."""
    return {"option": option, "problem": what, "remedy": remedy}
