# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The number of workers follows their load, and one observer watches the pods for many workers."""

from __future__ import annotations

import copy
import datetime
import os
import subprocess
from typing import Any

from .conftest import POOLS, PROGRAM, Installed, Note
from .deployment import APPS, BATCH, Deployment, wait_for

ACTIVE = 3  # number of concurrent runs in a test that needs load
# A quick scale-down, so that a test can wait for it. By default, it is slow.
QUICK = {
    "scaleDown": {"stabilizationWindowSeconds": 15, "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}
}


def test_one_process_watches_the_pods_of_many_workers(development: Deployment, installed: Installed) -> None:
    pools = copy.deepcopy(POOLS)
    pools[0] |= {"pre_pull": True}
    pools[0]["job"] |= {"finished_job_ttl": 60}
    development.play("configure", prefect_work_pools=pools)
    development.play("workers", prefect_work_pools=pools, prefect_separate_observer=True)
    (image,) = development.objects("daemonsets", APPS)
    assert image["status"]["numberReady"] == image["status"]["desiredNumberScheduled"] == 1
    worker = development.one("deployments", "worker-kubernetes")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_ENABLED", "value": "false"} in worker["env"]
    runs = development.submit(1, seconds=600)
    development.wait_for_states(runs, {"RUNNING"})
    (job,) = development.objects("jobs", BATCH, labelSelector=f"prefect.io/flow-run-id={runs[0]}")
    path = f"{BATCH}/namespaces/{development.jobs_namespace}/jobs/{job['metadata']['name']}"
    development.cluster.client.json("DELETE", path, {"propagationPolicy": "Background"})
    development.wait_for_states(runs, {"CRASHED"})
    development.play("configure")
    development.play("workers")
    assert development.objects("daemonsets", APPS) == []
    assert "observer" not in str([pod["metadata"]["name"] for pod in development.pods("workers")])


def backlog(development: Deployment) -> int:
    """Return the number of due and active runs of the pool, as the API counts them."""
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    pool = {"name": {"any_": ["kubernetes"]}}
    due = {"state": {"type": {"any_": ["SCHEDULED"]}}, "next_scheduled_start_time": {"before_": now}}
    active = {"state": {"type": {"any_": ["PENDING", "RUNNING", "CANCELLING"]}}}
    return sum(
        development.api("POST", "/flow_runs/count", {"work_pools": pool, "flow_runs": runs}) for runs in (due, active)
    )


def test_workers_follow_their_cpu(
    development: Deployment, installed: Installed, record_testsuite_property: Note
) -> None:
    pools = copy.deepcopy(POOLS)
    # A low target, so that few Jobs exceed it: on a small node, many Jobs would leave no CPU time to the measurement.
    pools[0]["workers"] |= {"max": 3, "autoscaling": {"metric": "cpu", "target": 25, "behavior": QUICK}}
    development.play("workers", prefect_work_pools=pools)

    def replicas() -> int:
        return int(development.one("deployments", "worker-kubernetes")["spec"]["replicas"])

    try:
        wait_for("the metrics of the workers", lambda: replicas() == 1, 60)
        runs: list[str] = []

        def keeps_them_busy() -> int:
            if backlog(development) < ACTIVE:
                runs.extend(development.submit(1, seconds=1))
            return replicas()

        most = wait_for("more workers", lambda: (found := keeps_them_busy()) > 1 and found, 120)
        # The playbook changes nothing, although the number of pods differs.
        assert development.play("workers", prefect_work_pools=pools).tasks_that_changed() == []
        development.wait_for_states(runs, {"COMPLETED"}, 180)
        wait_for("fewer workers", lambda: replicas() == 1, 180)
        record_testsuite_property("workers at the most, following their CPU", most)
    finally:
        development.play("workers")
    assert development.objects("horizontalpodautoscalers", "/apis/autoscaling/v2") == []


def test_workers_that_are_no_longer_scaled_get_their_fixed_number(
    development: Deployment, installed: Installed
) -> None:
    pools = copy.deepcopy(POOLS)
    pools[0]["workers"] |= {"max": 3, "autoscaling": {"metric": "cpu", "target": 80}}
    development.play("workers", prefect_work_pools=pools)

    def replicas() -> int:
        return int(development.one("deployments", "worker-kubernetes")["spec"]["replicas"])

    try:
        # The autoscaler sets the number, whatever CPU usage it knows.
        name = f"{development.instance}-worker-kubernetes"
        patch = [*development.cluster.kubectl, "patch", "hpa", name, "-n", development.namespace, "--type=merge", "-p"]
        subprocess.run([*patch, '{"spec": {"minReplicas": 2}}'], check=True, capture_output=True)
        wait_for("the autoscaler to want more", lambda: replicas() == 2)
    finally:
        development.play("workers")
    assert replicas() == 1
    assert development.objects("horizontalpodautoscalers", "/apis/autoscaling/v2") == []
    assert development.play("workers").tasks_that_changed() == []
    assert replicas() == 1


if not os.environ.get("KUBECONFIG"):  # another cluster may already have KEDA, or must not get it

    def test_workers_follow_the_true_backlog(
        development: Deployment, installed: Installed, record_testsuite_property: Note
    ) -> None:
        subprocess.run([PROGRAM, "keda"], check=True, capture_output=True)
        pools = copy.deepcopy(POOLS)
        pools[0]["workers"] |= {"max": 3, "autoscaling": {"metric": "backlog", "target": 4, "behavior": QUICK}}
        variables: dict[str, Any] = {"prefect_work_pools": pools, "prefect_worker_backlog_seconds": 5}
        development.play("workers", **variables)

        def replicas() -> int:
            return int(development.one("deployments", "worker-kubernetes")["spec"]["replicas"])

        def is_ready() -> bool:
            (scaled,) = development.objects("scaledobjects", "/apis/keda.sh/v1alpha1")
            conditions = scaled.get("status", {}).get("conditions", [])
            return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)

        try:
            wait_for("KEDA to reach the database", is_ready)
            (scaled,) = development.objects("scaledobjects", "/apis/keda.sh/v1alpha1")
            (trigger,) = scaled["spec"]["triggers"]
            seen: list[int] = []
            most = 1
            runs = development.submit(14, seconds=60)  # longer than their submission takes
            while not seen or seen[-1]:
                before, counted, after = (
                    backlog(development),
                    int(development.query(trigger["metadata"]["query"])),
                    backlog(development),
                )
                assert after <= counted <= before
                seen.append(counted)
                most = max(most, replicas())
                assert len(seen) < 2000
            assert max(seen) == 14
            assert len(set(seen)) > 3
            assert most == 3
            development.wait_for_states(runs, {"COMPLETED"})
            assert development.play("workers", **variables).tasks_that_changed() == []
            wait_for("fewer workers", lambda: replicas() == 1, 180)
            record_testsuite_property("workers at the most, following their backlog", most)
        finally:
            development.play("workers")
        assert development.objects("scaledobjects", "/apis/keda.sh/v1alpha1") == []
        subprocess.run([PROGRAM, "keda-down"], check=True)
