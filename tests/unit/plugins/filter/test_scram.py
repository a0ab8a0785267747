# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verifier of a password is the one that PostgreSQL stores for it."""

from __future__ import annotations

import re

import pytest

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._scram import scram_verifier

# Salt, stored key and server key of PostgreSQL 15.18, read from pg_authid. tests/integration/api/test_postgresql_log.py
# asks a running one for the same passwords.
STORED = {
    "plain": (
        "Tm+L8ChCs8Wx4dlaSZvO+A==",
        "IWvVZR+iDZhwuju2rVDozQy8MPB3Fczz1aJh3QCtLyk=",
        "c5rl1O14UbOxnMZGAKCqeqayw+SAMbtyzoOWEoqJ1/g=",
    ),
    'it\'s \\ "quoted" $1 %s': (
        "1q7lTDeFe+Hg8xd3WlB/uQ==",
        "nUuBxQsJ50ACBhXKooWM7Pz3M4Z2V4UWE7h9bpomd40=",
        "IveyQWw73Yaz3yBCNvGmatxe7Aa61l3BQngATrn0H+I=",
    ),
    "tab\tand bell\x07": (
        "MQAKGHELCbg4XjaMPwCJFw==",
        "Hid1cp82JEAwBpf4Rd635Bp1oa6BC1pCJpSSR6FNjqA=",
        "PtoVy7rxCfM2zOA2ypbeUSPLkAArMePZrHyYb1vbjcc=",
    ),
    "I\xadX": (
        "vcy4M8ZGrJ9O1cVg4uTOCg==",
        "xzavjzl6hjGk2uUrtW6NgMozW1HObwLQPB7gsX56/fI=",
        "4S23J4g4Dl5Sn81pf1IhHvpwiXy0eObez4vlgSVwvkc=",
    ),
    "no-break\xa0space": (
        "rrxA+r2KtYWv5JP444nahw==",
        "Anikdqyq0zK5hpsMU23QUFKlqKAsimpYjztgK9AyoSk=",
        "OuPj1p1avmCw2nQDr3/XNVUE+l5puqkqkqFp0BuOJ3Q=",
    ),
    "\u2168 \ufb01 \uff21": (
        "LesXHAeVp+We8D/uU1VSpw==",
        "TL9vuNq+ppwl2jEqnASTcIwKRmpwwUhpfC0nNPgympU=",
        "lO3y75mC/wOIZCBCP2KhHWyshKPixbmt32yUNSkb2gA=",
    ),
    "e\u0301 and \xe9": (
        "i/kQo5hERForgGw/Zkl0rw==",
        "I7aeZQggYeZhkj4QHoWKkWXNjj0r8az3R1R/tKGgPJQ=",
        "gV7ATx2qN6R2oHYfNmqSrTzSBqzpNm2PqQ2sDGTKB3o=",
    ),
    "\u06271": (
        "ijQ6EdcLozaac5cJ4irQ1g==",
        "5/lQGINuggOwUs4MYOADGWwtx47ZeVKBQfmL6LKoNUI=",
        "Pa6PsBO2ChAQiKm/wpNCtyIye/sURfLf5mN0lKxyQRc=",
    ),
    "\u06271\u0628": (
        "Lkr/PWUyTc/9IgZGyCQn9A==",
        "woUkCcJG37kUVL2z4h1us4mx5WB36l2rzRz6RBtk190=",
        "5Lb+jmZ2IKvhtA178DKQzgFeWZPnFlQ4OStfVQMKZN8=",
    ),
    "\xad": (
        "WCZ9jmQ4uvsOphhaE7iHlA==",
        "gz/7yT0npj0V8nAY0HRaVm5mdXqPuZGoCBgW/lZ/ClM=",
        "zcNaR9W6epHTzVLfGBdyZNQ4qW8bR8PKmFxxbmynF5w=",
    ),
    "private\ue000use": (
        "hBqC/SKkSglwDrKmxFnrnw==",
        "O9UbC7y5r2FUAIL6v5QhEDbr/DL8NY1rlo1Jmbx0+fA=",
        "V3K+AzjfIRqb2janwo8bRHx7KdsGRnDEqB3Gog3G7rQ=",
    ),
    "\U0001f600": (
        "Fzmr3M7oy3qLWAtPIT5K6A==",
        "8CW+wYgWFz/vZwdN5aa+dVfBuJCfJAQSE9/wiip0DAk=",
        "febr2EQVlPH0gmD7ji7rJlj/T5BezeROoLymTPrr4HM=",
    ),
}


def of_the_server(password: str) -> str:
    salt, stored_key, server_key = STORED[password]
    return f"SCRAM-SHA-256$4096:{salt}${stored_key}:{server_key}"


@pytest.mark.parametrize("password", STORED, ids=ascii)
def test_a_verifier_of_the_password_is_kept(password: str) -> None:
    assert scram_verifier(password, of_the_server(password)) == of_the_server(password)


@pytest.mark.parametrize("password", STORED, ids=ascii)
def test_a_verifier_of_another_password_is_replaced(password: str) -> None:
    changed = scram_verifier(password + "x", of_the_server(password))
    assert changed != of_the_server(password)
    assert scram_verifier(password + "x", changed) == changed
    assert scram_verifier(password, changed) != changed


@pytest.mark.parametrize(
    "current", [None, "", "md5d41d8cd98f00b204e9800998ecf8427e", "plain", "SCRAM-SHA-256$4096:x$y"]
)
def test_what_is_no_verifier_is_replaced(current: str | None) -> None:
    first, second = scram_verifier("plain", current), scram_verifier("plain", current)
    # The form by which PostgreSQL, and community.postgresql, tell a verifier from a password.
    assert re.fullmatch(r"SCRAM-SHA-256\$4096:[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=", first)
    assert first != second, "every verifier has a salt of its own"
    assert "plain" not in first
