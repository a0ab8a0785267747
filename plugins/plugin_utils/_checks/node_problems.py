# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Problems with runs of Kubernetes pools that do not fit on the nodes of the workload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.jobs import amount
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.arithmetic import up_to
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.nodes import no_room, runs_of_a_node
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.workload import WORKLOAD


def _request(job: Mapping[str, Any], name: str) -> float:
    # Kubernetes uses a limit as the request if no request is set.
    return amount(job.get(f"{name}_request")) or amount(job.get(f"{name}_limit")) or 0


def _problems(pools: Iterable[Mapping[str, Any]], nodes: Mapping[str, Any]) -> Iterator[Problem]:
    runs, needed = 0, 0.0
    for pool in pools:
        limit = int(pool.get("concurrency_limit") or 0)
        if pool.get("type") != "kubernetes" or pool.get("state") == "absent" or not limit:
            continue
        job = pool.get("job") or {}
        run = {"cpu": _request(job, "cpu"), "memory_mb": _request(job, "memory") / 2**20}
        there = min(runs_of_a_node(nodes, run).values())
        if there < 1:
            yield problem(
                f"prefect_work_pools[{pool['name']}].job",
                no_room(nodes, run),
                "Request less, or use larger nodes (prefect_workload.nodes).",
            )
            continue
        runs += limit
        needed += limit / there
    if nodes.get("count") and up_to(needed) > int(nodes["count"]):
        yield problem(
            f"{WORKLOAD}.nodes.count",
            f"The pools' concurrency limits allow {runs} runs at once, which do not fit on {nodes['count']} nodes.",
            f"Use {up_to(needed)} nodes or larger ones, or lower concurrency_limit or the requests in "
            "prefect_work_pools.",
        )


def node_problems(pools: Iterable[Mapping[str, Any]], nodes: Mapping[str, Any]) -> list[Problem]:
    """Return which runs of C(pools) do not fit on C(nodes)."""
    given = any(value is not None for value in nodes.values())
    return list(_problems(pools, nodes)) if given else []
