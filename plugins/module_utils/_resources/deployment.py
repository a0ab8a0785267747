# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Deployments of flows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect import references
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Field, check_name
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import ChangeSet, same
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment_schedule import (
    DEPLOYMENT_SCHEDULE,
    SCHEDULE_OPTIONS,
    error_for_types,
    flat_schedules,
    refused,
    schedule_body,
    schedule_item,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow import FLOW, Flow

EMPTY_SCHEMAS: tuple[Any, ...] = ({}, {"type": "object", "properties": {}})
OWN_LIMIT = "deployment:"  # prefix of the global limit in which the server keeps a deployment's own limit


class Deployment(Flow):
    noun = "deployment"
    refers_to = ("flow", "work_pool", "work_queue", "global_concurrency_limit", "block_document")
    plural = "deployments"
    documentation = "Deployments with their schedules"
    purge_documentation = "Deployments, with their schedules and scheduled runs"
    key = ("flow", "name")
    route = ("deployments",)
    fields = {
        "flow": Field("str", api="flow_name"),
        "name": Field("str"),
        "description": Field("str"),
        "tags": Field("list", empty=[], elements="str"),
        "labels": Field("dict", empty={}, fixed=True),
        "paused": Field("bool", empty=False),
        "work_pool": Field("str", api="work_pool_name"),
        "work_queue": Field("str", api="work_queue_name"),
        "entrypoint": Field("str"),
        "path": Field("str"),
        "pull_steps": Field("list", empty=[], elements="dict"),
        "version": Field("str"),
        "parameters": Field("dict", empty={}),
        "parameter_openapi_schema": Field("dict", empty={}),
        "enforce_parameter_schema": Field("bool", empty=True),
        "job_variables": Field("dict", empty={}),
        "concurrency_limit": Field("int"),
        "global_concurrency_limit": Field("str", api="global_concurrency_limit_id"),
        "concurrency_options": Field(
            "dict",
            options={
                "collision_strategy": {"type": "str", "choices": ["ENQUEUE", "CANCEL_NEW"], "default": "ENQUEUE"},
                "grace_period_seconds": {"type": "int"},
            },
        ),
        "storage_document": Field("str", api="storage_document_id"),
        "schedules": Field("list", empty=[], elements="dict", options=SCHEDULE_OPTIONS),
    }
    runtime = ("id", "created", "updated", "flow_id", "status", "last_polled")

    def dependencies(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        yield "flow", options["flow"]
        if options.get("work_pool"):
            yield "work_pool", options["work_pool"]
            yield "work_queue", options["work_pool"], options.get("work_queue") or "default"
        if options.get("global_concurrency_limit"):
            yield "global_concurrency_limit", options["global_concurrency_limit"]
        if options.get("storage_document"):
            yield ("block_document", *options["storage_document"].split("/", 1))

    def to_export(self, client: Client, found: Mapping[str, Any]) -> dict[str, Any]:
        item = super().to_export(client, found)
        if item.get("work_queue") == "default":
            del item["work_queue"]
        if "schedules" in item:
            item["schedules"] = [self._schedule_to_export(one) for one in item["schedules"]]
        return item

    def _schedule_to_export(self, schedule: Mapping[str, Any]) -> dict[str, Any]:
        fresh = DEPLOYMENT_SCHEDULE.fresh()
        return {part: value for part, value in schedule.items() if not same(value, fresh[part])}

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_name(self, item, "flow")
        limit = item.get("concurrency_limit")
        if limit is not None and limit < 1:
            raise self.refuse(item, "concurrency_limit", f"must be 1 or more, or null for none, not {limit}")
        if limit is not None and item.get("global_concurrency_limit") is not None:
            raise self.refuse(item, "concurrency_limit", "a deployment has its own limit or a shared one, not both")
        schedules = schedule_items(item)
        for schedule in schedules:
            DEPLOYMENT_SCHEDULE.check(schedule)
        slugs = [schedule["slug"] for schedule in schedules if schedule["slug"] is not None]
        if len(set(slugs)) < len(slugs):
            raise self.refuse(item, "schedules", f"slugs must be unique, not {slugs}")

    def names(self, item: Mapping[str, Any]) -> list[str]:
        return ["name", item["flow"], item["name"]]

    def complete(self, client: Client, found: dict[str, Any], flow: str = "") -> dict[str, Any]:
        """Return the deployment with names instead of ids, and with its concurrency limit as own or shared limit."""
        shared: Any = found.get("global_concurrency_limit")
        own = shared and shared["name"].startswith(OWN_LIMIT)
        storage = found.get("storage_document_id")
        return {
            **found,
            "flow_name": flow,
            "concurrency_limit": shared["limit"] if own else None,
            "global_concurrency_limit_id": shared["name"] if shared and not own else None,
            "storage_document_id": references.block_name(client, storage) if storage else None,
            "schedules": list(flat_schedules(found, f"{flow}/{found['name']}")),
        }

    def find(self, client: Client, item: Mapping[str, Any]) -> dict[str, Any] | None:
        found = client.get(*self.route, *self.names(item), missing_ok=True)
        return found and self.complete(client, found, item["flow"])

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        flows = {flow["id"]: flow["name"] for flow in FLOW.list_all(client)}
        deployments = list(client.pages("deployments", "filter"))
        storage = (found["storage_document_id"] for found in deployments if found.get("storage_document_id"))
        references.block_names(client, storage)
        for found in deployments:
            yield self.complete(client, found, flows.get(found["flow_id"], ""))

    def normal(self, option: str, value: Any) -> Any:
        value = super().normal(option, value)
        if option == "parameter_openapi_schema" and value in EMPTY_SCHEMAS:
            return {}
        if option == "concurrency_options" and value:
            return {name: part for name, part in value.items() if part is not None}
        if option == "schedules":
            views = [schedule_item(DEPLOYMENT_SCHEDULE.view(one)) for one in value]
            return sorted(views, key=lambda view: (view["slug"] or "", json.dumps(view, sort_keys=True)))
        return value

    def wanted(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
        wanted = super().wanted(client, {name: item[name] for name in item if name != "schedules"}, found)
        if "schedules" in item:
            plans = schedule_plans(client, item, found)
            wanted["schedules"] = self.normal("schedules", [steps.after for _one, _current, steps in plans])
        pool = wanted.get("work_pool", found and found["work_pool_name"])
        if pool is None and wanted.get("work_queue"):
            raise self.refuse(item, "work_queue", "needs a work_pool")
        moved = "work_pool" in wanted and pool != (found and found["work_pool_name"])
        if "work_queue" in wanted or moved:
            wanted["work_queue"] = (wanted.get("work_queue") or "default") if pool else None
        if wanted.get("concurrency_limit") and found and found["global_concurrency_limit_id"]:
            wanted["global_concurrency_limit"] = None
        if wanted.get("global_concurrency_limit") and found and found["concurrency_limit"]:
            wanted["concurrency_limit"] = None
        return wanted

    def plan(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, state: str = "present"
    ) -> ChangeSet:
        result = super().plan(client, item, found, state)
        if result.action == "create":  # the server adds the labels of the flow
            flow = FLOW.known(client, item["flow"])
            inherited = FLOW.view(flow)["labels"] if flow else {}
            result.after["labels"] = {**inherited, **result.after["labels"]}
        return result

    def validation_errors(
        self, client: Client, planned: Sequence[tuple[Mapping[str, Any], ChangeSet]]
    ) -> list[PrefectError]:
        errors = []
        for item, steps in planned:
            try:
                self._check_pool(client, item, steps)
                self._body(client, item, steps)  # raises if a referenced object does not exist
            except PrefectError as error:
                errors.append(error)
        schedules = [
            (self.title(item), schedule)
            for item, steps in planned
            if "schedules" in steps.changes
            for schedule in steps.after["schedules"]
        ]
        return errors + refused(client, schedules)

    def create(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        flow = FLOW.known(client, item["flow"]) or client.call(
            "POST", "flows", "", body={"name": item["flow"]}, repeatable=True
        )
        body = self._body(client, item, steps)
        schedules = [steps.after for _schedule, _current, steps in schedule_plans(client, item, None)]
        body.update(
            name=item["name"], flow_id=flow["id"], schedules=[schedule_body(schedule) for schedule in schedules]
        )
        try:
            client.call("POST", *self.route, "", body=body)
        except PrefectError as error:
            raise error_for_types(error, schedules) from None

    def update(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], steps: ChangeSet) -> None:
        self._check_pool(client, item, steps)
        body = self._body(client, item, steps)
        self._detach_limit(client, found, steps)
        if body:
            client.call("PATCH", *self.route, found["id"], body=body)
        if "schedules" in steps.changes:
            self._write_schedules(client, item, found)
        self._notice_what_was_ignored(client, item, steps)

    def _write_schedules(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        plans = schedule_plans(client, item, found)
        for schedule, current, steps in plans:
            DEPLOYMENT_SCHEDULE.apply(client, schedule, current, steps)
        kept = [current["id"] for _schedule, current, _steps in plans if current]
        for current in found["schedules"]:
            if current["id"] not in kept:
                DEPLOYMENT_SCHEDULE.delete(client, current, current)

    def _notice_what_was_ignored(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        """Raise if an old server has silently ignored that an option is cleared."""
        cleared = [option for option in ("work_pool", "job_variables") if steps.changes.get(option, True) in (None, {})]
        found = self.find(client, item) if cleared else None
        for option in cleared if found else ():
            if self.view(found or {})[option]:
                raise self.refuse(
                    item, option, "this version of Prefect cannot clear it: set a value, or upgrade Prefect"
                )

    def delete(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        if found["global_concurrency_limit_id"]:
            client.call("PATCH", *self.route, found["id"], body={"global_concurrency_limit_id": None})
        super().delete(client, item, found)

    def _detach_limit(self, client: Client, found: Mapping[str, Any], steps: ChangeSet) -> None:
        """Detach a shared limit first, because the server would otherwise change or delete it."""
        if not {"concurrency_limit", "global_concurrency_limit"} & steps.changes.keys():
            return
        if found["global_concurrency_limit_id"]:
            client.call("PATCH", *self.route, found["id"], body={"global_concurrency_limit_id": None})
        elif steps.after["global_concurrency_limit"] and found["concurrency_limit"] is not None:
            client.call("PATCH", *self.route, found["id"], body={"concurrency_limit": None})

    def _check_pool(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        pool = steps.changes.get("work_pool")
        if pool and references.known_id(client, "work_pool", pool, "work_pools", pool) is None:
            raise self.refuse(item, "work_pool", f"there is no work pool {pool!r}")

    def _body(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> dict[str, Any]:
        apart = (*self.key, "schedules")
        body = self.body({option: value for option, value in steps.changes.items() if option not in apart})
        if "work_queue" in steps.changes:  # alone, it would mean a queue outside of pools
            body["work_pool_name"] = steps.after["work_pool"]
        if body.get("global_concurrency_limit_id"):
            name = body["global_concurrency_limit_id"]
            limit = references.known_id(client, "global_concurrency_limit", name, "v2", "concurrency_limits", name)
            if limit is None:
                raise self.refuse(item, "global_concurrency_limit", f"there is no limit {name!r}")
            body["global_concurrency_limit_id"] = limit
            body.pop("concurrency_limit", None)  # with null, the server would delete the shared limit
        if body.get("storage_document_id"):
            block = references.block_id(client, body["storage_document_id"])
            if block is None:
                raise self.refuse(item, "storage_document", f"there is no block {item['storage_document']!r}")
            body["storage_document_id"] = block
        return body


def schedule_items(item: Mapping[str, Any]) -> list[dict[str, Any]]:
    deployment = f"{item['flow']}/{item['name']}"
    return [{"slug": None, **schedule, "deployment": deployment} for schedule in item.get("schedules") or ()]


def schedule_plans(
    client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None
) -> list[tuple[dict[str, Any], dict[str, Any] | None, ChangeSet]]:
    """Return each wanted schedule with the present one of the same slug and the changes between them.

    A schedule without a slug matches a present one without a slug that needs no change. Otherwise, it is a new one.
    """
    present = list(found["schedules"] if found else ())
    plans = []
    for one in schedule_items(item):
        candidates = [(current, DEPLOYMENT_SCHEDULE.plan(client, one, current)) for current in present
                      if current["slug"] == one["slug"]]  # fmt: skip
        if one["slug"] is None:
            candidates = [(current, steps) for current, steps in candidates if not steps.changed]
        current, steps = candidates[0] if candidates else (None, DEPLOYMENT_SCHEDULE.plan(client, one, None))
        if current:
            present.remove(current)
        plans.append((one, current, steps))
    return plans


DEPLOYMENT = Deployment()
