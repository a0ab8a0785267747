# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""A set of Kubernetes objects kept as described: applied by the server, compared, waited for, pruned."""

from __future__ import annotations

import base64
import copy
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ApiError,
    KubernetesClient,
    KubernetesError,
    Manifest,
    part,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import (
    GROUP_LABEL,
    HOME_LABEL,
    INSTANCE_LABEL,
    MADE_HERE,
    RUNS_LABEL,
    described,
)

MANAGER = "selfhosted.prefect"

# What can be pruned. Kinds whose API the cluster does not have are passed over.
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
# Whose API some clusters have, and some of those for others only: a login that may not list them there has made none.
_OPTIONAL = frozenset(("keda.sh/v1alpha1", "postgresql.cnpg.io/v1", "gateway.networking.k8s.io/v1"))
# Something of every instance whose pods, or whose runs, are in a namespace.
_TRACES = (
    ("apps/v1", "Deployment"), ("apps/v1", "DaemonSet"), ("rbac.authorization.k8s.io/v1", "Role"), ("v1", "Secret"),
)  # fmt: skip
# What somebody else may have put into a namespace and would miss. Their pods belong to one of these, or to a run.
_OTHERS = (
    ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "CronJob"),
    ("v1", "PersistentVolumeClaim"), ("v1", "Secret"), ("v1", "ConfigMap"), ("v1", "Service"),
)  # fmt: skip
# Kubernetes makes these itself, in every namespace.
_OF_THE_CLUSTER = ("kube-root-ca.crt", "openshift-service-ca.crt")
# Never pruned: it may hold what others have put there.
_NAMESPACE = ("v1", "Namespace")
_FIRST = ("Namespace", "CustomResourceDefinition")
# A login that is no administrator of the cluster may only bind a role that is there.
_ROLES = ("Role", "ClusterRole")
# Their pods need what the other objects give them.
_LAST = (
    "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod", "HorizontalPodAutoscaler", "ScaledObject",
    "Cluster",
)  # fmt: skip
_CLUSTER = ("postgresql.cnpg.io/v1", "Cluster")
# What says how many pods they make at least, and how many if it is not said.
_AUTOSCALERS = {"HorizontalPodAutoscaler": ("minReplicas", 1), "ScaledObject": ("minReplicaCount", 0)}
_WAITED_FOR = ("Deployment", "StatefulSet", "DaemonSet", "Job", "Cluster")
_RUNTIME = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# What the API server says of fields that never change, in general and of a StatefulSet.
_NEVER_CHANGES = ("immutable", "updates to statefulset spec")
_LOG_LINES = 15
_INTERVAL = 0.5
# A pod has 30 seconds to end, and the controller of a busy cluster takes its time.
_GONE_SECONDS = 180
# A shorter one would take words and numbers out of all that a task says.
_SECRET_CHARACTERS = 6


@dataclass(frozen=True)
class Change:
    action: str  # create, update, replace or delete
    before: Manifest | None
    after: Manifest | None

    @property
    def title(self) -> str:
        return title(self.after or self.before or {})


def _is_somebodys(manifest: Mapping[str, Any]) -> bool:
    """Whether an object was made by neither this collection, nor a run, nor the cluster, nor for another object."""
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
    """Return the instance that an object is of and the namespace of that, None if this collection has not made it."""
    labels = manifest["metadata"].get("labels") or {}
    if INSTANCE_LABEL not in labels:
        return None
    home = labels.get(HOME_LABEL) or manifest["metadata"].get("namespace") or ""
    return labels[INSTANCE_LABEL], home


def comparable(manifest: Mapping[str, Any]) -> Manifest:
    """Return what somebody wants of an object, without what the cluster notes about it."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in _RUNTIME}
    rest = {name: value for name, value in manifest.items() if name not in ("metadata", "status")}
    return {**rest, "metadata": metadata}


def presentable(manifest: Manifest | None, other: Manifest | None) -> Manifest:
    """Return an object for the eyes of everybody: of a Secret, only which values differ from the other's."""
    if manifest is None:
        return {}
    shown = comparable(manifest)
    if manifest["kind"] == "Secret":
        others = (other or {}).get("data") or {}
        shown["data"] = {
            name: "hidden" if others.get(name) == value else "hidden, and differs"
            for name, value in {**(manifest.get("data") or {}), **(shown.pop("stringData", None) or {})}.items()
        }
    return shown


