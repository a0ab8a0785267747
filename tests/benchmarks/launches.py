# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how many Jobs per second one worker of a Kubernetes pool creates, and how much CPU time this takes.

usage, as root, on an otherwise idle host:
    scripts/bootstrap.sh test
    PYTHONPATH=tests:.collections .venv/bin/python tests/benchmarks/launches.py [--runs 100] [--rounds 3]

The program starts the cluster of tests/cluster if it does not run, and deploys the development inventory on it, with
one worker. In each round, many runs become due at the same time. Their pods are placed on fake nodes (kwok), which
execute nothing, so that the worker, the API and the database do not share the processors with runs. The output is a
Markdown table.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.host import spread
from kubernetes.conftest import copy_inventory, own_cluster
from kubernetes.deployment import BATCH, Deployment, wait_for

NAME, PORT = "prefect-launches", 30620
FAKE = {
    "nodeSelector": {"selfhosted.prefect/node": "fake"},
    "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
}
STEPS = ("database", "server", "configure", "workers")  # parts of site.yml; its verification would wait for a flow run
USED = "cat /proc/[0-9]*/stat"  # of all processes in a container


def pool(runs: int) -> dict[str, Any]:
    return {
        "name": "kubernetes",
        "type": "kubernetes",
        "concurrency_limit": runs * 10,  # the runs of all rounds keep their slots, because none is executed
        "job": {"finished_job_ttl": 5},
        "job_manifest_patch": {"job_manifest": {"spec": {"template": {"spec": FAKE}}}},
        "workers": {"min": 1, "limit": runs},
    }


def worker_seconds(deployment: Deployment) -> float:
    (pod,) = deployment.workers_of("kubernetes")
    lines = deployment.run_in(pod["metadata"]["name"], ["sh", "-c", USED], check=False).splitlines()
    fields = [line.rpartition(")")[2].split() for line in lines]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def jobs(deployment: Deployment, runs: list[str]) -> list[float]:
    """Return when the Jobs of the runs were created, in seconds since the epoch."""
    found = deployment.objects("jobs", BATCH)
    moments = {item["metadata"]["labels"].get("prefect.io/flow-run-id"): item for item in found}
    made = [moments[run]["metadata"]["creationTimestamp"] for run in runs if run in moments]
    return sorted(datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp() for moment in made)


def measure(deployment: Deployment, number: int) -> tuple[float, float]:
    """Return the Jobs created per second, and the CPU seconds of the worker for each of them."""
    used, begun = worker_seconds(deployment), time.time()
    runs = deployment.submit(number, seconds=1)
    wait_for("the Jobs", lambda: len(jobs(deployment, runs)) == number, 300)
    made = jobs(deployment, runs)
    spent = worker_seconds(deployment) - used
    print(f"{number} Jobs {made[0] - begun:.0f} to {made[-1] - begun:.0f} s after the submission", file=sys.stderr)
    return number / max(1.0, made[-1] - made[0]), spent / number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with own_cluster(sys.stderr) as cluster, tempfile.TemporaryDirectory() as directory:
        # The preflight does not count fake nodes as capacity.
        variables = {"prefect_work_pools": [pool(options.runs)], "prefect_nodes_autoscale": True}
        deployment = Deployment(cluster, copy_inventory(Path(directory)), NAME, NAME, PORT, variables)
        try:
            for playbook in STEPS:
                deployment.play(playbook)
            measured = [measure(deployment, options.runs) for _round in range(options.rounds)]
        finally:
            deployment.teardown("delete")
    rates, seconds = zip(*measured)
    print("| what | minimum / median / maximum |\n| --- | --- |")
    print(f"| Jobs that one worker makes in a second | {spread(rates)} |")
    print(f"| CPU seconds of the worker for one | {spread(seconds, 3)} |")


if __name__ == "__main__":
    main()
