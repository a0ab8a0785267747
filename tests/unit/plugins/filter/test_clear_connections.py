# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the preflight about connections that cross a network unencrypted."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.clear_connections import clear_connections

SPREAD: dict[str, Any] = {
    "prefect_platform": "host",
    "prefect_tls": "none",
    "prefect_postgres_hosts": ["db"],
    "prefect_pgbouncer_hosts": ["app1"],
    "prefect_redis_hosts": ["db"],
    "prefect_api_hosts": ["app1", "app2"],
    "prefect_services_hosts": ["app1"],
    "prefect_gateway_hosts": ["app1"],
    "prefect_worker_hosts": ["app2"],
    "prefect_database_ssl_mode": "prefer",
    "prefect_redis_url": "redis://:x@db:6379/0",
    "prefect_api_url": "http://app1:4200/api",
    "prefect_gateway_host": "",
    "gateway_tls": False,
    "api_tls": False,
}
ENCRYPTED = {
    "prefect_tls": "authority",
    "prefect_database_ssl_mode": "verify-full",
    "prefect_redis_url": "rediss://:x@db:6379/0",
    "prefect_api_url": "https://app1:4200/api",
    "api_tls": True,
}


def said(**changed: Any) -> list[tuple[str, str]]:
    found = clear_connections({**SPREAD, **changed})
    assert all(entry["remedy"] for entry in found)
    return [(entry["option"], entry["problem"]) for entry in found]


def test_each_connection_between_hosts_is_named() -> None:
    problems = "\n".join(problem for _option, problem in said())
    for words in (
        "PostgreSQL do not verify the server, and are encrypted only if the server offers TLS (app1).",
        "password and the data of Redis are sent unencrypted (app1, app2).",
        "queries to PgBouncer are unencrypted (app2).",
        "the gateway to the API, with credentials, are unencrypted (app1).",
        "workers and flow runs to the gateway, with credentials, are unencrypted (app2).",
    ):
        assert words in problems
    assert len(said()) == 5


def test_nothing_leaves_a_single_host() -> None:
    one = {name: ["one"] for name in SPREAD if name.endswith("_hosts")}
    assert said(**one, prefect_api_url="http://10.0.0.5:4200/api") == []


def test_nothing_is_in_clear_with_tls() -> None:
    assert said(**ENCRYPTED) == []


@pytest.mark.parametrize("mode", ["prefer", "verify-ca", "verify-full"])
def test_external_services(mode: str) -> None:
    """External services have an address but no host in the inventory, so connections to them leave every host."""
    one = {name: ["one"] for name in SPREAD if name.endswith("_hosts")} | {
        "prefect_postgres_hosts": [],
        "prefect_redis_hosts": [],
    }
    options = [option for option, _problem in said(**one, prefect_database_ssl_mode=mode)]
    assert options == ["prefect_database_ssl_mode"] * (mode == "prefer") + ["prefect_redis_url"]


def test_a_cluster_is_encrypted_by_its_network_or_not_at_all() -> None:
    cluster = {name: ["one"] for name in SPREAD if name.endswith("_hosts")} | {"prefect_platform": "kubernetes"}
    assert [option for option, _problem in said(**cluster)] == ["prefect_platform"]
    public = {**cluster, "prefect_gateway_host": "prefect.example.com"}
    assert [option for option, _problem in said(**public)] == ["prefect_platform", "prefect_gateway_tls_secret"]
    assert [option for option, _problem in said(**public, gateway_tls=True)] == ["prefect_platform"]
