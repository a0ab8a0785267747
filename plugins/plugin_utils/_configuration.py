# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Merge of configuration documents."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import KINDS

KEYS = {kind.plural: kind.key for kind in KINDS}
INNER_KEYS = ("name", "slug")  # keys of queues and of schedules


def merged_configuration(documents: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """Merge documents. Later documents override earlier ones."""
    merged: dict[str, dict[Any, Any]] = {}
    for number, document in enumerate(documents, 1):
        for kind, items in (document or {}).items():
            if kind not in KEYS:
                raise AnsibleFilterError(f"document {number}: the kind {kind!r} does not exist{_hint(kind)}")
            known = merged.setdefault(kind, {})
            seen = set()
            for place, item in enumerate(items or (), 1):
                identity = _identity(item, KEYS[kind], f"document {number}: {kind}, item {place}")
                if identity in seen:
                    name = "/".join(map(str, identity))
                    raise AnsibleFilterError(f"document {number}: {kind}: {name!r} occurs more than once")
                seen.add(identity)
                known[identity] = _merged(known.get(identity), item)
    return {kind: list(items.values()) for kind, items in merged.items()}


def _identity(item: Any, key: Iterable[str], where: str) -> tuple[Any, ...]:
    if not isinstance(item, Mapping):
        raise AnsibleFilterError(f"{where} is not a mapping")
    # The version of a schema may be left out.
    missing = [name for name in key if name not in item and name != "version"]
    if missing:
        raise AnsibleFilterError(f"{where} has no {' and no '.join(missing)}")
    return tuple(item.get(name) for name in key)


def _merged(base: Any, over: Any) -> Any:
    if isinstance(base, Mapping) and isinstance(over, Mapping):
        return {**base, **{name: _merged(base.get(name), value) for name, value in over.items()}}
    for key in INNER_KEYS:
        if _listed(base, key) and _listed(over, key):
            items = {item[key]: item for item in base}
            for item in over:
                items[item[key]] = _merged(items.get(item[key]), item)
            return list(items.values())
    return over


def _listed(value: Any, key: str) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(one, Mapping) and key in one for one in value)


def _hint(kind: Any) -> str:
    close = difflib.get_close_matches(str(kind), KEYS, n=1)
    return f", did you mean {close[0]}?" if close else f", valid kinds: {', '.join(KEYS)}"
