# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The base class of the kinds of Prefect objects, for modules, _info modules and documents of all kinds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import (
    ChangeSet,
    plan,
    plan_absent,
    same,
)

TRIES = 10  # attempts of a create with an unknown result or a conflict


class Field(NamedTuple):
    """An option of a kind: its name in the API, its null value, and its argument spec."""

    type: str
    api: str = ""  # name in the API, if it differs
    empty: Any = None  # the value for null, and of a new object if the option is omitted
    nullable: bool = True
    needed: bool = False  # required to create an object
    fixed: bool = False  # the server cannot change it after the creation
    # The same as in an argument spec.
    elements: str | None = None
    choices: Sequence[str] | None = None
    default: Any = None
    options: Mapping[str, Any] | None = None
    no_log: bool | None = None

    def spec(self, *, required: bool) -> dict[str, Any]:
        """Return the option in the format of an argument spec."""
        stated = {name: getattr(self, name) for name in ("elements", "choices", "default", "options", "no_log")}
        return {
            "type": self.type,
            **({"required": True} if required else {}),
            **{name: value for name, value in stated.items() if value is not None},
        }


class Kind:
    noun = ""  # also the key of the result
    plural = ""  # also the key in a document of all kinds
    key: tuple[str, ...] = ("name",)
    route: tuple[str, ...] = ()
    fields: Mapping[str, Field] = {}  # properties of an object, by the name of the option
    inputs: Mapping[str, Field] = {}  # options for the creation that are not properties of the object
    runtime: tuple[str, ...] = ("id", "created", "updated")  # returned, but never desired state
    secret = False  # an item contains secrets, so Ansible masks all of it except remarks.public
    in_sequence = False  # the order in which objects are created matters
    part_of = ""  # noun of the owner, whose deletion also deletes such an object
    refers_to: tuple[str, ...] = ()  # the nouns that dependencies() may yield
    listed = True  # a document of all kinds has a list of such objects
    exported = True  # the list is also exported
    purged = True  # objects that a document does not list can be purged
    documentation = ""  # description of the list in a document, to which kinds.py adds the options; the plural if empty
    documentation_more = ""  # sentence after that description
    purge_documentation = ""  # description of the purged objects; documentation if empty

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """Return the argument spec without state and the connection options.

        The parts of the natural key are required unless they have a default.
        """
        return {
            name: field.spec(required=name in self.key and field.default is None)
            for name, field in {**self.fields, **self.inputs}.items()
        }

    def api_name(self, option: str) -> str:
        return self.fields[option].api or option

    # Reading. An object is the unchanged response of the API.

    def find(self, client: Client, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the object with the natural key of the item."""
        found: dict[str, Any] | None = client.get(*self.route, *self.names(item), missing_ok=True)
        return found and self.complete(client, found)

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        return client.pages(*self.route, "filter")

    def complete(self, client: Client, found: dict[str, Any]) -> dict[str, Any]:
        """Add the data that requires further requests."""
        return found

    def names(self, item: Mapping[str, Any]) -> list[str]:
        return [item[name] for name in self.key]

    def reference(self, item: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
        """Return the last parts of the path to change or delete the object."""
        return self.names(item)

    def view(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return an object as the values of the options, without runtime fields."""
        return {option: self.normal(option, found.get(self.api_name(option))) for option in self.fields}

    def normal(self, option: str, value: Any) -> Any:
        """Return the normalized value for the comparison, with the default instead of null."""
        return self.fields[option].empty if value is None else value

    def result(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {**self.view(found), **{name: found[name] for name in self.runtime if name in found}}

    # Documents, purges and exports.

    def dependencies(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        """Yield the references of an item or a view: the noun and the natural key, or its first parts."""
        return iter(())

    def builtin(self, found: Mapping[str, Any]) -> bool:
        """Whether Prefect creates and needs the object itself, so that it is neither purged nor exported."""
        return False

    def identity(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item that identifies this object."""
        return {name: self.normal(name, found.get(self.api_name(name))) for name in self.key}

    def shown(self, item: Mapping[str, Any], steps: ChangeSet) -> dict[str, Any]:
        """Return the presentation of an item that is created."""
        return {
            name: value
            for name, value in item.items()
            if name not in self.key and not same(value, self.options[name].get("default", ...))
        }

    def to_export(self, client: Client, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return the item that creates the object on another server, without default values."""
        fresh = self.fresh()
        return {
            option: value
            for option, value in self.view(found).items()
            if option in self.key or self.fields[option].needed or not same(value, fresh[option])
        }

    def without_secrets(
        self, item: dict[str, Any], found: Mapping[str, Any], refer: Callable[[Sequence[Any], Any], Any]
    ) -> dict[str, Any]:
        """Return an exported item with references instead of secrets. refer() gets the location and the value."""
        return item

    # Desired state

    def check(self, item: Mapping[str, Any]) -> None:
        """Reject invalid options before any request, including those that the server would accept."""
        for option, field in self.fields.items():
            if option in item and item[option] is None and not field.nullable:
                raise self.refuse(item, option, "cannot be null")

    def wanted(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the options that the user has set, in the form of view()."""
        for option, field in self.fields.items():
            if found is None and field.needed and option not in item:
                raise self.refuse(item, option, f"is needed to create the {self.noun}")
        return {option: self.normal(option, item[option]) for option in self.fields if option in item}

    def fresh(self) -> dict[str, Any]:
        return {option: field.empty for option, field in self.fields.items()}

    def refuse(self, item: Mapping[str, Any], option: str, problem: str) -> PrefectError:
        return PrefectError(f"{self.title(item)}: {option}: {problem}", option=option)

    def title(self, item: Mapping[str, Any]) -> str:
        return f"{self.noun} {'/'.join(str(item.get(name)) for name in self.key)!r}"

    def plan(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, state: str = "present"
    ) -> ChangeSet:
        current = None if found is None else self.view(found)
        if state == "absent":
            return plan_absent(current)
        result = plan(current, self.wanted(client, item, found), self.fresh())
        for option in result.changes if current is not None else ():
            if self.fields[option].fixed:
                raise self.refuse(
                    item,
                    option,
                    f"is {result.before[option]!r} and the server cannot change it to {result.changes[option]!r}: "
                    f"use another name, or remove the {self.noun} first with state=absent",
                )
        return result

    def validation_errors(
        self, client: Client, planned: Sequence[tuple[Mapping[str, Any], ChangeSet]]
    ) -> list[PrefectError]:
        """Return the validation errors of the server for these plans, before any of them is applied."""
        return []

    # Writing

    def body(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        return {self.api_name(option): value for option, value in changes.items()}

    def create(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        client.call("POST", *self.route, "", body=self.body(steps.changes))

    def update(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], steps: ChangeSet) -> None:
        client.call("PATCH", *self.route, *self.reference(item, found), body=self.body(steps.changes))

    def delete(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        client.call("DELETE", *self.route, *self.reference(item, found), missing_ok=True)

    def apply(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, steps: ChangeSet) -> None:
        if steps.action == "create":
            self.create(client, item, steps)
        elif found is not None and steps.action == "update":
            self.update(client, item, found, steps)
        elif found is not None and steps.action == "delete":
            self.delete(client, item, found)

    def finish(self, client: Client) -> list[PrefectError]:
        """Write the parts that require other objects to exist."""
        return []


def ensure(kind: Kind, client: Client, item: Mapping[str, Any], state: str = "present") -> dict[str, Any]:
    """Apply the desired state of one object, and return the result of the module."""
    kind.check(item)
    found = kind.find(client, item)
    steps = kind.plan(client, item, found, state)
    if client.read_only:  # otherwise the server reports the same for the complete request
        for error in kind.validation_errors(client, [(item, steps)]) if steps.action in ("create", "update") else ():
            if error.status is not None:  # the server rejected it
                raise error
            client.remarks.warn(f"{error}. It must exist when the playbook runs without check mode.")
        after = None if state == "absent" else {**(kind.result(found) if found else {}), **steps.after}
    else:
        if steps.changed:
            settle(kind, client, item, found, steps)
            found = kind.find(client, item)
        after = kind.result(found) if found else None
    title = kind.title(item)
    diff = {"before": steps.before, "after": steps.after, "before_header": title, "after_header": title}
    return {"changed": steps.changed, kind.noun: after, "diff": diff}


def settle(kind: Kind, client: Client, item: Mapping[str, Any], found: dict[str, Any] | None, steps: ChangeSet) -> None:
    """Apply the plan. Retry a create without a clear response only after a check of the current state."""
    for attempt in range(TRIES):
        try:
            return kind.apply(client, item, found, steps)
        except PrefectError as error:
            failure = error.about(kind.title(item))
        if not (failure.unsure or (steps.action == "create" and failure.status == 409)):
            raise failure
        seen = kind.find(client, item)
        if seen is None:
            if failure.status == 409 or attempt + 1 == TRIES or not client.pause(attempt):
                raise failure
            continue
        # The object exists now: the response to our request was lost, or another client has created it.
        found, steps = seen, kind.plan(client, item, seen)
        if not steps.changed:
            return None
    raise failure


NAME = re.compile(r"[^/%&<>]+")


def check_name(kind: Kind, item: Mapping[str, Any], option: str = "name") -> None:
    if not NAME.fullmatch(item[option]):
        raise kind.refuse(item, option, "must not be empty nor contain any of / % & < >")


def check_limit(kind: Kind, item: Mapping[str, Any], option: str) -> None:
    if (item.get(option) or 0) < 0:
        raise kind.refuse(item, option, f"must be 0 or more, not {item[option]}")


# Interface of the main() of modules

STATE = {"type": "str", "choices": ["present", "absent"], "default": "present"}


def run_module(kind: Kind) -> None:
    module = PrefectModule({**kind.options, "state": STATE})
    item = {name: value for name, value in module.given.items() if name != "state"}
    run(module, lambda client: ensure(kind, client, item, module.params["state"]))


def run_info(kind: Kind) -> None:
    module = PrefectModule({name: {"type": kind.options[name]["type"]} for name in kind.key})
    run(module, lambda client: look(kind, client, module.given), read_only=True)


def look(kind: Kind, client: Client, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with the natural key, or all objects that match a part of it."""
    if all(item.get(name) is not None for name in kind.key):
        found = kind.find(client, item)
        one = None if found is None else kind.result(found)
        return {"changed": False, kind.noun: one, kind.plural: [one] if one else []}
    results = [kind.result(found) for found in kind.list_all(client)]
    return {
        "changed": False,
        kind.plural: [one for one in results if all(one[name] == value for name, value in item.items())],
    }
