# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The triggers and actions that this collection knows: their fields, with the server's defaults, and their values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

NEEDED = object()  # instead of a default, if the server has none
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
# The options in which actions refer to objects by name, and the fields with the ids in the API.
REFERENCES = {
    "deployment": "deployment_id",
    "work_pool": "work_pool_id",
    "work_queue": "work_queue_id",
    "automation": "automation_id",
    "block": "block_document_id",
}
TEXT = (str,)
TEXTS = (str, list)
# Types of the values, besides null, of the fields in the tables. misfit() checks NUMBERS separately.
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
# The format of a reference: as text for an error message, and as a pattern.
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
SHORTEST_ABSENCE = 10  # seconds, minimum of `within` of a Proactive trigger


def type_of(part: Mapping[str, Any]) -> str:
    """Return the type of a trigger or action. If a trigger does not set its type, its fields determine the type."""
    if part.get("type"):
        return str(part["type"])
    return "event" if "triggers" not in part else "compound" if "require" in part else "sequence"


def misfit(name: str, value: Any) -> str | None:
    """Return the kind of value that a field requires, None if the value is valid."""
    if name in NUMBERS:
        other = ("any", "all") if name == "require" else ()
        return None if as_number(value) is not None or value in other else " or ".join(["a number", *other])
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


def as_number(value: Any) -> float | None:
    """Return a number, also from text: in a mapping, a template converts a number to text."""
    try:
        result = None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None
    return int(result) if result is not None and result.is_integer() else result


def references_of(kind: str) -> list[str]:
    return [name for name in REFERENCES if name in ACTIONS.get(kind, {})]


def chooses(kind: str) -> bool:
    """Whether an action of this type acts on the object that it names or, without a name, on that of the event."""
    return bool(set(references_of(kind)) - {"block"})
