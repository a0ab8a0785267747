# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Schemas of block types.

A schema is never changed, but only added. New blocks use the newest schema of their type. The server identifies a
schema by its version and by its fields without secret_fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Field, Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import (
    ChangeSet,
    plan,
    plan_absent,
    same,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_type import (
    BLOCK_TYPE,
    check_slug,
    no_such_type,
    refuse_if_used,
)

VERSION = "non-versioned"  # version of a schema without one


class BlockSchema(Kind):
    noun = "block_schema"
    plural = "block_schemas"
    key = ("block_type", "version")
    route = ("block_schemas",)
    fields = {
        "block_type": Field("str", api="block_type_slug"),
        "version": Field("str", empty=VERSION, default=VERSION),
        "fields": Field("dict", nullable=False, needed=True),
        "capabilities": Field("list", empty=[], elements="str"),
    }
    runtime = ("id", "created", "updated", "checksum")
    in_sequence = True  # new blocks use the newest one
    part_of = "block_type"
    refers_to = ("block_type", "block_schema")
    documentation = "Schemas of block types"
    documentation_more = "A schema that refers to another must follow it."
    purge_documentation = "Schemas of block types that no block uses"

    def dependencies(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        yield "block_type", options["block_type"]
        for reference in references((options.get("fields") or {}).get("block_schema_references") or {}):
            yield "block_type", reference["block_type_slug"]
            yield "block_schema", reference["block_type_slug"]

    def builtin(self, found: Mapping[str, Any]) -> bool:
        return BLOCK_TYPE.builtin({"slug": found["block_type_slug"], **found["block_type"]})

    def identity(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {**super().identity(found), "fields": found["fields"]}

    def to_export(self, client: Client, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item without the parts that a server adds: definitions and newest checksums of other types."""
        item = super().to_export(client, found)
        fields = {name: part for name, part in item["fields"].items() if name != "block_type_slug"}
        own = {name: part for name, part in fields.pop("definitions", {}).items() if "block_type_slug" not in part}
        stated = {
            name: [self._without_newest(client, one) for one in as_list(places)]
            for name, places in fields.pop("block_schema_references", {}).items()
        }
        if own:
            fields["definitions"] = own
        if stated:
            fields["block_schema_references"] = {
                name: places if len(places) > 1 else places[0] for name, places in stated.items()
            }
        return {**item, "fields": fields}

    def _without_newest(self, client: Client, reference: Mapping[str, Any]) -> dict[str, Any]:
        newest = schemas_of(client, reference["block_type_slug"])[:1]
        left_out = ["block_schema_checksum"] if [reference["block_schema_checksum"]] == [
            one["checksum"] for one in newest
        ] else []  # fmt: skip
        return {name: value for name, value in reference.items() if name not in left_out}

    # Reading

    def find(self, client: Client, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the schema with the fields of the item or, if it has no fields, the newest schema of the version."""
        for one in self._of_version(client, item):
            if not item.get("fields") or same(comparable(item["fields"], one["fields"]), comparable(one["fields"])):
                return one
        return None

    def _of_version(self, client: Client, item: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [one for one in schemas_of(client, item["block_type"]) if one["version"] == item["version"]]

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        """Return the oldest schemas first, so that the newest one of several with the same key comes last."""
        found = [self.complete(client, one) for one in client.pages(*self.route, "filter")]
        by_type: dict[str, list[dict[str, Any]]] = {}
        for one in found:
            by_type.setdefault(one["block_type_slug"], []).append(one)
        client.memo["block_schemas"] = by_type
        return iter(found[::-1])

    def complete(self, client: Client, found: dict[str, Any]) -> dict[str, Any]:
        return {**found, "block_type_slug": found["block_type"]["slug"]}

    def reference(self, item: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
        return [found["id"]]

    def normal(self, option: str, value: Any) -> Any:
        value = super().normal(option, value)
        if option == "capabilities":
            return sorted(set(value))
        if option == "fields" and value is not None:  # the server adds an empty mapping
            return {name: part for name, part in value.items() if name != "block_schema_references" or part}
        return value

    # Desired state

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_slug(self, item, "block_type")
        if not item["version"]:
            raise self.refuse(item, "version", "must not be empty")
        owner = (item.get("fields") or {}).get("block_type_slug", item["block_type"])
        if owner != item["block_type"]:
            raise self.refuse(item, "fields", f"block_type_slug is that of another block type: {owner!r}")

    def plan(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, state: str = "present"
    ) -> ChangeSet:
        found = self.find(client, item)  # the list for a document has only one schema of each version
        current = None if found is None else self.view(found)
        if state == "absent":
            self._check_that_one_is_meant(client, item, found)
            return plan_absent(current)
        wanted = self.wanted(client, item, found)
        if found is None:
            client.memo.setdefault("planned_schemas", {}).setdefault(item["block_type"], []).append(wanted["fields"])
            # Without the slug, the server would not distinguish it from the schema of a type with the same fields.
            wanted["fields"] = {"block_type_slug": item["block_type"], **wanted["fields"]}
        elif current is not None:
            wanted["fields"] = current["fields"]
            self._check_what_cannot_change(item, found, current, wanted)
        return plan(current, wanted, self.fresh())

    def _check_what_cannot_change(
        self, item: Mapping[str, Any], found: Mapping[str, Any], current: Mapping[str, Any], wanted: Mapping[str, Any]
    ) -> None:
        problem = "differ from those of the schema with this version. A schema cannot be changed: use another version"
        if not same(current["capabilities"], wanted.get("capabilities", current["capabilities"])):
            raise self.refuse(item, "capabilities", problem)
        if item.get("fields") and secret_fields(item["fields"]) != secret_fields(found["fields"]):
            raise self.refuse(item, "fields", f"secret_fields {problem}")

    def _check_that_one_is_meant(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None
    ) -> None:
        count = len(self._of_version(client, item))
        if count > 1 and not item.get("fields"):
            raise self.refuse(
                item, "version", f"{count} schemas have this version: set fields to those of the schema to delete"
            )
        if found and found["block_type"]["is_protected"]:
            raise self.refuse(item, "block_type", "is a built-in type of the server, whose schemas cannot be deleted")

    # Writing

    def create(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        slug = item["block_type"]
        block_type = client.get("block_types", "slug", slug, missing_ok=True)
        if block_type is None:
            raise no_such_type(self, client, item)
        body = self.body(steps.after)
        del body["block_type_slug"]
        body["block_type_id"] = block_type["id"]
        body["fields"] = self._with_checksums(client, item, body["fields"])
        try:
            client.call("POST", *self.route, "", body=body, repeatable=True)
        finally:
            client.memo.pop("block_schemas", None)

    def _with_checksums(self, client: Client, item: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields with checksums. A reference with only a block type means the newest schema of that type."""
        complete: dict[str, Any] = {}
        for name, references in fields.get("block_schema_references", {}).items():
            complete[name] = [self._with_checksum(client, item, reference) for reference in as_list(references)]
            if not isinstance(references, list):
                complete[name] = complete[name][0]
        return {**fields, "block_schema_references": complete}

    def _with_checksum(self, client: Client, item: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
        if reference.get("block_schema_checksum"):
            return dict(reference)
        slug = reference.get("block_type_slug", "")
        schemas = schemas_of(client, slug)
        if not schemas:
            raise self.refuse(item, "fields", f"block_schema_references: there is no schema of block type {slug!r}")
        return {**reference, "block_schema_checksum": schemas[0]["checksum"]}

    def delete(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        chosen = self.find(client, item) or found
        refuse_if_used(self, client, item, block_schemas={"id": {"any_": [chosen["id"]]}})
        super().delete(client, item, chosen)
        client.memo.pop("block_schemas", None)


BLOCK_SCHEMA = BlockSchema()


def schemas_of(client: Client, slug: str) -> list[dict[str, Any]]:
    """Return the schemas of a type, the newest one first, none if the type does not exist."""
    known: dict[str, list[dict[str, Any]]] = client.memo.setdefault("block_schemas", {})
    if slug not in known:
        found = client.get("block_types", "slug", slug, missing_ok=True)
        wanted = {"block_type_id": {"any_": [found["id"]]}} if found else {}
        pages = client.pages("block_schemas", "filter", block_schemas=wanted) if found else ()
        known[slug] = [BLOCK_SCHEMA.complete(client, one) for one in pages]
    return known[slug]


def secret_fields(fields: Mapping[str, Any]) -> list[str]:
    return sorted(set(fields.get("secret_fields") or ()))


def comparable(fields: Mapping[str, Any], found: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the parts that distinguish schemas. Keys that a reference to another schema omits are not compared."""
    stated = fields.get("block_schema_references") or {}
    there = (found or {}).get("block_schema_references") or {}
    definitions = fields.get("definitions") or {}
    own = {name: part for name, part in definitions.items() if "block_type_slug" not in part}  # not those of references
    ignored = ("block_type_slug", "secret_fields", "block_schema_references", "definitions")
    return {
        "fields": {name: part for name, part in fields.items() if name not in ignored},
        "definitions": own,
        "references": {name: with_checksums(as_list(stated[name]), as_list(there.get(name, []))) for name in stated},
    }


def with_checksums(stated: Sequence[Mapping[str, Any]], there: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Complete the given references with the keys of the existing ones."""
    known = {reference["block_type_slug"]: reference for reference in there}
    complete = [{**known.get(reference.get("block_type_slug"), {}), **reference} for reference in stated]
    return sorted(complete, key=lambda reference: str(reference.get("block_type_slug")))


def references(stated: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (one for places in stated.values() for one in as_list(places) if one.get("block_type_slug"))


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
