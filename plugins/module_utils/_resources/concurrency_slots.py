# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Release of the slots of a concurrency limit whose holders no longer exist."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run import find_deployment
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.global_concurrency_limit import (
    GLOBAL_CONCURRENCY_LIMIT,
    GlobalConcurrencyLimit,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.tag_concurrency_limit import (
    TAG_CONCURRENCY_LIMIT,
    TagConcurrencyLimit,
)

SLOT_OPTIONS: dict[str, Any] = {
    "global_concurrency_limit": {"type": "str"},
    "tag": {"type": "str"},
    "deployment": {"type": "str"},
}


def release(client: Client, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the module concurrency_slots."""
    option = next(name for name in SLOT_OPTIONS if options[name] is not None)
    name = options[option]
    if option == "tag":
        found = TAG_CONCURRENCY_LIMIT.find(client, {"tag": name})
    elif option == "deployment":
        found = own_limit(client, name)
    else:
        GLOBAL_CONCURRENCY_LIMIT.check({"name": name})
        found = GLOBAL_CONCURRENCY_LIMIT.find(client, {"name": name})
    if found is None:
        raise PrefectError(f"{option}: there is no concurrency limit of {name!r}", option=option)
    held = found["active_slots"]
    if held and not client.read_only:
        if option == "tag":
            client.call("POST", *TagConcurrencyLimit.route, "tag", name, "reset", body={}, repeatable=True)
        else:
            client.call("PATCH", *GlobalConcurrencyLimit.route, found["id"], body={"active_slots": 0})
    title = f"{option} {name!r}"
    diff = {"before": {"active_slots": held}, "after": {"active_slots": 0}}
    return {
        "changed": held > 0,
        "released_slots": held,
        "diff": {**diff, "before_header": title, "after_header": title},
    }


def own_limit(client: Client, deployment: str) -> dict[str, Any] | None:
    limit: dict[str, Any] | None = find_deployment(client, deployment)["global_concurrency_limit"]
    if limit and not limit["name"].startswith("deployment:"):
        problem = f"{deployment!r} shares a limit with others: give global_concurrency_limit={limit['name']!r}"
        raise PrefectError(f"deployment: {problem}", option="deployment")
    return limit
