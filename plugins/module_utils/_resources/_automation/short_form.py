# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The short form of triggers and actions: without values that equal the defaults of the server.

The tables do not contain the fields of a newer server. If the user omits such a field, its value on the server stays.
If the user sets it, its value is sent and compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import same
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources._automation.model import (
    ACTIONS,
    NUMBERS,
    REFERENCES,
    SETS,
    SHORTEST_ABSENCE,
    TRIGGERS,
    as_number,
    chooses,
    references_of,
    type_of,
)


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
        return value if as_number(value) is None else as_number(value)
    if name in SETS:
        return sorted({value} if isinstance(value, str) else set(value))
    if name == "triggers":
        return [short_trigger(child) for child in value]
    if name == "payload" and not isinstance(value, str):
        return json.dumps(value, indent=2, ensure_ascii=False)  # in the format of the server
    return {"match": short_match, "match_related": short_matches}.get(name, lambda same: same)(value)


def short_matches(value: Any) -> Any:
    """Return one mapping, or a list of mappings that must all match."""
    labels = [short_match(one) for one in (value if isinstance(value, list) else [value])]
    return labels[0] if len(labels) == 1 else labels or {}


def short_match(labels: Mapping[str, Any]) -> dict[str, Any]:
    """Return labels with their values as a sorted set. A set of one value becomes that value."""
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
    """Return `selected` if the action names its object, and `inferred` if the event determines the object."""
    return "selected" if any(action.get(name) for pair in REFERENCES.items() for name in pair) else "inferred"


def shortened(kind: str, stated: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields without default values. Null means the default, too."""
    kept = {
        name: value
        for name, value in stated.items()
        if name not in defaults or not (value is None or same(value, defaults[name]))
    }
    return {**kept, "type": kind}


def unknown(part: Any) -> Iterator[tuple[str, str]]:
    """Yield the fields that are not in the tables, each as the type of the trigger or action and the name of the field.

    For a type that is not in the tables, also yield the type with an empty name.
    """
    if isinstance(part, list):
        for one in part:
            yield from unknown(one)
        return
    kind = part["type"]
    known = TRIGGERS.get(kind, ACTIONS.get(kind))
    if known is None:
        yield kind, ""
    others = [REFERENCES[name] for name in references_of(kind)] + (["source"] if chooses(kind) else [])
    yield from ((kind, name) for name in part if name not in (*(known or ()), "type", *others))
    yield from unknown(part.get("triggers", []))


def with_unknown(wanted: Any, found: Any) -> Any:
    """Return the wanted value with the fields on the server that are not in the tables."""
    if isinstance(wanted, list):
        return [with_unknown(*pair) for pair in zip(wanted, found)] + wanted[len(found) :]
    if wanted["type"] != found["type"]:
        return wanted
    strange = {name for _kind, name in unknown({**found, "triggers": []} if "triggers" in found else found)}
    result = {**{name: found[name] for name in found if name in strange}, **wanted}
    if "triggers" in wanted:
        result["triggers"] = with_unknown(wanted["triggers"], found.get("triggers", []))
    return result
