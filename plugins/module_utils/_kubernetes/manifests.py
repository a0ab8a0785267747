# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Comparison, presentation and ownership of objects."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils import _secrets as secrets
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import Manifest
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import HOME_LABEL, INSTANCE_LABEL, RUNS_LABEL

# Kinds that can be pruned. Kinds whose API the cluster does not have are skipped.
KINDS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("keda.sh/v1alpha1", "TriggerAuthentication"),
    ("keda.sh/v1alpha1", "ClusterTriggerAuthentication"),
    ("postgresql.cnpg.io/v1", "Cluster"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("gateway.networking.k8s.io/v1", "HTTPRoute"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
)
# Kubernetes creates these in every namespace.
_OF_THE_CLUSTER = ("kube-root-ca.crt", "openshift-service-ca.crt")
# Their pods depend on the other objects.
LAST = (
    "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "HorizontalPodAutoscaler", "ScaledObject",
    "Cluster",
)  # fmt: skip
CLUSTER = ("postgresql.cnpg.io/v1", "Cluster")
_RUNTIME = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
# Masking a shorter value would remove words and numbers from the output of the task.
_SECRET_CHARACTERS = 6


@dataclass(frozen=True)
class Change:
    action: str  # create, update, replace or delete
    before: Manifest | None
    after: Manifest | None

    @property
    def title(self) -> str:
        return title(self.after or self.before or {})


def is_somebodys(manifest: Mapping[str, Any]) -> bool:
    """Whether neither this collection, a run, the cluster nor a controller has created an object."""
    metadata = manifest["metadata"]
    labels = metadata.get("labels") or {}
    return not (
        INSTANCE_LABEL in labels
        or RUNS_LABEL in labels
        or metadata.get("ownerReferences")
        or metadata["name"] in _OF_THE_CLUSTER
        or manifest.get("type") == "kubernetes.io/service-account-token"
    )


def title(manifest: Mapping[str, Any]) -> str:
    metadata = manifest["metadata"]
    where = f" in {metadata['namespace']}" if metadata.get("namespace") else ""
    return f"{manifest['kind']} {metadata['name']}{where}"


def owner(manifest: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the instance of an object and its namespace, None if this collection has not created the object."""
    labels = manifest["metadata"].get("labels") or {}
    if INSTANCE_LABEL not in labels:
        return None
    home = labels.get(HOME_LABEL) or manifest["metadata"].get("namespace") or ""
    return labels[INSTANCE_LABEL], home


def comparable(manifest: Mapping[str, Any]) -> Manifest:
    """Return an object without its status and the metadata that the cluster sets."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in _RUNTIME}
    rest = {name: value for name, value in manifest.items() if name not in ("metadata", "status")}
    return {**rest, "metadata": metadata}


def presentable(manifest: Manifest | None, other: Manifest | None) -> Manifest:
    """Return an object for the diff. The values of a Secret are hidden, and only marked if they differ."""
    if manifest is None:
        return {}
    shown = comparable(manifest)
    if manifest["kind"] == "Secret":
        others = (other or {}).get("data") or {}
        shown["data"] = {
            name: "hidden" if others.get(name) == value else "hidden, differs"
            for name, value in {**(manifest.get("data") or {}), **(shown.pop("stringData", None) or {})}.items()
        }
    return shown


def secret_values(manifests: Sequence[Mapping[str, Any]], *open_words: str) -> set[str]:
    """Return the values of Secrets, encoded and decoded.

    A value that other objects contain too, such as the name of the database user, is not secret.
    """
    in_the_open = [json.dumps(manifest, ensure_ascii=False) for manifest in manifests if manifest["kind"] != "Secret"]
    in_the_open += [json.dumps(manifest["metadata"]) for manifest in manifests if manifest["kind"] == "Secret"]
    in_the_open += open_words
    values: set[str] = set()
    for manifest in manifests:
        if manifest["kind"] == "Secret":
            sent = {name: str(value) for name, value in (manifest.get("data") or {}).items()}
            texts = {name: str(value) for name, value in (manifest.get("stringData") or {}).items()}
            read = secrets.secret_values(
                [*((name, _decoded(value)) for name, value in sent.items()), *texts.items()], _SECRET_CHARACTERS
            )
            values.update(value for name, value in sent.items() if not secrets.is_place(name))
            values.update(value for value in read if not any(value in text for text in in_the_open))
    return {value for value in values if len(value) >= _SECRET_CHARACTERS}


def _decoded(value: str) -> str:
    """Return a decoded value of a Secret, an empty string if it is not text."""
    try:
        return base64.b64decode(value).decode()
    except ValueError:
        return ""


def place_of(manifest: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return metadata.get("namespace") or "", manifest["kind"], metadata["name"]


def conditions_that_hold(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the conditions with the status True."""
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return {condition["type"]: condition for condition in conditions if condition["status"] == "True"}
