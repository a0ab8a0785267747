# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Global concurrency limits, identified by their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import (
    Field,
    Kind,
    check_limit,
    check_name,
)

TAG = "tag:"
# The server keeps the limits of tags and deployments as global limits whose names have these prefixes.
OWNED_BY_OTHERS = {TAG: "the module tag_concurrency_limit", "deployment:": "concurrency_limit of the deployment"}


class GlobalConcurrencyLimit(Kind):
    noun = "global_concurrency_limit"
    plural = "global_concurrency_limits"
    route = ("v2", "concurrency_limits")
    fields = {
        "name": Field("str"),
        "limit": Field("int", nullable=False, needed=True),
        "active": Field("bool", empty=True),
        "slot_decay_per_second": Field("float", empty=0.0),
    }
    runtime = ("id", "created", "updated", "active_slots")

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_name(self, item)
        for prefix, owner in OWNED_BY_OTHERS.items():
            if item["name"].startswith(prefix):
                raise self.refuse(item, "name", f"the server reserves names that start with {prefix!r}: use {owner}")
        check_limit(self, item, "limit")
        check_limit(self, item, "slot_decay_per_second")

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        return (one for one in super().list_all(client) if not one["name"].startswith(tuple(OWNED_BY_OTHERS)))


GLOBAL_CONCURRENCY_LIMIT = GlobalConcurrencyLimit()
