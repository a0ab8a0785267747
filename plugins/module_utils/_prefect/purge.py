# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Purge of objects that a document does not list: only selected kinds and names, and no referenced objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import (
    ORDER,
    PURGED,
    Key,
    Live,
    Step,
    key_of,
    matches,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_pool import WORK_POOL
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_queue import WORK_QUEUE

MAXIMUM = 10
PURGE: dict[str, Any] = {
    "type": "dict",
    "options": {
        kind.plural: {
            "type": "dict",
            "options": {
                "include": {"type": "list", "elements": "str", "default": ["*"]},
                "protect": {"type": "list", "elements": "str", "default": []},
                "maximum": {"type": "int", "default": MAXIMUM},
            },
        }
        for kind in PURGED
    },
}
SHOWN = 10  # names in an error message
LEFT = "not asked for"


class Candidate(NamedTuple):
    kind: Kind
    found: dict[str, Any]
    item: dict[str, Any]

    @property
    def name(self) -> str:
        return "/".join(map(str, key_of(self.kind, self.item)))


def purged(
    client: Client,
    live: Live,
    document: Mapping[str, Any],
    rules: Mapping[str, Any],
    steps: Sequence[Step],
    problems: list[str],
) -> tuple[list[Step], list[dict[str, Any]]]:
    """Return the steps that delete unlisted objects, and the unlisted objects that are kept."""
    chosen = {kind: rules[kind.plural] for kind in PURGED if rules.get(kind.plural)}
    for kind in chosen:
        owner = WORK_POOL if kind is WORK_QUEUE else kind
        if document.get(owner.plural) is None:
            problems.append(
                f"purge: {kind.plural}: {owner.plural} is not given: give the list, which may be empty, of what stays"
            )
    if not chosen or problems:
        return [], []
    kept: list[dict[str, Any]] = []
    extra: list[Step] = []
    needed = Dependencies(steps)
    # Objects with references first, because their deletion removes the references.
    for kind in reversed(ORDER):
        nouns = {one.noun for one in chosen} - {kind.part_of}
        if kind not in chosen and not nouns & set(kind.refers_to):
            continue
        found = list(unlisted(live, kind, steps))
        rule = chosen.get(kind)
        for candidate, reason in needed.sort_out(found, rule):
            if reason and reason != LEFT:
                kept.append({"kind": kind.noun, "name": candidate.name, "reason": reason})
            elif not reason:
                try:
                    plan = kind.plan(client, candidate.item, candidate.found, "absent")
                except PrefectError as error:
                    problems.append(str(error))
                else:
                    extra.append(Step(kind, candidate.item, candidate.found, plan, purged=True))
    problems += too_many(extra, chosen)
    return extra, kept


def unlisted(live: Live, kind: Kind, steps: Sequence[Step]) -> Iterator[Candidate]:
    """Return the objects that are not in the document."""
    if kind is WORK_QUEUE:
        yield from (Candidate(kind, found, kind.identity(found)) for found in queues(steps))
        return
    listed = {step.key for step in steps if step.kind is kind}
    for found in live.list_all(kind):
        item = kind.identity(found)
        if key_of(kind, item) not in listed:
            yield Candidate(kind, found, item)


def queues(steps: Iterable[Step]) -> Iterator[dict[str, Any]]:
    """Return the queues of listed pools that the document does not list."""
    for step in steps:
        if step.kind is WORK_POOL and step.found and step.plan.action != "delete" and "queues" in step.item:
            listed = [queue["name"] for queue in step.item["queues"]]
            for queue in step.found["queues"]:
                if queue["name"] not in listed:
                    yield {"work_pool_name": step.item["name"], "is_paused": queue["paused"], **queue}


class Dependencies:
    """The references of the objects that are kept."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._by: dict[Key, str] = {}
        for step in steps:
            if step.plan.action != "delete":
                options = {**(step.kind.view(step.found) if step.found else {}), **step.item}
                self._add(step.kind, options, step.title)

    def _add(self, kind: Kind, options: Mapping[str, Any], title: str, but: str = "") -> None:
        for key in kind.dependencies(options):
            if key[0] != but:
                self._by.setdefault(key, title)

    def sort_out(
        self, candidates: Sequence[Candidate], rule: Mapping[str, Any] | None
    ) -> Iterator[tuple[Candidate, str]]:
        """Return each object with the reason to keep it, if any. A kept object also keeps the objects it refers to."""
        left = list(candidates)
        while left:
            reasons = [self._reason(one, rule) for one in left]
            if not any(reasons):
                break
            for one, reason in zip(left, reasons):
                if reason:
                    yield one, reason
                    # A dependent object is deleted with its owner.
                    self._add(one.kind, one.kind.view(one.found), one.kind.title(one.item), but=one.kind.part_of)
            left = [one for one, reason in zip(left, reasons) if not reason]
        yield from ((one, "") for one in left)

    def _reason(self, candidate: Candidate, rule: Mapping[str, Any] | None) -> str:
        if rule is None or candidate.kind.builtin(candidate.found) or not matches(candidate.name, rule["include"]):
            return LEFT
        if matches(candidate.name, rule["protect"]):
            return "protected"
        key = (candidate.kind.noun, *key_of(candidate.kind, candidate.item))
        users = [self._by[key[:length]] for length in range(2, len(key) + 1) if key[:length] in self._by]
        return f"needed by {users[0]}" if users else ""


def too_many(extra: Sequence[Step], chosen: Mapping[Kind, Mapping[str, Any]]) -> Iterator[str]:
    for kind, rule in chosen.items():
        names = ["/".join(map(str, step.key)) for step in extra if step.kind is kind]
        if len(names) > rule["maximum"]:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            yield (
                f"purge: {kind.plural}: {len(names)} would be deleted, and maximum is {rule['maximum']}: "
                f"{', '.join(names[:SHOWN])}{more}. Narrow include, add to protect, or raise maximum"
            )
