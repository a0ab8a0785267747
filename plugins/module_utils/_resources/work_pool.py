# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Work pools: a base job template, and the queues as one ordered list."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect import references
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import (
    Field,
    Kind,
    check_limit,
    check_name,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import ChangeSet
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.job_template import (
    TEMPLATE_OPTIONS,
    default_template,
    default_templates,
    hint,
    job_template,
    template_options,
    undeclared,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_queue import (
    DEFAULT_QUEUE,
    QUEUE_OPTIONS,
    WORK_QUEUE,
    queues_after,
    short_queues,
)


class WorkPool(Kind):
    noun = "work_pool"
    plural = "work_pools"
    route = ("work_pools",)
    fields = {
        "name": Field("str"),
        "type": Field("str", nullable=False, needed=True, fixed=True),
        "description": Field("str"),
        "paused": Field("bool", api="is_paused", empty=False),
        "concurrency_limit": Field("int"),
        "base_job_template": Field("dict"),
        "storage_configuration": Field(
            "dict",
            empty={},
            options={
                "bundle_upload_step": {"type": "dict"},
                "bundle_execution_step": {"type": "dict"},
                "default_result_storage_block": {"type": "str"},
            },
        ),
        "queues": Field("list", nullable=False, elements="dict", options=QUEUE_OPTIONS),
    }
    inputs = {
        "job": Field("dict"),
        "job_manifest_patch": Field("dict"),
    }
    runtime = ("id", "created", "updated", "active_slots", "status")
    refers_to = ("block_document",)
    documentation = "Work pools with their queues"

    def dependencies(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        block = (options.get("storage_configuration") or {}).get("default_result_storage_block")
        if block:
            yield ("block_document", *block.split("/", 1))

    def builtin(self, found: Mapping[str, Any]) -> bool:
        return bool(found["name"].lower().startswith("prefect"))

    def to_export(self, client: Client, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item, if possible with the differences from the default template of the server."""
        item = super().to_export(client, found)
        template, queues = item.pop("base_job_template", None), item.pop("queues", None)
        if template:
            item.update(template_options(default_template(client, found["type"]), template))
        if queues:
            item["queues"] = short_queues(queues)
        return item

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_name(self, item)
        check_limit(self, item, "concurrency_limit")
        if item["name"].lower().startswith("prefect") and set(item) - {"name", "paused", "concurrency_limit"}:
            raise self.refuse(item, "name", "the server reserves names that start with 'prefect': use another name")
        self._check_queues(item)

    def _check_queues(self, item: Mapping[str, Any]) -> None:
        queues = item.get("queues", ())
        for queue in queues:
            WORK_QUEUE.check({**queue, "work_pool": item["name"]})
        names = [queue["name"] for queue in queues]
        priorities = [queue["priority"] for queue in queues if "priority" in queue]
        if len(set(names)) < len(names):
            raise self.refuse(item, "queues", f"names must be unique, not {names}")
        if len(set(priorities)) < len(priorities):
            raise self.refuse(item, "queues", f"priorities must be unique in a pool, not {priorities}")
        if priorities and len(priorities) < len(queues):
            raise self.refuse(
                item,
                "queues",
                "set the priority of every queue or of none. Without priorities, the order of the list decides",
            )

    def complete(self, client: Client, found: dict[str, Any]) -> dict[str, Any]:
        queues = client.pages("work_pools", found["name"], "queues", "filter")
        return self._with(client, found, queues)

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        queues: dict[str, list[Any]] = {}
        for queue in WORK_QUEUE.list_all(client):
            queues.setdefault(queue["work_pool_name"], []).append(queue)
        pools = list(super().list_all(client))
        references.block_names(client, filter(None, map(storage_block, pools)))
        for found in pools:
            yield self._with(client, found, queues.get(found["name"], ()))

    def _with(self, client: Client, found: dict[str, Any], queues: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the pool with its queues by priority, and with the name of the storage block instead of its id."""
        views = [WORK_QUEUE.view(queue) for queue in queues]
        storage = {name: value for name, value in (found.get("storage_configuration") or {}).items() if value}
        block_id = storage.pop("default_result_storage_block_id", None)
        if block_id:
            storage["default_result_storage_block"] = references.block_name(client, block_id)
        return {
            **found,
            "storage_configuration": storage,
            "queues": sorted(
                ({name: view[name] for name in QUEUE_OPTIONS} for view in views), key=lambda view: view["priority"]
            ),
        }

    def wanted(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
        wanted = super().wanted(client, item, found)
        pool_type = item.get("type") or (found and found["type"])
        if found is None or any(option in item for option in TEMPLATE_OPTIONS):
            wanted["base_job_template"] = self._template(client, item, pool_type)
        if item.get("storage_configuration"):
            storage = {**(found["storage_configuration"] if found else {}), **item["storage_configuration"]}
            wanted["storage_configuration"] = {name: value for name, value in storage.items() if value}
        if "queues" in item:
            wanted["queues"] = queues_after(found["queues"] if found else [DEFAULT_QUEUE], item["queues"])[0]
        return wanted

    def _template(self, client: Client, item: Mapping[str, Any], pool_type: Any) -> dict[str, Any]:
        template = item.get("base_job_template")
        if template is None:
            template = default_template(client, pool_type)
            if template is None:
                if item.get("job") or item.get("job_manifest_patch"):
                    known = ", ".join(sorted(default_templates(client)))
                    raise self.refuse(
                        item, "type", f"the server has no default template for {pool_type!r}, only for {known}: "
                        "set base_job_template"
                    )  # fmt: skip
                template = {}
        if template and not (template.get("job_configuration") and template.get("variables")):
            raise self.refuse(item, "base_job_template", "must have both job_configuration and variables")
        declared = template.get("variables", {}).get("properties", {})
        for name in item.get("job") or ():
            if name not in declared:
                raise self.refuse(
                    item, "job", f"the template of this pool has no variable {name!r}{hint(name, declared)}"
                )
        template = job_template(template, item.get("job"), item.get("job_manifest_patch"))
        missing = undeclared(template)
        if missing:
            option = "job_manifest_patch" if item.get("job_manifest_patch") else "base_job_template"
            raise self.refuse(
                item, option, f"uses {missing} which variables.properties does not declare{hint(missing[0], declared)}"
            )
        return template

    def plan(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, state: str = "present"
    ) -> ChangeSet:
        if state == "absent" and item["name"].lower().startswith("prefect"):
            raise self.refuse(item, "name", "the server does not delete pools whose names start with 'prefect'")
        return super().plan(client, item, found, state)

    def fresh(self) -> dict[str, Any]:
        return {**super().fresh(), "queues": [DEFAULT_QUEUE]}

    def create(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        client.call("POST", "work_pools", "", body=self._body(client, item, steps.changes))
        self._write_queues(client, item, [DEFAULT_QUEUE])

    def update(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], steps: ChangeSet) -> None:
        body = self._body(client, item, steps.changes)
        if body:
            client.call("PATCH", "work_pools", item["name"], body=body)
        self._write_queues(client, item, found["queues"])

    def _body(self, client: Client, item: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        body = self.body({option: value for option, value in changes.items() if option != "queues"})
        storage = dict(body.get("storage_configuration") or {})
        block = storage.pop("default_result_storage_block", None)
        if block:
            block_id = references.block_id(client, block)
            if block_id is None:
                raise self.refuse(item, "storage_configuration", f"there is no block {block!r} (type/name)")
            storage["default_result_storage_block_id"] = block_id
        if "storage_configuration" in body:
            body["storage_configuration"] = storage
        return body

    def _write_queues(self, client: Client, item: Mapping[str, Any], current: Sequence[Mapping[str, Any]]) -> None:
        for is_new, name, changes in queues_after(current, item.get("queues", ()))[1]:
            body = WORK_QUEUE.body(changes)
            if is_new:
                client.call("POST", "work_pools", item["name"], "queues", body={"name": name, **body})
            else:
                client.call("PATCH", "work_pools", item["name"], "queues", name, body=body)


WORK_POOL = WorkPool()


def storage_block(pool: Mapping[str, Any]) -> str | None:
    block_id: str | None = (pool.get("storage_configuration") or {}).get("default_result_storage_block_id")
    return block_id
