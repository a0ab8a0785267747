# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Pure functions that compare the current with the desired state. No I/O, no Ansible."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class ChangeSet(NamedTuple):
    action: str | None  # create, update, delete, or None: nothing to do
    before: dict[str, Any]
    after: dict[str, Any]
    changes: dict[str, Any]  # the options to write, with their new values

    @property
    def changed(self) -> bool:
        return self.action is not None


def plan(current: Mapping[str, Any] | None, wanted: Mapping[str, Any], fresh: Mapping[str, Any]) -> ChangeSet:
    """Return the changes from current (None: absent) to wanted. fresh contains the defaults of a new object."""
    if current is None:
        return ChangeSet("create", {}, {**fresh, **wanted}, dict(wanted))
    changes = {name: value for name, value in wanted.items() if not same(current.get(name), value)}
    return ChangeSet("update" if changes else None, dict(current), {**current, **changes}, changes)


def plan_absent(current: Mapping[str, Any] | None) -> ChangeSet:
    return ChangeSet(None if current is None else "delete", dict(current or {}), {}, {})


def same(left: Any, right: Any) -> bool:
    """Compare JSON values: 1 and 1.0 are equal, but 1 and true are not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right))
    return bool(left == right)


def merge(base: Any, patch: Any) -> Any:
    """Return base with the patch.

    Mappings are merged, and null removes a key. Lists of named objects are merged by name. Other values are replaced.
    """
    if isinstance(base, Mapping) and isinstance(patch, Mapping):
        merged = {name: value for name, value in base.items() if name not in patch or patch[name] is not None}
        for name, value in patch.items():
            if value is not None:
                merged[name] = merge(merged.get(name), value)
        return merged
    if isinstance(patch, Mapping):
        return merge({}, patch)
    if _named(base) and _named(patch):
        changes = {item["name"]: item for item in patch}
        known = [item["name"] for item in base]
        return [merge(item, changes.get(item["name"], {})) for item in base] + [
            merge({}, item) for item in patch if item["name"] not in known
        ]
    return patch


def _named(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(i, Mapping) and "name" in i for i in value)


def difference(before: Any, after: Any) -> tuple[Any, Any]:
    """Return both sides without equal parts: of mappings, only the keys with different values.

    Lists of queues and of schedules are compared item by item, by name or slug.
    """
    for key in ("name", "slug"):
        if _keyed(before, key) and _keyed(after, key):
            named = [
                {item[key]: {name: part for name, part in item.items() if name != key} for item in side}
                for side in (before, after)
            ]
            if not same(*named):  # otherwise, only their order differs
                return difference(*named)
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        return before, after
    left: dict[str, Any] = {}
    right: dict[str, Any] = {}
    for name in [*before, *(name for name in after if name not in before)]:
        if name not in after:
            left[name] = before[name]
        elif name not in before:
            right[name] = after[name]
        elif not same(before[name], after[name]):
            left[name], right[name] = difference(before[name], after[name])
    return left, right


def _keyed(value: Any, key: str) -> bool:
    """Whether the value is a list of mappings with a unique key."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        return False
    names = [item.get(key) for item in value]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
