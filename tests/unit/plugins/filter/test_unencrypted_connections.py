# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the preflight about connections that cross a network unencrypted."""

from __future__ import annotations

from typing import Any

import pytest
from rendering import evaluated
from test_problems import HOST

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import bracketed
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.unencrypted_connections import (
    unencrypted_connections,
)

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
    "prefect_control_api_url": "http://app1:4200/api",
    "prefect_gateway_bind": "10.0.0.5",
    "prefect_gateway_host": "",
    "prefect_gateway_kind": "ingress",
    "prefect_gateway_parent": {},
    "prefect_gateway_service_type": "ClusterIP",
    "has_gateway": True,
    "gateway_tls": False,
    "api_tls": False,
}
ENCRYPTED = {
    "prefect_tls": "authority",
    "prefect_database_ssl_mode": "verify-full",
    "prefect_redis_url": "rediss://:x@db:6379/0",
    "prefect_api_url": "https://app1:4200/api",
    "prefect_control_api_url": "https://app1:4200/api",
    "gateway_tls": True,
    "api_tls": True,
}
ONE_HOST: dict[str, Any] = {name: ["one"] for name in SPREAD if name.endswith("_hosts")}
CLUSTER: dict[str, Any] = {
    **ONE_HOST,
    "prefect_platform": "kubernetes",
    "prefect_gateway_bind": "",
    "prefect_api_url": "http://prefect-api.prefect.svc:4200/api",
    "prefect_control_api_url": "http://prefect-api.prefect.svc:4200/api",
}
PUBLIC = {"prefect_gateway_host": "prefect.example.com", "prefect_control_api_url": "https://prefect.example.com/api"}


def said(**changed: Any) -> list[tuple[str, str]]:
    found = unencrypted_connections({**SPREAD, **changed})
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
        "The gateway listens on 10.0.0.5 without TLS",
    ):
        assert words in problems
    assert len(said()) == 6


def options(**changed: Any) -> list[str]:
    return [option for option, _problem in said(**changed)]


@pytest.mark.parametrize("bind", ["127.0.0.1", "::1", "localhost", "127.0.0.53"])
def test_nothing_leaves_a_single_host_whose_gateway_listens_on_loopback(bind: str) -> None:
    url = f"http://{bracketed(bind)}:4200/api"
    assert said(**ONE_HOST, prefect_gateway_bind=bind, prefect_api_url=url, prefect_control_api_url=url) == []


@pytest.mark.parametrize("bind", ["10.0.0.5", "fd00::5", "prefect.example.com", "*", "0.0.0.0", "::"])
def test_people_use_the_gateway_of_a_single_host_over_the_network(bind: str) -> None:
    one = {**ONE_HOST, "prefect_gateway_bind": bind}
    for url in ("http://10.0.0.5:4200/api", "http://[fd00::5]:4200/api", "https://proxy.example.com/api"):
        assert options(**one, prefect_api_url=url, prefect_control_api_url=url) == ["prefect_gateway_bind"]
    assert said(**one, **{name: ENCRYPTED[name] for name in ("gateway_tls", "prefect_api_url")}) == []
    # A host without a gateway says nothing about those of others.
    assert said(**one, has_gateway=False) == []


def test_the_playbooks_are_clients_too() -> None:
    encrypted = {**SPREAD, **ENCRYPTED}
    for url in ("http://gateway.example.com/api", "http://10.0.0.9:4200/api", "http://[fd00::9]:4200/api"):
        assert options(**{**encrypted, "prefect_control_api_url": url}) == ["prefect_control_api_url"]
        assert "prefect_control_api_url" in options(**{**CLUSTER, "prefect_control_api_url": url})
    for url in ("https://gateway.example.com/api", "http://127.0.0.1:4200/api", "http://localhost:1/api"):
        assert said(**{**encrypted, "prefect_control_api_url": url}) == []
        assert options(**{**CLUSTER, "prefect_control_api_url": url}) == ["prefect_platform"]


def test_nothing_is_in_clear_with_tls() -> None:
    assert said(**ENCRYPTED) == []


@pytest.mark.parametrize("mode", ["prefer", "verify-ca", "verify-full"])
def test_external_services(mode: str) -> None:
    """External services have an address but no host in the inventory, so connections to them leave every host."""
    one = {**ONE_HOST, "prefect_postgres_hosts": [], "prefect_redis_hosts": [], "prefect_gateway_bind": "127.0.0.1"}
    found = options(**one, prefect_database_ssl_mode=mode)
    assert found == ["prefect_database_ssl_mode"] * (mode == "prefer") + ["prefect_redis_url"]


def test_a_cluster_is_encrypted_by_its_network_or_not_at_all() -> None:
    assert options(**CLUSTER) == ["prefect_platform"]


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_a_service_for_clients_outside_a_cluster_is_plain_http(kind: str) -> None:
    found = said(**CLUSTER, prefect_gateway_service_type=kind)
    assert [option for option, _problem in found] == ["prefect_platform", "prefect_gateway_service_type"]
    assert f"Service of type {kind} is plain HTTP" in found[1][1]


def test_an_ingress_needs_a_certificate() -> None:
    public = {**CLUSTER, **PUBLIC}
    assert options(**public) == ["prefect_platform", "prefect_gateway_tls_secret"]
    assert options(**{**public, "gateway_tls": True}) == ["prefect_platform"]


@pytest.mark.parametrize("tls_secret", [False, True])  # which an HTTPRoute does not use
def test_the_listener_of_an_http_route_needs_a_certificate(tls_secret: bool) -> None:
    public = {**CLUSTER, **PUBLIC, "prefect_gateway_kind": "http_route", "gateway_tls": tls_secret}
    assert options(**public) == ["prefect_platform", "prefect_gateway_parent"]
    public["prefect_gateway_parent"] = {"name": "public", "sectionName": "https"}
    assert options(**public) == ["prefect_platform"]
    public["prefect_control_api_url"] = "http://prefect.example.com/api"
    assert options(**public) == ["prefect_platform", "prefect_gateway_parent", "prefect_control_api_url"]


# What the preflight says of the inventories that the collection ships, with the default of each option.
SHIPPED = {
    "local": [],
    "development": ["prefect_platform", "prefect_gateway_service_type"],
    "staging": ["prefect_database_ssl_mode", "prefect_platform"],
    "production": ["prefect_database_ssl_mode", "prefect_platform"],
}


@pytest.mark.parametrize("inventory", SHIPPED)
def test_shipped_inventories(inventory: str) -> None:
    found = evaluated(
        inventory,
        "prefect_preflight",
        {"clear": "__prefect_preflight_unencrypted | map(attribute='option') | list"},
        hostvars={"localhost": {"ansible_connection": "local"}},
        prefect_host=HOST,
    )
    assert found["clear"] == SHIPPED[inventory]
