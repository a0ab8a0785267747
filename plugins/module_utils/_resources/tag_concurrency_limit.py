# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Concurrency limits of task runs, identified by their tags."""

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
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import ChangeSet
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.global_concurrency_limit import (
    TAG,
    GlobalConcurrencyLimit,
)


class TagConcurrencyLimit(Kind):
    noun = "tag_concurrency_limit"
    plural = "tag_concurrency_limits"
    key = ("tag",)
    route = ("concurrency_limits",)
    fields = {
        "tag": Field("str"),
        "concurrency_limit": Field("int", nullable=False, needed=True),
    }
    runtime = ("id", "created", "updated", "active_slots")
    documentation = "Concurrency limits of task run tags"

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_name(self, item, "tag")
        check_limit(self, item, "concurrency_limit")

    def names(self, item: Mapping[str, Any]) -> list[str]:
        return ["tag", item["tag"]]

    def complete(self, client: Client, found: dict[str, Any]) -> dict[str, Any]:
        """Return the number of active slots, as global limits have it, instead of the ids of task runs."""
        return {**found, "active_slots": len(found["active_slots"])}

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        """Read them from the list of global limits, because the list of tags is incomplete if there are many limits."""
        seen = set()
        for limit in client.pages(*GlobalConcurrencyLimit.route, "filter"):
            if limit["name"].startswith(TAG):
                tag = limit["name"][len(TAG) :]
                seen.add(tag)
                yield {**limit, "tag": tag, "concurrency_limit": limit["limit"]}
        for old in client.pages(*self.route, "filter"):  # limits that an older server did not keep as global ones
            if old["tag"] not in seen:
                yield self.complete(client, old)

    def create(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        client.call("POST", *self.route, "", body=self.body(steps.after))

    def update(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], steps: ChangeSet) -> None:
        # This API has no PATCH. The same POST updates the limit, and keeps the active slots.
        self.create(client, item, steps)


TAG_CONCURRENCY_LIMIT = TagConcurrencyLimit()
