# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespaces of a cluster in which flow code runs."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_namespaces
short_description: List the namespaces in which the runs of work pools are
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - The Jobs of a Kubernetes pool are in C(job.namespace), or in one of C(workers.namespaces) where a run asks for it.
  - The runs of a process pool are in the pods of its workers.
  - Pools of other types have their runs outside the cluster.
positional: namespace
options:
  _input:
    description: Work pools as in C(prefect_work_pools).
    type: list
    elements: dict
    required: true
  namespace:
    description: Namespace of runs whose pool names none.
    type: str
    required: true
  absent:
    description: Whether those of pools whose C(state) is V(absent) count, which may have left something there.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: The namespaces of flow code
  ansible.builtin.debug:
    msg: "{{ [{'name': 'jobs', 'type': 'kubernetes'}] | selfhosted.prefect.run_namespaces('flows') }}"
"""

RETURN = r"""
_value:
  description: Names, each once, in the order of the pools.
  type: list
  elements: str
"""

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.filter.workers_of import most_workers


def executes_runs(pool: Mapping[str, Any]) -> bool:
    """Return whether flow code runs in the pods of the pool's workers."""
    return (pool.get("type") or "process") == "process"


def job_namespaces(pool: Mapping[str, Any], namespace: str) -> list[str]:
    """Return where the Jobs of a Kubernetes pool may be, first where they are unless a run says otherwise."""
    if pool.get("type") != "kubernetes":
        return []
    first = (pool.get("job") or {}).get("namespace") or namespace
    return list(dict.fromkeys([first, *((pool.get("workers") or {}).get("namespaces") or [])]))


def run_namespaces(pools: Iterable[Mapping[str, Any]], namespace: str, absent: bool = False) -> list[str]:
    """Return the namespaces of the runs of C(pools)."""
    found: list[str] = []
    for pool in pools:
        if pool.get("state") == "absent" and not absent:
            continue
        found += job_namespaces(pool, namespace)
        if executes_runs(pool) and (absent or most_workers(pool)):
            found.append(namespace)
    return list(dict.fromkeys(found))


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"run_namespaces": run_namespaces}
