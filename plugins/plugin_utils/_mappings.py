# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Mappings, changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def without_keys(dictionaries: Iterable[Mapping[str, Any]], keys: Iterable[str]) -> list[dict[str, Any]]:
    """Return copies of C(dictionaries) without C(keys)."""
    dropped = set(keys)
    return [{key: value for key, value in one.items() if key not in dropped} for one in dictionaries]
