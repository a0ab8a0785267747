# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how long the playbooks take with the development inventory on an empty cluster; print a Markdown table.

usage, as root, on an otherwise idle host:
    scripts/bootstrap.sh test
    PYTHONPATH=tests:.collections .venv/bin/python tests/benchmarks/cluster.py [--rounds 3]

The program starts the cluster of tests/cluster if it does not run. In each round, site.yml creates everything, runs
again without a change, and runs in check mode; then everything is deleted. The cluster and Ansible share the
processors.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.host import PROBE, spread, task_seconds, tasks
from kubernetes.conftest import copy_inventory, own_cluster, ready_at
from kubernetes.deployment import Deployment

NAME, PORT = "prefect-benchmark", 30520
PROFILE = {"ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_tasks", "PROFILE_TASKS_TASK_OUTPUT_LIMIT": "all"}


class Round:
    """One deployment, from the first run of site.yml to the teardown."""

    def __init__(self, deployment: Deployment) -> None:
        begun = time.time()
        self.first = deployment.play("site")
        self.api = max(ready_at(pod) for pod in deployment.pods("api")) - begun
        self.restarts = sum(
            container["restartCount"]
            for pod in deployment.pods()
            for container in pod["status"].get("containerStatuses", [])
        )
        self.again = deployment.play("site")
        self.check = deployment.play("site", "--check", "--diff")
        self.gone = deployment.teardown("delete")
        for run in (self.again, self.check):
            assert run.changed == 0, run.output

    @property
    def rest(self) -> float:
        return self.again.seconds - sum(task_seconds(self.again.output, name) for name in PROBE)


def report(rounds: list[Round]) -> None:
    load = os.getloadavg()[1]
    print(f"{os.cpu_count()} cores, load of the last five minutes {load:.1f}, {len(rounds)} rounds\n")
    print("| what | minimum / median / maximum |\n| --- | --- |")
    print(f"| first `site.yml`, until every API pod is ready | {spread([each.api for each in rounds])} s |")
    print(f"| the same, until flow runs have gone through every pool | {spread([r.first.seconds for r in rounds])} s |")
    print(f"| pods that were started twice in it | {sum(each.restarts for each in rounds)} |")
    print(f"| unchanged `site.yml` | {spread([each.again.seconds for each in rounds])} s |")
    print(f"| the same without the probe runs | {spread([each.rest for each in rounds])} s |")
    print(f"| tasks executed in it | {max(tasks(each.again.ok, each.again.output) for each in rounds)} |")
    print(f"| `site.yml --check --diff` | {spread([each.check.seconds for each in rounds])} s |")
    print(f"| `teardown.yml` with all data | {spread([each.gone.seconds for each in rounds])} s |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ |= PROFILE
    with own_cluster(sys.stderr) as cluster:
        rounds = []
        for number in range(1, options.rounds + 1):
            with tempfile.TemporaryDirectory() as directory:
                inventory = copy_inventory(Path(directory))
                rounds.append(Round(Deployment(cluster, inventory, NAME, NAME, PORT)))
            last = rounds[-1]
            print(f"{number}/{options.rounds}: API ready {last.api:.1f} s, rest {last.rest:.1f} s", file=sys.stderr)
        report(rounds)


if __name__ == "__main__":
    main()
