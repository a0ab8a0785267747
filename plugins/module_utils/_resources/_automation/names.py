# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""References of actions: names instead of ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect import references
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources._automation.model import (
    ACTION_LISTS,
    REFERENCES,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run import chunks, deployment_names


def named_action(action: Mapping[str, Any], name_of: Mapping[str, str | None]) -> dict[str, Any]:
    """Return an action with names instead of ids. The id of an object that no longer exists stays."""
    result = dict(action)
    for reference, api in REFERENCES.items():
        if api in result and (result[api] is None or name_of.get(result[api])):
            result[reference] = name_of.get(result.pop(api))
    return result


def names_of(client: Client, automations: Sequence[Mapping[str, Any]]) -> dict[str, str | None]:
    """Return the names, by id, of all objects that the actions of the automations refer to. Uses few requests."""
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
    result.update(references.block_names(client, wanted["block"]))
    for one in sorted(wanted["automation"] - result.keys()):  # old servers cannot list automations by id
        found = client.get("automations", one, missing_ok=True)
        result[one] = found and found["name"]
    return result


def id_of(client: Client, reference: str, name: str) -> str | None:
    """Return the id of a deployment, a work pool, a work queue or a block, None if it does not exist."""
    if reference == "block":
        return references.block_id(client, name)
    if reference == "deployment":
        found = client.get("deployments", "name", *name.split("/"), missing_ok=True)
    elif reference == "work_pool":
        found = client.get("work_pools", name, missing_ok=True)
    else:
        pool, queue = name.split("/")
        found = client.get("work_pools", pool, "queues", queue, missing_ok=True)
    return str(found["id"]) if found else None
