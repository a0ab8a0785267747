# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Workers. They register themselves, so they can only be listed and deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.moment import age

OPTIONS: dict[str, Any] = {
    "work_pool": {"type": "str"},
    "name": {"type": "str"},
    "status": {"type": "str", "choices": ["OFFLINE", "ONLINE"]},
    "older_than": {"type": "float"},
    "max_count": {"type": "int", "default": 100},
    "state": {"type": "str", "choices": ["absent"], "required": True},
}
MISSED = 3  # intervals without a heartbeat after which the server marks a worker as offline
INTERVAL = 30  # seconds, the default of Prefect


def described(worker: Mapping[str, Any], pool: str) -> dict[str, Any]:
    seconds = age(worker.get("last_heartbeat_time"))
    interval = worker.get("heartbeat_interval_seconds") or INTERVAL
    shown = ("name", "status", "last_heartbeat_time", "heartbeat_interval_seconds", "id", "created", "updated")
    return {
        **{name: worker.get(name) for name in shown},
        "work_pool": pool,
        "seconds_since_heartbeat": seconds,
        "alive": seconds is not None and seconds < MISSED * interval,
    }


def workers(client: Client, pool: str | None, name: str | None) -> list[dict[str, Any]]:
    """Return the workers, sorted by pool and name."""

    def list_all() -> Iterator[dict[str, Any]]:
        pools = [pool] if pool else [found["name"] for found in client.pages("work_pools", "filter")]
        for one in pools:
            for worker in client.pages("work_pools", one, "workers", "filter"):
                yield described(worker, one)

    found = (worker for worker in list_all() if name in (None, worker["name"]))
    return sorted(found, key=lambda worker: (worker["work_pool"], worker["name"]))


def remove_workers(client: Client, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the module worker."""
    found = [one for one in workers(client, options["work_pool"], options["name"]) if matches(one, options)]
    if len(found) > options["max_count"]:
        problem = f"{len(found)} workers match, more than {options['max_count']}: narrow the filter, or raise max_count"
        raise PrefectError(f"max_count: {problem}", option="max_count", workers=found)
    for worker in () if client.read_only else found:
        client.call("DELETE", "work_pools", worker["work_pool"], "workers", worker["name"], missing_ok=True)
    before = {f"{worker['work_pool']}/{worker['name']}": worker["status"] for worker in found}
    diff = {"before": before, "after": {}, "before_header": "workers", "after_header": "workers"}
    return {"changed": bool(found), "workers": found, "diff": diff}


def matches(worker: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    if options["status"] not in (None, worker["status"]):
        return False
    seconds = worker["seconds_since_heartbeat"]
    return options["older_than"] is None or seconds is None or seconds > options["older_than"]
