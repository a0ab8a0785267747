# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Automations: triggers and actions in one short form, with names instead of ids.

The short form leaves out what equals the server's default, on both sides of a comparison. A field of a newer server
that this table does not know is kept when the user does not state it, and sent and compared when they do.
"""

from __future__ import annotations

import difflib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import NOTHING, Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Field, Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import Plan, same
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run import (
    chunks,
    deployment_names,
)

NEEDED = object()  # in place of a default, where the server has none
TRIGGERS: dict[str, dict[str, Any]] = {
    "event": {
        "posture": NEEDED,
        "match": {},
        "match_related": {},
        "after": [],
        "expect": [],
        "for_each": [],
        "threshold": 1,
        "within": 0,
    },
    "compound": {"triggers": NEEDED, "require": NEEDED, "within": None},
    "sequence": {"triggers": NEEDED, "within": None},
}
ACTIONS: dict[str, dict[str, Any]] = {
    "do-nothing": {},
    "run-deployment": {"deployment": None, "parameters": None, "job_variables": None, "schedule_after": 0},
    "pause-deployment": {"deployment": None},
    "resume-deployment": {"deployment": None},
    "change-flow-run-state": {"state": NEEDED, "name": None, "message": None, "force": False},
    "cancel-flow-run": {},
    "suspend-flow-run": {},
    "resume-flow-run": {},
    "delete-flow-run": {},
    "send-notification": {"block": NEEDED, "body": NEEDED, "subject": "Prefect automated notification"},
    "call-webhook": {"block": NEEDED, "payload": ""},
    "pause-work-pool": {"work_pool": None},
    "resume-work-pool": {"work_pool": None},
    "pause-work-queue": {"work_queue": None},
    "resume-work-queue": {"work_queue": None},
    "pause-automation": {"automation": None},
    "resume-automation": {"automation": None},
}
ACTION_LISTS = ("actions", "actions_on_trigger", "actions_on_resolve")
# An action's reference by name, and what the API has instead of it.
REFERENCES = {
    "deployment": "deployment_id",
    "work_pool": "work_pool_id",
    "work_queue": "work_queue_id",
    "automation": "automation_id",
    "block": "block_document_id",
}
NAMED_IN_TWO_PARTS = ("deployment", "work_queue", "block_document")
NEWER = ("force",)  # that the oldest supported server does not know
TEXT = (str,)
TEXTS = (str, list)
# What the values of the fields in the tables may be, beside null; NUMBERS are looked at apart.
VALUES: dict[str, tuple[type, ...]] = {
    "type": TEXT,
    "posture": TEXT,
    "match": (Mapping,),
    "match_related": (Mapping, list),
    **dict.fromkeys(("after", "expect", "for_each"), TEXTS),
    "triggers": (list,),
    **dict.fromkeys(("deployment", "work_pool", "work_queue", "automation", "block"), TEXT),
    "parameters": (Mapping,),
    "job_variables": (Mapping,),
    **dict.fromkeys(("state", "name", "message", "subject", "body"), TEXT),
    "payload": (str, Mapping, list),
    "force": (bool,),
}
# How a reference is written, and what then matches it.
ANY_NAME = ("a name", re.compile(r".+", re.DOTALL))
WRITTEN = {
    "deployment": ("written as flow/deployment", re.compile(r"[^/]+/[^/]+")),
    "work_queue": ("written as pool/queue", re.compile(r"[^/]+/[^/]+")),
    "block": ("written as type/name", re.compile(r"[^/]+/[^/]+")),
    "work_pool": ("the name of a pool, which has no slash", re.compile(r"[^/]+")),
}
SPOKEN = {str: "text", Mapping: "a mapping", list: "a list", bool: "true or false"}
NUMBERS = ("threshold", "within", "schedule_after", "require")
SETS = ("after", "expect", "for_each")
PLACE = re.compile(r"(actions\w*)\.(\d+)\.")  # of an action, in what the server says of a mistake
OF_DEPLOYMENT = re.compile(r"__automation_\d+$")  # the end of a name
SHORTEST_ABSENCE = 10  # seconds, of a Proactive trigger
TWIN_PATIENCE = 1.5  # seconds in which a run that has made a second one of the same name takes it back


class Automation(Kind):
    noun = "automation"
    plural = "automations"
    route = ("automations",)
    fields = {
        "name": Field("name"),
        "description": Field("description", empty=""),
        "enabled": Field("enabled", empty=True),
        "tags": Field("tags", empty=[]),
        "trigger": Field("trigger", nullable=False, needed=True),
        "actions": Field("actions", nullable=False, needed=True),
        "actions_on_trigger": Field("actions_on_trigger", empty=[]),
        "actions_on_resolve": Field("actions_on_resolve", empty=[]),
    }
    options = {
        "name": {"type": "str", "required": True},
        "id": {"type": "str"},
        "description": {"type": "str"},
        "enabled": {"type": "bool"},
        "tags": {"type": "list", "elements": "str"},
        "trigger": {"type": "dict"},
        "actions": {"type": "list", "elements": "dict"},
        "actions_on_trigger": {"type": "list", "elements": "dict"},
        "actions_on_resolve": {"type": "list", "elements": "dict"},
    }

    refers_to = ("deployment", "work_pool", "work_queue", "block_document", "automation")

    def needs(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        for action in (one for part in ACTION_LISTS for one in options.get(part) or ()):
            for reference in references(action.get("type", "")):
                name = action.get(reference)
                if name:
                    noun = "block_document" if reference == "block" else reference
                    yield (noun, *(name.split("/", 1) if noun in NAMED_IN_TWO_PARTS else [name]))
                if name and noun == "work_queue":
                    yield "work_pool", name.partition("/")[0]

    def builtin(self, found: Mapping[str, Any]) -> bool:
        """Those of the triggers that prefect deploy makes for a deployment, and deletes with it."""
        return bool(OF_DEPLOYMENT.search(found["name"]))

    def handle(self, found: Mapping[str, Any]) -> dict[str, Any]:
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
            raise self.refuse(item, "name", f"{len(found)} automations have this name: choose one with id: {ids}")
        return self.readable(client, found)[0] if found else None

    def named(self, client: Client, name: str) -> list[dict[str, Any]]:
        """All with this name, which the server does not keep unique."""
        return list(client.pages(*self.route, "filter", automations={"name": {"any_": [name]}}))

    def every(self, client: Client) -> Iterator[dict[str, Any]]:
        return iter(self.readable(client, list(super().every(client))))

    def readable(self, client: Client, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """In the short form, with names instead of ids, and a note where several share a name."""
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

    # Wanting

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
            within = number(trigger.get("within"))
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
                raise self.refuse(item, where, f"there is no type {kind!r}: did you mean {close[0]!r}?")
            return  # of a newer server, perhaps
        known = [*table[kind], "type", *(["source"] if chooses(kind) else [])]
        for name in part:
            close = [] if name in known else difflib.get_close_matches(name, known, n=1, cutoff=0.7)
            if close:  # the server would ignore it without a word
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
    ) -> Plan:
        found = self._chosen(client, item, found)
        if found is None and item.get("id") and state == "present":
            raise self.refuse(item, "id", f"there is no automation with the id {item['id']}")
        result = super().plan(client, item, found, state)
        if result.action in ("create", "update"):
            self._refuse_what_would_be_ignored(client, item, result)
        return result

    def _refuse_what_would_be_ignored(self, client: Client, item: Mapping[str, Any], steps: Plan) -> None:
        """The server drops a field that it does not know without a word: an automation without it may do harm."""
        for part in ("trigger", *ACTION_LISTS):
            for kind, name in unknown(steps.changes.get(part) or []):
                fields = fields_of(client.openapi(), kind)
                if fields is None:
                    problem = f"whether this server knows {name or kind!r} cannot be told: it hides its openapi.json"
                    raise self.refuse(item, part, f"{problem} at this address")
                if not fields:
                    raise self.refuse(item, part, f"this version of Prefect has no type {kind!r}")
                if name and name not in fields:
                    raise self.refuse(item, part, f"{kind} has no {name!r} in this version of Prefect")

    def _chosen(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None
    ) -> Mapping[str, Any] | None:
        """The one of several with the same name; a document's list of all knows only that there are several."""
        unclear = found is not None and (found["twins"] or item.get("id", found["id"]) != found["id"])
        return self.find(client, item) if unclear else found

    def rehearse(self, client: Client, planned: Sequence[tuple[Mapping[str, Any], Plan]]) -> list[PrefectError]:
        errors = []
        for item, steps in planned:
            try:
                if list(steps.changes) != ["enabled"]:
                    self._write(client.rehearse, "PUT", [NOTHING], self._whole(client, item, steps.after))
            except PrefectError as error:
                errors.append(error.about(self.title(item)))
        return errors

    # Writing

    def create(self, client: Client, item: Mapping[str, Any], steps: Plan) -> None:
        """In two steps where an action is about the automation itself, or about one that needs this one first."""
        body = self._whole(client, item, steps.changes)
        waiting = incomplete(body)
        made = self._write(client.call, "POST", [""], inert(body) if waiting else body)
        if not self._give_way(client, made):
            return
        self._notice_what_was_ignored(client, item, steps, made["id"])
        client.memo.setdefault("ids", {})[self.noun, item["name"]] = made["id"]
        if waiting:
            self._complete(client, item, steps, made["id"])

    def _complete(self, client: Client, item: Mapping[str, Any], steps: Plan, automation_id: str) -> None:
        body = self._whole(client, item, steps.after)
        if incomplete(body):  # it waits for others, which this run has yet to create
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
        """Another run may have made one of this name in the same moment: the older one stays. Whether it is ours."""
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

    def update(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], steps: Plan) -> None:
        chosen = self._chosen(client, item, found) or found
        if list(steps.changes) == ["enabled"]:  # all that PATCH can do, and it leaves counted events counted
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
        """The body, with NOTHING where an action refers to what is yet to be created."""
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
                found = id_of(client, reference, name)
                if found is None and (reference, name) == (self.noun, item["name"]):
                    return NOTHING
                if found is None:
                    raise self.refuse(item, option, f"there is no {reference} {name!r}")
                known[reference, name] = found
            return str(known[reference, name])

        return resolve

    def _notice_what_was_ignored(self, client: Client, item: Mapping[str, Any], steps: Plan, found_id: str) -> None:
        """A field that this collection knows and an older server does not."""
        actions = [action for part in ACTION_LISTS for action in steps.after[part]]
        newer = sorted({name for action in actions for name in action if name in NEWER})
        found = self.find(client, {**item, "id": found_id}) if newer else None
        if found and any(not same(found[part], steps.after[part]) for part in ACTION_LISTS):
            raise self.refuse(item, "actions", f"this version of Prefect ignores {', '.join(newer)}")


