# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load of real runs, with every version of Prefect that the modules support."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest.runner import WATCH_SECONDS
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client

from .support import ModuleFailure, Server, run_module, wait_for


def load(server: Server, **options: Any) -> dict[str, Any]:
    return run_module("loadtest", {"api_url": f"http://127.0.0.1:{server.port}/api", **options})


@pytest.fixture(name="client")
def _client(server: Server) -> Client:
    return Client(f"http://127.0.0.1:{server.port}/api")


@pytest.fixture(name="deployment")
def _deployment(client: Client) -> Iterator[dict[str, Any]]:
    """Create the deployment nobody/nobody, in a pool without a worker."""
    client.call("POST", "work_pools", "", body={"name": "idle", "type": "process", "base_job_template": {}})
    flow = client.call("POST", "flows", "", body={"name": "nobody"})
    body = {"name": "nobody", "flow_id": flow["id"], "work_pool_name": "idle"}
    yield client.call("POST", "deployments", "", body=body)
    client.call("DELETE", "flows", flow["id"])  # this also deletes the deployment
    client.call("DELETE", "work_pools", "idle")


@pytest.mark.usefixtures("deployment")
def test_runs_without_workers_are_lost(server: Server) -> None:
    """The load is in real mode, of a deployment in a pool without a worker."""
    objectives = {"max_lost": 0, "p95_start_seconds": 4}
    given = {"mode": "real", "rate": 2, "seconds": 2, "drain_seconds": 5, "objectives": objectives}
    with pytest.raises(ModuleFailure, match="deployment: there is no deployment 'no/where'"):
        load(server, **given, deployment="no/where")
    done = load(server, **given, deployment="nobody/nobody")
    assert done["result"]["runs"]["lost"] == done["result"]["runs"]["submitted"] == 4
    assert done["result"]["backlog"]["most"] == 4
    assert done["missed"][0] == "max_lost is 4, but the objective is at most 0"
    assert re.fullmatch(r"p95_start_seconds is [567]\.\d+, but the objective is at most 4", done["missed"][1])
    assert load(server, state="absent")["removed_runs"] == 4


def propose(client: Client, run: str, kind: str, name: str, **details: Any) -> None:
    state = {"type": kind, "name": name, "state_details": details}
    client.call("POST", "flow_runs", run, "set_state", body={"state": state, "force": True})


def test_a_run_that_waits_for_a_concurrency_slot_is_waited_for(
    server: Server, client: Client, deployment: dict[str, Any]
) -> None:
    """Prefect returns it to Scheduled, half a minute later. Until then, it does not belong to the backlog."""
    runs = {"deployment_id": {"any_": [deployment["id"]]}}
    given = {"mode": "real", "deployment": "nobody/nobody", "rate": 1, "seconds": 1, "drain_seconds": 60}
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(load, server, **given)
        (run,) = wait_for(lambda: client.call("POST", "flow_runs", "filter", body={"flow_runs": runs}))
        later = (datetime.now(timezone.utc) + timedelta(seconds=30)).isoformat()
        propose(client, run["id"], "SCHEDULED", "AwaitingConcurrencySlot", scheduled_time=later)
        time.sleep(4 * WATCH_SECONDS)
        assert not loading.done()
        propose(client, run["id"], "RUNNING", "Running")
        propose(client, run["id"], "COMPLETED", "Completed")
        done = loading.result(timeout=60)
    assert (done["result"]["runs"]["completed"], done["result"]["runs"]["lost"]) == (1, 0)
    # Only runs that are due count as backlog.
    assert done["result"]["backlog"]["series"][-1][1:] == [0, 0, 0]
    assert load(server, state="absent")["removed_runs"] == 1


@pytest.mark.parametrize(
    ("schema", "reason"),
    [({"required": ["minutes"]}, "'minutes' is a required property"), ({"additionalProperties": False}, "'seconds'")],
    ids=["a required parameter", "a parameter that is not there"],
)
def test_a_load_of_which_nothing_was_submitted_is_missed(
    server: Server, client: Client, deployment: dict[str, Any], schema: dict[str, Any], reason: str
) -> None:
    """The server rejects every run, because the flow does not accept its parameters."""
    wanted = {"type": "object", "properties": {"minutes": {"type": "integer"}}, **schema}
    body = {"parameter_openapi_schema": wanted, "enforce_parameter_schema": True}
    client.call("PATCH", "deployments", deployment["id"], body=body)
    given = {"mode": "real", "deployment": "nobody/nobody", "rate": 2, "seconds": 2, "drain_seconds": 5}
    done = load(server, **given, objectives={"max_not_submitted": 0, "max_lost": 0})
    counts = done["result"]["runs"]
    assert counts == {**dict.fromkeys(counts, 0), "not_submitted": 4}
    refusal = done["result"]["requests"]["first_refusal"]
    assert re.fullmatch(rf"POST /deployments/{{}}/create_flow_run: 409 .*{reason}.*", refusal)
    assert done["missed"] == [f"max_not_submitted is 4, but the objective is at most 0 ({refusal})"]
