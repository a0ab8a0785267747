# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Unencrypted connections of a deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import EVERY_ADDRESS, is_loopback
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._redis import redis_parts

_REMEDY = "Set prefect_tls to authority or to files."


def _elsewhere(sources: Sequence[str], targets: Sequence[str]) -> list[str]:
    """Return the sources that have a target other than themselves. Without targets, the target is external."""
    return [source for source in dict.fromkeys(sources) if not targets or any(target != source for target in targets)]


def _said(option: str, what: str, hosts: Sequence[str], remedy: str = _REMEDY) -> Iterator[Problem]:
    if hosts:
        yield problem(option, f"{what} ({', '.join(hosts)}).", remedy)


def _stay_in_cluster(v: Mapping[str, Any], own: Sequence[str]) -> bool:
    """Return whether the connections to a component do not leave the cluster."""
    return bool(v["prefect_platform"] == "kubernetes" and own)


def _database(v: Mapping[str, Any]) -> Iterator[Problem]:
    own = v["prefect_postgres_hosts"]
    if v["prefect_database_ssl_mode"] != "prefer" or _stay_in_cluster(v, own):
        return
    yield from _said(
        "prefect_tls" if own else "prefect_database_ssl_mode",
        "Connections to PostgreSQL do not verify the server, and are encrypted only if the server offers TLS",
        _elsewhere([*v["prefect_pgbouncer_hosts"], *v["prefect_services_hosts"]], own[:1]),
        _REMEDY if own else "Set it to verify-full, and prefect_database_ca to the CA certificate of that PostgreSQL.",
    )


def _redis(v: Mapping[str, Any]) -> Iterator[Problem]:
    url, own = str(v["prefect_redis_url"]), v["prefect_redis_hosts"]
    if not url or redis_parts(url).scheme.startswith("rediss") or _stay_in_cluster(v, own):
        return
    yield from _said(
        "prefect_tls" if own else "prefect_redis_url",
        "The password and the data of Redis are sent unencrypted",
        _elsewhere([*v["prefect_api_hosts"], *v["prefect_services_hosts"]], own[:1]),
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


def _is_clear(url: str) -> bool:
    """Return whether requests to the URL are unencrypted and can leave the host."""
    parts = urlsplit(url)
    return parts.scheme != "https" and not is_loopback(parts.hostname or "")


def _workers(v: Mapping[str, Any]) -> Iterator[Problem]:
    if _is_clear(str(v["prefect_api_url"])):
        yield from _said(
            "prefect_api_url",
            "Requests of workers and flow runs to the gateway, with credentials, are unencrypted",
            _elsewhere(v["prefect_worker_hosts"], v["prefect_gateway_hosts"][:1]),
            "Set prefect_tls, or prefect_gateway_tls_certificate and prefect_api_url.",
        )


def _gateway(v: Mapping[str, Any]) -> Iterator[Problem]:
    """Report the gateway of this host. Its other clients, such as browsers, are not in the inventory."""
    bind = str(v["prefect_gateway_bind"])
    if v["has_gateway"] and not v["gateway_tls"] and not is_loopback(bind):
        where = "every address" if bind in EVERY_ADDRESS else bind
        yield problem(
            "prefect_gateway_bind",
            f"The gateway listens on {where} without TLS, so requests of browsers and other clients, with "
            "credentials, are unencrypted.",
            "Set prefect_tls, or prefect_gateway_tls_certificate and prefect_api_url. If all clients are on the same "
            "host, for example a proxy with TLS, set prefect_gateway_bind to 127.0.0.1.",
        )


def _playbooks(v: Mapping[str, Any]) -> Iterator[Problem]:
    """Report the URL of the playbooks, unless it leads to the host or Service of the URL of the workers."""
    url, own = str(v["prefect_control_api_url"]), str(v["prefect_api_url"])
    if _is_clear(url) and urlsplit(url).hostname != urlsplit(own).hostname:
        yield problem(
            "prefect_control_api_url",
            f"Requests of the playbooks to {urlsplit(url).hostname}, with credentials, are unencrypted.",
            "Set it to a URL with https://.",
        )


def _service(v: Mapping[str, Any]) -> Iterator[Problem]:
    kind = v["prefect_gateway_service_type"]
    if kind != "ClusterIP":
        yield problem(
            "prefect_gateway_service_type",
            f"The Service of type {kind} is plain HTTP, so requests to it from outside, with credentials, are "
            "unencrypted.",
            "Set it to ClusterIP, and prefect_gateway_host and prefect_gateway_tls_secret for an Ingress with TLS. A "
            "load balancer may also terminate TLS (prefect_gateway_service_annotations).",
        )


def _ingress(v: Mapping[str, Any]) -> Iterator[Problem]:
    host = v["prefect_gateway_host"]
    if not host:
        return
    if v["prefect_gateway_kind"] == "http_route":
        # The listener of the Gateway has the certificate. A route without sectionName is attached to all listeners.
        if "sectionName" not in v["prefect_gateway_parent"] or _is_clear(str(v["prefect_control_api_url"])):
            yield problem(
                "prefect_gateway_parent",
                f"Requests to {host}, with credentials, are encrypted only if each listener of the Gateway has TLS.",
                "Name a listener with TLS in its sectionName, and set prefect_control_api_url to a URL with https://.",
            )
    elif not v["gateway_tls"]:
        yield problem(
            "prefect_gateway_tls_secret",
            f"Requests to {host}, with credentials, are unencrypted.",
            "Set it to a Secret with a certificate, unless the controller has its own.",
        )


def _cluster(v: Mapping[str, Any]) -> Iterator[Problem]:
    yield problem(
        "prefect_platform",
        "This collection does not encrypt connections between pods.",
        "Enable encryption in the cluster's network (WireGuard of Cilium or Calico), or use a service mesh.",
    )
    yield from _service(v)
    yield from _ingress(v)


def unencrypted_connections(variables: Mapping[str, Any]) -> list[Problem]:
    """Return the connections that are not encrypted or not verified."""
    found = [*_database(variables), *_redis(variables)]
    if variables["prefect_platform"] == "kubernetes":
        return [*found, *_cluster(variables), *_playbooks(variables)]
    if variables["prefect_tls"] == "none":
        found += _poolers(variables)
    if not variables["api_tls"]:
        found += _behind_the_gateway(variables)
    return [*found, *_workers(variables), *_gateway(variables), *_playbooks(variables)]
