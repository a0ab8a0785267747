# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The flow runs of an instance in a cluster, and the workers that start them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ApiError,
    KubernetesClient,
    KubernetesError,
    Manifest,
    part,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import (
    conditions_that_hold,
    place_of,
    title,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.prune import Pruning
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.refusals import advice_on
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import (
    GROUP_LABEL,
    INSTANCE_LABEL,
    RUNS_LABEL,
    WORKLOAD_LABEL,
)

# The autoscalers first, because they would start workers again.
_WORKERS = (
    ("keda.sh/v1alpha1", "ScaledObject"), ("autoscaling/v2", "HorizontalPodAutoscaler"), ("apps/v1", "Deployment"),
)  # fmt: skip
# Labels that workers set on all their Jobs and pods, whatever their job template contains. In a pod, the name of the
# worker is that of the pod.
_RUN_LABEL, _WORKER_LABEL = "prefect.io/flow-run-id", "prefect.io/worker-name"
_ACTIVE = ("Pending", "Running", "Unknown")


class RunningFlows(Pruning):
    """The Jobs and pods of flow runs, and the pods of workers that may execute flow runs in their own pods."""

    def __init__(self, client: KubernetesClient, instance: str, namespace: str, namespaces: Iterable[str]) -> None:
        super().__init__(client, instance, "workers", namespace)
        self.namespaces = sorted({namespace, *namespaces})

    def active(self) -> list[Manifest]:
        """Return the pods of runs and workers that have not ended, and the Jobs of runs that have no pod yet."""
        pods = self.pods_of_runs()
        owners = {(pod["metadata"]["namespace"], name) for pod in pods for name in _jobs_of(pod)}
        jobs = [
            job for job in self.jobs_of_runs() if (job["metadata"]["namespace"], job["metadata"]["name"]) not in owners
        ]
        return pods + self.pods_of_workers() + jobs

    def pods_of_runs(self) -> list[Manifest]:
        """Return the pods of runs that have not ended."""
        found = self._active(f"{RUNS_LABEL}={self.instance}")
        # The job template of a pool can be without the label: an API client can change it.
        found += [pod for pod in self._active(_RUN_LABEL) if self._started(pod)]
        return list({place_of(pod): pod for pod in found}.values())

    def jobs_of_runs(self) -> list[Manifest]:
        """Return the Jobs of runs that have not ended."""
        found = self._listed_everywhere("/apis/batch/v1", ("batch/v1", "Job"), "jobs", _RUN_LABEL)
        return [
            job for job in found if self._started(job) and not {"Complete", "Failed"} & conditions_that_hold(job).keys()
        ]

    def _started(self, item: Manifest) -> bool:
        """Whether a worker of the instance has created a Job or pod."""
        worker = (item["metadata"].get("labels") or {}).get(_WORKER_LABEL, "")
        return str(worker).startswith(f"{self.instance}-worker-")

    def pods_of_workers(self) -> list[Manifest]:
        """Return the pods of workers, without the observer, which reports the state of runs."""
        found = self._active(f"{INSTANCE_LABEL}={self.instance},{GROUP_LABEL}={self.group}")
        return [pod for pod in found if not self._observes(pod["metadata"]["labels"].get(WORKLOAD_LABEL, ""))]

    def stop_workers(self) -> None:
        """Delete the workers and their autoscalers, but nothing that running flow runs need."""
        found = [item for item in self.owned(self.namespaces, _WORKERS) if not self._observes(item["metadata"]["name"])]
        for kind in _WORKERS:
            self.client.together(self.delete, [item for item in found if item["kind"] == kind[1]])

    def end(self, seconds: int) -> None:
        """Delete the Jobs of all flow runs, and the pods of runs and workers, with a grace period in seconds."""
        jobs = [(pod["metadata"]["namespace"], name) for pod in self.pods_of_runs() for name in _jobs_of(pod)]
        jobs += [(job["metadata"]["namespace"], job["metadata"]["name"]) for job in self.jobs_of_runs()]
        for namespace, name in dict.fromkeys(jobs):
            path = f"/apis/batch/v1/namespaces/{part(namespace)}/jobs/{part(name)}"
            self._delete(path, {"propagationPolicy": "Background"})
        self.delete_pods(seconds)

    def delete_pods(self, seconds: int) -> int:
        """Delete the pods of runs and workers with a grace period in seconds, and return their number."""
        pods = self.pods_of_runs() + self.pods_of_workers()
        for pod in pods:
            metadata = pod["metadata"]
            path = f"/api/v1/namespaces/{part(metadata['namespace'])}/pods/{part(metadata['name'])}"
            self._delete(path, {"gracePeriodSeconds": str(seconds)})
        return len(pods)

    def _observes(self, workload: str) -> bool:
        return workload == f"{self.instance}-observer"

    def _active(self, selector: str) -> list[Manifest]:
        return [pod for pod in self._listed_everywhere("/api/v1", ("v1", "Pod"), "pods", selector) if _is_active(pod)]

    def _listed_everywhere(self, api: str, kind: tuple[str, str], resource: str, selector: str) -> list[Manifest]:
        """Return objects in all namespaces of runs and workers."""

        def read(namespace: str) -> list[Manifest]:
            return self._labelled_at(f"{api}/namespaces/{part(namespace)}/{resource}", kind, selector)

        try:
            return [item for items in self.client.together(read, self.namespaces) for item in items]
        except ApiError as error:
            raise KubernetesError(advice_on(error)) from error

    def _delete(self, path: str, query: Mapping[str, Any]) -> None:
        try:
            self.client.json("DELETE", path, query)
        except ApiError as error:
            if error.status != 404:
                raise KubernetesError(f"{path}: {advice_on(error)}") from error


def _jobs_of(pod: Mapping[str, Any]) -> list[str]:
    """Return the names of the Jobs that own a pod."""
    return [owner["name"] for owner in pod["metadata"].get("ownerReferences") or [] if owner["kind"] == "Job"]


def _is_active(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase", "Pending") in _ACTIVE


def names(active: Iterable[Manifest], most: int = 5) -> str:
    """Return the names of the first pods and Jobs, for a message."""
    found = [title(item) for item in active]
    return ", ".join(found[:most]) + (", ..." if len(found) > most else "")
