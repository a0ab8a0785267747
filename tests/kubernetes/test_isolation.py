# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of an instance cannot do, and whom they cannot reach.

Permissions are tried with a worker's own token. The network of tests/cluster enforces no policies, so those that are in
the cluster are evaluated here, for every pair of the instance's pods and one that does not belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes_client import (
    ApiError,
    KubernetesClient,
    access_from_kubeconfig,
)

from .conftest import Installed
from .deployment import NETWORKING, Deployment

COMPONENT = "app.kubernetes.io/component"
OUTSIDER: dict[str, Any] = {"metadata": {"labels": {COMPONENT: "outsider"}}, "spec": {"containers": []}}
# Which others may reach which port. The API's is open to all, who then need its login: the gateway publishes it.
REACHED = {
    ("api", "http"): {"services", "workers", "migration", "outsider"},
    ("pgbouncer", "pgbouncer"): {"api"},
    ("postgres", "postgres"): {"pgbouncer", "migration", "services"},
    ("redis", "redis"): {"api", "services"},
}


def worker(development: Deployment, directory: Path, pool: str) -> KubernetesClient:
    """Logged in as the pods of a pool's workers."""
    account = f"{development.instance}-worker-{pool}"
    path = f"/api/v1/namespaces/{development.namespace}/serviceaccounts/{account}/token"
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 600}}
    token = development.cluster.client.json("POST", path, body=request)["status"]["token"]
    config = yaml.safe_load(Path(development.cluster.kubeconfig).read_text())
    for entry in config["users"]:
        entry["user"] = {"token": token}
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    return KubernetesClient(access_from_kubeconfig(str(kubeconfig), ""))


def refused(client: KubernetesClient, method: str, path: str, body: Any = None) -> bool:
    try:
        client.json(method, path, {"dryRun": "All"} if method != "GET" else None, body)
    except ApiError as error:
        if error.status not in (403, 404, 409, 422):
            raise
        return error.status == 403  # else it is allowed, and then found to make no sense
    return False


def test_a_worker_may_manage_jobs_and_nothing_else(
    development: Deployment, installed: Installed, tmp_path: Path
) -> None:
    client = worker(development, tmp_path, "kubernetes")
    here = f"namespaces/{development.namespace}"
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "mine"}}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "more"}, "rules": []}
    for method, path, body in (
        ("GET", f"/apis/batch/v1/{here}/jobs", None),
        ("POST", f"/apis/batch/v1/{here}/jobs", job),
        ("DELETE", f"/apis/batch/v1/{here}/jobs/none", None),
        ("GET", f"/api/v1/{here}/pods", None),
        ("GET", f"/api/v1/{here}/pods/none/log", None),
        ("GET", f"/api/v1/{here}/events", None),
    ):
        assert not refused(client, method, path, body), (method, path)
    for method, path, body in (
        ("GET", f"/api/v1/{here}/secrets", None),
        ("GET", f"/api/v1/{here}/secrets/{development.instance}-api", None),
        ("GET", f"/api/v1/{here}/configmaps", None),
        ("POST", f"/api/v1/{here}/pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine"}}),
        ("POST", f"/api/v1/{here}/pods/{development.instance}-postgres-0/exec", {}),
        ("DELETE", f"/apis/apps/v1/{here}/deployments/{development.instance}-api", None),
        ("POST", f"/apis/rbac.authorization.k8s.io/v1/{here}/roles", role),
        ("POST", "/apis/batch/v1/namespaces/default/jobs", job),
        ("GET", "/apis/batch/v1/jobs", None),
        ("GET", "/api/v1/namespaces/default/pods", None),
        ("GET", "/api/v1/nodes", None),
    ):
        assert refused(client, method, path, body), (method, path)


def test_a_worker_whose_runs_are_processes_may_nothing(
    development: Deployment, installed: Installed, tmp_path: Path
) -> None:
    client = worker(development, tmp_path, "inside")
    for path in ("/apis/batch/v1", "/api/v1"):
        kind = "jobs" if "batch" in path else "pods"
        assert refused(client, "GET", f"{path}/namespaces/{development.namespace}/{kind}")


def selects(selector: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    assert set(selector) <= {"matchLabels"}, "another kind of selector than this test understands"
    labels = pod["metadata"].get("labels") or {}
    return all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items())


def named_ports(pod: Mapping[str, Any]) -> dict[str, int]:
    containers = pod["spec"]["containers"]
    return {port["name"]: port["containerPort"] for each in containers for port in each.get("ports") or []}


def lets_through(rule: Mapping[str, Any], other: Mapping[str, Any], port: int, names: Mapping[str, int]) -> bool:
    """A rule without peers is for all, as is one without ports."""
    peers = rule.get("from") or rule.get("to")
    ports = [names.get(str(entry["port"]), entry["port"]) for entry in rule.get("ports") or []]
    assert all(set(peer) == {"podSelector"} for peer in peers or [])
    return (not peers or any(selects(peer["podSelector"], other) for peer in peers)) and (not ports or port in ports)


def reaches(
    policies: list[dict[str, Any]], client: Mapping[str, Any], server: Mapping[str, Any], port: int
) -> Iterator[bool]:
    """Whether the client's policies allow it, and whether the server's do."""
    for kind, rules, here, there in (("Egress", "egress", client, server), ("Ingress", "ingress", server, client)):
        specs = [policy["spec"] for policy in policies if kind in policy["spec"]["policyTypes"]]
        own = [spec for spec in specs if selects(spec["podSelector"], here)]
        names = named_ports(server)
        allowed = [lets_through(rule, there, port, names) for spec in own for rule in spec.get(rules) or []]
        yield not own or any(allowed)


@pytest.fixture
def pods(development: Deployment, installed: Installed) -> dict[str, dict[str, Any]]:
    """One of each component."""
    return {"outsider": OUTSIDER} | {pod["metadata"]["labels"][COMPONENT]: pod for pod in development.pods()}


def test_each_part_reaches_what_it_needs_and_nothing_else(
    development: Deployment, pods: dict[str, dict[str, Any]]
) -> None:
    assert pods.keys() == {"api", "services", "workers", "migration", "pgbouncer", "postgres", "redis", "outsider"}
    policies = development.objects("networkpolicies", NETWORKING)
    found = {
        (name, port): {
            client for client in pods if client != name and all(reaches(policies, pods[client], server, number))
        }
        for name, server in pods.items()
        for port, number in named_ports(server).items()
    }
    assert {place: clients for place, clients in found.items() if clients} == REACHED
