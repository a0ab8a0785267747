# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Jobs and nodes of a Kubernetes cluster, and limits of services that flows call."""

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.arithmetic import show, up_to
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.model import CapacityPlan
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.nodes import (
    NODE_UNITS,
    request_of_a_run,
    runs_of_a_node,
)


def plan_cluster(p: CapacityPlan) -> None:
    if not p.kubernetes:
        return
    w, rate, limit = p.w, p.v["runs_per_second"], p.v["concurrency_limit"]
    p.add(
        "Cluster",
        "jobs_per_second",
        rate,
        "Jobs/s",
        "one Job, and one pod, per run",
        "API server, scheduler, controllers and etcd create, finish and remove Jobs at this rate",
    )
    p.add(
        "Cluster",
        "control_plane_cores",
        rate * p.c("control_plane_cpu_seconds_per_job"),
        "cores",
        f"{show(rate)} Jobs/s × {p.text('control_plane_cpu_seconds_per_job')} CPU s",
        "of the control plane, only for these objects: kubelets, watches and webhooks need more",
    )
    p.add(
        "Cluster",
        "finished_jobs_kept",
        up_to(rate * p.c("job_ttl_seconds")),
        "Jobs",
        f"{show(rate)} Jobs/s × {p.text('job_ttl_seconds')} s",
        "ttlSecondsAfterFinished: finished Jobs and their pods stay in etcd, so that you can inspect them",
    )
    run, nodes = request_of_a_run(w), w["nodes"]
    fitting = runs_of_a_node(nodes, run)
    p.used += ["pods_per_node", "system_pods_per_node"]
    parts = [f"{fitting['pods']} pods"]
    parts += [f"{show(nodes[name])} / {show(run[name])} {NODE_UNITS[name]}" for name in run if name in fitting]
    least = f"the minimum of {', '.join(parts)}" if len(parts) > 1 else parts[0]
    per_node = p.add(
        "Cluster",
        "runs_per_node",
        max(0, min(fitting.values())),
        "runs at once",
        f"{least}; {p.text('system_pods_per_node')} pods of a node are system pods",
        "a node has space only for complete runs",
    )
    p.add(
        "Cluster",
        "nodes",
        up_to(limit / max(1, per_node)) + int(p.c("spare_nodes")),
        "nodes",
        f"{limit} runs / {show(max(1, per_node))} of a node, + {p.text('spare_nodes')}",
        "for the flow runs at the pool's limit, while one node is unavailable",
    )


def plan_limits(p: CapacityPlan) -> None:
    for limit in p.w["rate_limits"]:
        p.add(
            "Limits",
            f"slots of {limit['name']}",
            max(1, int(limit["per_second"])),
            "slots",
            f"{show(limit['per_second'])} calls/s that the service allows, for one second",
            f"with slot_decay_per_second {show(limit['per_second'])} and rate_limit() in the flow",
        )
