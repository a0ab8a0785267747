# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""What an inventory leaves open, as it says itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def _cluster(v: Mapping[str, Any]) -> Iterator[str]:
    if v["prefect_platform"] != "kubernetes":
        return
    if v["prefect_namespace"] in v["prefect_run_namespaces"]:
        yield (
            f"prefect_allow_shared_namespace: flow code is in {v['prefect_namespace']}, beside the server. Whoever may "
            "start a Job there, as each worker of a Kubernetes pool may, reads every Secret of the server."
        )
    kinds = [pool.get("type") for pool in v["prefect_work_pools"] if pool.get("state") != "absent"]
    if "kubernetes" in kinds and not v["prefect_admission_policies"]:
        yield (
            "prefect_admission_policies: it is off, so Jobs may refer to every Secret and ServiceAccount of their "
            "namespace. Where the login may not make such policies, an administrator does with cluster.yml."
        )


def deployment_notes(variables: Mapping[str, Any]) -> list[str]:
    """Return what C(variables) leave open."""
    return list(_cluster(variables))
