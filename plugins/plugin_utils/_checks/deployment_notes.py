# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Notes about risks that an inventory accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._redis import redis_parts
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import most_workers, worker_count


def _cluster(v: Mapping[str, Any]) -> Iterator[str]:
    if v["prefect_platform"] != "kubernetes":
        return
    if v["prefect_namespace"] in v["prefect_run_namespaces"]:
        yield (
            f"prefect_allow_shared_namespace: flow code runs in {v['prefect_namespace']}, the namespace of the server. "
            "Whoever can create a Job there, as each worker of a Kubernetes pool can, can read every Secret of the "
            "server."
        )


def _backlog(v: Mapping[str, Any]) -> Iterator[str]:
    """Return the note that KEDA sends the server's credentials to a database that it cannot verify."""
    if v["prefect_platform"] != "kubernetes" or v["prefect_worker_backlog_database_url"]:
        return
    verifies = str(v["prefect_database_ssl_mode"]).startswith("verify-")
    pools = [str(pool["name"]) for pool in v["prefect_work_pools"] if _reads_the_database(pool)]
    if pools and verifies and v["prefect_database_ca"]:
        yield (
            f"prefect_worker_backlog_database_url: KEDA reads the backlog of {', '.join(pools)} with the server's "
            "credentials, and does not verify the certificate of PostgreSQL, because it has no prefect_database_ca. "
            "Set it to a URL with a role that can only read flow_run, work_queue and work_pool. If the CA certificate "
            "is mounted into KEDA's pod, add ?sslmode=verify-full&sslrootcert= and its path."
        )


def _reads_the_database(pool: Mapping[str, Any]) -> bool:
    """Whether KEDA counts the backlog of a pool in PostgreSQL."""
    scaling = (pool.get("workers") or {}).get("autoscaling") or {}
    is_scaled = most_workers(pool) > worker_count(pool)
    return is_scaled and scaling.get("metric") == "backlog" and not scaling.get("prometheus")


def _redis(v: Mapping[str, Any]) -> Iterator[str]:
    url = str(v["prefect_redis_url"])
    if v["prefect_redis_hosts"] or not url:
        return
    if unquote(redis_parts(url).login.partition(":")[0]) in ("", "default"):
        yield (
            "prefect_redis_url: the server uses the Redis user default, which usually has all permissions. Create a "
            "user with only the permissions that the server needs (docs/kubernetes.md, Managed Redis), and name it in "
            "the URL."
        )


def _ports(v: Mapping[str, Any]) -> Iterator[str]:
    """Return the note that flow code can take the port of a server that restarts, and receive its passwords."""
    hosts = v["prefect_hosts_without_port_guard"]
    if hosts and v["prefect_tls"] == "none":
        yield (
            f"prefect_tls: on {', '.join(hosts)}, flow code can listen on the port of PostgreSQL, PgBouncer, Redis or "
            "an API process while it restarts, and receive the passwords of its clients. systemd can prevent this only "
            "with its BPF framework (systemctl --version shows +BPF_FRAMEWORK, as in Debian 13). Set prefect_tls to "
            "authority, or give the workers separate hosts."
        )


def deployment_notes(variables: Mapping[str, Any]) -> list[str]:
    """Return the notes about C(variables)."""
    return [*_cluster(variables), *_backlog(variables), *_redis(variables), *_ports(variables)]
