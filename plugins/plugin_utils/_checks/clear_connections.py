# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Unencrypted connections of a deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._redis import redis_parts

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_REMEDY = "Set prefect_tls to authority or to files."


def _elsewhere(sources: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Return the sources that have a target other than themselves. Without targets, the target is external."""
    return [source for source in dict.fromkeys(sources) if not targets or any(target != source for target in targets)]


def _said(option: str, what: str, hosts: Sequence[str], remedy: str = _REMEDY) -> Iterator[Problem]:
    if hosts:
        yield problem(option, f"{what} ({', '.join(hosts)}).", remedy)


def _database(v: Mapping[str, Any]) -> Iterator[Problem]:
    if v["prefect_database_ssl_mode"] != "prefer":
        return
    own = v["prefect_postgres_hosts"]
    clients = _elsewhere([*v["prefect_pgbouncer_hosts"], *v["prefect_services_hosts"]], own[:1])
    ours = v["prefect_platform"] == "host" and own
    if v["prefect_platform"] == "kubernetes" and own:
        return  # the connections stay in the cluster
    yield from _said(
        "prefect_tls" if ours else "prefect_database_ssl_mode",
        "Connections to PostgreSQL do not verify the server, and are encrypted only if the server offers TLS",
        clients,
        _REMEDY if ours else "Set it to verify-full, and prefect_database_ca to the CA certificate of that PostgreSQL.",
    )


def _redis(v: Mapping[str, Any]) -> Iterator[Problem]:
    url, own = str(v["prefect_redis_url"]), v["prefect_redis_hosts"]
    if not url or redis_parts(url).scheme.startswith("rediss"):
        return
    if v["prefect_platform"] == "kubernetes" and own:
        return
    clients = _elsewhere([*v["prefect_api_hosts"], *v["prefect_services_hosts"]], own[:1])
    yield from _said(
        "prefect_tls" if own else "prefect_redis_url",
        "The password and the data of Redis are sent unencrypted",
        clients,
        _REMEDY if own else "Use a Redis with TLS (rediss://), and set prefect_redis_ca to its CA certificate.",
    )


def _poolers(v: Mapping[str, Any]) -> Iterator[Problem]:
    poolers = v["prefect_pgbouncer_hosts"]
    alone = [host for host in v["prefect_api_hosts"] if host not in poolers]
    yield from _said("prefect_tls", "The API's queries to PgBouncer are unencrypted", _elsewhere(alone, poolers[:1]))


def _behind_the_gateway(v: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _said(
        "prefect_api_hosts",
        "Requests from the gateway to the API, with credentials, are unencrypted",
        _elsewhere(v["prefect_gateway_hosts"], v["prefect_api_hosts"]),
        "Run the API on the gateway's hosts, or connect these hosts by an encrypted network, such as WireGuard.",
    )


def _clients(v: Mapping[str, Any]) -> Iterator[Problem]:
    url = urlsplit(str(v["prefect_api_url"]))
    if url.scheme == "https" or url.hostname in _LOOPBACK:
        return
    gateways = v["prefect_gateway_hosts"]
    remedy = "Set prefect_tls, or prefect_gateway_tls_certificate and prefect_api_url."
    yield from _said(
        "prefect_api_url",
        "Requests of workers and flow runs to the gateway, with credentials, are unencrypted",
        _elsewhere(v["prefect_worker_hosts"], gateways[:1]),
        remedy,
    )


def _cluster(v: Mapping[str, Any]) -> Iterator[Problem]:
    yield problem(
        "prefect_platform",
        "This collection does not encrypt connections between pods.",
        "Enable encryption in the cluster's network (WireGuard of Cilium or Calico), or use a service mesh.",
    )
    if v["prefect_gateway_host"] and not v["gateway_tls"]:
        yield problem(
            "prefect_gateway_tls_secret",
            f"Requests to {v['prefect_gateway_host']}, with credentials, are unencrypted.",
            "Set it to a Secret with a certificate, unless the controller has its own.",
        )


def clear_connections(variables: Mapping[str, Any]) -> list[Problem]:
    """Return the connections that are not encrypted or not verified."""
    found = [*_database(variables), *_redis(variables)]
    if variables["prefect_platform"] == "kubernetes":
        return [*found, *_cluster(variables)]
    if variables["prefect_tls"] == "none":
        found += _poolers(variables)
    if not variables["api_tls"]:
        found += _behind_the_gateway(variables)
    return [*found, *_clients(variables)]
