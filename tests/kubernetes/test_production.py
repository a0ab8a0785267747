# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unchanged production inventory with simulated pods: the fake nodes have enough capacity for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from .conftest import Note
from .deployment import APPS, ROOT, Cluster, Deployment, wait_for

NAME = "prefect"
# The fake nodes report to the HorizontalPodAutoscaler that each worker is busy.
FAKE = {
    "metadata": {"annotations": {"kwok.x-k8s.io/usage-cpu": "90m", "kwok.x-k8s.io/usage-memory": "100Mi"}},
    "spec": {
        "nodeSelector": {"selfhosted.prefect/node": "fake"},
        "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
    },
}
PATCHES = {f"prefect_{name}_pod_patch": FAKE for name in ("pgbouncer", "server", "worker")}
SECRETS = {
    "prefect_database_password": "not-used",
    "prefect_pgbouncer_stats_password": "not-used-either",
    "prefect_redis_password": "nor-this",
    "prefect_api_auth_string": "admin:nor-that",
}


@pytest.fixture(scope="module")
def production(cluster: Cluster) -> Iterator[Deployment]:
    inventory = ROOT / "inventories" / "production"
    variables: dict[str, Any] = {**PATCHES, **SECRETS, "prefect_nodes_autoscale": True}
    deployment = Deployment(cluster, inventory, NAME, NAME, 0, variables)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    paths = [f"/api/v1/namespaces/{name}" for name in (NAME, f"{NAME}-jobs")]
    for path in paths:
        metadata = {"name": path.rpartition("/")[2], "labels": labels}
        cluster.client.json("POST", "/api/v1/namespaces", body={"metadata": metadata})
    cluster.client.json("POST", f"{paths[0]}/secrets", body={"metadata": {"name": "prefect-tls"}})
    # As the administrator of the cluster does. Without it, the preflight refuses.
    refused = deployment.play("preflight", check=False)
    assert refused.code != 0
    assert f"has no ValidatingAdmissionPolicy {NAME}.{NAME}-workers" in " ".join(refused.output.split())
    deployment.play("cluster")
    assert "prefect_admission_policies" not in deployment.play("preflight").output
    yield deployment
    admission = "/apis/admissionregistration.k8s.io/v1"
    paths += [
        f"{admission}/{kind}/{NAME}.{NAME}-workers"
        for kind in ("validatingadmissionpolicybindings", "validatingadmissionpolicies")
    ]
    for path in paths:
        cluster.client.json("DELETE", path)
        cluster.wait_until_gone(path)


if not os.environ.get("KUBECONFIG"):  # only the cluster of tests/cluster has fake nodes

    def test_eighty_workers(production: Deployment, record_testsuite_property: Note) -> None:
        production.play("database")
        production.play("server")
        production.play("workers")
        api, worker = production.one("deployments", "api"), production.one("deployments", "worker-flows")
        assert api["status"]["readyReplicas"] == 3
        assert production.one("deployments", "services")["status"]["readyReplicas"] == 1
        assert production.one("deployments", "pgbouncer")["status"]["readyReplicas"] == 2
        assert production.one("deployments", "observer")["status"]["readyReplicas"] == 1
        assert worker["status"]["readyReplicas"] >= 20
        wait_for(
            "80 workers",
            lambda: production.one("deployments", "worker-flows")["status"]["readyReplicas"] == 80,
            360,  # a new metrics server has no metrics for about two minutes
        )
        budgets = production.objects("poddisruptionbudgets", "/apis/policy/v1")
        allowed = {budget["metadata"]["name"]: budget["status"]["disruptionsAllowed"] for budget in budgets}
        assert allowed == {f"{NAME}-api": 1, f"{NAME}-pgbouncer": 1, f"{NAME}-worker-flows": 20}
        again = production.play("workers")
        assert again.tasks_that_changed() == []
        record_testsuite_property("unchanged workers.yml with 80 workers, seconds", round(again.seconds, 1))
        assert [item["metadata"]["name"] for item in production.objects("statefulsets", APPS)] == []
        (ingress,) = production.objects("ingresses", "/apis/networking.k8s.io/v1")
        assert ingress["spec"]["tls"] == [{"hosts": ["prefect.example.com"], "secretName": "prefect-tls"}]
        paths = {
            path["path"]: path["backend"]["service"]["name"] for path in ingress["spec"]["rules"][0]["http"]["paths"]
        }
        closed = {path for path, service in paths.items() if service == f"{NAME}-closed"}
        assert closed == {"/docs", "/redoc", "/openapi.json", "/api/docs", "/api/redoc", "/api/openapi.json"}
        assert paths["/"] == f"{NAME}-api"
