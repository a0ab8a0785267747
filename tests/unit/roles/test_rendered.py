# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventories for clusters become, where no test on a cluster can see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rendering import evaluated, template

LABEL = "selfhosted.prefect/runs-of"


def peers(namespace: str) -> list[dict[str, Any]]:
    """Who reaches the API beside its gateway's clients, in the inventory for production."""
    return [
        {"podSelector": {"matchLabels": {"app.kubernetes.io/part-of": "prefect"}}},
        {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "podSelector": {"matchLabels": {LABEL: "prefect"}},
        },
    ]


PREFLIGHT = "__prefect_preflight_variables | selfhosted.prefect.deployment_problems"


def test_a_secret_that_was_forgotten_is_refused(tmp_path: Path) -> None:
    """The inventory for production has its secrets from the environment, where nothing is set."""
    found = evaluated(tmp_path, "production", {"problems": PREFLIGHT}, prefect_version="3.9.1")
    assert {problem["option"] for problem in found["problems"]} == {
        "prefect_database_password",
        "prefect_pgbouncer_stats_password",
        "prefect_redis_password",
        "prefect_api_auth_string",
    }


def test_runs_reach_the_api(tmp_path: Path) -> None:
    expressions = {
        "objects": template("prefect_server", "kubernetes_api.yml.j2"),
        "pools": "__prefect_api_config_pools",
    }
    for namespace, variables in (
        ("prefect", {}),
        ("flows", {"prefect_work_pools": [{"name": "a", "type": "kubernetes", "job": {"namespace": "flows"}}]}),
    ):
        found = evaluated(tmp_path, "production", expressions, **variables)
        (policy,) = [item for item in found["objects"] if item["kind"] == "NetworkPolicy"]
        assert policy["spec"]["ingress"] == [{"from": peers(namespace), "ports": [{"port": "http"}]}]
        (pool,) = found["pools"]
        pod = pool["job_manifest_patch"]["job_manifest"]["spec"]["template"]
        assert pod["metadata"]["labels"] == {LABEL: "prefect"}
        assert pool["job"]["namespace"] == namespace
