# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The number of runs that fit on a node of a cluster."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import coefficients
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.arithmetic import show

NODE_UNITS = {"pods": "pods", "cpu": "cores", "memory_mb": "MiB"}


def runs_of_a_node(nodes: Mapping[str, Any], run: Mapping[str, float]) -> dict[str, int]:
    """Return how many runs fit on a node, by resource. A resource that is not set is no limit. Pods have a default."""
    pods = (nodes.get("pods") or coefficients.value("pods_per_node")) - coefficients.value("system_pods_per_node")
    fitting = {"pods": int(pods)}
    for name, each in run.items():
        if nodes.get(name) and each:
            fitting[name] = math.floor(round(nodes[name] / each, 9))
    return fitting


def no_room(nodes: Mapping[str, Any], run: Mapping[str, float]) -> str:
    """Return the problem text if not even one run fits on a node."""
    node = ", ".join(f"{show(nodes[name])} {unit}" for name, unit in NODE_UNITS.items() if nodes.get(name))
    wanted = " and ".join(f"{show(each)} {NODE_UNITS[name]}" for name, each in run.items() if each)
    return f"A run requests {wanted or 'a pod'}, which does not fit on a node of {node} with the system pods."


def request_of_a_run(workload: Mapping[str, Any]) -> dict[str, float]:
    return {"cpu": workload["run_cpu"], "memory_mb": workload["run_memory_mb"]}
