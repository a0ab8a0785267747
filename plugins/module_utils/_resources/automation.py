# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Automations: triggers and actions in one short form, with names instead of ids.

The short form is used on both sides of a comparison: see _automation/short_form.py.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import NOTHING, Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Field, Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import ChangeSet, same
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources._automation.api_form import (
    complete_action,
    complete_trigger,
    fields_of,
    incomplete,
    inert,
    relevant,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources._automation.model import (
    ACTION_LISTS,
    ACTIONS,
    NEEDED,
    SHORTEST_ABSENCE,
    TRIGGERS,
    as_number,
    chooses,
    misfit,
    references_of,
    type_of,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources._automation.names import (
    id_of,
    named_action,
    names_of,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources._automation.short_form import (
    short_action,
    short_trigger,
    unknown,
    with_unknown,
)

NAMED_IN_TWO_PARTS = ("deployment", "work_queue", "block_document")
NEWER = ("force",)  # fields that the oldest supported server does not have
OF_DEPLOYMENT = re.compile(r"__automation_\d+$")  # end of the name of an automation of a deployment
TWIN_PATIENCE = 1.5  # seconds in which another run deletes the duplicate that it has created at the same time


class Automation(Kind):
    noun = "automation"
    plural = "automations"
    route = ("automations",)
    fields = {
        "name": Field("str"),
        "description": Field("str", empty=""),
        "enabled": Field("bool", empty=True),
        "tags": Field("list", empty=[], elements="str"),
        "trigger": Field("dict", nullable=False, needed=True),
        "actions": Field("list", nullable=False, needed=True, elements="dict"),
        "actions_on_trigger": Field("list", empty=[], elements="dict"),
        "actions_on_resolve": Field("list", empty=[], elements="dict"),
    }
    inputs = {
        "id": Field("str"),
    }

    refers_to = ("deployment", "work_pool", "work_queue", "block_document", "automation")
    documentation = "Automations, in any order"
    purge_documentation = "Automations"

    def dependencies(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        for action in (one for part in ACTION_LISTS for one in options.get(part) or ()):
            for reference in references_of(action.get("type", "")):
                name = action.get(reference)
                if name:
                    noun = "block_document" if reference == "block" else reference
                    yield (noun, *(name.split("/", 1) if noun in NAMED_IN_TWO_PARTS else [name]))
                if name and noun == "work_queue":
                    yield "work_pool", name.partition("/")[0]

    def builtin(self, found: Mapping[str, Any]) -> bool:
        """Whether `prefect deploy` has created the automation for a trigger of a deployment, and deletes it itself."""
        return bool(OF_DEPLOYMENT.search(found["name"]))

    def identity(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {"name": found["name"], "id": found["id"]}

    # Reading

    def find(self, client: Client, item: Mapping[str, Any]) -> dict[str, Any] | None:
        if item.get("id"):
            one = client.get(*self.route, item["id"], missing_ok=True)
            return one and self.readable(client, [one])[0]
        found = self.named(client, item["name"])
        if len(found) > 1:
            time.sleep(TWIN_PATIENCE)
            found = self.named(client, item["name"])
        if len(found) > 1:
            ids = " or ".join(one["id"] for one in found)
            raise self.refuse(item, "name", f"{len(found)} automations have this name: select one with id: {ids}")
        return self.readable(client, found)[0] if found else None

    def named(self, client: Client, name: str) -> list[dict[str, Any]]:
        """Return all automations with this name. Names are not unique on the server."""
        return list(client.pages(*self.route, "filter", automations={"name": {"any_": [name]}}))

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        return iter(self.readable(client, list(super().list_all(client))))

    def readable(self, client: Client, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the short form, with names instead of ids, and whether several automations share the name."""
        name_of = names_of(client, found)
        taken = [one["name"] for one in found]
        return [
            {
                **one,
                "trigger": short_trigger(one["trigger"]),
                **{
                    part: [short_action(named_action(action, name_of)) for action in one.get(part) or ()]
                    for part in ACTION_LISTS
                },
                "twins": taken.count(one["name"]) > 1,
            }
            for one in found
        ]

    def reference(self, item: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
        return [found["id"]]

    # Desired state

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        if not item["name"]:
            raise self.refuse(item, "name", "must not be empty")
        if item.get("trigger") is not None:
            self._check_trigger(item, item["trigger"], "trigger")
        for part in ACTION_LISTS:
            for number, action in enumerate(item.get(part) or ()):
                where = f"{part}[{number}]"
                if not action.get("type"):
                    raise self.refuse(item, where, f"needs a type: {', '.join(ACTIONS)}")
                self._check_fields(item, action, ACTIONS, where)

    def _check_trigger(self, item: Mapping[str, Any], trigger: Any, where: str) -> None:
        if not isinstance(trigger, Mapping):
            raise self.refuse(item, where, f"must be a mapping, not {trigger!r}")
        self._check_fields(item, trigger, TRIGGERS, where)
        if type_of(trigger) == "event":
            if trigger["posture"] not in ("Reactive", "Proactive"):
                problem = f"posture must be Reactive or Proactive, not {trigger['posture']!r}"
                raise self.refuse(item, where, problem)
            within = as_number(trigger.get("within"))
            if trigger["posture"] == "Proactive" and within is not None and within < SHORTEST_ABSENCE:
                problem = f"within must be {SHORTEST_ABSENCE} seconds or more when posture is Proactive"
                raise self.refuse(item, where, problem)
        for place, child in enumerate(trigger.get("triggers") or ()):
            self._check_trigger(item, child, f"{where}.triggers[{place}]")

    def _check_fields(
        self, item: Mapping[str, Any], part: Mapping[str, Any], table: Mapping[str, Any], where: str
    ) -> None:
        for name, value in part.items():
            wanted = None if value is None else misfit(name, value)
            if wanted:
                raise self.refuse(item, where, f"{name} must be {wanted}, not {value!r}")
        kind = type_of(part)
        if kind not in table:
            close = difflib.get_close_matches(str(kind), table, n=1, cutoff=0.7)
            if close:
                raise self.refuse(item, where, f"the type {kind!r} does not exist: did you mean {close[0]!r}?")
            return  # a newer server may have this type
        known = [*table[kind], "type", *(["source"] if chooses(kind) else [])]
        for name in part:
            close = [] if name in known else difflib.get_close_matches(name, known, n=1, cutoff=0.7)
            if close:  # the server would ignore it silently
                raise self.refuse(item, where, f"{kind} has no {name!r}: did you mean {close[0]!r}?")
        for name, default in table[kind].items():
            if default is NEEDED and part.get(name) is None:
                raise self.refuse(item, where, f"{kind} needs {name!r}")

    def normal(self, option: str, value: Any) -> Any:
        value = super().normal(option, value)
        if option == "tags":
            return sorted(set(value))
        if option == "trigger" and value is not None:
            return short_trigger(value)
        if option in ACTION_LISTS and value is not None:
            return [short_action(action) for action in value]
        return value

    def wanted(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
        wanted = super().wanted(client, item, found)
        if found:
            for part in ("trigger", *ACTION_LISTS):
                if part in wanted:
                    wanted[part] = with_unknown(wanted[part], found[part])
        return wanted

    def plan(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, state: str = "present"
    ) -> ChangeSet:
        found = self._chosen(client, item, found)
        if found is None and item.get("id") and state == "present":
            raise self.refuse(item, "id", f"there is no automation with the id {item['id']}")
        result = super().plan(client, item, found, state)
        if result.action in ("create", "update"):
            self._refuse_what_would_be_ignored(client, item, result)
        return result

    def _refuse_what_would_be_ignored(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        """Reject fields that the server would ignore silently: an automation without them may do harm."""
        for part in ("trigger", *ACTION_LISTS):
            for kind, name in unknown(steps.changes.get(part) or []):
                fields = fields_of(client.openapi(), kind)
                if fields is None:
                    problem = (
                        f"cannot check whether this server supports {name or kind!r}: its openapi.json is not available"
                    )
                    raise self.refuse(item, part, f"{problem} at this address")
                if not fields:
                    raise self.refuse(item, part, f"this version of Prefect has no type {kind!r}")
                if name and name not in fields:
                    raise self.refuse(item, part, f"{kind} has no {name!r} in this version of Prefect")

    def _chosen(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """Return the selected one of several automations with one name, which the list for a document only marks."""
        unclear = found is not None and (found["twins"] or item.get("id", found["id"]) != found["id"])
        return self.find(client, item) if unclear else found

    def validation_errors(
        self, client: Client, planned: Sequence[tuple[Mapping[str, Any], ChangeSet]]
    ) -> list[PrefectError]:
        errors = []
        for item, steps in planned:
            try:
                if list(steps.changes) != ["enabled"]:
                    self._write(client.validate, "PUT", [NOTHING], self._whole(client, item, steps.after))
            except PrefectError as error:
                errors.append(error.about(self.title(item)))
        return errors

    # Writing

    def create(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        """Create the automation in two steps if an action refers to it, or to an automation that requires it."""
        body = self._whole(client, item, steps.changes)
        waiting = incomplete(body)
        made = self._write(client.call, "POST", [""], inert(body) if waiting else body)
        if not self._give_way(client, made):
            return
        self._notice_what_was_ignored(client, item, steps, made["id"])
        client.memo.setdefault("ids", {})[self.noun, item["name"]] = made["id"]
        if waiting:
            self._complete(client, item, steps, made["id"])

    def _complete(self, client: Client, item: Mapping[str, Any], steps: ChangeSet, automation_id: str) -> None:
        body = self._whole(client, item, steps.after)
        if incomplete(body):  # it refers to automations that this run creates later
            client.memo.setdefault("unfinished automations", []).append((item, steps, automation_id))
        else:
            self._write(client.call, "PUT", [automation_id], body)

    def finish(self, client: Client) -> list[PrefectError]:
        client.coming = set()
        errors = []
        for item, steps, automation_id in client.memo.pop("unfinished automations", ()):
            try:
                self._complete(client, item, steps, automation_id)
            except PrefectError as error:
                errors.append(error.about(self.title(item)))
        return errors

    def _give_way(self, client: Client, made: Mapping[str, Any]) -> bool:
        """Resolve a duplicate that another run has created at the same time. Return whether ours is kept.

        The newer one is deleted. If it still exists after a wait, ours is deleted.
        """
        for last in (False, True):
            twins = self.named(client, made["name"])
            if len(twins) < 2:
                return True
            first = min(twins, key=lambda one: (one["created"], one["id"]))
            if last or first["id"] != made["id"]:
                client.call("DELETE", *self.route, made["id"], missing_ok=True)
                return False
            time.sleep(TWIN_PATIENCE * 2 / 3)
        return True

    def update(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], steps: ChangeSet) -> None:
        chosen = self._chosen(client, item, found) or found
        if list(steps.changes) == ["enabled"]:  # PATCH can change only this, and keeps the counts of events
            client.call("PATCH", *self.route, chosen["id"], body=steps.changes)
            return
        self._complete(client, item, steps, chosen["id"])
        self._notice_what_was_ignored(client, item, steps, chosen["id"])

    def delete(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        super().delete(client, item, self._chosen(client, item, found) or found)

    def _write(self, call: Callable[..., Any], method: str, path: Sequence[str], body: Mapping[str, Any]) -> Any:
        try:
            return call(method, *self.route, *path, body=body)
        except PrefectError as error:
            if error.status != 422:
                raise
            raise error.retold(relevant(str(error.facts.get("detail")), body)) from None

    def _whole(self, client: Client, item: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the body, with NOTHING for references to objects that do not exist yet."""
        body = dict(options)
        body["trigger"] = complete_trigger(body["trigger"])
        for part in ACTION_LISTS:
            if part in body:
                body[part] = [complete_action(action, self._resolver(client, item, part)) for action in body[part]]
        return body

    def _resolver(self, client: Client, item: Mapping[str, Any], option: str) -> Callable[[str, str], str]:
        def resolve(reference: str, name: str) -> str:
            known = client.memo.setdefault("ids", {})
            if (reference, name) not in known:
                if (reference, name) in client.coming:
                    return NOTHING
                found = self._id(client, name) if reference == self.noun else id_of(client, reference, name)
                if found is None and (reference, name) == (self.noun, item["name"]):
                    return NOTHING
                if found is None:
                    raise self.refuse(item, option, f"there is no {reference} {name!r}")
                known[reference, name] = found
            return str(known[reference, name])

        return resolve

    def _id(self, client: Client, name: str) -> str | None:
        found = self.find(client, {"name": name})
        return str(found["id"]) if found else None

    def _notice_what_was_ignored(
        self, client: Client, item: Mapping[str, Any], steps: ChangeSet, found_id: str
    ) -> None:
        """Raise if the server has ignored fields because it is older than they are."""
        actions = [action for part in ACTION_LISTS for action in steps.after[part]]
        newer = sorted({name for action in actions for name in action if name in NEWER})
        found = self.find(client, {**item, "id": found_id}) if newer else None
        if found and any(not same(found[part], steps.after[part]) for part in ACTION_LISTS):
            raise self.refuse(item, "actions", f"this version of Prefect ignores {', '.join(newer)}")


AUTOMATION = Automation()
