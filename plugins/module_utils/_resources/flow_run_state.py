# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Set the state of many flow runs: cancel them, or mark lost runs as crashed."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.moment import age
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run import (
    chunks,
    deployment_names,
    describe,
    run_filters,
)

OPTIONS: dict[str, Any] = {
    "state": {
        "type": "str",
        "choices": ["CANCELLED", "CANCELLING", "COMPLETED", "CRASHED", "FAILED", "SCHEDULED"],
        "required": True,
    },
    "state_name": {"type": "str"},
    "state_message": {"type": "str"},
    "force": {"type": "bool", "default": False},
    "states": {"type": "list", "elements": "str", "required": True},
    "older_than": {"type": "float"},
    "ids": {"type": "list", "elements": "str"},
    "names": {"type": "list", "elements": "str"},
    "flow": {"type": "str"},
    "deployment": {"type": "str"},
    "work_pool": {"type": "str"},
    "work_queue": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
    "max_count": {"type": "int", "default": 50},
}
BULK = 50  # maximum of the server
NO_SUCH_ROUTE = (404, 405)  # status of a server that does not support bulk requests


def set_states(client: Client, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the module flow_run_state."""
    found = list(itertools.islice(matching(client, options), options["max_count"] + 1))
    if len(found) > options["max_count"]:
        some = ", ".join(run["name"] for run in found[:3])
        problem = (
            f"more than {options['max_count']} runs match, {some} for example: narrow the filter, or raise max_count"
        )
        raise PrefectError(f"max_count: {problem}", option="max_count")
    reasons: dict[str, str] = {}
    after = found
    if found and not client.read_only:
        reasons = write(client, [run["id"] for run in found], options)
        after = [run for some in chunks([run["id"] for run in found]) for run in with_ids(client, some)]
    result = report(client, found, after, options)
    stuck = [run for run in result["flow_runs"] if run["id"] in reasons and run["state_name"] == run["previous_state"]]
    if stuck:
        first = f"{stuck[0]['name']!r} is still {stuck[0]['state_name']}: {reasons[stuck[0]['id']]}"
        raise PrefectError(f"The state of {len(stuck)} of {len(found)} runs was not changed: {first}", **result)
    return result


def matching(client: Client, options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    wanted = run_filters(client, options)
    for run in client.pages("flow_runs", "filter", sort="EXPECTED_START_TIME_ASC", **wanted):
        state = run["state"] or {}
        there = run["state_type"] == options["state"] and options["state_name"] in (None, run["state_name"])
        seconds = age(state.get("timestamp"))
        young = options["older_than"] is not None and (seconds is None or seconds <= options["older_than"])
        if not there and not young:
            yield run


def write(client: Client, ids: Sequence[str], options: Mapping[str, Any]) -> dict[str, str]:
    """Set the state, and return the reasons of rejected changes by run id."""
    state = {"type": options["state"], "name": options["state_name"], "message": options["state_message"]}
    body_of_state = {"state": {name: value for name, value in state.items() if value}, "force": options["force"]}
    results: list[dict[str, Any]] = []
    for some in (ids[start : start + BULK] for start in range(0, len(ids), BULK)):
        results += set_in_bulk(client, some, body_of_state)
    return {
        one["flow_run_id"]: (one.get("details") or {}).get("reason") or "no reason given"
        for one in results
        if one["status"] != "ACCEPT"
    }


def set_in_bulk(client: Client, ids: Sequence[str], body_of_state: Mapping[str, Any]) -> list[dict[str, Any]]:
    if client.memo.get("no bulk"):
        return [{**set_state(client, one, body_of_state), "flow_run_id": one} for one in ids]
    body = {**body_of_state, "flow_runs": {"id": {"any_": list(ids)}}, "limit": BULK}
    try:
        results: list[dict[str, Any]] = client.call("POST", "flow_runs", "bulk_set_state", body=body, repeatable=True)[
            "results"
        ]
    except PrefectError as error:
        if error.status not in NO_SUCH_ROUTE:
            raise
        client.memo["no bulk"] = True
        return set_in_bulk(client, ids, body_of_state)
    return results


def set_state(client: Client, run_id: str, body_of_state: Mapping[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = client.call("POST", "flow_runs", run_id, "set_state", body=body_of_state, repeatable=True)
    return answer


def with_ids(client: Client, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    return client.pages("flow_runs", "filter", flow_runs={"id": {"any_": list(ids)}})


def report(
    client: Client, found: Sequence[dict[str, Any]], after: Sequence[dict[str, Any]], options: Mapping[str, Any]
) -> dict[str, Any]:
    previous = {run["id"]: run["state_name"] for run in found}
    names = deployment_names(client, sorted({run["deployment_id"] for run in found if run["deployment_id"]}))
    runs = [{**describe(run, names.get(run["deployment_id"])), "previous_state": previous[run["id"]]} for run in after]
    name = options["state_name"] or options["state"].capitalize()
    titles = {run["id"]: f"{run['name']} ({run['id']})" for run in found}
    return {
        "changed": bool(found),
        "flow_runs": runs,
        "states": dict(Counter(run["state_type"] for run in runs)),
        "diff": {
            "before": {title: previous[run_id] for run_id, title in titles.items()},
            "after": dict.fromkeys(titles.values(), name),
            "before_header": "states",
            "after_header": "states",
        },
    }
