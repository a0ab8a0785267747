# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""A whole document: all kinds of objects in one run, one list request per kind, then only the writes it takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ansible_collections.selfhosted.prefect.plugins.module_utils._automation import AUTOMATION
from ansible_collections.selfhosted.prefect.plugins.module_utils._block import BLOCK_SCHEMA, BLOCK_TYPE
from ansible_collections.selfhosted.prefect.plugins.module_utils._block_document import BLOCK_DOCUMENT
from ansible_collections.selfhosted.prefect.plugins.module_utils._client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._flow import DEPLOYMENT, FLOW
from ansible_collections.selfhosted.prefect.plugins.module_utils._kind import STATE, Kind, settle
from ansible_collections.selfhosted.prefect.plugins.module_utils._limits import (
    GLOBAL_CONCURRENCY_LIMIT,
    TAG_CONCURRENCY_LIMIT,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._module import given
from ansible_collections.selfhosted.prefect.plugins.module_utils._reconcile import Plan
from ansible_collections.selfhosted.prefect.plugins.module_utils._variable import VARIABLE
from ansible_collections.selfhosted.prefect.plugins.module_utils._work_pool import WORK_POOL

# A kind comes after those it refers to. Objects are deleted in the opposite order.
KINDS: tuple[Kind, ...] = (
    VARIABLE,
    BLOCK_TYPE,
    BLOCK_SCHEMA,
    BLOCK_DOCUMENT,
    GLOBAL_CONCURRENCY_LIMIT,
    TAG_CONCURRENCY_LIMIT,
    WORK_POOL,
    FLOW,
    DEPLOYMENT,
    AUTOMATION,
)
OPTIONS: dict[str, Any] = {
    kind.plural: {"type": "list", "elements": "dict", **({"no_log": True} if kind.secret else {})} for kind in KINDS
}


class Step(NamedTuple):
    kind: Kind
    item: dict[str, Any]
    found: dict[str, Any] | None
    plan: Plan

    @property
    def title(self) -> str:
        return self.kind.title(self.item)


def configure(client: Client, document: Mapping[str, Any]) -> dict[str, Any]:
    """The result of the module configuration."""
    problems: list[str] = []
    steps = [step for kind in KINDS for step in planned(kind, client, document.get(kind.plural) or (), problems)]
    if problems:  # nothing has been written yet
        raise failure(problems, "Nothing was changed")
    writes = [step for step in steps if step.plan.changed and step.plan.action != "delete"]
    writes += [step for step in reversed(steps) if step.plan.action == "delete"]
    result = report(writes, len(steps))
    for step in () if client.read_only else writes:
        try:
            settle(step.kind, client, step.item, step.found, step.plan)
        except PrefectError as error:
            problems.append(str(error))
    if problems:
        raise failure(problems, f"{len(writes) - len(problems)} of {len(writes)} changes were made", **result)
    return result


def planned(kind: Kind, client: Client, raw_items: Any, problems: list[str]) -> Iterator[Step]:
    """One step per item of a kind; what cannot be planned becomes a problem."""
    items = list(checked(kind, raw_items, problems))
    if not items:
        return
    present = {identity(kind, kind.view(found)): found for found in kind.every(client)}
    for item in items:
        state = item.pop("state")
        found = present.get(identity(kind, item))
        try:
            yield Step(kind, item, found, kind.plan(client, item, found, state))
        except PrefectError as error:
            problems.append(str(error))


def checked(kind: Kind, raw_items: Any, problems: list[str]) -> Iterator[dict[str, Any]]:
    validator = ArgumentSpecValidator({**kind.options, "state": STATE})
    seen = set()
    for number, raw in enumerate(raw_items, 1):
        checking = validator.validate(raw)
        if checking.error_messages:
            name = "/".join(str(raw.get(part, "?")) for part in kind.key)
            problems += [f"{kind.plural}, item {number} ({name}): {message(error)}" for error in checking.errors.errors]
            continue
        item: dict[str, Any] = given(checking.validated_parameters, raw)
        if identity(kind, item) in seen:
            problems.append(f"{kind.title(item)} is in {kind.plural} more than once")
            continue
        seen.add(identity(kind, item))
        try:
            kind.check({name: value for name, value in item.items() if name != "state"})
        except PrefectError as error:
            problems.append(str(error))
        else:
            yield item


def message(error: Exception) -> str:
    return f"unsupported option {error}" if isinstance(error, UnsupportedError) else str(error)


def identity(kind: Kind, item: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(item[name] for name in kind.key)


def report(writes: list[Step], checked_objects: int) -> dict[str, Any]:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for step in writes:
        old, new = excerpt(step)
        if old is not None:
            before[step.title] = old
        if new is not None:
            after[step.title] = new
    return {
        "changed": bool(writes),
        "changes": [
            {
                "kind": step.kind.noun,
                "name": "/".join(identity(step.kind, step.item)),
                "action": step.plan.action,
                "options": sorted(step.plan.changes) if step.plan.action == "update" else [],
            }
            for step in writes
        ],
        "summary": {
            **dict.fromkeys(("create", "update", "delete"), 0),
            **Counter(str(step.plan.action) for step in writes),
            "unchanged": checked_objects - len(writes),
        },
        "diff": {"before": before, "after": after, "before_header": "server", "after_header": "document"},
    }


def excerpt(step: Step) -> tuple[Any, Any]:
    """What a person wants to see of a change: the item that is created, the options that differ, what is deleted."""
    if step.plan.action == "create":
        return None, step.item
    if step.plan.action == "delete":
        return {name: step.item[name] for name in step.kind.key}, None
    names = step.plan.changes.keys()
    return {name: step.plan.before[name] for name in names}, {name: step.plan.after[name] for name in names}


def failure(problems: list[str], outcome: str, **result: Any) -> PrefectError:
    lines = "".join(f"\n- {problem}" for problem in problems)
    number = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return PrefectError(f"{number}. {outcome}.{lines}", failures=problems, **result)
