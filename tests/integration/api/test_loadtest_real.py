# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A load of real runs, with every Prefect for which there are modules."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._client import Client

from .support import ModuleFailure, Server, run_module


def load(server: Server, **options: Any) -> dict[str, Any]:
    return run_module("loadtest", {"api_url": f"http://127.0.0.1:{server.port}/api", **options})


def test_runs_that_nobody_executes_are_lost(server: Server) -> None:
    """In real mode, of a deployment whose pool has no worker."""
    client = Client(f"http://127.0.0.1:{server.port}/api")
    client.call("POST", "work_pools", "", body={"name": "idle", "type": "process", "base_job_template": {}})
    flow = client.call("POST", "flows", "", body={"name": "nobody"})
    body = {"name": "nobody", "flow_id": flow["id"], "work_pool_name": "idle"}
    client.call("POST", "deployments", "", body=body)
    objectives = {"max_lost": 0, "p95_start_seconds": 4}
    given = {"mode": "real", "rate": 2, "seconds": 2, "drain_seconds": 5, "objectives": objectives}
    with pytest.raises(ModuleFailure, match="deployment: there is no deployment 'no/where'"):
        load(server, **given, deployment="no/where")
    done = load(server, **given, deployment="nobody/nobody")
    assert done["result"]["runs"]["lost"] == done["result"]["runs"]["submitted"] == 4
    assert done["result"]["backlog"]["most"] == 4
    assert done["missed"][0] == "max_lost is 4, and at most 0 was asked for"
    assert re.fullmatch(r"p95_start_seconds is [567]\.\d+, and at most 4 was asked for", done["missed"][1])
    assert load(server, state="absent")["removed_runs"] == 4
    client.call("DELETE", "flows", flow["id"])  # with its deployment
    client.call("DELETE", "work_pools", "idle")
