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
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import title
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
_ACTIVE = ("Pending", "Running", "Unknown")


class RunningFlows(Pruning):
    """The pods of flow runs, and of workers that may execute flow runs in their own pods."""

    def __init__(self, client: KubernetesClient, instance: str, namespace: str, namespaces: Iterable[str]) -> None:
        super().__init__(client, instance, "workers", namespace)
        self.namespaces = sorted({namespace, *namespaces})

    def pods(self) -> list[Manifest]:
        """Return the pods of runs and workers that have not ended."""
        return self.pods_of_runs() + self.pods_of_workers()

    def pods_of_runs(self) -> list[Manifest]:
        """Return the pods of runs that have not ended."""
        return self._active(f"{RUNS_LABEL}={self.instance}")

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
        for pod in self.pods_of_runs():
            for owner in pod["metadata"].get("ownerReferences") or []:
                if owner["kind"] == "Job":
                    namespace = pod["metadata"]["namespace"]
                    path = f"/apis/batch/v1/namespaces/{part(namespace)}/jobs/{part(owner['name'])}"
                    self._delete(path, {"propagationPolicy": "Background"})
        self.delete_pods(seconds)

    def delete_pods(self, seconds: int) -> int:
        """Delete the pods of runs and workers with a grace period in seconds, and return their number."""
        pods = self.pods()
        for pod in pods:
            metadata = pod["metadata"]
            path = f"/api/v1/namespaces/{part(metadata['namespace'])}/pods/{part(metadata['name'])}"
            self._delete(path, {"gracePeriodSeconds": str(seconds)})
        return len(pods)

    def _observes(self, workload: str) -> bool:
        return workload == f"{self.instance}-observer"

    def _active(self, selector: str) -> list[Manifest]:
        def read(namespace: str) -> list[Manifest]:
            path = f"/api/v1/namespaces/{part(namespace)}/pods"
            return self._labelled_at(path, ("v1", "Pod"), selector)

        try:
            pods = [pod for pods in self.client.together(read, self.namespaces) for pod in pods]
        except ApiError as error:
            raise KubernetesError(advice_on(error)) from error
        return [pod for pod in pods if _is_active(pod)]

    def _delete(self, path: str, query: Mapping[str, Any]) -> None:
        try:
            self.client.json("DELETE", path, query)
        except ApiError as error:
            if error.status != 404:
                raise KubernetesError(f"{path}: {advice_on(error)}") from error


def _is_active(pod: Mapping[str, Any]) -> bool:
    return (pod.get("status") or {}).get("phase", "Pending") in _ACTIVE


def names(pods: Iterable[Manifest], most: int = 5) -> str:
    """Return the names of the first pods, for a message."""
    found = [title({"kind": "Pod", **pod}) for pod in pods]
    return ", ".join(found[:most]) + (", ..." if len(found) > most else "")
