# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Triggers and actions in the form of the API, and the error messages of the API about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import NOTHING
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources._automation.model import (
    ACTION_LISTS,
    REFERENCES,
    chooses,
    references_of,
    type_of,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources._automation.short_form import source

PLACE = re.compile(r"(actions\w*)\.(\d+)\.")  # location of an action in an error message of the server


def fields_of(openapi: Mapping[str, Any] | None, kind: str) -> set[str] | None:
    """Return the fields of a type of trigger or action on the server.

    The result is empty if the server does not have the type, and None without its OpenAPI document.
    """
    if openapi is None:
        return None
    fields: set[str] = set()
    for schema in openapi["components"]["schemas"].values():
        properties = schema.get("properties", {})
        of_type = properties.get("type", {})
        if kind in (of_type.get("const"), of_type.get("default"), *of_type.get("enum", ())):
            fields |= properties.keys()
    return fields


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
        if reference in references_of(action["type"]) and result.get(reference):
            result[api] = resolve(reference, result.pop(reference))
    return result


def waits(action: Mapping[str, Any]) -> bool:
    return NOTHING in (action.get(api) for api in REFERENCES.values())


def incomplete(body: Mapping[str, Any]) -> bool:
    return any(waits(action) for part in ACTION_LISTS for action in body.get(part) or ())


def inert(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body for the first step: disabled, with placeholders for actions whose objects do not exist yet."""
    stand_in = {"type": "do-nothing"}
    parts = {
        part: [stand_in if waits(action) else action for action in body[part]] for part in ACTION_LISTS if part in body
    }
    return {**body, **parts, "enabled": False}


def relevant(detail: str, body: Mapping[str, Any]) -> str:
    """Return the messages about the given type. The server tries every type, and reports why each one fails."""
    told = []
    for piece in detail.split("; "):
        place = PLACE.match(piece)
        kind = type_of(body[place[1]][int(place[2])]) if place else f"{type_of(body['trigger'])}-trigger"
        about_one_type = place or piece.startswith("trigger.")
        if not about_one_type or kind.title().replace("-", "") in piece:
            told.append(piece)
    return "; ".join(told) or detail
