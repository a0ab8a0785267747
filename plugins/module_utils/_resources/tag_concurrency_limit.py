# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Concurrency limits: global ones by name, and those of task runs by tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import (
    Field,
    Kind,
    check_limit,
    check_name,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import Plan
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run import find_deployment

TAG = "tag:"
# The server keeps the limits of tags and of deployments among the global ones, under these names.
OWNED_BY_OTHERS = {TAG: "the module tag_concurrency_limit", "deployment:": "concurrency_limit of the deployment"}


class GlobalConcurrencyLimit(Kind):
    noun = "global_concurrency_limit"
    plural = "global_concurrency_limits"
    route = ("v2", "concurrency_limits")
    fields = {
        "name": Field("name"),
        "limit": Field("limit", nullable=False, needed=True),
        "active": Field("active", empty=True),
        "slot_decay_per_second": Field("slot_decay_per_second", empty=0.0),
    }
    options = {
        "name": {"type": "str", "required": True},
        "limit": {"type": "int"},
        "active": {"type": "bool"},
        "slot_decay_per_second": {"type": "float"},
    }
    runtime = ("id", "created", "updated", "active_slots")

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_name(self, item)
        for prefix, owner in OWNED_BY_OTHERS.items():
            if item["name"].startswith(prefix):
                raise self.refuse(item, "name", f"names with {prefix!r} belong to the server: use {owner}")
        check_limit(self, item, "limit")
        check_limit(self, item, "slot_decay_per_second")

    def every(self, client: Client) -> Iterator[dict[str, Any]]:
        return (one for one in super().every(client) if not one["name"].startswith(tuple(OWNED_BY_OTHERS)))


class TagConcurrencyLimit(Kind):
    noun = "tag_concurrency_limit"
    plural = "tag_concurrency_limits"
    key = ("tag",)
    route = ("concurrency_limits",)
    fields = {"tag": Field("tag"), "concurrency_limit": Field("concurrency_limit", nullable=False, needed=True)}
    options = {"tag": {"type": "str", "required": True}, "concurrency_limit": {"type": "int"}}
    runtime = ("id", "created", "updated", "active_slots")

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_name(self, item, "tag")
        check_limit(self, item, "concurrency_limit")

    def names(self, item: Mapping[str, Any]) -> list[str]:
        return ["tag", item["tag"]]

    def complete(self, client: Client, found: dict[str, Any]) -> dict[str, Any]:
        """Slots as a number, like those of global limits, instead of the ids of task runs."""
        return {**found, "active_slots": len(found["active_slots"])}

    def every(self, client: Client) -> Iterator[dict[str, Any]]:
        """Read as the global limits that they are: this API's own list leaves out tags when there are many limits."""
        seen = set()
        for limit in client.pages(*GlobalConcurrencyLimit.route, "filter"):
            if limit["name"].startswith(TAG):
                tag = limit["name"][len(TAG) :]
                seen.add(tag)
                yield {**limit, "tag": tag, "concurrency_limit": limit["limit"]}
        for old in client.pages(*self.route, "filter"):  # those from before they became global limits
            if old["tag"] not in seen:
                yield self.complete(client, old)

    def create(self, client: Client, item: Mapping[str, Any], steps: Plan) -> None:
        client.call("POST", *self.route, "", body=self.body(steps.after))

    def update(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], steps: Plan) -> None:
        # This API has no PATCH: the same POST updates the limit and leaves the slots that are held.
        self.create(client, item, steps)


GLOBAL_CONCURRENCY_LIMIT = GlobalConcurrencyLimit()
TAG_CONCURRENCY_LIMIT = TagConcurrencyLimit()


# Releasing slots that are held by nobody any more

SLOT_OPTIONS: dict[str, Any] = {
    "global_concurrency_limit": {"type": "str"},
    "tag": {"type": "str"},
    "deployment": {"type": "str"},
}


def release(client: Client, options: Mapping[str, Any]) -> dict[str, Any]:
    """The result of the module concurrency_slots."""
    option = next(name for name in SLOT_OPTIONS if options[name] is not None)
    name = options[option]
    if option == "tag":
        found = TAG_CONCURRENCY_LIMIT.find(client, {"tag": name})
    elif option == "deployment":
        found = own_limit(client, name)
    else:
        GLOBAL_CONCURRENCY_LIMIT.check({"name": name})
        found = GLOBAL_CONCURRENCY_LIMIT.find(client, {"name": name})
    if found is None:
        raise PrefectError(f"{option}: there is no concurrency limit of {name!r}", option=option)
    held = found["active_slots"]
    if held and not client.read_only:
        if option == "tag":
            client.call("POST", *TagConcurrencyLimit.route, "tag", name, "reset", body={}, repeatable=True)
        else:
            client.call("PATCH", *GlobalConcurrencyLimit.route, found["id"], body={"active_slots": 0})
    title = f"{option} {name!r}"
    diff = {"before": {"active_slots": held}, "after": {"active_slots": 0}}
    return {
        "changed": held > 0,
        "released_slots": held,
        "diff": {**diff, "before_header": title, "after_header": title},
    }


def own_limit(client: Client, deployment: str) -> dict[str, Any] | None:
    limit: dict[str, Any] | None = find_deployment(client, deployment)["global_concurrency_limit"]
    if limit and not limit["name"].startswith("deployment:"):
        problem = f"{deployment!r} shares a limit with others: give global_concurrency_limit={limit['name']!r}"
        raise PrefectError(f"deployment: {problem}", option="deployment")
    return limit
