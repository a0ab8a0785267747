# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""URLs of package indexes, which can contain passwords."""

from __future__ import annotations

from urllib.parse import unquote


def credentials(value: str) -> set[str]:
    """Return the secrets in the URLs of a variable: passwords, and users with passwords."""
    found = set()
    for word in value.split():
        _scheme, separator, rest = word.rpartition("://")
        login, at, _host = rest.split("/", 1)[0].rpartition("@")
        if separator and at:
            user, _colon, password = login.partition(":")
            # A token can be the only part, without a user.
            found |= {login, password or user, unquote(password or user)}
    return found - {""}
