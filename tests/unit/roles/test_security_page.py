# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/security.md agree with the roles."""

from __future__ import annotations

from security_tables import PAGE, with_tables


def test_the_tables_are_those_of_the_templates() -> None:
    text = PAGE.read_text()
    assert with_tables(text) == text, "run tests/security_tables.py, and look at what has changed"
