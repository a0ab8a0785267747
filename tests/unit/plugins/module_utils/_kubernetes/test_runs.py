# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which runs a teardown waits for and ends: the database must not go under a run that nobody has labelled."""

from __future__ import annotations

from typing import Any, cast

import pytest
from test_objects import FakeClient

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import KubernetesClient
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import title
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.runs import RunningFlows

OURS = {"selfhosted.prefect/runs-of": "prefect"}
OF_A_WORKER = {"prefect.io/flow-run-id": "1", "prefect.io/worker-name": "prefect-worker-a-5f7d8c9b4-x2x7p"}


def run(client: FakeClient, name: str, labels: dict[str, str], phase: str = "", condition: str = "") -> None:
    """A Job, and its pod where a phase says that it has one."""
    base: dict[str, Any] = {"name": name, "namespace": "jobs", "labels": labels}
    conditions = [{"type": condition, "status": "True"}] if condition else []
    job = {"metadata": base, "spec": {}, "status": {"conditions": conditions}}
    client.objects[f"/apis/batch/v1/namespaces/jobs/jobs/{name}"] = job
    if phase:
        metadata = {**base, "name": f"{name}-pod", "ownerReferences": [{"kind": "Job", "name": name}]}
        pod = {"metadata": metadata, "spec": {}, "status": {"phase": phase}}
        client.objects[f"/api/v1/namespaces/jobs/pods/{name}-pod"] = pod


@pytest.mark.parametrize(
    ("labels", "phase", "condition", "found"),
    [
        (OURS | OF_A_WORKER, "Running", "", ["Pod a-pod in jobs"]),
        (OURS, "Pending", "", ["Pod a-pod in jobs"]),
        # A template without the labels of the collection.
        (OF_A_WORKER, "Running", "", ["Pod a-pod in jobs"]),
        # A quota keeps the pod from being created.
        (OF_A_WORKER, "", "", ["Job a in jobs"]),
        (OURS | OF_A_WORKER, "", "", ["Job a in jobs"]),
        # It has ended.
        (OF_A_WORKER, "Succeeded", "Complete", []),
        (OF_A_WORKER, "Failed", "Failed", []),
        (OF_A_WORKER, "", "Complete", []),
        # The pod has ended, and the Job tries again.
        (OF_A_WORKER, "Failed", "", ["Job a in jobs"]),
        # Of another instance, of Prefect outside this cluster, and of nobody.
        ({**OF_A_WORKER, "prefect.io/worker-name": "prefect2-worker-a-1"}, "Running", "", []),
        ({"prefect.io/flow-run-id": "1"}, "Running", "", []),
        ({"prefect.io/worker-name": OF_A_WORKER["prefect.io/worker-name"]}, "Running", "", []),
        ({}, "Running", "", []),
    ],
)
def test_every_run_of_the_instance_is_found_once_and_ended(
    labels: dict[str, str], phase: str, condition: str, found: list[str]
) -> None:
    client = FakeClient()
    run(client, "a", labels, phase, condition)
    run(client, "others", {}, "Running")
    before = set(client.objects)
    flows = RunningFlows(cast(KubernetesClient, client), "prefect", "home", ["jobs"])
    assert [title(item) for item in flows.active()] == found
    flows.end(30)
    kept = {path for path in before if path.rpartition("/")[2] in ("others", "others-pod")}
    assert set(client.objects) >= kept
    if found:
        assert "/apis/batch/v1/namespaces/jobs/jobs/a" not in client.objects
        assert flows.active() == []
    else:
        assert set(client.objects) == before
