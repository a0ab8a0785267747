# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems that the preflight reports on a real cluster, before anything is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import POOLS, Installed
from .deployment import Deployment


def pool(**workers: Any) -> dict[str, Any]:
    return {"prefect_work_pools": [{**POOLS[0], "workers": workers}]}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"prefect_storage_class": "none-such"}, "prefect_storage_class: The storage class none-such does not exist."),
        (
            {"prefect_image_pull_secrets": ["none-such"]},
            "prefect_image_pull_secrets: The Secret none-such does not exist in the namespace",
        ),
        (
            pool(min=1, max=3, autoscaling={"metric": "backlog"}),
            "prefect_work_pools[].workers.autoscaling: Workers scale by the backlog of their pool, but the cluster "
            "has no KEDA.",
        ),
        (
            {"prefect_server_api_resources": {"requests": {"cpu": "512"}}},
            "prefect_server_api_resources: One pod of the API needs 512 of requests.cpu, but the largest node has",
        ),
        (pool(min=5000), "prefect_worker_resources: The pods of this instance and its runs need"),
    ],
)
def test_a_cluster_that_cannot_carry_it(
    development: Deployment, installed: Installed, variables: dict[str, Any], words: str
) -> None:
    refused = development.play("preflight", check=False, **variables)
    assert refused.code != 0
    assert words in " ".join(refused.output.split())


def test_a_quota_and_a_weaker_level(development: Deployment, installed: Installed) -> None:
    client, path = development.cluster.client, f"/api/v1/namespaces/{development.namespace}"
    quota = {"metadata": {"name": "small"}, "spec": {"hard": {"requests.cpu": "100m"}}}
    client.json("POST", f"{path}/resourcequotas", body=quota)
    try:
        refused = development.play("preflight", check=False, prefect_pod_security="privileged")
    finally:
        client.json("DELETE", f"{path}/resourcequotas/small")
    assert refused.code != 0
    assert "allows 100m of requests.cpu, and the pods of this instance need" in " ".join(refused.output.split())


def test_what_the_login_may_not_is_listed(development: Deployment, installed: Installed, tmp_path: Path) -> None:
    """Credentials with an incomplete Role, as after a forgotten update of the Role."""
    client, namespace = development.cluster.client, development.namespace
    core, rbac = f"/api/v1/namespaces/{namespace}", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    metadata = {"name": "half"}
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get", "list", "create", "patch"]}
    subject = {"kind": "ServiceAccount", "name": "half", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "half"}
    client.json("POST", f"{core}/serviceaccounts", body={"metadata": metadata})
    client.json("POST", f"{rbac}/roles", body={"metadata": metadata, "rules": [rule]})
    client.json(
        "POST", f"{rbac}/rolebindings", body={"metadata": metadata, "roleRef": reference, "subjects": [subject]}
    )
    try:
        token = client.json("POST", f"{core}/serviceaccounts/half/token", body={"spec": {}})["status"]["token"]
        config = yaml.safe_load(Path(development.cluster.kubeconfig).read_text())
        for user in config["users"]:
            user["user"] = {"token": token}
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        refused = development.play("preflight", check=False, prefect_kubeconfig=str(tmp_path / "kubeconfig"))
    finally:
        client.json("DELETE", f"{rbac}/rolebindings/half")
        client.json("DELETE", f"{rbac}/roles/half")
        client.json("DELETE", f"{core}/serviceaccounts/half")
    output = " ".join(refused.output.split())
    assert refused.code != 0
    assert f"The credentials are not permitted to delete deployments.apps in {namespace}." in output
    assert f"The credentials are not permitted to get, list, create, patch, delete secrets in {namespace}." in output
    verbs = "get, list, create, patch, delete"
    assert f"The credentials are not permitted to {verbs} namespaces in the whole cluster." in output
    assert token not in refused.output