def secret_values(manifests: Sequence[Mapping[str, Any]], *open_words: str) -> set[str]:
    """Return what the Secrets among some objects hold, as it is sent and as it is read.

    What stands in the open as well, such as the name of the database's user, is no secret.
    """
    in_the_open = [json.dumps(manifest, ensure_ascii=False) for manifest in manifests if manifest["kind"] != "Secret"]
    in_the_open += [json.dumps(manifest["metadata"]) for manifest in manifests if manifest["kind"] == "Secret"]
    in_the_open += open_words
    values: set[str] = set()
    for manifest in manifests:
        if manifest["kind"] == "Secret":
            # Where something is has to be legible in what says that it is not there.
            sent = [str(value) for name, value in (manifest.get("data") or {}).items() if not name.endswith("_HOST")]
            read = [*map(_decoded, sent), *map(str, (manifest.get("stringData") or {}).values())]
            values.update(sent)
            values.update(value for value in read if not any(value in text for text in in_the_open))
    return {value for value in values if len(value) >= _SECRET_CHARACTERS}


def _decoded(value: str) -> str:
    """Return what stands in a Secret, nothing where it is no text."""
    try:
        return base64.b64decode(value).decode()
    except ValueError:
        return ""


def waves(manifests: Sequence[Manifest]) -> list[list[Manifest]]:
    """Return the objects in the order in which they are applied; those of one wave do not need one another."""

    def wave(manifest: Manifest) -> int:
        early = {**dict.fromkeys(_FIRST, 0), **dict.fromkeys(_ROLES, 1)}
        return early.get(manifest["kind"], 3 if manifest["kind"] in _LAST else 2)

    return [[manifest for manifest in manifests if wave(manifest) == number] for number in range(4)]


def is_workload(manifest: Mapping[str, Any]) -> bool:
    """Whether something runs pods, which can be waited for."""
    return manifest["kind"] in _WAITED_FOR


def _place(manifest: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return metadata.get("namespace") or "", manifest["kind"], metadata["name"]


def fewest_pods(manifests: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], int]:
    """Return how many pods the autoscalers among some objects make at least, by the workload's place, kind and name."""
    fewest = {}
    for manifest in manifests:
        if manifest["kind"] in _AUTOSCALERS:
            field, default = _AUTOSCALERS[manifest["kind"]]
            target = manifest["spec"]["scaleTargetRef"]
            namespace, _kind, _name = _place(manifest)
            place = (namespace, target.get("kind") or "Deployment", target["name"])
            # KEDA makes this many while there is nothing to do.
            fewest[place] = int(manifest["spec"].get("idleReplicaCount", manifest["spec"].get(field, default)))
    return fewest


def unfinished(manifest: Mapping[str, Any], fewest: int = 0) -> str:
    """Return what a workload still lacks, an empty text if nothing. Raises if it will never be there.

    C(fewest) is what an autoscaler will make of a number of pods that is lower, as that of a new Deployment is.
    """
    if manifest["kind"] == "Job":
        return _unfinished_job(manifest)
    if manifest["kind"] == "Cluster":
        return _unfinished_cluster(manifest)
    return _unfinished_pods(manifest, fewest)


def _unfinished_pods(manifest: Mapping[str, Any], fewest: int) -> str:
    spec, status, kind = manifest.get("spec") or {}, manifest.get("status") or {}, manifest["kind"]
    if status.get("observedGeneration", 0) < manifest["metadata"].get("generation", 0):
        return "the cluster has not looked at it yet"
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)
    else:
        wanted = spec.get("replicas", 1)
        # Where somebody wants no pods at all, a HorizontalPodAutoscaler does nothing.
        wanted = max(wanted, fewest) if wanted else 0
        updated, ready = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    if updated < wanted:
        return f"{updated} of {wanted} pods are up to date"
    if kind == "Deployment" and status.get("replicas", 0) > updated:
        return f"{status['replicas'] - updated} old pods are still there"
    if kind == "StatefulSet" and wanted and status.get("currentRevision") != status.get("updateRevision"):
        return "old pods are still there"
    return f"{ready} of {wanted} pods are ready" if ready < wanted else ""


