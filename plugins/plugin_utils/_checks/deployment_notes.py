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


def _cluster(v: Mapping[str, Any]) -> Iterator[str]:
    if v["prefect_platform"] != "kubernetes":
        return
    if v["prefect_namespace"] in v["prefect_run_namespaces"]:
        yield (
            f"prefect_allow_shared_namespace: flow code runs in {v['prefect_namespace']}, the namespace of the server. "
            "Whoever can create a Job there, as each worker of a Kubernetes pool can, can read every Secret of the "
            "server."
        )
    kinds = [pool.get("type") for pool in v["prefect_work_pools"] if pool.get("state") != "absent"]
    if "kubernetes" in kinds and not v["prefect_admission_policies"]:
        yield (
            "prefect_admission_policies: the policies are disabled, so Jobs can use every Secret and ServiceAccount of "
            "their namespace. If your credentials do not allow you to create the policies, an administrator can create "
            "them with cluster.yml."
        )


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


def deployment_notes(variables: Mapping[str, Any]) -> list[str]:
    """Return the notes about C(variables)."""
    return [*_cluster(variables), *_redis(variables)]
