# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Blocks: named configuration of a type, which may contain secrets and refer to other blocks as type/name.

Secrets are compared by their real values, and shown as <secret>. A write always contains the complete data, because the
server loses the references to other blocks when it merges data.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect import references
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Field, Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import (
    ChangeSet,
    plan,
    plan_absent,
    same,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_schema import (
    schemas_of,
    secret_fields,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_type import check_slug, no_such_type

HIDDEN = "********"  # the server's placeholder of a hidden secret; a write with the placeholder keeps the secret
SECRET, OLD_SECRET = "<secret>", "<old secret>"  # placeholders in the output
NEWEST = "latest"
ALL = ["*"]  # secret_fields of an unknown schema: every value may be a secret
Location = tuple[Any, ...]  # location of a value in data


class BlockDocument(Kind):
    noun = "block_document"
    plural = "block_documents"
    key = ("block_type", "name")
    route = ("block_documents",)
    fields = {
        "block_type": Field("str", api="block_type_slug"),
        "name": Field("str"),
        "data": Field("dict", empty={}, no_log=True),
    }
    inputs = {
        "replace": Field("bool", default=False),
        "block_schema": Field("str"),
        "hidden_secrets": Field("str", choices=["write", "keep"], default="write", no_log=False),
    }
    runtime = ("id", "created", "updated", "block_schema")
    secret = True
    refers_to = ("block_type", "block_schema", "block_document")
    documentation = "Blocks, in any order"
    purge_documentation = "Blocks"

    def dependencies(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        yield "block_type", options["block_type"]
        yield "block_schema", options["block_type"]
        for value in (options.get("data") or {}).values():
            if is_reference(value):
                yield ("block_document", *str(value["$ref"]).split("/", 1))

    def shown(self, item: Mapping[str, Any], steps: ChangeSet) -> dict[str, Any]:
        shown = super().shown(item, steps)
        return {**shown, "data": steps.after["data"]} if "data" in shown else shown

    def without_secrets(
        self, item: dict[str, Any], found: Mapping[str, Any], refer: Callable[[Sequence[Any], Any], Any]
    ) -> dict[str, Any]:
        if "data" not in item:
            return item
        return {**item, "data": replaced(item["data"], secret_fields(found["schema_fields"]), refer)}

    def to_export(self, client: Client, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item with its secrets, and with its schema if a new block would have another one."""
        item = super().to_export(client, found)
        schemas = schemas_of(client, found["block_type_slug"])
        mine = found["block_schema"]
        if not schemas or schema_identity(schemas[0]) != mine:
            versions = [schema["version"] for schema in schemas]
            unique = versions.count(mine["version"]) == 1
            item["block_schema"] = mine["version"] if unique else mine["checksum"]
        return item

    # Reading. The data of found blocks contains secrets in plain text, and names of referenced blocks.

    def find(self, client: Client, item: Mapping[str, Any]) -> dict[str, Any] | None:
        wanted = {
            "block_documents": {"name": {"any_": [item["name"]]}},
            "block_types": {"slug": {"any_": [item["block_type"]]}},
        }
        found = list(client.pages(*self.route, "filter", include_secrets=True, **wanted))
        return self.complete(client, found[0]) if found else None

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        return (self.complete(client, one) for one in client.pages(*self.route, "filter", include_secrets=True))

    def complete(self, client: Client, found: dict[str, Any]) -> dict[str, Any]:
        references = {
            key: {"$ref": f"{place['block_document']['block_type']['slug']}/{place['block_document']['name']}"}
            for key, place in found["block_document_references"].items()
        }
        schema = found["block_schema"]
        return {
            **found,
            "block_type_slug": found["block_type"]["slug"],
            "data": {**found["data"], **references},
            "block_schema": schema_identity(schema),
            "schema_fields": schema["fields"],
        }

    def reference(self, item: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
        return [found["id"]]

    def result(self, found: Mapping[str, Any]) -> dict[str, Any]:
        result = super().result(found)
        return {**result, "data": masked(result["data"], secret_fields(found["schema_fields"]))}

    # Desired state

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_slug(self, item, "block_type")
        check_slug(self, item, "name")
        if item.get("block_schema", NEWEST) is None:
            raise self.refuse(item, "block_schema", "cannot be null")
        for key, value in (item.get("data") or {}).items():
            self._check_value(item, key, value)

    def _check_value(self, item: Mapping[str, Any], key: str, value: Any) -> None:
        if is_reference(value):
            name = value["$ref"]
            if not (isinstance(name, str) and len(value) == 1 and all(name.partition("/"))):
                raise self.refuse(item, "data", f"{key}: a reference must have the format {{$ref: type/name}}")
            if name == "/".join(self.names(item)):
                raise self.refuse(item, "data", f"{key}: a block cannot refer to itself")
        elif any(is_reference(part) for part in parts(value)):
            raise self.refuse(item, "data", f"{key}: a reference is only allowed at the first level of data")
        elif any(leaf in (HIDDEN, SECRET, OLD_SECRET) for leaf in leaves(value)):
            problem = "this is a placeholder of a secret: omit the key to keep the current value"
            raise self.refuse(item, "data", f"{key}: {problem}")

    def plan(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, state: str = "present"
    ) -> ChangeSet:
        schema = self._schema(client, item) if state == "present" and (found is None or "block_schema" in item) else {}
        secrets = self._secrets(client, item, found, schema)
        self._declare(client, item, secrets)
        if state == "absent":
            steps = plan_absent(None if found is None else self.view(found))
        else:
            shown = {"block_schema": found["block_schema"]} if found and "block_schema" in item else {}
            current = None if found is None else {**self.view(found), **shown}
            steps = plan(current, self._wanted(client, item, found, schema), self.fresh())
        before, after = steps.before.get("data", {}), steps.after.get("data", {})
        return ChangeSet(
            steps.action,
            {**steps.before, "data": masked(before, secrets, after)} if steps.before else {},
            {**steps.after, "data": masked(after, secrets)} if steps.after else {},
            steps.changes,
        )

    def _schema(self, client: Client, item: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the wanted schema, empty if it does not exist yet."""
        wanted = item.get("block_schema", NEWEST)
        for schema in schemas_of(client, item["block_type"]):
            if wanted in (NEWEST, schema["version"], schema["checksum"]):
                return schema
        return {}

    def _secrets(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, schema: Mapping[str, Any]
    ) -> list[str]:
        if not found and not schema:  # the document may contain the schema
            planned = client.memo.get("planned_schemas", {}).get(item["block_type"])
            return [path for fields in planned for path in secret_fields(fields)] if planned else ALL
        of_found = secret_fields(found["schema_fields"]) if found else []
        of_schema = secret_fields(schema["fields"]) if schema else []
        return of_found + of_schema

    def _declare(self, client: Client, item: Mapping[str, Any], secrets: Sequence[str]) -> None:
        """Record the secret and the public values of the item."""
        data = item.get("data") or {}
        hidden: list[Any] = []
        replaced(data, secrets, lambda _location, value: hidden.append(value))
        client.remarks.secret.update(texts(hidden))
        client.remarks.public.update(texts([{**item, "data": masked(data, secrets)}]))

    def _wanted(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, schema: Mapping[str, Any]
    ) -> dict[str, Any]:
        wanted = super().wanted(client, item, found)
        fields = schema["fields"] if schema else found["schema_fields"] if found else {}
        if found and item.get("data") and not item.get("replace"):
            wanted["data"] = {**found["data"], **wanted["data"]}
        if found and "data" in wanted:
            wanted["data"] = self._with_hidden(client, item, found, wanted["data"])
        if found is None or "data" in wanted:
            self._check_keys(item, wanted.get("data", {}), fields)
        if "block_schema" in item:
            wanted["block_schema"] = schema_identity(schema) if schema else item["block_schema"]
        return wanted

    def _with_hidden(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], data: dict[str, Any]
    ) -> Any:
        """Return the data to write. A secret that this server hides cannot be compared."""
        places: list[Location] = []

        def keep(location: Location, value: Any) -> Any:
            if value == HIDDEN or not same(at(found["data"], location), HIDDEN):
                return value
            places.append(location)
            return HIDDEN

        kept = replaced(data, secret_fields(found["schema_fields"]), keep)
        if not places or item.get("hidden_secrets") == "keep":
            return kept
        secrets = ", ".join(".".join(str(step) for step in place) for place in places)
        client.remarks.warn(
            f"{self.title(item)}: this server hides {secrets}, so the block is written without a comparison. To keep "
            "the secrets of the server, set hidden_secrets=keep."
        )
        return data

    def _check_keys(self, item: Mapping[str, Any], data: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        known = fields.get("properties") or {}
        for key in data:
            close = [] if key in known else difflib.get_close_matches(key, known, n=1, cutoff=0.7)
            if close:  # the server would store it, but the block would not use it
                raise self.refuse(item, "data", f"the type has no {key!r}: did you mean {close[0]!r}?")
        for key in fields.get("required") or ():
            if key not in data:
                raise self.refuse(item, "data", f"the type needs {key!r}")

    # Writing

    def create(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        schema = self._schema_to_write(client, item)
        body = {
            "name": item["name"],
            "block_type_id": schema["block_type_id"],
            "block_schema_id": schema["id"],
            "data": self._with_ids(client, item, steps.changes.get("data", {})),
        }
        client.call("POST", *self.route, "", body=body)

    def update(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], steps: ChangeSet) -> None:
        data = steps.changes.get("data", found["data"])
        body = {"data": self._with_ids(client, item, data), "merge_existing_data": False}
        if "block_schema" in steps.changes:
            body["block_schema_id"] = self._schema_to_write(client, item)["id"]
        client.call("PATCH", *self.route, found["id"], body=body)

    def _schema_to_write(self, client: Client, item: Mapping[str, Any]) -> Mapping[str, Any]:
        schema = self._schema(client, item)
        if schema:
            return schema
        if client.get("block_types", "slug", item["block_type"], missing_ok=True) is None:
            raise no_such_type(self, client, item)
        wanted = item.get("block_schema", NEWEST)
        which = "" if wanted == NEWEST else f" with the version or checksum {wanted!r}"
        raise self.refuse(item, "block_schema", f"block type {item['block_type']!r} has no schema{which}")

    def _with_ids(self, client: Client, item: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        result = dict(data)
        for key, value in data.items():
            if is_reference(value):
                block_id = references.block_id(client, value["$ref"])
                if block_id is None:
                    raise self.refuse(item, "data", f"{key}: there is no block {value['$ref']!r}")
                result[key] = {"$ref": {"block_document_id": block_id}}
        return result


BLOCK_DOCUMENT = BlockDocument()


def schema_identity(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return version and checksum, because several versions may have the same checksum."""
    return {"version": schema["version"], "checksum": schema["checksum"]}


# Secrets within data


def replaced(data: Any, secrets: Sequence[str], change: Callable[[Location, Any], Any], location: Location = ()) -> Any:
    """Return data with another value instead of each secret. A path with * means all values below the part before *."""
    paths = [tuple(path.split(".")) for path in secrets]
    whole = location in paths
    below = any(location[: path.index("*")] == path[: path.index("*")] for path in paths if "*" in path)
    if data is None:
        return None
    if not whole and isinstance(data, Mapping):
        return {key: replaced(value, secrets, change, (*location, key)) for key, value in data.items()}
    if not whole and isinstance(data, list):
        return [replaced(value, secrets, change, (*location, number)) for number, value in enumerate(data)]
    return change(location, data) if whole or below else data


def masked(data: Any, secrets: Sequence[str], other: Any = None) -> Any:
    """Return data for the output. A secret that has another value in C(other) is shown as an old secret."""

    def mask(location: Location, value: Any) -> str:
        now = at(other, location)
        return SECRET if now is None or same(now, value) else OLD_SECRET

    return replaced(data, secrets, mask)


def at(data: Any, location: Location) -> Any:
    """Return the value at a location, None if there is none."""
    for step in location:
        if isinstance(data, Mapping):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data


def parts(value: Any) -> Iterator[Any]:
    """Yield the value and all values in it."""
    yield value
    if isinstance(value, (Mapping, list)):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from parts(part)


def leaves(value: Any) -> Iterator[Any]:
    return (part for part in parts(value) if not isinstance(part, (Mapping, list)))


def texts(value: Any) -> set[str]:
    """Return the values as texts, as Ansible masks them in its output."""
    return {str(leaf) for leaf in leaves(value) if leaf not in (None, "") and not isinstance(leaf, bool)}


def is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and "$ref" in value
