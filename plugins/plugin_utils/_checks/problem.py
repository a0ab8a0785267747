# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""What a person is told of an option before anything is touched."""

from __future__ import annotations

Problem = dict[str, str]


def problem(option: str, what: str, remedy: str) -> Problem:
    """Return what is wrong with an option, and what to do."""
    return {"option": option, "problem": what, "remedy": remedy}
