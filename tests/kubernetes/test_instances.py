# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two instances in one namespace do not affect each other. The second has credentials for its namespaces only."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import POOLS, Installed
from .deployment import Deployment

ACCOUNT = "limited"
RIGHTS = "rbac.authorization.k8s.io"


@pytest.fixture
def limited(development: Deployment, installed: Installed, tmp_path: Path) -> Iterator[Path]:
    """Create a kubeconfig with the ClusterRole `admin` in the namespaces, and no permissions for the whole cluster."""
    client, here = development.cluster.client, development.namespace
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": here}
    role = {"apiGroup": RIGHTS, "kind": "ClusterRole", "name": "admin"}
    accounts = f"/api/v1/namespaces/{here}/serviceaccounts"
    bindings = [f"/apis/{RIGHTS}/v1/namespaces/{name}/rolebindings" for name in (here, development.jobs_namespace)]
    try:
        client.json("POST", accounts, body={"metadata": {"name": ACCOUNT}})
        for path in bindings:
            client.json("POST", path, body={"metadata": {"name": ACCOUNT}, "roleRef": role, "subjects": [subject]})
        yield development.kubeconfig_as(tmp_path, ACCOUNT, here)
    finally:
        for path in (accounts, *bindings):
            client.json("DELETE", f"{path}/{ACCOUNT}")


def test_two_instances_live_side_by_side(development: Deployment, installed: Installed, limited: Path) -> None:
    def mine() -> dict[str, str]:
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in development.pods()}

    before = mine()
    second = dataclasses.replace(
        development,
        instance="second",
        port=30421,
        variables={
            "prefect_work_pools": [POOLS[0]],
            "prefect_server_replicas": 1,
            "prefect_pgbouncer_replicas": 1,
            "prefect_create_namespaces": False,
        },
    )

    def policies() -> list[str]:
        items = development.cluster.items("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies")
        return sorted(item["metadata"]["name"] for item in items)

    both = [f"{development.namespace}.{instance}-workers" for instance in (development.instance, "second")]
    try:
        second.play("cluster")
        assert policies() == both
        deployed = second.play("site", prefect_kubeconfig=str(limited))
        assert "1 run(s) COMPLETED" in deployed.output
        assert second.play("site", prefect_kubeconfig=str(limited)).tasks_that_changed() == []
        # With more permissions, site.yml still does not change the policies, which cluster.yml manages.
        assert second.play("site").tasks_that_changed() == []
        assert policies() == both
        assert development.play("site").tasks_that_changed() == []
    finally:
        second.teardown("delete")
    assert mine() == before
    assert second.pods() == []
    assert development.play("verify").code == 0
