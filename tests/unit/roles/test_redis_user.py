# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An external Redis gets a user with the permissions of the one that the collection deploys."""

from __future__ import annotations

import re
import shlex
from urllib.parse import urlsplit

import pytest
from rendering import ROOT, evaluated

INVENTORIES = sorted(path.name for path in (ROOT / "inventories").iterdir())
# What a person reads or copies.
TEXTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "roles/**/*.md", "roles/*/defaults/*.yml", "inventories/**/*.yml")
    for path in sorted(ROOT.glob(pattern))
]


def test_the_documented_user_is_the_one_that_the_collection_deploys() -> None:
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    (command,) = re.findall(r"^redis-cli (ACL SETUSER .*?)\n```$", text, re.MULTILINE | re.DOTALL)
    words = shlex.split(command.replace("\\\n", " "))
    first = ["ACL", "SETUSER", "prefect", "reset", "on", ">PASSWORD"]
    rules = evaluated("development", "prefect_redis", {"rules": "__prefect_redis_rules"})["rules"]
    assert words == [*first, *rules]


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_every_inventory_names_the_user(inventory: str) -> None:
    variables = {"prefect_redis_password": "p@ss:w/rd", "prefect_redis_is_local": True, "prefect_redis_tls": False}
    found = evaluated(inventory, "prefect_redis", {"url": "prefect_redis_url"}, **variables)
    assert urlsplit(found["url"]).username == "prefect"
    assert urlsplit(found["url"]).password == "p%40ss%3Aw%2Frd"


def test_no_text_shows_a_redis_without_a_user() -> None:
    assert len(TEXTS) > 50
    # Its password alone, or nothing, before the host.
    bare = re.compile(r"redis(?:s|\+sentinel|s\+sentinel)?://(?::|[\w.-]+\.example\.)")
    assert {str(path.relative_to(ROOT)) for path in TEXTS if bare.search(path.read_text())} == set()
