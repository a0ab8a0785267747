# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""A document of all kinds of objects: one list request per kind, then only the necessary writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible.module_utils.errors import UnsupportedError

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import STATE, Kind, settle
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import given
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.purge import PURGE, purged
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import difference
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import (
    KINDS,
    ORDER,
    Key,
    Live,
    Step,
    key_of,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.yaml_text import yaml_text
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.automation import AUTOMATION
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_document import BLOCK_DOCUMENT
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_pool import WORK_POOL
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_queue import WORK_QUEUE

# Errors of parallel writes: the server is busy, or (409) two writes create the same internal object, such as the
# encryption key with the first secrets.
DISTURBED = (409, 429, 503)
OPTIONS: dict[str, Any] = {
    **{
        kind.plural: {"type": "list", "elements": "dict", **({"no_log": True} if kind.secret else {})} for kind in KINDS
    },
    "purge": PURGE,
    "parallel": {"type": "int", "default": 1},
}


def configure(client: Client, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the module configuration."""
    document = {kind.plural: options.get(kind.plural) for kind in KINDS}
    threads = options.get("parallel", OPTIONS["parallel"]["default"])
    if threads < 1:
        raise PrefectError(f"parallel: must be 1 or more, not {threads}", option="parallel")
    problems: list[str] = []
    refuse_two_owners(document, problems)
    live = Live(client)
    steps = planned(client, live, document, problems)
    validate_on_server(client, steps, problems)
    extra, kept = purged(client, live, document, options.get("purge") or {}, steps, problems)
    if problems:  # nothing has been written yet
        raise failure(problems, "Nothing was changed")
    result = {**report([*steps, *extra]), "kept": kept}
    if not client.read_only:
        changes = [step for step in [*steps, *extra] if step.plan.changed]
        problems = write(client, changes, threads)
        if problems:
            raise failure(problems, f"{len(changes) - len(problems)} of {len(changes)} changes were made", **result)
    return result


# Planning


def planned(client: Client, live: Live, document: Mapping[str, Any], problems: list[str]) -> list[Step]:
    """Plan one step per item of the document. Collect the items that cannot be planned as problems."""
    steps = []
    for kind in KINDS:
        items = list(checked(kind, document.get(kind.plural) or (), problems))
        present = {key_of(kind, kind.identity(found)): found for found in live.list_all(kind)} if items else {}
        for item in items:
            state = item.pop("state")
            found = present.get(key_of(kind, item))
            try:
                steps.append(Step(kind, item, found, kind.plan(client, item, found, state)))
            except PrefectError as error:
                problems.append(str(error))
    return steps


def validate_on_server(client: Client, steps: Sequence[Step], problems: list[str]) -> None:
    """Let the server validate the steps, as if the objects of the document already existed."""
    client.coming = {name for step in steps if step.plan.action == "create" for name in names(step)}
    for kind in KINDS:
        changes = [
            (step.item, step.plan) for step in steps if step.kind is kind and step.plan.action in ("create", "update")
        ]
        problems += [str(error) for error in kind.validation_errors(client, changes)]
    client.coming = {(noun, name) for noun, name in client.coming if noun == AUTOMATION.noun}


def names(step: Step) -> Iterator[tuple[str, str]]:
    """Return the kinds and names by which other objects refer to the object of a step."""
    name = "/".join(map(str, step.key))
    yield ("block" if step.kind is BLOCK_DOCUMENT else step.kind.noun), name
    if step.kind is WORK_POOL:
        for queue in ("default", *(queue["name"] for queue in step.item.get("queues") or ())):
            yield WORK_QUEUE.noun, f"{name}/{queue}"


def checked(kind: Kind, raw_items: Any, problems: list[str]) -> Iterator[dict[str, Any]]:
    validator = ArgumentSpecValidator({**kind.options, "state": STATE})
    seen = set()
    for number, raw in enumerate(raw_items, 1):
        checking = validator.validate(raw)
        if checking.error_messages:
            name = "/".join(str(raw.get(part, "?")) for part in kind.key)
            told = dict.fromkeys(message(error) for error in checking.errors.errors)  # Ansible repeats some errors
            problems += [f"{kind.plural}, item {number} ({name}): {text}" for text in told]
            continue
        item: dict[str, Any] = given(checking.validated_parameters, raw)
        if key_of(kind, item) in seen:
            problems.append(f"{kind.title(item)} is in {kind.plural} more than once")
            continue
        seen.add(key_of(kind, item))
        try:
            kind.check({name: value for name, value in item.items() if name != "state"})
        except PrefectError as error:
            problems.append(str(error))
        else:
            yield item


def message(error: Exception) -> str:
    return f"unsupported option {error}" if isinstance(error, UnsupportedError) else str(error)


def refuse_two_owners(document: Mapping[str, Any], problems: list[str]) -> None:
    """Reject separate schedules of a deployment with a list of schedules, which removes all others."""
    whole = {
        f"{item.get('flow')}/{item.get('name')}" for item in document.get("deployments") or () if "schedules" in item
    }
    for schedule in document.get("deployment_schedules") or ():
        if schedule.get("deployment") in whole:
            problems.append(
                f"deployment_schedule '{schedule['deployment']}/{schedule.get('slug')}': the list schedules of "
                "the deployment is complete: add the schedule there"
            )


# Writing


def waves(steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield the changes in order. Changes of one wave do not depend on each other."""
    for kind in KINDS:
        yield from levels(kind, [step for step in steps if step.kind is kind and step.plan.action != "delete"])
    for kind in reversed(ORDER):
        deletes = [step for step in steps if step.kind is kind and step.plan.action == "delete"]
        yield from reversed(list(levels(kind, deletes)))


def levels(kind: Kind, steps: Sequence[Step]) -> Iterator[list[Step]]:
    """Yield the steps of a kind in the order of their references, or one by one if their order matters."""
    if kind.in_sequence:
        yield from ([step] for step in steps)
        return
    left = list(steps)
    needed: dict[Key, set[Key]] = {}
    if kind.noun in kind.refers_to:
        needed = {
            step.key: {key[1:] for key in kind.dependencies(options_of(step)) if key[0] == kind.noun} - {step.key}
            for step in steps
        }
    while left:
        keys = {step.key for step in left}
        ready = [step for step in left if not needed.get(step.key, set()) & keys]
        wave = ready or left[:1]  # circular references: the server reports the error
        yield wave
        done = set(map(id, wave))
        left = [step for step in left if id(step) not in done]


def options_of(step: Step) -> dict[str, Any]:
    return step.kind.view(step.found or {}) if step.plan.action == "delete" else step.item


def write(client: Client, steps: Sequence[Step], threads: int) -> list[str]:
    """Apply the changes, and return the errors."""

    def make(step: Step, again: bool = False) -> PrefectError | None:
        try:
            if again:
                step = seen_again(client, step)
            settle(step.kind, client, step.item, step.found, step.plan)
        except PrefectError as error:
            return error
        return None

    failures = []
    with ThreadPoolExecutor(threads) as pool:
        for wave in waves(steps):
            for step, error in zip(wave, list(pool.map(make, wave))):
                again = threads > 1 and error is not None and error.status in DISTURBED
                failures.append(make(step, again=True) if again else error)
    failures += [error for kind in KINDS for error in kind.finish(client)]
    return [str(error) for error in failures if error]


def seen_again(client: Client, step: Step) -> Step:
    """Return the step with a new plan from the current state."""
    found = step.kind.find(client, step.item)
    state = "absent" if step.plan.action == "delete" else "present"
    return step._replace(found=found, plan=step.kind.plan(client, step.item, found, state))


# Results


def report(steps: Iterable[Step]) -> dict[str, Any]:
    """Return all changes, as the user sees them."""
    steps = list(steps)
    writes = [step for wave in waves([step for step in steps if step.plan.changed]) for step in wave]
    counts = Counter(str(step.plan.action) for step in writes)
    return {
        "changed": bool(writes),
        "changes": [
            {
                "kind": step.kind.noun,
                "name": "/".join(map(str, step.key)),
                "action": step.plan.action,
                "purged": step.purged,
                "options": sorted(step.plan.changes) if step.plan.action == "update" else [],
            }
            for step in writes
        ],
        "summary": {
            **dict.fromkeys(("create", "update", "delete"), 0),
            **counts,
            "unchanged": len(steps) - len(writes),
        },
        "diff": diff(writes),
    }


def diff(writes: Sequence[Step]) -> dict[str, str]:
    """Return the diff by kind and name as YAML text, because Ansible's format of mappings depends on settings."""
    before: dict[str, dict[str, Any]] = {}
    after: dict[str, dict[str, Any]] = {}
    for step in sorted(writes, key=lambda step: (ORDER.index(step.kind), [str(part) for part in step.key])):
        name = "/".join(map(str, step.key))
        old, new = excerpt(step)
        for side, part in ((before, old), (after, new)):
            if part is not None:
                side.setdefault(step.kind.plural, {})[name] = part
    return {
        "before": yaml_text(before) if before else "",
        "after": yaml_text(after) if after else "",
        "before_header": "server",
        "after_header": "document",
    }


def excerpt(step: Step) -> tuple[Any, Any]:
    """Return the presentation of a change: the created item, the options that differ, or the deleted object."""
    if step.plan.action == "create":
        return None, step.kind.shown(step.item, step.plan)
    if step.plan.action == "delete":
        return {}, None
    names = step.plan.changes.keys()
    return difference(
        {name: step.plan.before[name] for name in names},
        {name: step.plan.after[name] for name in names},
    )


def failure(problems: Sequence[str], outcome: str, **result: Any) -> PrefectError:
    lines = "".join(f"\n- {problem}" for problem in problems)
    number = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
    return PrefectError(f"{number}. {outcome}.{lines}", failures=list(problems), **result)