def _unfinished_cluster(manifest: Mapping[str, Any]) -> str:
    """Of CloudNativePG."""
    spec, status = manifest.get("spec") or {}, manifest.get("status") or {}
    wanted, ready = spec.get("instances", 1), status.get("readyInstances", 0)
    return f"{ready} of {wanted} pods are ready ({status.get('phase', 'no phase')})" if ready < wanted else ""


def _conditions(manifest: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the conditions that hold."""
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return {condition["type"]: condition for condition in conditions if condition["status"] == "True"}


def _unfinished_job(manifest: Mapping[str, Any]) -> str:
    conditions = _conditions(manifest)
    if "Complete" in conditions:
        return ""
    if "Failed" in conditions:
        reason = conditions["Failed"].get("message", conditions["Failed"].get("reason"))
        raise KubernetesError(f"{title(manifest)} has failed: {reason}")
    return "it is not complete"


def _is_immutable(error: ApiError) -> bool:
    """Whether the API server has refused nothing but to change what it never changes."""
    causes = (error.body.get("details") or {}).get("causes") or [{"message": str(error)}]
    messages = [cause.get("message") or "" for cause in causes]
    return error.status == 422 and all(any(words in message for words in _NEVER_CHANGES) for message in messages)


def _is_of_an_autoscaler(error: ApiError) -> bool:
    """Whether nothing is in conflict but a number of pods, which an autoscaler has set, and not a person by kubectl."""
    causes = (error.body.get("details") or {}).get("causes") or []
    return error.status == 409 and bool(causes) and all(map(_is_scaled, causes))


def _is_scaled(cause: Mapping[str, Any]) -> bool:
    message = cause.get("message") or ""
    scaled = cause.get("field") == ".spec.replicas" and 'with subresource "scale"' in message
    return scaled and not message.startswith('conflict with "kubectl')


def _pod_trouble(pod: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the containers of a pod that are not well, each with the reason."""
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


class ObjectSet:
    """The objects of one group of an instance, in one cluster."""

    def __init__(
        self,
        client: KubernetesClient,
        instance: str,
        group: str,
        namespace: str,
        *,
        dry_run: bool = False,
        force: bool = False,
        keep_databases: bool = False,
    ) -> None:
        self.client = client
        self.instance = instance
        self.group = group
        self.namespace = namespace
        self.dry_run = dry_run
        self.force = force
        self.keep_databases = keep_databases
        self.kept: list[Manifest] = []
        self._resources: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._sees_all_namespaces = True  # until the API server refuses

    # Paths

    def discover(self) -> None:
        """Ask which kinds the cluster has, in all versions of its API, with two requests."""
        if self._resources:
            return
        answers = self.client.together(lambda path: self.client.json("GET", path, accept=_DISCOVERY), ["/api", "/apis"])
        for group in (item for answer in answers for item in answer["items"]):
            name = group["metadata"].get("name")
            for version in group["versions"]:
                kinds = {entry["responseKind"]["kind"]: entry for entry in version.get("resources") or []}
                self._resources["/".join(filter(None, (name, version["version"])))] = kinds

    def path(self, version: str, kind: str, namespace: str | None) -> str | None:
        """Return where objects of a kind are, None where the cluster does not know the kind.

        Without a namespace, objects are in that of the instance; an empty one stands for all namespaces.
        """
        self.discover()
        resource = self._resources.get(version, {}).get(kind)
        if resource is None:
            return None
        base = "/api/v1" if version == "v1" else f"/apis/{version}"
        namespace = self.namespace if namespace is None else namespace
        inside = f"/namespaces/{part(namespace)}" if namespace and resource["scope"] == "Namespaced" else ""
        return f"{base}{inside}/{resource['resource']}"

    def path_of(self, manifest: Mapping[str, Any]) -> str:
        metadata = manifest["metadata"]
        path = self.path(manifest["apiVersion"], manifest["kind"], metadata.get("namespace") or None)
        if path is None:
            raise KubernetesError(
                f"the cluster has no {manifest['kind']} in {manifest['apiVersion']}, which {metadata['name']} needs: "
                "install what brings it, or switch off what asks for it"
            )
        return f"{path}/{part(metadata['name'])}"

    # Writing

    def labelled(self, manifest: Mapping[str, Any]) -> Manifest:
        """Return an object with the labels that say whose it is, and with its namespace."""
        result = copy.deepcopy(dict(manifest))
        metadata = result.setdefault("metadata", {})
        metadata["labels"] = {
            **(metadata.get("labels") or {}),
            **described({INSTANCE_LABEL: self.instance, GROUP_LABEL: self.group}),
            **MADE_HERE,
        }
        template = (result.get("spec") or {}).get("template") or {}
        if "metadata" in template:
            template["metadata"].setdefault("labels", {}).update(described({GROUP_LABEL: self.group}))
        self.discover()
        resource = self._resources.get(result["apiVersion"], {}).get(result["kind"])
        if resource and resource["scope"] == "Namespaced":
            metadata.setdefault("namespace", self.namespace)
        if metadata.get("namespace") != self.namespace:
            metadata["labels"][HOME_LABEL] = self.namespace
        return result

    def _write(self, manifest: Manifest, manager: str, *, dry_run: bool = False, force: bool = False) -> Manifest:
        query = {"fieldManager": manager, "force": str(force or self.force).lower()}
        if self.dry_run or dry_run:
            query["dryRun"] = "All"
        written: Manifest = self.client.json(
            "PATCH", self.path_of(manifest), query, manifest, "application/apply-patch+yaml"
        )
        return written

    def apply(self, manifest: Manifest) -> Change | None:
        """Make one object as described, and return what that changed."""
        before = self.client.found(self.path_of(manifest))
        if before is not None and not self._is_ours(before):
            if manifest["kind"] == "Namespace":
                return None  # it is for whoever has made it, and may be shared
            self._refuse_to_take(before)
        if before is not None and manifest["kind"] == "Job":
            if "Complete" in _conditions(before):
                return None  # its name says what it does, and that is done
            if self._has_to_be_replaced(before, manifest):
                return self._replace(before, manifest)
        try:
            if before is not None and not self.dry_run:
                self._hand_over_replicas(before, manifest)
            after = self._write_or_take_over(manifest)
        except ApiError as error:
            if self.dry_run and error.status == 404:
                after = manifest  # its namespace is only predicted itself
            else:
                raise KubernetesError(f"{title(manifest)}: {self._advice_on(manifest, error)}") from error
        if before is None:
            return Change("create", None, after)
        if before["metadata"].get("resourceVersion") == after["metadata"].get("resourceVersion") and not self.dry_run:
            return None
        return None if comparable(before) == comparable(after) else Change("update", before, after)

    def _has_to_be_replaced(self, before: Manifest, manifest: Manifest) -> bool:
        """Whether a Job that is not complete never will be, or has pods other than described, which never change."""
        if "Failed" in _conditions(before) or before["metadata"].get("deletionTimestamp"):
            return True
        try:
            self._write(manifest, MANAGER, dry_run=True)
        except ApiError as error:
            return _is_immutable(error)  # anything else is reported when it is applied
        return False

    def _replace(self, before: Manifest, manifest: Manifest) -> Change:
        if self.dry_run:  # nothing of the same name can be predicted beside it
            return Change("replace", before, manifest)
        # With its pods, so that two migrations never run side by side.
        self.delete(before, wait=True)
        self._wait_until_gone([before], _GONE_SECONDS)
        try:
            return Change("replace", before, self._write(manifest, MANAGER))
        except ApiError as error:
            raise KubernetesError(f"{title(manifest)}: {self._advice(error)}") from error

    def _is_ours(self, manifest: Mapping[str, Any]) -> bool:
        return owner(manifest) == (self.instance, self.namespace)

    @staticmethod
    def _refuse_to_take(before: Mapping[str, Any]) -> None:
        """Raise if an object of the same name is another instance's."""
        other = owner(before)
        if other:
            raise KubernetesError(
                f"{title(before)} is of the instance {other[0]} in namespace {other[1]}. Give one of the two another "
                "prefect_instance, or its pools another job.namespace; if that instance is gone, delete the object"
            )

    @staticmethod
    def _advice(error: ApiError) -> str:
        if error.status == 409:
            return (
                f"{error}. Something else manages these fields. Take them out of what it applies, or set "
                "prefect_kubernetes_force_conflicts to true to take them over."
            )
        if error.status == 403:
            return f"{error}. Give the login of this kubeconfig that permission; preflight.yml lists all it needs."
        return str(error)

    def _advice_on(self, manifest: Mapping[str, Any], error: ApiError) -> str:
        """Return what to do where an object is refused because of the one that is there."""
        if not _is_immutable(error):
            return self._advice(error)
        resource = self.path_of(manifest).split("/")[-2]
        group = manifest["apiVersion"].rpartition("/")[0]
        metadata = manifest["metadata"]
        where = f" -n {metadata['namespace']}" if metadata.get("namespace") else ""
        return (
            f"{error}. What is there has other values of fields that never change: another version, or another tool, "
            "has made it. Delete it and repeat the playbook; volumes stay: kubectl delete "
            f"{'.'.join(filter(None, (resource, group)))} {metadata['name']}{where}"
        )

    # Who decides on the number of pods

    def _hand_over_replicas(self, before: Manifest, manifest: Manifest) -> None:
        """Leave the number of pods as it is when an autoscaler takes over.

        A field that its only manager no longer applies is reset to its default, here one pod.
        """
        if "replicas" in manifest.get("spec", {}) or "replicas" not in before.get("spec", {}):
            return
        owners = [
            entry["manager"]
            for entry in before["metadata"].get("managedFields") or []
            if "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        ]
        if owners == [MANAGER]:
            keep = {name: manifest[name] for name in ("apiVersion", "kind")}
            metadata = {name: manifest["metadata"].get(name) for name in ("name", "namespace")}
            keep.update(metadata=metadata, spec={"replicas": before["spec"]["replicas"]})
            self._write(keep, f"{MANAGER}-autoscaled")

    def _write_or_take_over(self, manifest: Manifest) -> Manifest:
        """Apply an object; a number of pods that it states was the autoscaler's until that was switched off."""
        try:
            return self._write(manifest, MANAGER)
        except ApiError as error:
            if not _is_of_an_autoscaler(error):
                raise
        return self._write(manifest, MANAGER, force=True)

    def apply_all(self, manifests: Sequence[Manifest]) -> list[Change]:
        changes: list[Change] = []
        for wave in waves(manifests):
            changes += [change for change in self.client.together(self.apply, wave) if change]
        return changes

    # Pruning

    def owned(self, namespaces: Iterable[str], kinds: Sequence[tuple[str, str]] = KINDS) -> list[Manifest]:
        """Return the objects that carry the labels of this group, in all namespaces if the login may see those."""
        within = {self.namespace, *namespaces}
        kinds = [kind for kind in kinds if self.path(*kind, None)]

        def read(kind: tuple[str, str]) -> list[Manifest]:
            return self._owned_of_kind(kind, within)

        # The first shows whether the login may, so that all others need not ask in vain.
        lists = [read(kind) for kind in kinds[:1]] + self.client.together(read, kinds[1:])
        # Endpoints and the like inherit the labels of what they were made for.
        return [item for items in lists for item in items if not item["metadata"].get("ownerReferences")]

    def _owned_of_kind(self, kind: tuple[str, str], within: set[str]) -> list[Manifest]:
        everywhere = self.path(*kind, "") or ""
        is_namespaced = everywhere != self.path(*kind, None)
        if self._sees_all_namespaces or not is_namespaced:
            try:
                return [item for item in self._labelled_at(everywhere, kind, self._of_group()) if self._is_ours(item)]
            except ApiError as error:
                if error.status != 403:
                    raise KubernetesError(self._advice(error)) from error
                if not is_namespaced:
                    # A login for one namespace may not list what belongs to the whole cluster, and has made none of it.
                    return []
                if kind == KINDS[0]:  # what is asked first; another kind may be closed by itself, as Secrets are
                    self._sees_all_namespaces = False
        paths = [self.path(*kind, namespace) or "" for namespace in sorted(within)]
        try:
            found = [item for path in paths for item in self._listed(path, kind, self._of_group())]
        except ApiError as error:
            raise KubernetesError(self._advice(error)) from error
        return [item for item in found if self._is_ours(item)]

    def _of_group(self) -> str:
        return f"{INSTANCE_LABEL}={self.instance},{GROUP_LABEL}={self.group}"

    def _labelled_at(self, path: str, kind: tuple[str, str], selector: str) -> list[Manifest]:
        answer = self.client.found(path, {"labelSelector": selector})
        return [{"apiVersion": kind[0], "kind": kind[1], **item} for item in (answer or {}).get("items") or []]

    def _listed(self, path: str, kind: tuple[str, str], selector: str) -> list[Manifest]:
        """Return objects of a kind in one namespace: none where the login need not have asked."""
        try:
            return self._labelled_at(path, kind, selector)
        except ApiError as error:
            if error.status == 403 and kind[0] in _OPTIONAL:
                return []
            raise

    def delete(self, manifest: Manifest, *, wait: bool = False) -> Change:
        query = {"propagationPolicy": "Foreground" if wait else "Background"}
        if self.dry_run:
            query["dryRun"] = "All"
        try:
            self.client.json("DELETE", self.path_of(manifest), query)
        except ApiError as error:
            if error.status != 404:
                raise KubernetesError(f"{title(manifest)}: {self._advice(error)}") from error
        return Change("delete", manifest, None)

    def prune(self, manifests: Sequence[Manifest], namespaces: Iterable[str]) -> list[Change]:
        """Delete what an earlier run has made and this one does not list."""
        wanted = {self._key(manifest) for manifest in manifests}
        extra = [found for found in self.owned(namespaces) if self._key(found) not in wanted]
        if self.keep_databases:
            self.kept = [found for found in extra if found["kind"] == "Cluster"]
        return self.client.together(self.delete, [found for found in extra if found not in self.kept])

    def refuse_to_lose_databases(self, manifests: Sequence[Manifest], namespaces: Iterable[str]) -> None:
        """Raise if a database would be deleted whose operator deletes the volumes with it."""
        wanted = {self._key(manifest) for manifest in manifests}
        for found in self.owned(namespaces, [_CLUSTER]):
            if self._key(found) not in wanted:
                metadata = found["metadata"]
                where = f"-n {metadata['namespace']} clusters.postgresql.cnpg.io {metadata['name']}"
                raise KubernetesError(
                    f"{title(found)} is no longer in the inventory. It is not deleted, because CloudNativePG would "
                    "delete its volumes, and with them all data. Either take it back into the inventory "
                    "(prefect_postgres, and prefect_postgres_kind: cloudnative_pg); or keep it and look after it "
                    f"yourself: kubectl label {where} {INSTANCE_LABEL}-; or delete it, when its data is elsewhere: "
                    f"kubectl delete {where}"
                )

    def remove_all(self, namespaces: Iterable[str], timeout: float) -> list[Change]:
        """Delete all objects of the group, and wait until they, and their pods, are gone."""
        owned = self.owned(namespaces, (*KINDS, _NAMESPACE))
        found = [item for item in owned if not self._is_shared(item) and not self._holds_others(item)]
        if self.keep_databases and any(item["kind"] == "Cluster" for item in found):
            # With its password and with what closes it to others.
            self.kept, found = found, []
        changes = self.client.together(lambda item: self.delete(item, wait=item["kind"] in _LAST), found)
        if not self.dry_run:
            self._wait_until_gone(found, timeout)
        return changes

    def _wait_until_gone(self, manifests: Sequence[Manifest], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while manifests := [item for item in manifests if self.client.found(self.path_of(item))]:
            if time.monotonic() > deadline:
                raise KubernetesError(f"{title(manifests[0])} is still there after {timeout:.0f} s")
            time.sleep(_INTERVAL)

    def _is_shared(self, manifest: Mapping[str, Any]) -> bool:
        """Whether an object is a namespace in which another instance runs, or has its Jobs."""
        if manifest["kind"] != "Namespace":
            return False
        paths = [path for path in (self.path(*kind, manifest["metadata"]["name"]) for kind in _TRACES) if path]
        query = {"labelSelector": INSTANCE_LABEL}  # of whichever instance
        answers = self.client.together(lambda path: self.client.json("GET", path, query), paths)
        return any(not self._is_ours(item) for answer in answers for item in answer["items"])

    def _holds_others(self, manifest: Mapping[str, Any]) -> bool:
        """Whether an object is a namespace with something in it that is not of this collection, nor of a run."""
        if manifest["kind"] != "Namespace":
            return False
        namespace = manifest["metadata"]["name"]

        def others(kind: tuple[str, str]) -> list[str]:
            path = self.path(*kind, namespace)
            items = self.client.json("GET", path, {})["items"] if path else []
            return [f"{kind[1]} {item['metadata']['name']}" for item in items if _is_somebodys(item)]

        found = [name for names in self.client.together(others, _OTHERS) for name in names]
        if found:
            more = ", ..." if len(found) > 5 else ""
            self.client.warnings.add(f"{title(manifest)} was left: it also holds {', '.join(found[:5])}{more}.")
        return bool(found)

    @staticmethod
    def _key(manifest: Mapping[str, Any]) -> tuple[str, str, str, str]:
        metadata = manifest["metadata"]
        api_group = manifest["apiVersion"].rpartition("/")[0]
        return api_group, manifest["kind"], metadata.get("namespace") or "", metadata["name"]

    # Waiting

    def workloads(self, groups: Iterable[str]) -> list[Manifest]:
        """Return what runs pods for some groups of the instance, and what says how many."""
        selector = f"{INSTANCE_LABEL}={self.instance},{GROUP_LABEL} in ({','.join(groups)})"

        def read(kind: tuple[str, str]) -> list[Manifest]:
            path = self.path(*kind, None)
            return self._listed(path, kind, selector) if path else []

        self.discover()
        kinds = [kind for kind in KINDS if kind[0] == "apps/v1" or kind == _CLUSTER or kind[1] in _AUTOSCALERS]
        return [item for items in self.client.together(read, kinds) for item in items]

    def wait(self, manifests: Sequence[Manifest], timeout: float) -> None:
        """Wait until the workloads are up to date and ready, and Jobs complete."""
        deadline = time.monotonic() + timeout
        waiting = [manifest for manifest in manifests if is_workload(manifest)]
        fewest = fewest_pods(manifests)
        while waiting:
            states = self.client.together(lambda manifest: self.client.json("GET", self.path_of(manifest)), waiting)
            lacking = []
            for manifest, answer in zip(waiting, states):
                state = {**manifest, **answer}
                try:
                    problem = unfinished(state, fewest.get(_place(manifest), 0))
                except KubernetesError as error:
                    raise KubernetesError(f"{error}{self._evidence(state)}") from error
                if problem:
                    lacking.append((manifest, state, problem))
            waiting = [manifest for manifest, _state, _problem in lacking]
            if waiting and time.monotonic() > deadline:
                texts = [f"{title(state)}: {problem}{self._evidence(state)}" for _m, state, problem in lacking]
                raise KubernetesError(f"not ready after {timeout:.0f} s.\n" + "\n".join(texts))
            if waiting:
                time.sleep(_INTERVAL)

    def _evidence(self, workload: Manifest) -> str:
        """Return what the pods of a workload complain about, with the end of their logs."""
        labels = ((workload["spec"].get("selector") or {}).get("matchLabels") or {}).items()
        if workload["kind"] == "Cluster":
            labels = {"cnpg.io/cluster": workload["metadata"]["name"]}.items()
        selector = ",".join(f"{name}={value}" for name, value in labels)
        path = self.path("v1", "Pod", workload["metadata"].get("namespace") or None)
        lines = []
        for pod in self.client.json("GET", path or "", {"labelSelector": selector})["items"][:20]:
            name = pod["metadata"]["name"]
            for container, trouble in _pod_trouble(pod):
                lines.append(f"  pod {name}{', container ' if container else ''}{container} {trouble}".rstrip())
                lines += [f"    {line}" for line in self._log(f"{path}/{part(name)}/log", container)]
        return "".join(f"\n{line}" for line in lines)

    def _log(self, path: str, container: str) -> list[str]:
        """Return the last lines of a container, of the one before it if it has just been started anew."""
        for previous in ("true", "false"):
            query = {"container": container, "tailLines": _LOG_LINES, "previous": previous}
            try:
                return self.client.text("GET", path, query).splitlines() if container else []
            except ApiError:
                continue
        return []
