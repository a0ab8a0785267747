# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Timestamps of the API. Python 3.9 cannot parse all of them."""

from __future__ import annotations

import re
from datetime import datetime, timezone

MOMENT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)


def moment(text: str) -> datetime | None:
    """Parse a timestamp as UTC, also without a time zone. Return None if it is invalid."""
    parts = MOMENT.fullmatch(text.strip())
    if not parts:
        return None
    day, minute, second, fraction, zone = parts.groups()
    offset = "+0000" if zone in (None, "Z", "z") else zone.replace(":", "")
    complete = f"{day} {minute or '00:00'}:{second or '00'}.{(fraction or '0')[:6]} {offset}"
    try:
        return datetime.strptime(complete, "%Y-%m-%d %H:%M:%S.%f %z").astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None


def moment_form(text: str) -> str | None:
    """Return the normalized form of a timestamp for comparisons."""
    found = moment(text)
    return None if found is None else found.replace(tzinfo=None).isoformat() + "Z"


def age(text: str | None) -> float | None:
    """Return the seconds since a timestamp, by the clock of this host."""
    found = moment(text) if text else None
    return None if found is None else max(0.0, (datetime.now(timezone.utc) - found).total_seconds())
