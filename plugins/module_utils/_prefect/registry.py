# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""All kinds of objects, and the objects on a server."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import ChangeSet
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.automation import AUTOMATION
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_document import BLOCK_DOCUMENT
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_schema import BLOCK_SCHEMA
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_type import BLOCK_TYPE
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment import DEPLOYMENT
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment_schedule import (
    DEPLOYMENT_SCHEDULE,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow import FLOW
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.global_concurrency_limit import (
    GLOBAL_CONCURRENCY_LIMIT,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.tag_concurrency_limit import (
    TAG_CONCURRENCY_LIMIT,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.variable import VARIABLE
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_pool import WORK_POOL
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_queue import WORK_QUEUE

# Add a new kind only here: `make kinds` generates everything that can be derived.
REGISTERED: tuple[Kind, ...] = (
    VARIABLE,
    BLOCK_TYPE,
    BLOCK_SCHEMA,
    BLOCK_DOCUMENT,
    GLOBAL_CONCURRENCY_LIMIT,
    TAG_CONCURRENCY_LIMIT,
    WORK_POOL,
    WORK_QUEUE,
    FLOW,
    DEPLOYMENT,
    DEPLOYMENT_SCHEDULE,
    AUTOMATION,
)
Key = tuple[Any, ...]


def by_dependencies(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """Return each kind after the kinds that it refers to, otherwise in the given order."""
    left = list(kinds)
    ordered: list[Kind] = []
    while left:
        waiting = {kind.noun for kind in left}
        ready = next((kind for kind in left if not {*kind.refers_to, kind.part_of} & (waiting - {kind.noun})), None)
        if ready is None:
            raise ValueError(f"kinds with circular references: {', '.join(sorted(waiting))}")
        ordered.append(ready)
        left.remove(ready)
    return tuple(ordered)


ORDER = by_dependencies(REGISTERED)  # of creation; the deletion is in the reverse order
KINDS = tuple(kind for kind in ORDER if kind.listed)  # kinds that have a list in a document
EXPORTED = tuple(kind for kind in KINDS if kind.exported)
PURGED = tuple(kind for kind in ORDER if kind.purged)


class Step(NamedTuple):
    kind: Kind
    item: dict[str, Any]
    found: dict[str, Any] | None
    plan: ChangeSet
    purged: bool = False

    @property
    def title(self) -> str:
        return self.kind.title(self.item)

    @property
    def key(self) -> Key:
        return key_of(self.kind, self.item)


def key_of(kind: Kind, item: Mapping[str, Any]) -> Key:
    return tuple(item[name] for name in kind.key)


def matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


class Live:
    """The objects on the server. Each kind is read at most once, when it is needed."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._lists: dict[str, list[dict[str, Any]]] = {}

    def list_all(self, kind: Kind) -> list[dict[str, Any]]:
        if kind is DEPLOYMENT_SCHEDULE:
            return [schedule for found in self.list_all(DEPLOYMENT) for schedule in found["schedules"]]
        if kind.noun not in self._lists:
            self._lists[kind.noun] = list(kind.list_all(self._client))
        return self._lists[kind.noun]
