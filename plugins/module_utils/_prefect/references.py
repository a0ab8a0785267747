# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Names and ids of referenced objects. Users set names, and the API has ids."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import NOTHING, PAGE, Client


def known_id(client: Client, noun: str, name: str, *path: Any) -> str | None:
    """Return the id of the object at a path, read once per run; None if it does not exist."""
    ids: dict[Any, str] = client.memo.setdefault("ids", {})
    if (noun, name) not in ids:
        if (noun, name) in client.coming:
            return NOTHING
        found = client.get(*path, missing_ok=True)
        if found is None:
            return None
        ids[noun, name] = str(found["id"])
    return ids[noun, name]


# A reference to a block is written as type/name.


def block_names(client: Client, ids: Iterable[str]) -> dict[str, str]:
    """Return the names of many blocks in few requests, without ids that do not exist."""
    known: dict[str, str] = client.memo.setdefault("block_names", {})
    unknown = sorted(set(ids) - known.keys())
    for start in range(0, len(unknown), PAGE):
        some = {"id": {"any_": unknown[start : start + PAGE]}, "is_anonymous": None}
        for block in client.pages("block_documents", "filter", block_documents=some):
            known[block["id"]] = f"{block['block_type']['slug']}/{block['name']}"
    return known


def block_name(client: Client, block_id: str) -> str | None:
    return block_names(client, [block_id]).get(block_id)


def block_id(client: Client, name: str) -> str | None:
    slug, _slash, document = name.partition("/")
    return known_id(client, "block", name, "block_types", "slug", slug, "block_documents", "name", document)
