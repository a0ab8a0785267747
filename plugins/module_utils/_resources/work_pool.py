# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Work pools: their base job template made from the server's default one, and their queues as one ordered list."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import (
    Field,
    Kind,
    check_limit,
    check_name,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import Plan, merge, plan, same

PLACEHOLDER = re.compile(r"{{\s*(\$?[\w.-]+)\s*}}")
SERVER_SIDE = ("prefect.blocks.", "prefect.variables.", "$", "ctx.")  # placeholders that no variable stands for
TEMPLATE_OPTIONS = ("job", "job_manifest_patch", "base_job_template")
QUEUE_OPTIONS = {
    "name": {"type": "str", "required": True},
    "priority": {"type": "int"},
    "concurrency_limit": {"type": "int"},
    "description": {"type": "str"},
    "paused": {"type": "bool"},
}


class WorkQueue(Kind):
    noun = "work_queue"
    plural = "work_queues"
    key = ("work_pool", "name")
    part_of = "work_pool"
    refers_to = ("work_pool",)
    route = ("work_pools",)
    fields = {
        "work_pool": Field("work_pool_name"),
        "name": Field("name"),
        "priority": Field("priority", nullable=False),
        "concurrency_limit": Field("concurrency_limit"),
        "description": Field("description", empty=""),
        "paused": Field("is_paused", empty=False),
    }
    options = {"work_pool": {"type": "str", "required": True}, **QUEUE_OPTIONS}
    runtime = ("id", "created", "updated", "active_slots", "last_polled", "status")

    def needs(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
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

    def every(self, client: Client) -> Iterator[dict[str, Any]]:
        return (queue for queue in client.pages("work_queues", "filter") if queue.get("work_pool_name"))

    def plan(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, state: str = "present"
    ) -> Plan:
        result = super().plan(client, item, found, state)
        if result.action == "create" and "priority" not in item:
            result.after["priority"] = self._first_free_priority(client, item["work_pool"])
        return result

    def _first_free_priority(self, client: Client, pool: str) -> int:
        """What the server gives a queue that states none."""
        queues = client.call("POST", "work_pools", pool, "queues", "filter", body={}, missing_ok=True) or []
        taken = {queue["priority"] for queue in queues}
        return next(priority for priority in itertools.count(1) if priority not in taken)

    def body(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        return super().body({option: value for option, value in changes.items() if option != "work_pool"})

    def create(self, client: Client, item: Mapping[str, Any], steps: Plan) -> None:
        client.call("POST", "work_pools", item["work_pool"], "queues", body=self.body(steps.changes))

    def delete(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        if item["name"] == "default":
            raise self.refuse(item, "name", "every pool keeps its queue 'default': pause it instead (paused: true)")
        super().delete(client, item, found)


class WorkPool(Kind):
    noun = "work_pool"
    plural = "work_pools"
    route = ("work_pools",)
    fields = {
        "name": Field("name"),
        "type": Field("type", nullable=False, needed=True, fixed=True),
        "description": Field("description"),
        "paused": Field("is_paused", empty=False),
        "concurrency_limit": Field("concurrency_limit"),
        "base_job_template": Field("base_job_template"),
        "storage_configuration": Field("storage_configuration", empty={}),
        "queues": Field("queues", nullable=False),
    }
    options = {
        "name": {"type": "str", "required": True},
        "type": {"type": "str"},
        "description": {"type": "str"},
        "paused": {"type": "bool"},
        "concurrency_limit": {"type": "int"},
        "job": {"type": "dict"},
        "job_manifest_patch": {"type": "dict"},
        "base_job_template": {"type": "dict"},
        "storage_configuration": {
            "type": "dict",
            "options": {
                "bundle_upload_step": {"type": "dict"},
                "bundle_execution_step": {"type": "dict"},
                "default_result_storage_block": {"type": "str"},
            },
        },
        "queues": {"type": "list", "elements": "dict", "options": QUEUE_OPTIONS},
    }
    runtime = ("id", "created", "updated", "active_slots", "status")
    refers_to = ("block_document",)

    def needs(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        block = (options.get("storage_configuration") or {}).get("default_result_storage_block")
        if block:
            yield ("block_document", *block.split("/", 1))

    def builtin(self, found: Mapping[str, Any]) -> bool:
        return bool(found["name"].lower().startswith("prefect"))

    def portable(self, client: Client, found: Mapping[str, Any]) -> dict[str, Any]:
        """With what differs from the server's default template in place of a template, where that says it all."""
        item = super().portable(client, found)
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
            raise self.refuse(item, "name", "names that start with 'prefect' are the server's own: use another name")
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
            raise self.refuse(item, "queues", f"the server keeps priorities unique in a pool, unlike {priorities}")
        if priorities and len(priorities) < len(queues):
            raise self.refuse(item, "queues", "give each queue a priority, or none: then their order decides")

    def complete(self, client: Client, found: dict[str, Any]) -> dict[str, Any]:
        queues = client.pages("work_pools", found["name"], "queues", "filter")
        return self._with(client, found, queues)

    def every(self, client: Client) -> Iterator[dict[str, Any]]:
        queues: dict[str, list[Any]] = {}
        for queue in WORK_QUEUE.every(client):
            queues.setdefault(queue["work_pool_name"], []).append(queue)
        pools = list(super().every(client))
        client.block_names(filter(None, map(storage_block, pools)))
        for found in pools:
            yield self._with(client, found, queues.get(found["name"], ()))

    def _with(self, client: Client, found: dict[str, Any], queues: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
        """Queues in the order they are served, and the storage block by name instead of id."""
        views = [WORK_QUEUE.view(queue) for queue in queues]
        storage = {name: value for name, value in (found.get("storage_configuration") or {}).items() if value}
        block_id = storage.pop("default_result_storage_block_id", None)
        if block_id:
            storage["default_result_storage_block"] = client.block_name(block_id)
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
                        item, "type", f"the server knows no default template of {pool_type!r}, only of {known}: "
                        "give base_job_template"
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
    ) -> Plan:
        if state == "absent" and item["name"].lower().startswith("prefect"):
            raise self.refuse(item, "name", "pools whose name starts with 'prefect' cannot be deleted")
        return super().plan(client, item, found, state)

    def fresh(self) -> dict[str, Any]:
        return {**super().fresh(), "queues": [DEFAULT_QUEUE]}

    def create(self, client: Client, item: Mapping[str, Any], steps: Plan) -> None:
        client.call("POST", "work_pools", "", body=self._body(client, item, steps.changes))
        self._write_queues(client, item, [DEFAULT_QUEUE])

    def update(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], steps: Plan) -> None:
        body = self._body(client, item, steps.changes)
        if body:
            client.call("PATCH", "work_pools", item["name"], body=body)
        self._write_queues(client, item, found["queues"])

    def _body(self, client: Client, item: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
        body = self.body({option: value for option, value in changes.items() if option != "queues"})
        storage = dict(body.get("storage_configuration") or {})
        block = storage.pop("default_result_storage_block", None)
        if block:
            block_id = client.block_id(block)
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


WORK_QUEUE = WorkQueue()
WORK_POOL = WorkPool()
DEFAULT_QUEUE = {
    "name": "default",
    "priority": 1,
    "concurrency_limit": None,
    "description": "The work pool's default queue.",
    "paused": False,
}


# The base job template


def default_templates(client: Client) -> dict[str, Any]:
    """The server's default base job template of each pool type."""
    if "workers" not in client.memo:
        client.memo["workers"] = client.get("collections", "views", "aggregate-worker-metadata")
    workers = client.memo["workers"]
    return {
        name: worker["default_base_job_configuration"]
        for workers in workers.values()
        for name, worker in workers.items()
    }


def default_template(client: Client, pool_type: Any) -> dict[str, Any] | None:
    template: dict[str, Any] | None = default_templates(client).get(pool_type)
    return template


def job_template(
    template: Mapping[str, Any], job: Mapping[str, Any] | None, patch: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The template with other defaults of its variables and a patched job_configuration."""
    defaults = {name: {"default": value} for name, value in (job or {}).items()}
    result = dict(template)
    if defaults:
        variables = template["variables"]
        properties = {
            name: {**schema, **defaults.get(name, {})} for name, schema in variables.get("properties", {}).items()
        }
        result["variables"] = {**variables, "properties": properties}
    if patch:
        result["job_configuration"] = merge(template["job_configuration"], patch)
    return result


def storage_block(pool: Mapping[str, Any]) -> str | None:
    block_id: str | None = (pool.get("storage_configuration") or {}).get("default_result_storage_block_id")
    return block_id


def template_options(default: Mapping[str, Any] | None, template: Mapping[str, Any]) -> dict[str, Any]:
    """The options that make this template from the default one; the whole template where no others can."""
    if not default:
        return {"base_job_template": template}
    variables = {
        name: template.get("variables", {}).get("properties", {}).get(name, {})
        for name in default["variables"].get("properties", {})
    }
    options: dict[str, Any] = {
        "job": {
            name: schema["default"]
            for name, schema in variables.items()
            if "default" in schema
            and not same(schema["default"], default["variables"]["properties"][name].get("default", ABSENT))
        },
        "job_manifest_patch": patch_between(default["job_configuration"], template.get("job_configuration", {})),
    }
    made = job_template(default, options["job"], options["job_manifest_patch"])
    if not same(made, template):
        return {"base_job_template": template}
    return {name: value for name, value in options.items() if value}


ABSENT = object()


def patch_between(base: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What to merge into base; null takes a key out."""
    patch: dict[str, Any] = {name: None for name in base if name not in wanted}
    for name, value in wanted.items():
        before = base.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            inner = patch_between(before, value)
            patch.update({name: inner} if inner else {})
        elif name not in base or not same(before, value):
            patch[name] = value
    return patch


def undeclared(template: Mapping[str, Any]) -> list[str]:
    """Placeholders in job_configuration that variables.properties does not declare: the server refuses them."""
    used = set(PLACEHOLDER.findall(json.dumps(template.get("job_configuration", {}))))
    declared = template.get("variables", {}).get("properties", {})
    return sorted(name for name in used if name not in declared and not name.startswith(SERVER_SIDE))


def hint(name: str, declared: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(declared), n=3, cutoff=0.4)
    return f"; did you mean {' or '.join(close)}?" if close else f"; it has {', '.join(sorted(declared))}"


# Queues


def queues_after(
    current: Sequence[Mapping[str, Any]], declared: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[tuple[bool, str, dict[str, Any]]]]:
    """All queues of the pool once the declared ones are as declared, and the writes that lead there.

    The server shifts other queues when a priority is taken, so priorities are written in ascending order: a later
    write then never moves a queue that is already right, and a queue the server has moved to its place needs none.
    """
    ordered = any("priority" not in queue for queue in declared)
    wishes = [{**queue, "priority": place} if ordered else queue for place, queue in enumerate(declared, 1)]
    result = {queue["name"]: dict(queue) for queue in current}
    writes = []
    for wish in sorted(wishes, key=lambda wish: wish["priority"]):
        name = wish["name"]
        wanted = {option: WORK_QUEUE.normal(option, value) for option, value in wish.items()}
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
    """Without defaults, and without priorities where the order says the same."""
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
    """The server's rule: the moved queue keeps its priority, those it meets go one further, in their order."""
    order = sorted(priorities, key=lambda name: (priorities[name], name != moved))
    result: dict[str, int] = {}
    last = 0
    for name in order:
        last = max(priorities[name], last + 1)
        result[name] = last
    return result
