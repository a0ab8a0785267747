# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Start runs of deployments, and read runs."""

from __future__ import annotations

import itertools
import logging
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import PAGE, Client, PrefectError

OPTIONS: dict[str, Any] = {
    "deployment": {"type": "str", "required": True},
    "parameters": {"type": "dict"},
    "job_variables": {"type": "dict"},
    "work_queue": {"type": "str"},
    "tags": {"type": "list", "elements": "str"},
    "name": {"type": "str"},
    "count": {"type": "int", "default": 1},
    "idempotency_key": {"type": "str", "no_log": False},
    "wait": {"type": "bool", "default": True},
    "wait_timeout": {"type": "float", "default": 300.0},
    "fail_on_state": {"type": "bool", "default": True},
}
TERMINAL = frozenset(("COMPLETED", "FAILED", "CANCELLED", "CRASHED"))
FIRST_LOOK, LONGEST_PAUSE = 0.25, 2.0  # seconds between two requests while it waits for runs
LOG_LINES = 20
# Seconds. Prefect's client sends log messages every two seconds.
LOG_DELAY = 5.0
LOG_PAUSE = 0.5
SHOWN_ON_FAILURE = 10


def execute(client: Client, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the module flow_run."""
    deployment = find_deployment(client, options["deployment"])
    if options["count"] < 1:
        raise PrefectError(f"count: must be 1 or more, not {options['count']}", option="count")
    requests = list(creation_requests(options))
    known = known_runs(client, deployment["id"], [request["idempotency_key"] for request in requests], options)
    changed = len(known) < len(requests)
    if client.read_only and changed:
        return {"changed": True, "flow_run": None, "flow_runs": [], "states": {}}
    runs = [known.get(request["idempotency_key"]) or create(client, deployment["id"], request) for request in requests]
    if options["wait"] and not client.read_only:
        runs = wait(client, runs, options["wait_timeout"])
    described = [describe(run, options["deployment"]) for run in runs]
    states = dict(Counter(run["state_type"] for run in described))
    result = {"changed": changed, "flow_run": described[0], "flow_runs": described, "states": states}
    if options["wait"] and options["fail_on_state"] and not client.read_only:
        judge(client, described, result)
    return result


def find_deployment(client: Client, name: str) -> dict[str, Any]:
    flow, slash, deployment = name.partition("/")
    if not (flow and slash and deployment):
        raise PrefectError(f"deployment: {name!r} must be written as flow/deployment", option="deployment")
    found: dict[str, Any] | None = client.get("deployments", "name", flow, deployment, missing_ok=True)
    if found is None:
        raise PrefectError(f"deployment: there is no deployment {name!r}", option="deployment")
    return found


def creation_requests(options: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """Yield the requests, each with an idempotency key, by which the server recognises a repeated request."""
    shared = {option: options[option] for option in ("parameters", "job_variables", "tags") if options[option]}
    if options["work_queue"]:
        shared["work_queue_name"] = options["work_queue"]
    for number in range(1, options["count"] + 1):
        suffix = f"-{number}" if options["count"] > 1 else ""
        request = {**shared, "idempotency_key": (options["idempotency_key"] or str(uuid.uuid4())) + suffix}
        if options["name"]:
            request["name"] = options["name"] + suffix
        yield request


def known_runs(
    client: Client, deployment_id: str, keys: Sequence[str], options: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    if not options["idempotency_key"]:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for some in chunks(keys):
        wanted = {"deployment_id": {"any_": [deployment_id]}, "idempotency_key": {"any_": some}}
        found.update((run["idempotency_key"], run) for run in client.pages("flow_runs", "filter", flow_runs=wanted))
    return found


def create(client: Client, deployment_id: str, request: Mapping[str, Any]) -> dict[str, Any]:
    path = ("deployments", deployment_id, "create_flow_run")
    run: dict[str, Any] = client.call("POST", *path, body=request, repeatable=True)
    return run


def wait(client: Client, runs: Sequence[dict[str, Any]], timeout: float) -> list[dict[str, Any]]:
    """Return the runs after their end, or their state after the timeout."""
    end = time.monotonic() + timeout
    latest = {run["id"]: run for run in runs}
    for look in itertools.count():
        open_ids = [run_id for run_id, run in latest.items() if run["state_type"] not in TERMINAL]
        for some in chunks(open_ids):
            wanted = {"id": {"any_": some}}
            latest.update((run["id"], run) for run in client.pages("flow_runs", "filter", flow_runs=wanted))
        left = end - time.monotonic()
        if all(run["state_type"] in TERMINAL for run in latest.values()) or left <= 0:
            return list(latest.values())
        time.sleep(min(left, LONGEST_PAUSE, FIRST_LOOK * 2 ** min(look, 8)))
    raise AssertionError("unreachable")


def judge(client: Client, runs: Sequence[Mapping[str, Any]], result: Mapping[str, Any]) -> None:
    bad = [run for run in runs if run["state_type"] != "COMPLETED"]
    if not bad:
        return
    first = bad[0]
    what = f"{len(bad)} of {len(runs)} runs of {first['deployment']} are not COMPLETED: {first['name']!r}"
    if first["state_type"] in TERMINAL:
        why = f"is {first['state_name']}: {first['message'] or 'no message'}"
    elif first["state_type"] in ("SCHEDULED", "PENDING"):
        why = (
            f"is still {first['state_name']} when wait_timeout is over: has work pool {first['work_pool']!r} a worker "
            f"that is alive, is it or queue {first['work_queue']!r} paused, is a concurrency limit used up?"
        )
    else:
        why = f"is still {first['state_name']} when wait_timeout is over"
    shown = {"flow_run": first, "flow_runs": bad[:SHOWN_ON_FAILURE], "logs": last_logs(client, first)}
    raise PrefectError(f"{what} {why}", **{**result, **shown})


def last_logs(client: Client, run: Mapping[str, Any]) -> list[str]:
    """Return the last lines of the log of a run. An error while reading it does not replace the error of the run.

    A failed run reports its last state before it sends the end of its log, which contains the reason.
    """
    wanted = {"flow_run_id": {"any_": [run["id"]]}}
    body = {"logs": wanted, "limit": LOG_LINES, "sort": "TIMESTAMP_DESC"}
    end = time.monotonic() + (LOG_DELAY if run["state_type"] in ("FAILED", "CRASHED") else 0)
    try:
        lines = client.call("POST", "logs", "filter", body=body)
        while not any(line["level"] >= logging.ERROR for line in lines) and time.monotonic() < end:
            time.sleep(LOG_PAUSE)
            lines = client.call("POST", "logs", "filter", body=body)
    except PrefectError as problem:
        client.remarks.warn(f"the log of flow run {run['id']} cannot be read: {problem}")
        return []
    return [line["message"] for line in reversed(lines)]


def describe(run: Mapping[str, Any], deployment: str | None) -> dict[str, Any]:
    same_name = (
        *("id", "name", "state_type", "state_name", "parameters", "job_variables", "tags", "idempotency_key"),
        *("created", "expected_start_time", "start_time", "end_time", "total_run_time", "run_count"),
    )
    return {
        **{name: run.get(name) for name in same_name},
        "deployment": deployment,
        "message": (run.get("state") or {}).get("message"),
        "work_pool": run.get("work_pool_name"),
        "work_queue": run.get("work_queue_name"),
    }


def search(client: Client, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the module flow_run_info."""
    wanted = run_filters(client, {**options, "ids": listed(options["id"]), "names": listed(options["name"])})
    pages = client.pages("flow_runs", "filter", sort="EXPECTED_START_TIME_DESC", **wanted)
    found = list(itertools.islice(pages, options["limit"]))
    names_of = deployment_names(client, sorted({run["deployment_id"] for run in found if run["deployment_id"]}))
    shown = [describe(run, names_of.get(run["deployment_id"])) for run in found]
    result: dict[str, Any] = {"changed": False, "flow_runs": shown}
    if options["id"]:
        result["flow_run"] = shown[0] if shown else None
    return result


def listed(value: str | None) -> list[str]:
    return [value] if value else []


def run_filters(client: Client, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the filters of the API for runs. A missing or empty option is no filter."""
    runs: dict[str, Any] = {"operator": "and_"}
    for option, part, operator in (("ids", "id", "any_"), ("names", "name", "any_"), ("tags", "tags", "all_")):
        if options.get(option):
            runs[part] = {operator: options[option]}
    if options.get("states"):
        types = [state for state in options["states"] if state.isupper()]
        names = [state for state in options["states"] if not state.isupper()]
        state = {"type": {"any_": types}} if types else {}
        runs["state"] = {**state, **({"name": {"any_": names}} if names else {}), "operator": "or_"}
    wanted: dict[str, Any] = {"flow_runs": runs}
    for option, part in (("flow", "flows"), ("work_pool", "work_pools"), ("work_queue", "work_pool_queues")):
        if options.get(option):
            wanted[part] = {"name": {"any_": [options[option]]}}
    if options.get("deployment"):
        wanted["deployments"] = {"id": {"any_": [find_deployment(client, options["deployment"])["id"]]}}
    return wanted


def deployment_names(client: Client, ids: Sequence[str]) -> dict[str, str]:
    found = [
        deployment
        for some in chunks(ids)
        for deployment in client.pages("deployments", "filter", deployments={"id": {"any_": some}})
    ]
    return names_with_flows(client, found)


def names_with_flows(client: Client, deployments: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the names of deployments as flow/deployment, by id."""
    flow_ids = sorted({deployment["flow_id"] for deployment in deployments})
    flows = {
        flow["id"]: flow["name"]
        for some in chunks(flow_ids)
        for flow in client.pages("flows", "filter", flows={"id": {"any_": some}})
    }
    return {found["id"]: f"{flows.get(found['flow_id'])}/{found['name']}" for found in deployments}


def chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + PAGE] for start in range(0, len(values), PAGE))
