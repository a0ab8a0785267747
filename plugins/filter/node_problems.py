# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of Kubernetes pools that do not fit on the nodes of a workload."""

from __future__ import annotations

DOCUMENTATION = r"""
name: node_problems
short_description: Find what the runs of Kubernetes pools request beyond the nodes that there are
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Compares what the pools really allow and request, planned or not, with what a workload says of its nodes.
  - A pool without a limit, one that is stopped, and one of another type are not counted.
positional: nodes
options:
  _input:
    description: Work pools as in C(prefect_work_pools), with the defaults of their C(job).
    type: list
    elements: dict
    required: true
  nodes:
    description: C(nodes) of the workload, with C(count), C(cpu), C(memory_mb) and C(pods). What is null is not checked.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Runs that have no room
  ansible.builtin.debug:
    msg: "{{ pools | selfhosted.prefect.node_problems({'count': 2, 'cpu': 4}) | map(attribute='option') }}"
  vars:
    pools:
      - {name: jobs, type: kubernetes, concurrency_limit: 9, job: {cpu_request: 1}}
"""

RETURN = r"""
_value:
  description: One dictionary with C(option), C(problem) and C(remedy) per finding.
  type: list
  elements: dict
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._jobs import amount
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._problems import Problem, problem
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import no_room, runs_of_a_node, up_to
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workload import WORKLOAD


def _request(job: Mapping[str, Any], name: str) -> float:
    # A limit without a request is a request, too.
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
            f"{runs} runs at once, which the pools' concurrency_limit allows, do not fit on {nodes['count']} nodes.",
            f"Use {up_to(needed)} nodes, larger ones, or lower concurrency_limit or requests in prefect_work_pools.",
        )


def node_problems(pools: Iterable[Mapping[str, Any]], nodes: Mapping[str, Any]) -> list[Problem]:
    """Return which runs of C(pools) do not fit on C(nodes)."""
    given = any(value is not None for value in nodes.values())
    return list(_problems(pools, nodes)) if given else []


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"node_problems": node_problems}