AUTOMATION = Automation()


# The short form


def type_of(part: Mapping[str, Any]) -> str:
    """The type of a trigger or action; that of a trigger may be left out."""
    if part.get("type"):
        return str(part["type"])
    return "event" if "triggers" not in part else "compound" if "require" in part else "sequence"


def short_trigger(trigger: Mapping[str, Any]) -> dict[str, Any]:
    kind = type_of(trigger)
    defaults = dict(TRIGGERS.get(kind, {}))
    if trigger.get("posture") == "Proactive":
        defaults["within"] = SHORTEST_ABSENCE
    stated = {name: value for name, value in trigger.items() if name != "id"}
    return shortened(kind, {name: short_value(name, value) for name, value in stated.items()}, defaults)


def short_value(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in NUMBERS:
        return value if number(value) is None else number(value)
    if name in SETS:
        return sorted({value} if isinstance(value, str) else set(value))
    if name == "triggers":
        return [short_trigger(child) for child in value]
    if name == "payload" and not isinstance(value, str):
        return json.dumps(value, indent=2, ensure_ascii=False)  # as the server does
    return {"match": short_match, "match_related": short_matches}.get(name, lambda same: same)(value)


def short_matches(value: Any) -> Any:
    """One or several mappings that must all match."""
    labels = [short_match(one) for one in (value if isinstance(value, list) else [value])]
    return labels[0] if len(labels) == 1 else labels or {}


def misfit(name: str, value: Any) -> str | None:
    """What the value of this field has to be, when it is something else."""
    if name in NUMBERS:
        other = ("any", "all") if name == "require" else ()
        return None if number(value) is not None or value in other else " or ".join(["a number", *other])
    if not isinstance(value, VALUES.get(name, object)):
        return " or ".join(SPOKEN[kind] for kind in VALUES[name])
    if name in REFERENCES:
        words, form = WRITTEN.get(name, ANY_NAME)
        return None if form.fullmatch(str(value)) else words
    several = value if isinstance(value, list) else [value]
    if name in SETS and not all(isinstance(one, str) for one in several):
        return "a list of texts"
    if name in ("match", "match_related") and not all(map(is_match, several)):
        return "labels, each with a text or a list of texts"
    return None


def is_match(labels: Any) -> bool:
    return isinstance(labels, Mapping) and all(
        isinstance(value, str) or (isinstance(value, list) and all(isinstance(one, str) for one in value))
        for value in labels.values()
    )


def short_match(labels: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a label are a set; a set of one is that value."""
    result = {}
    for label, value in labels.items():
        values = sorted(set(value)) if isinstance(value, list) else [value]
        result[label] = values[0] if len(values) == 1 else values
    return result


def short_action(action: Mapping[str, Any]) -> dict[str, Any]:
    kind = type_of(action)
    stated = {name: short_value(name, value) for name, value in action.items()}
    if stated.get("source") == source(stated):
        del stated["source"]
    return shortened(kind, stated, ACTIONS.get(kind, {}))


def source(action: Mapping[str, Any]) -> str:
    """What an action with or without a reference does: act on this, or on what the event is about."""
    return "selected" if any(action.get(name) for pair in REFERENCES.items() for name in pair) else "inferred"


def shortened(kind: str, stated: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Null is the default, too."""
    kept = {
        name: value
        for name, value in stated.items()
        if name not in defaults or not (value is None or same(value, defaults[name]))
    }
    return {**kept, "type": kind}


def number(value: Any) -> float | None:
    """Also from text, which is what a template makes of a number inside a mapping."""
    try:
        result = None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return int(result) if result is not None and result.is_integer() else result


def unknown(part: Any) -> Iterator[tuple[str, str]]:
    """Fields, each with its type, that are not in the tables; of a type that is not, the type with no field, too."""
    if isinstance(part, list):
        for one in part:
            yield from unknown(one)
        return
    kind = part["type"]
    known = TRIGGERS.get(kind, ACTIONS.get(kind))
    if known is None:
        yield kind, ""
    others = [REFERENCES[name] for name in references(kind)] + (["source"] if chooses(kind) else [])
    yield from ((kind, name) for name in part if name not in (*(known or ()), "type", *others))
    yield from unknown(part.get("triggers", []))


def fields_of(openapi: Mapping[str, Any] | None, kind: str) -> set[str] | None:
    """The fields that the server knows of a type of trigger or action; none when it does not know the type."""
    if openapi is None:
        return None
    fields: set[str] = set()
    for schema in openapi["components"]["schemas"].values():
        properties = schema.get("properties", {})
        of_type = properties.get("type", {})
        if kind in (of_type.get("const"), of_type.get("default"), *of_type.get("enum", ())):
            fields |= properties.keys()
    return fields


def with_unknown(wanted: Any, found: Any) -> Any:
    """Wanted, with what a newer server keeps in the same place and we do not know."""
    if isinstance(wanted, list):
        return [with_unknown(*pair) for pair in zip(wanted, found)] + wanted[len(found) :]
    if wanted["type"] != found["type"]:
        return wanted
    strange = {name for _kind, name in unknown({**found, "triggers": []} if "triggers" in found else found)}
    result = {**{name: found[name] for name in found if name in strange}, **wanted}
    if "triggers" in wanted:
        result["triggers"] = with_unknown(wanted["triggers"], found.get("triggers", []))
    return result


# What the API wants


def complete_trigger(trigger: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(trigger)
    if "triggers" in result:
        result["triggers"] = [complete_trigger(child) for child in result["triggers"]]
        result.setdefault("within", None)  # the server has no default
    return result


def complete_action(action: Mapping[str, Any], resolve: Callable[[str, str], str]) -> dict[str, Any]:
    result = dict(action)
    if chooses(action["type"]):
        result.setdefault("source", source(action))
    for reference, api in REFERENCES.items():
        if reference in references(action["type"]) and result.get(reference):
            result[api] = resolve(reference, result.pop(reference))
    return result


def waits(action: Mapping[str, Any]) -> bool:
    return NOTHING in (action.get(api) for api in REFERENCES.values())


def incomplete(body: Mapping[str, Any]) -> bool:
    return any(waits(action) for part in ACTION_LISTS for action in body.get(part) or ())


def inert(body: Mapping[str, Any]) -> dict[str, Any]:
    """What can be created already. It acts only when it is whole."""
    stand_in = {"type": "do-nothing"}
    parts = {
        part: [stand_in if waits(action) else action for action in body[part]] for part in ACTION_LISTS if part in body
    }
    return {**body, **parts, "enabled": False}


def references(kind: str) -> list[str]:
    return [name for name in REFERENCES if name in ACTIONS.get(kind, {})]


def chooses(kind: str) -> bool:
    """Whether such an action is about what it names or, without a name, about what the event is about."""
    return bool(set(references(kind)) - {"block"})


def relevant(detail: str, body: Mapping[str, Any]) -> str:
    """The server tries every type and tells how each one fails: keep what it says about the type that is meant."""
    told = []
    for piece in detail.split("; "):
        place = PLACE.match(piece)
        kind = type_of(body[place[1]][int(place[2])]) if place else f"{type_of(body['trigger'])}-trigger"
        about_one_type = place or piece.startswith("trigger.")
        if not about_one_type or kind.title().replace("-", "") in piece:
            told.append(piece)
    return "; ".join(told) or detail


# Names and ids


def named_action(action: Mapping[str, Any], name_of: Mapping[str, str | None]) -> dict[str, Any]:
    """With names where there was an id; the id stays where nothing has it any more."""
    result = dict(action)
    for reference, api in REFERENCES.items():
        if api in result and (result[api] is None or name_of.get(result[api])):
            result[reference] = name_of.get(result.pop(api))
    return result


def names_of(client: Client, automations: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """The names of all that the automations' actions refer to, in few requests."""
    wanted: dict[str, set[str]] = {reference: set() for reference in REFERENCES}
    for automation in automations:
        for action in (action for part in ACTION_LISTS for action in automation.get(part) or ()):
            for reference, api in REFERENCES.items():
                if action.get(api):
                    wanted[reference].add(action[api])
    result: dict[str, str | None] = dict(deployment_names(client, sorted(wanted["deployment"])))
    result.update((one["id"], one["name"]) for one in automations)
    for some in chunks(sorted(wanted["work_pool"])):
        pools = client.pages("work_pools", "filter", work_pools={"id": {"any_": some}})
        result.update((pool["id"], pool["name"]) for pool in pools)
    for some in chunks(sorted(wanted["work_queue"])):
        queues = client.pages("work_queues", "filter", work_queues={"id": {"any_": some}})
        result.update((queue["id"], f"{queue['work_pool_name']}/{queue['name']}") for queue in queues)
    result.update(client.block_names(wanted["block"]))
    for one in sorted(wanted["automation"] - result.keys()):  # old servers cannot list them by id
        found = client.get("automations", one, missing_ok=True)
        result[one] = found and found["name"]
    return result


def id_of(client: Client, reference: str, name: str) -> str | None:
    if reference == "deployment":
        found = client.get("deployments", "name", *name.split("/"), missing_ok=True)
        return str(found["id"]) if found else None
    if reference == "block":
        return client.block_id(name)
    if reference == "automation":
        found = AUTOMATION.find(client, {"name": name})
    elif reference == "work_pool":
        found = client.get("work_pools", name, missing_ok=True)
    else:
        pool, queue = name.split("/")
        found = client.get("work_pools", pool, "queues", queue, missing_ok=True)
    return str(found["id"]) if found else None
