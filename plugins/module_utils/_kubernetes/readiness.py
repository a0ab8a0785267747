# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Readiness of workloads, and problems of their pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import KubernetesError
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import (
    conditions_that_hold,
    place_of,
    title,
)

# The field with the minimum number of replicas, and its default.
AUTOSCALERS = {"HorizontalPodAutoscaler": ("minReplicas", 1), "ScaledObject": ("minReplicaCount", 0)}
_WAITED_FOR = ("Deployment", "StatefulSet", "DaemonSet", "Job", "Cluster")


def is_workload(manifest: Mapping[str, Any]) -> bool:
    """Whether an object is a workload whose pods can be waited for."""
    return manifest["kind"] in _WAITED_FOR


def fewest_pods(manifests: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], int]:
    """Return the minimum replicas of the autoscalers, by namespace, kind and name of the workload."""
    fewest = {}
    for manifest in manifests:
        if manifest["kind"] in AUTOSCALERS:
            field, default = AUTOSCALERS[manifest["kind"]]
            target = manifest["spec"]["scaleTargetRef"]
            namespace, _kind, _name = place_of(manifest)
            place = (namespace, target.get("kind") or "Deployment", target["name"])
            # KEDA uses this number while the scaler is inactive.
            fewest[place] = int(manifest["spec"].get("idleReplicaCount", manifest["spec"].get(field, default)))
    return fewest


def unfinished(manifest: Mapping[str, Any], fewest: int = 0) -> str:
    """Return why a workload is not ready, an empty string if it is ready. Raise if it never will be.

    C(fewest) is the minimum of an autoscaler, which raises a lower number, for example of a new Deployment.
    """
    if manifest["kind"] == "Job":
        return _unfinished_job(manifest)
    if manifest["kind"] == "Cluster":
        return _unfinished_cluster(manifest)
    return _unfinished_pods(manifest, fewest)


def _unfinished_pods(manifest: Mapping[str, Any], fewest: int) -> str:
    spec, status, kind = manifest.get("spec") or {}, manifest.get("status") or {}, manifest["kind"]
    if status.get("observedGeneration", 0) < manifest["metadata"].get("generation", 0):
        return "its controller has not processed the change yet"
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    else:
        wanted = spec.get("replicas", 1)
        # With 0 replicas, a HorizontalPodAutoscaler is inactive.
        wanted = max(wanted, fewest) if wanted else 0
        updated, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return f"{updated} of {wanted} pods are up to date"
    if kind == "Deployment" and status.get("replicas", 0) > updated:
        return f"{status['replicas'] - updated} old pods still exist"
    if kind == "StatefulSet" and wanted and status.get("currentRevision") != status.get("updateRevision"):
        return "old pods still exist"
    return f"{ready} of {wanted} pods are ready" if ready < wanted else ""


def _unfinished_cluster(manifest: Mapping[str, Any]) -> str:
    """Return why a CloudNativePG Cluster is not ready."""
    spec, status = manifest.get("spec") or {}, manifest.get("status") or {}
    wanted, ready = spec.get("instances", 1), status.get("readyInstances", 0)
    return f"{ready} of {wanted} pods are ready ({status.get('phase', 'no phase')})" if ready < wanted else ""


def _unfinished_job(manifest: Mapping[str, Any]) -> str:
    conditions = conditions_that_hold(manifest)
    if "Complete" in conditions:
        return ""
    if "Failed" in conditions:
        reason = conditions["Failed"].get("message", conditions["Failed"].get("reason"))
        raise KubernetesError(f"{title(manifest)} failed: {reason}")
    return "it is not complete"


def pod_trouble(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the containers of a pod with problems, each with the reason."""
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            yield "", f"is not scheduled: {condition.get('message', '')}"
    for container in (status.get("initContainerStatuses") or []) + (status.get("containerStatuses") or []):
        state = container.get("state") or {}
        ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated")
        if state.get("waiting") and state["waiting"].get("reason") not in ("ContainerCreating", "PodInitializing"):
            yield container["name"], f"{state['waiting'].get('reason')}: {state['waiting'].get('message', '')}"
        elif ended and ended.get("exitCode"):
            yield container["name"], f"ended with {ended['exitCode']} ({ended.get('reason', '')})"
        elif state.get("running") and not container.get("ready"):
            yield container["name"], "is not ready"
