# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An external PostgreSQL: the playbook creates its database, and all connections verify its certificate."""

from __future__ import annotations

import base64
import dataclasses
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from defaults import DATABASE_PORT

from .conftest import POOLS, Installed
from .deployment import NETWORKING, Deployment

VOLUME = {"name": "tls", "secret": {"secretName": "postgres-tls", "defaultMode": 0o440}}
PATCH = {
    "spec": {
        "volumes": [VOLUME],
        "containers": [{"name": "postgres", "volumeMounts": [{"name": "tls", "mountPath": "/tls"}]}],
    }
}
SETTINGS = {"ssl": "on", "ssl_cert_file": "/tls/tls.crt", "ssl_key_file": "/tls/tls.key"}
PASSWORD = "o@th:er/#'\" %s"


def certificate(directory: Path) -> tuple[str, str]:
    """Create a self-signed certificate, and return it with its key."""
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=postgres", "-days", "2"]
    files = ["-keyout", f"{directory}/tls.key", "-out", f"{directory}/tls.crt"]
    subprocess.run([*words, *files], check=True, capture_output=True)
    return (directory / "tls.crt").read_text(), (directory / "tls.key").read_text()


def opened(development: Deployment) -> dict[str, Any]:
    """Return a policy that lets the control host and the pods of other instances reach PostgreSQL."""
    to = {"selfhosted.prefect/instance": development.instance, "selfhosted.prefect/component": "postgres"}
    return {
        "metadata": {"name": "external-clients"},
        "spec": {
            "podSelector": {"matchLabels": to},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"port": DATABASE_PORT}]}],
        },
    }


@pytest.fixture
def authority(development: Deployment, installed: Installed, tmp_path: Path) -> Iterator[str]:
    """Give the PostgreSQL of one instance a certificate, so that another instance can use it. Yield the certificate."""
    crt, key = certificate(tmp_path)
    data = {name: base64.b64encode(text.encode()).decode() for name, text in (("tls.crt", crt), ("tls.key", key))}
    path = f"/api/v1/namespaces/{development.namespace}/secrets"
    development.cluster.client.json("POST", path, body={"metadata": {"name": "postgres-tls"}, "data": data})
    development.play("database", prefect_postgres_pod_patch=PATCH, prefect_postgres_settings=SETTINGS)
    yield crt
    development.play("database")
    development.cluster.client.json("DELETE", f"{path}/postgres-tls")


def test_an_external_database_is_prepared_and_verified(development: Deployment, authority: str, tmp_path: Path) -> None:
    (pod,) = development.pods("postgres")
    inventory = tmp_path / "inventory"
    shutil.copytree(development.inventory, inventory)
    hosts = (inventory / "hosts.yml").read_text()
    (inventory / "hosts.yml").write_text(
        hosts.replace("prefect_postgres: {hosts: {cluster: {}}}", "prefect_postgres: {}")
    )
    variables = {
        "prefect_database_host": pod["status"]["podIP"],
        "prefect_database_name": "other",
        "prefect_database_user": "other",
        "prefect_database_password": PASSWORD,
        "prefect_database_admin_user": "prefect",
        "prefect_database_admin_password": (development.inventory / ".secrets" / "database").read_text().strip(),
        "prefect_database_ssl_mode": "verify-ca",
        "prefect_database_ca": authority,
        "prefect_work_pools": [POOLS[1]],
        "prefect_server_replicas": 1,
        "prefect_pgbouncer_replicas": 2,
    }
    other = dataclasses.replace(development, inventory=inventory, instance="other", port=30423, variables=variables)
    own = {name: value for name, value in variables.items() if "_admin_" not in name}
    client, policies = development.cluster.client, f"{NETWORKING}/namespaces/{development.namespace}/networkpolicies"
    # This PostgreSQL has the policies of its instance. An external one would not have them.
    client.json("POST", policies, body=opened(development))
    try:
        # Without credentials of an administrator, the database must exist.
        refused = dataclasses.replace(other, variables=own).play("site", check=False)
        assert refused.code != 0
        assert "other cannot connect to the database other" in " ".join(refused.output.split()), refused.output
        assert PASSWORD not in refused.output

        installed = other.play("site")
        assert "1 run(s) COMPLETED" in installed.output
        assert PASSWORD not in installed.output
        assert other.play("site").tasks_that_changed() == []
        assert other.pods("postgres") == []
        unencrypted = (
            "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'other' AND NOT ssl"
        )
        encrypted = unencrypted.replace("NOT ssl", "ssl")
        assert (development.query(unencrypted), int(development.query(encrypted)) > 1) == ("0", True)

        # A load test also reads the statistics of the external PostgreSQL.
        report_in = tmp_path / "report"
        other.play(
            "loadtest",
            prefect_loadtest_rate=1,
            prefect_loadtest_seconds=3,
            prefect_loadtest_directory=str(report_in),
        )
        report = json.loads((report_in / "loadtest.json").read_text())
        assert report["unread"] == []
        assert report["postgresql"]["transactions_per_run"] > 10

        stranger, _key = certificate(tmp_path)
        refused = other.play("server", check=False, prefect_database_ca=stranger, prefect_kubernetes_wait_seconds=40)
        assert refused.code != 0
        assert "CERTIFICATE_VERIFY_FAILED" in refused.output

        # The rollout stops at the first PgBouncer pod that PostgreSQL rejects.
        wrong = {"prefect_database_password": "wrong", "prefect_database_admin_user": ""}
        refused = other.play("database", check=False, prefect_kubernetes_wait_seconds=20, **wrong)
        assert refused.code != 0
        assert "password authentication failed" in refused.output
        ready = [pod["status"]["containerStatuses"][0]["ready"] for pod in other.pods("pgbouncer")]
        assert sorted(ready) == [False, True]
        assert other.api("POST", "/flow_runs/count", {}) > 0
    finally:
        client.json("DELETE", f"{policies}/external-clients")
        other.teardown("delete")
        development.query("DROP DATABASE IF EXISTS other WITH (FORCE)")
        development.query("DROP ROLE IF EXISTS other")
