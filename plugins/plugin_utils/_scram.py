# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""SCRAM-SHA-256 verifiers: what PostgreSQL stores instead of a password (RFC 5802, RFC 5803)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata
from collections.abc import Callable

# The values of PostgreSQL.
_ITERATIONS = 4096
_SALT_BYTES = 16
_VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+")
_PROHIBITED: tuple[Callable[[str], bool], ...] = (
    stringprep.in_table_a1,  # unassigned
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


def _is_allowed(text: str) -> bool:
    if not text or any(prohibited(character) for character in text for prohibited in _PROHIBITED):
        return False
    if not any(stringprep.in_table_d1(character) for character in text):
        return True
    ends_right_to_left = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends_right_to_left and not any(stringprep.in_table_d2(character) for character in text)


def _prepared(password: str) -> str:
    """Return the password as PostgreSQL and its clients prepare it.

    SASLprep (RFC 4013) rejects some texts. PostgreSQL uses these, and ASCII text, as they are.
    """
    if password.isascii():
        return password
    spaced = (" " if stringprep.in_table_c12(one) else one for one in password if not stringprep.in_table_b1(one))
    text = unicodedata.normalize("NFKC", "".join(spaced))
    return text if _is_allowed(text) else password


def _verifier(password: str, salt: bytes, iterations: int) -> str:
    def coded(value: bytes) -> str:
        return base64.b64encode(value).decode()

    salted = hashlib.pbkdf2_hmac("sha256", _prepared(password).encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${iterations}:{coded(salt)}${coded(stored)}:{coded(server)}"


def scram_verifier(password: str, current: str | None = None) -> str:
    """Return a verifier of C(password): C(current) if it is one, otherwise a new one with a random salt."""
    parts = _VERIFIER.fullmatch(current or "")
    if parts is not None:
        same_salt = _verifier(password, base64.b64decode(parts[2]), int(parts[1]))
        if hmac.compare_digest(same_salt, parts[0]):
            return same_salt
    return _verifier(password, secrets.token_bytes(_SALT_BYTES), _ITERATIONS)
