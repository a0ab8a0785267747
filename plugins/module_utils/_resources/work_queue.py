# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Work queues: as single objects, and as the ordered list of a pool."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import (
    Field,
    Kind,
    check_limit,
    check_name,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import ChangeSet, plan, same


class WorkQueue(Kind):
    noun = "work_queue"
    plural = "work_queues"
    key = ("work_pool", "name")
    part_of = "work_pool"
    refers_to = ("work_pool",)
    listed = False  # the list `queues` of a pool contains them
    purge_documentation = "Queues of pools whose C(queues) list is given"
    route = ("work_pools",)
    fields = {
        "work_pool": Field("str", api="work_pool_name"),
        "name": Field("str"),
        "priority": Field("int", nullable=False),
        "concurrency_limit": Field("int"),
        "description": Field("str", empty=""),
        "paused": Field("bool", api="is_paused", empty=False),
    }
    runtime = ("id", "created", "updated", "active_slots", "last_polled", "status")

    def dependencies(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        yield "work_pool", options["work_pool"]

    def builtin(self, found: Mapping[str, Any]) -> bool:
        return bool(found["name"] == "default")

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_name(self, item)
        check_limit(self, item, "concurrency_limit")
        if item.get("priority", 1) < 1:
            raise self.refuse(item, "priority", f"must be 1 (served first) or more, not {item['priority']}")

    def names(self, item: Mapping[str, Any]) -> list[str]:
        return [item["work_pool"], "queues", item["name"]]

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        return (queue for queue in client.pages("work_queues", "filter") if queue.get("work_pool_name"))

    def plan(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, state: str = "present"
    ) -> ChangeSet:
        result = super().plan(client, item, found, state)
        if result.action == "create" and "priority" not in item:
            result.after["priority"] = self._first_free_priority(client, item["work_pool"])
        return result

    def _first_free_priority(self, client: Client, pool: str) -> int:
        """Return the priority that the server gives a queue without one."""
        queues = client.call("POST", "work_pools", pool, "queues", "filter", body={}, missing_ok=True) or []
        taken = {queue["priority"] for queue in queues}
        return next(priority for priority in itertools.count(1) if priority not in taken)

    def body(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        return super().body({option: value for option, value in changes.items() if option != "work_pool"})

    def create(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        client.call("POST", "work_pools", item["work_pool"], "queues", body=self.body(steps.changes))

    def delete(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        if item["name"] == "default":
            raise self.refuse(
                item, "name", "the queue 'default' of a pool cannot be deleted: pause it instead (paused: true)"
            )
        super().delete(client, item, found)


WORK_QUEUE = WorkQueue()
# Options of a queue in the list of a pool.
QUEUE_OPTIONS = {option: spec for option, spec in WORK_QUEUE.options.items() if option != "work_pool"}
DEFAULT_QUEUE = {
    "name": "default",
    "priority": 1,
    "concurrency_limit": None,
    "description": "The work pool's default queue.",
    "paused": False,
}


def queues_after(
    current: Sequence[Mapping[str, Any]], declared: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[tuple[bool, str, dict[str, Any]]]]:
    """Return all queues of the pool after the change to the declared ones, and the necessary writes.

    If a priority is taken, the server shifts other queues. Priorities are therefore written in ascending order: a later
    write never moves a queue that already has its place. A queue that the server has moved to its place needs no write.
    """
    ordered = any("priority" not in queue for queue in declared)
    queues = [{**queue, "priority": place} if ordered else queue for place, queue in enumerate(declared, 1)]
    result = {queue["name"]: dict(queue) for queue in current}
    writes = []
    for queue in sorted(queues, key=lambda queue: queue["priority"]):
        name = queue["name"]
        wanted = {option: WORK_QUEUE.normal(option, value) for option, value in queue.items()}
        steps = plan(result.get(name), wanted, {**WORK_QUEUE_FRESH, "name": name})
        if not steps.changed:
            continue
        writes.append((steps.action == "create", name, steps.changes))
        result[name] = steps.after
        if "priority" in steps.changes:
            shifted = shift({one: queue["priority"] for one, queue in result.items()}, name)
            for one, priority in shifted.items():
                result[one]["priority"] = priority
    return sorted(result.values(), key=lambda queue: queue["priority"]), writes


def short_queues(queues: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the queues without default values, and without priorities if these are only the order of the list."""
    ordered = [queue["priority"] for queue in queues] == list(range(1, len(queues) + 1))
    stated = ("name",) if ordered else ("name", "priority")
    short = []
    for queue in queues:
        fresh = DEFAULT_QUEUE if queue["name"] == "default" else WORK_QUEUE_FRESH
        differing = [name for name in queue if name != "priority" and not same(queue[name], fresh.get(name))]
        short.append({name: queue[name] for name in [*stated, *differing]})
    return short


WORK_QUEUE_FRESH = {
    option: field.empty for option, field in WORK_QUEUE.fields.items() if option not in ("work_pool", "priority")
}


def shift(priorities: Mapping[str, int], moved: str) -> dict[str, int]:
    """Return the priorities after a queue has moved, by the rule of the server.

    The moved queue keeps its priority. A queue whose priority is taken gets the next one, in the order of the queues.
    """
    order = sorted(priorities, key=lambda name: (priorities[name], name != moved))
    result: dict[str, int] = {}
    last = 0
    for name in order:
        last = max(priorities[name], last + 1)
        result[name] = last
    return result
