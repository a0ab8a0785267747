# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The secrets in settings, and texts without them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

HIDDEN = "********"
# Shorter values are words such as `true` or a port. Masking them would make messages unreadable.
SECRET_LENGTH = 8
# Error messages about connections and files must show host names and paths.
_PLACE = re.compile(r"_(HOST|HOME|DIRECTORY|FILE)$")
_SECRET = re.compile(r"PASS|SECRET|TOKEN|KEY|AUTH")
# Up to the last "@", because a password that is not encoded may contain any character.
_LOGIN = re.compile(r"[A-Za-z0-9+.-]+://(.*)@", re.DOTALL)


def is_place(name: str) -> bool:
    """Return whether a setting of this name contains a host or a path."""
    return bool(_PLACE.search(name))


def secret_values(settings: Iterable[tuple[str, str]], length: int = SECRET_LENGTH) -> set[str]:
    """Return the values to mask, and the passwords in URLs, from names and values of settings.

    The result contains no short values, host names and paths. It contains a number only if the name of its setting
    indicates a secret.
    """
    found: set[str] = set()
    for name, value in settings:
        login = _LOGIN.match(value)
        if login:
            password = login.group(1).partition(":")[2]
            found.update((password, unquote(password)))
        if not is_place(name) and (not value.isdigit() or _SECRET.search(name)):
            found.add(value)
    return {value for value in found if len(value) >= length}


def settings_in(text: str) -> Iterable[tuple[str, str]]:
    """Return the names and values in a file of settings, and each line of another file without a name."""
    for line in text.splitlines():
        name, _equals, value = line.partition("=")
        name, value = name.strip(), value.strip().strip("\"'") or line.strip()
        yield name, value
        # As the parser of environment files reads it.
        yield name, value.replace('\\"', '"').replace("\\$", "$").replace("\\`", "`").replace("\\\\", "\\")
        yield name, line.strip()


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return a text with the secrets masked."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text
