# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions about a set of Kubernetes objects that need no cluster. tests/kubernetes tests the others on a cluster."""

from __future__ import annotations

import base64
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.apply import waves
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ApiError,
    KubernetesClient,
    KubernetesError,
    access,
    access_from_kubeconfig,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.facts import (
    _namespace,
    admission_policy,
    pods,
    quantity,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import (
    Change,
    comparable,
    presentable,
    secret_values,
    title,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.objects import ObjectSet
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.readiness import fewest_pods, unfinished
from ansible_collections.selfhosted.prefect.plugins.modules import kubernetes_objects


def made(kind: str, spec: Any = None, status: Any = None, **metadata: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "a", **metadata}, "spec": spec or {}, "status": status or {}}


class FakeClient:
    """An API server with a few kinds. It stores objects without changing them."""

    KINDS = (
        ("v1", "Pod", "pods"),
        ("v1", "Secret", "secrets"),
        ("v1", "Namespace", "namespaces"),
        ("apps/v1", "Deployment", "deployments"),
        ("batch/v1", "Job", "jobs"),
        ("rbac.authorization.k8s.io/v1", "Role", "roles"),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles"),
        ("postgresql.cnpg.io/v1", "Cluster", "clusters"),
    )

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.sees_all = True
        self.closed: tuple[str, ...] = ()
        self.requests: list[tuple[str, str]] = []
        self.warnings: set[str] = set()

    def json(
        self, method: str, path: str, query: dict[str, Any] | None = None, body: Any = None, *_: str, **__: str
    ) -> Any:
        if path in ("/api", "/apis"):
            return {"items": self._groups(core=path == "/api")}
        dry = (query or {}).get("dryRun") == "All"
        self.requests.append((f"{method} dry" if dry else method, path))
        if path.endswith(tuple(f"/{plural}" for _version, _kind, plural in self.KINDS)):
            return {"items": self._listed(path, (query or {}).get("labelSelector", ""))}
        before = self.objects.get(path)
        if before is None and method != "PATCH":
            raise ApiError(404, "not found", {})
        if method == "PATCH" and before and before["spec"].get("template") != body["spec"].get("template"):
            raise ApiError(422, "field is immutable", {"details": {"causes": [{"message": "field is immutable"}]}})
        if method == "DELETE" and not dry:
            del self.objects[path]
        if method == "PATCH" and not dry:
            self.objects[path] = {**(before or {}), **body}
        return body or before

    # The methods of the real client, which use only `json`.
    found = KubernetesClient.found
    together = staticmethod(KubernetesClient.together)

    def _listed(self, path: str, selector: str) -> list[Any]:
        """Return all objects of a kind, in one namespace or in all."""
        if ("/namespaces/" not in path and not self.sees_all) or path in self.closed:
            raise ApiError(403, "forbidden", {})
        base, _slash, plural = path.rpartition("/")
        wanted = {re.sub(r" in \((\w+)\)", r"=\1", term) for term in selector.split(",") if term}
        return [
            item
            for place, item in self.objects.items()
            if place.startswith(base)
            and place.split("/")[-2] == plural
            and wanted <= self._terms(item["metadata"].get("labels") or {})
        ]

    @staticmethod
    def _terms(labels: dict[str, str]) -> set[str]:
        """Return every term of a selector that matches these labels."""
        return {*labels, *(f"{name}={value}" for name, value in labels.items())}

    def _groups(self, *, core: bool) -> list[dict[str, Any]]:
        kinds: dict[str, list[Any]] = {}
        for version, kind, plural in self.KINDS:
            scope = "Cluster" if kind in ("ClusterRole", "Namespace") else "Namespaced"
            resource = {"resource": plural, "responseKind": {"kind": kind}, "scope": scope}
            kinds.setdefault(version, []).append(resource)
        groups = []
        for version, resources in kinds.items():
            if (version == "v1") == core:
                name, _slash, number = version.rpartition("/")
                groups.append({"metadata": {"name": name}, "versions": [{"version": number, "resources": resources}]})
        return groups

    def writes(self) -> list[str]:
        return [method for method, _path in self.requests if method in ("PATCH", "DELETE")]


def objects_of(client: FakeClient, **options: bool) -> ObjectSet:
    return ObjectSet(cast(KubernetesClient, client), "prefect", "migration", "home", **options)


def put(client: FakeClient, version: str, kind: str, namespace: str = "home", **metadata: Any) -> dict[str, Any]:
    """Store an object that an earlier run has created."""
    objects = objects_of(client)
    manifest = objects.labelled({"apiVersion": version, **made(kind, namespace=namespace, **metadata)})
    client.objects[objects.path_of(manifest)] = manifest
    return manifest


def job(image: str, condition: str = "") -> dict[str, Any]:
    conditions = [{"type": condition, "status": "True"}] if condition else []
    made_job = made("Job", {"template": {"spec": {"image": image}}}, {"conditions": conditions}, namespace="home")
    return objects_of(FakeClient()).labelled({"apiVersion": "batch/v1", **made_job})


@pytest.mark.parametrize(
    ("before", "action", "writes"),
    [
        (None, "create", ["PATCH"]),
        (job("old", "Complete"), "", []),
        (job("new", "Complete"), "", []),
        (job("new", "Failed"), "replace", ["DELETE", "PATCH"]),
        (job("old", "Failed"), "replace", ["DELETE", "PATCH"]),
        (job("old"), "replace", ["DELETE", "PATCH"]),
        (job("new"), "", ["PATCH"]),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_job_runs_until_it_is_complete_and_never_again(
    before: dict[str, Any] | None, action: str, writes: list[str], *, dry_run: bool
) -> None:
    client = FakeClient()
    path = "/apis/batch/v1/namespaces/home/jobs/a"
    client.objects = {path: before} if before else {}
    change = objects_of(client, dry_run=dry_run).apply(job("new"))
    assert (change or Change("", None, None)).action == action
    assert client.writes() == ([] if dry_run else writes)
    if dry_run:
        assert client.objects.get(path) == before


SCALED = ('conflict with "kube-controller-manager" with subresource "scale" using apps/v1', ".spec.replicas")
BY_HAND = ('conflict with "kubectl" with subresource "scale" using apps/v1', ".spec.replicas")
EDITED = ('conflict with "kubectl-edit" using apps/v1', ".spec.template.spec.containers")


@pytest.mark.parametrize(
    ("conflicts", "taken"), [([SCALED], True), ([BY_HAND], False), ([SCALED, EDITED], False), ([EDITED], False)]
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_the_number_of_pods_is_taken_over_from_an_autoscaler_only(
    conflicts: list[tuple[str, str]], *, taken: bool, dry_run: bool
) -> None:
    """If the autoscaler is disabled, the inventory sets the number of pods again."""
    forced = []

    class Conflicting(FakeClient):
        def json(self, method: str, path: str, *rest: Any, **options: Any) -> Any:
            if method == "PATCH":
                forced.append(rest[0]["force"])
                if rest[0]["force"] == "false":
                    causes = [{"message": message, "field": field} for message, field in conflicts]
                    raise ApiError(409, "Apply failed", {"details": {"causes": causes}})
            return super().json(method, path, *rest, **options)

    client = Conflicting()
    put(client, "apps/v1", "Deployment", spec={"replicas": 5})
    manifest = objects_of(client).labelled({"apiVersion": "apps/v1", **made("Deployment", {"replicas": 2})})
    if taken:
        objects_of(client, dry_run=dry_run).apply(manifest)
        assert forced == ["false", "true"]
        assert [there["spec"]["replicas"] for there in client.objects.values()] == [5 if dry_run else 2]
        return
    with pytest.raises(KubernetesError, match="Another field manager owns these fields"):
        objects_of(client, dry_run=dry_run).apply(manifest)
    assert set(forced) == {"false"}


def test_another_refusal_of_a_job_is_reported() -> None:
    class Refusing(FakeClient):
        def json(self, method: str, path: str, *rest: Any, **options: Any) -> Any:
            if method == "PATCH":
                causes = [{"message": "field is immutable"}, {"message": "must be positive"}]
                raise ApiError(422, "must be positive", {"details": {"causes": causes}})
            return super().json(method, path, *rest, **options)

    client = Refusing()
    client.objects["/apis/batch/v1/namespaces/home/jobs/a"] = job("old")
    with pytest.raises(KubernetesError, match="Job a in home: must be positive"):
        objects_of(client).apply(job("new"))
    assert client.writes() == []


@pytest.mark.parametrize(
    "message",
    [
        "spec.selector: Invalid value: {}: field is immutable",
        "spec: Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
    ],
)
def test_what_never_changes_is_said_to_have_to_be_deleted(message: str) -> None:
    class Refusing(FakeClient):
        def json(self, method: str, path: str, *rest: Any, **options: Any) -> Any:
            if method == "PATCH":
                raise ApiError(422, message, {"details": {"causes": [{"message": message}]}})
            return super().json(method, path, *rest, **options)

    deployment = {"apiVersion": "apps/v1", **made("Deployment", namespace="home")}
    with pytest.raises(KubernetesError, match=r"kubectl delete deployments\.apps a -n home"):
        objects_of(Refusing()).apply(deployment)


def test_nothing_is_recognised_by_labels_that_others_set() -> None:
    """Prefect sets these labels on its Jobs, their pods and a Secret. Helm charts set them on their objects."""
    client = FakeClient()
    theirs = {
        "app.kubernetes.io/name": "prefect-api",
        "app.kubernetes.io/part-of": "prefect",
        "app.kubernetes.io/component": "migration",
        "app.kubernetes.io/managed-by": "selfhosted.prefect",
        "selfhosted.prefect/runs-of": "prefect",
    }
    for version, kind in (("v1", "Pod"), ("batch/v1", "Job"), ("v1", "Secret"), ("apps/v1", "Deployment")):
        client.objects[objects_of(client).path_of({"apiVersion": version, **made(kind)})] = made(kind, labels=theirs)
    objects = objects_of(client)
    assert [objects._is_ours(item) for item in client.objects.values()] == [False] * 4
    assert objects.owned([]) == []
    assert objects.workloads(["migration"]) == []
    assert objects.remove_all([], 1) == []
    assert pods(cast(KubernetesClient, client), "home", "prefect") == []


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (made("Deployment", generation=2, status={"observedGeneration": 1}), "not processed the change"),
        (
            made("Deployment", {"replicas": 3}, {"updatedReplicas": 2, "availableReplicas": 3}),
            "2 of 3 pods are up to date",
        ),
        (
            made("Deployment", {"replicas": 1}, {"replicas": 2, "updatedReplicas": 1, "availableReplicas": 2}),
            "1 old pods still exist",
        ),
        (made("Deployment", {"replicas": 2}, {"replicas": 2, "updatedReplicas": 2}), "0 of 2 pods are ready"),
        (
            made("Deployment", {"replicas": 2}, {"replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}),
            "",
        ),
        (made("Deployment", {"replicas": 0}), ""),
        (
            made(
                "StatefulSet",
                {},
                {"updatedReplicas": 1, "availableReplicas": 1, "currentRevision": "a", "updateRevision": "b"},
            ),
            "old pods",
        ),
        (
            made("DaemonSet", {}, {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}),
            "1 of 2",
        ),
        (made("Job"), "not complete"),
        (made("Job", {}, {"conditions": [{"type": "Complete", "status": "True"}]}), ""),
    ],
)
def test_what_a_workload_still_lacks(manifest: dict[str, Any], words: str) -> None:
    found = unfinished(manifest)
    assert words in found
    assert bool(words) == bool(found)


def test_an_autoscaler_says_how_many_pods_there_are_at_least() -> None:
    target = {"kind": "Deployment", "name": "api"}
    scalers = [
        made("HorizontalPodAutoscaler", {"scaleTargetRef": target, "minReplicas": 3}, namespace="home"),
        made("HorizontalPodAutoscaler", {"scaleTargetRef": {**target, "name": "plain"}}, namespace="home"),
        made("ScaledObject", {"scaleTargetRef": {"name": "worker"}, "minReplicaCount": 2}, namespace="home"),
        made("ScaledObject", {"scaleTargetRef": {"name": "eager"}}, namespace="home"),
        made(
            "ScaledObject",
            {"scaleTargetRef": {"name": "idle"}, "minReplicaCount": 2, "idleReplicaCount": 0},
            namespace="home",
        ),
        made("Service"),
    ]
    fewest = {name: number for (_namespace, _kind, name), number in fewest_pods(scalers).items()}
    assert fewest == {"api": 3, "plain": 1, "worker": 2, "eager": 0, "idle": 0}
    assert ("home", "Deployment", "worker") in fewest_pods(scalers)


@pytest.mark.parametrize(
    ("replicas", "fewest", "words"), [(1, 3, "1 of 3 pods are up"), (1, 0, ""), (0, 3, ""), (1, 1, "")]
)
def test_a_new_deployment_is_waited_for_until_it_is_scaled(replicas: int, fewest: int, words: str) -> None:
    status = {"replicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas}
    found = unfinished(made("Deployment", {"replicas": replicas}, status), fewest)
    assert words in found
    assert bool(words) == bool(found)


def test_all_pods_that_an_autoscaler_makes_at_least_are_waited_for() -> None:
    client = FakeClient()
    status = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": 1}
    deployment = made("Deployment", {"replicas": 1}, status, namespace="home")
    client.objects["/apis/apps/v1/namespaces/home/deployments/a"] = deployment
    wanted = [
        {"apiVersion": "apps/v1", **made("Deployment", namespace="home")},
        made("HorizontalPodAutoscaler", {"scaleTargetRef": {"name": "a"}, "minReplicas": 2}, namespace="home"),
    ]
    with pytest.raises(KubernetesError, match="1 of 2 pods are up to date"):
        objects_of(client).wait(wanted, 0)
    status.update(replicas=2, updatedReplicas=2, availableReplicas=2)
    deployment["spec"]["replicas"] = 2
    objects_of(client).wait(wanted, 0)


CLUSTER = ("postgresql.cnpg.io/v1", "Cluster")


@pytest.mark.parametrize("keep", [False, True])
def test_a_database_is_kept_with_what_belongs_to_it_or_deleted(*, keep: bool) -> None:
    client = FakeClient()
    put(client, *CLUSTER)
    put(client, "v1", "Secret")
    objects = objects_of(client, keep_databases=keep)
    changes = objects.remove_all([], 1)
    assert {change.title for change in changes} == (set() if keep else {"Cluster a in home", "Secret a in home"})
    assert {title(item) for item in objects.kept} == ({"Cluster a in home", "Secret a in home"} if keep else set())
    assert len(client.objects) == (2 if keep else 0)


def test_what_is_no_longer_listed_is_deleted_and_a_kept_database_is_not() -> None:
    client = FakeClient()
    put(client, *CLUSTER)
    put(client, "v1", "Secret")
    objects = objects_of(client, keep_databases=True)
    assert [change.title for change in objects.prune([], [])] == ["Secret a in home"]
    assert [title(item) for item in objects.kept] == ["Cluster a in home"]


def test_a_database_is_never_deleted_without_being_told() -> None:
    client = FakeClient()
    cluster = put(client, *CLUSTER)
    objects = objects_of(client)
    objects.refuse_to_lose_databases([cluster], [])
    with pytest.raises(KubernetesError, match=r"kubectl delete -n home clusters\.postgresql\.cnpg\.io a"):
        objects.refuse_to_lose_databases([], [])
    assert client.writes() == []


ROLE = ("rbac.authorization.k8s.io/v1", "Role")


@pytest.mark.parametrize(
    ("sees_all", "namespaces", "found"),
    [
        (True, [], {"home", "left", "listed"}),
        (True, ["listed"], {"home", "left", "listed"}),
        (False, [], {"home"}),
        (False, ["listed"], {"home", "listed"}),
    ],
)
def test_what_a_pool_has_left_in_another_namespace_is_found(
    namespaces: list[str], found: set[str], *, sees_all: bool
) -> None:
    client = FakeClient()
    client.sees_all = sees_all
    put(client, *ROLE)
    put(client, *ROLE, namespace="left")
    put(client, *ROLE, namespace="listed")
    # Another instance in one of these namespaces has the same name and its own pools. This instance may have Jobs
    # there.
    for home in ("other", "listed"):
        del put(client, *ROLE, namespace=home, name="c")["metadata"]["labels"]["selfhosted.prefect/home"]
    put(client, *ROLE, namespace="others")["metadata"]["labels"]["selfhosted.prefect/home"] = "other"
    put(client, *ROLE, namespace="listed", name="b")["metadata"]["labels"]["selfhosted.prefect/home"] = "other"
    client.requests.clear()
    owned = objects_of(client).owned(namespaces)
    assert {item["metadata"]["namespace"] for item in owned} == found
    assert {item["metadata"]["name"] for item in owned} == {"a"}
    kinds = len(client.KINDS) - 2  # pods and namespaces are not searched
    in_namespaces = kinds - 1  # one kind has the scope of the cluster
    assert len(client.requests) == (kinds if sees_all else in_namespaces * (1 + len(namespaces)) + 2)


def test_a_kind_that_is_closed_by_itself_is_looked_for_where_it_is_open() -> None:
    client = FakeClient()
    client.closed = ("/api/v1/secrets",)
    put(client, "v1", "Secret")
    put(client, *ROLE, namespace="left")
    assert {title(item) for item in objects_of(client).owned([])} == {"Secret a in home", "Role a in left"}


@pytest.mark.parametrize("sees_all", [False, True])
def test_an_api_that_is_for_others_is_passed_over(*, sees_all: bool) -> None:
    """The cluster has this API, the inventory does not use it, and the credentials may not list its objects."""
    client = FakeClient()
    client.sees_all = sees_all
    put(client, *ROLE)
    put(client, "apps/v1", "Deployment")
    put(client, *CLUSTER, namespace="listed")  # where listing is permitted
    client.closed = ("/apis/postgresql.cnpg.io/v1/namespaces/home/clusters", "/apis/postgresql.cnpg.io/v1/clusters")
    objects = objects_of(client)
    assert {title(item) for item in objects.owned([])} == {"Role a in home", "Deployment a in home"}
    objects.refuse_to_lose_databases([], [])
    assert {title(item) for item in objects.workloads(["migration"])} == {"Deployment a in home"}
    with pytest.raises(KubernetesError, match="Cluster a in listed is no longer in the inventory"):
        objects.refuse_to_lose_databases([], ["listed"])


def test_an_api_that_every_cluster_has_is_not_passed_over() -> None:
    client = FakeClient()
    client.sees_all = False
    client.closed = ("/apis/batch/v1/namespaces/home/jobs", "/apis/apps/v1/namespaces/home/deployments")
    objects = objects_of(client)
    with pytest.raises(KubernetesError, match=r"preflight\.yml lists all missing ones"):
        objects.owned([])
    with pytest.raises(ApiError):
        objects.workloads(["migration"])


def test_only_what_is_elsewhere_says_where_it_belongs() -> None:
    client = FakeClient()
    assert "selfhosted.prefect/home" not in put(client, *ROLE)["metadata"]["labels"]
    assert put(client, *ROLE, namespace="jobs")["metadata"]["labels"]["selfhosted.prefect/home"] == "home"
    assert cluster_role(client, "a")["metadata"]["labels"]["selfhosted.prefect/home"] == "home"


def cluster_role(client: FakeClient, name: str, home: str = "home") -> dict[str, Any]:
    """Store a ClusterRole of an instance in the given namespace."""
    objects = ObjectSet(cast(KubernetesClient, client), "prefect", "migration", home)
    manifest = objects.labelled({"apiVersion": ROLE[0], **made("ClusterRole", name=name)})
    client.objects[objects.path_of(manifest)] = manifest
    return manifest


@pytest.mark.parametrize("absent", [False, True])
def test_what_belongs_to_the_whole_cluster_goes_and_that_of_another_instance_stays(*, absent: bool) -> None:
    client = FakeClient()
    client.sees_all = True
    listed = cluster_role(client, "home:listed")
    cluster_role(client, "home:switched-off")
    cluster_role(client, "other:listed", home="other")  # its instance has the same name
    objects = objects_of(client)
    changes = objects.remove_all([], 1) if absent else objects.prune([listed], [])
    left = {path.rpartition("/")[2] for path in client.objects}
    assert left == {"other%3Alisted"} | (set() if absent else {"home%3Alisted"})
    assert {change.title for change in changes} == {"ClusterRole home:switched-off"} | (
        {"ClusterRole home:listed"} if absent else set()
    )


def test_a_login_that_sees_only_namespaces_has_made_nothing_for_the_cluster() -> None:
    client = FakeClient()
    client.sees_all = False
    cluster_role(client, "home:a")
    put(client, *ROLE)
    assert [title(item) for item in objects_of(client).owned([])] == ["Role a in home"]


def test_a_namespace_of_an_instance_of_the_same_name_is_left_alone() -> None:
    labels = {"selfhosted.prefect/instance": "prefect"}
    objects = objects_of(FakeClient())
    for home, ours in (("home", True), ("other", False)):
        found = made("Namespace", labels={**labels, "selfhosted.prefect/home": home})
        assert objects._is_ours(found) is ours


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("theirs", [{"selfhosted.prefect/instance": "b"}, {"selfhosted.prefect/home": "other"}])
def test_an_object_of_another_instance_is_not_taken_over(theirs: dict[str, str], *, dry_run: bool) -> None:
    client = FakeClient()
    mine = put(client, *ROLE, namespace="jobs")
    objects = objects_of(client, dry_run=dry_run)
    assert objects.apply(mine) is None
    client.objects[objects.path_of(mine)] = {
        **mine,
        "metadata": {**mine["metadata"], "labels": {**mine["metadata"]["labels"], **theirs}},
    }
    with pytest.raises(KubernetesError, match=r"Role a in jobs belongs to the instance .* another prefect_instance"):
        objects.apply(mine)


STRANGERS = (
    ("v1", "Secret"),
    ("v1", "Pod"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
    ROLE,
    (ROLE[0], "ClusterRole"),
    CLUSTER,
)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("labels", [{}, {"app.kubernetes.io/part-of": "prefect"}, {"selfhosted.prefect/home": "home"}])
@pytest.mark.parametrize(("version", "kind"), STRANGERS, ids=[kind for _version, kind in STRANGERS])
def test_what_somebody_else_has_created_is_not_taken_over(
    version: str, kind: str, labels: dict[str, str], *, dry_run: bool
) -> None:
    """Whatever has the labels of the instance is deleted with it: a database with its volumes."""
    client = FakeClient()
    objects = objects_of(client, dry_run=dry_run, force=True)
    mine = objects.labelled({"apiVersion": version, **made(kind)})
    path = objects.path_of(mine)
    theirs = {**mine, "metadata": {**mine["metadata"], "labels": labels}}
    client.objects[path] = theirs
    with pytest.raises(KubernetesError, match=f"^{title(mine)} already exists, and no instance .* It was not") as error:
        objects.apply(mine)
    assert client.writes() == []
    assert client.objects == {path: theirs}
    # The remedy makes it an object of this instance.
    words = str(error.value).partition("kubectl label ")[2].split()
    client.objects[path] = {
        **theirs,
        "metadata": {**mine["metadata"], "labels": dict(word.split("=") for word in words if "=" in word)},
    }
    assert objects._is_ours(client.objects[path])
    objects.apply(mine)


@pytest.mark.parametrize("labels", [{}, {"selfhosted.prefect/instance": "b"}])
def test_a_namespace_that_somebody_has_created_is_used_as_it_is(labels: dict[str, str]) -> None:
    client = FakeClient()
    objects = objects_of(client)
    theirs = {"apiVersion": "v1", **made("Namespace", labels=labels)}
    client.objects["/api/v1/namespaces/a"] = theirs
    assert objects.apply(objects.labelled({"apiVersion": "v1", **made("Namespace")})) is None
    assert client.objects["/api/v1/namespaces/a"] == theirs


def test_two_objects_of_one_name_are_rejected() -> None:
    objects = objects_of(FakeClient())
    one, other = ({"apiVersion": "v1", **made("Secret", namespace=name)} for name in ("home", "jobs"))
    options = {"state": "present", "database": "delete", "namespaces": [], "wait_timeout": 0}
    module = cast(AnsibleModule, SimpleNamespace(params=options, check_mode=False))
    for twice in ([one, other, dict(one)], [one, {"apiVersion": "v1", **made("Secret")}]):
        with pytest.raises(KubernetesError, match="Secret a in home is listed 2 times"):
            kubernetes_objects.run(module, objects, twice)
    assert cast(FakeClient, objects.client).writes() == []
    role = {"apiVersion": ROLE[0], **made("Role", namespace="home")}
    assert len(kubernetes_objects.run(module, objects, [one, other, role])) == 3


@pytest.mark.parametrize("theirs", [None, {"selfhosted.prefect/instance": "b"}, {"selfhosted.prefect/home": "other"}])
def test_a_namespace_in_which_another_instance_has_jobs_stays(theirs: dict[str, str] | None) -> None:
    client = FakeClient()
    namespace = put(client, "v1", "Namespace", namespace="", name="jobs")
    put(client, *ROLE, namespace="jobs")
    if theirs:
        put(client, *ROLE, namespace="jobs", name="b")["metadata"]["labels"].update(theirs)
    assert objects_of(client)._is_shared(namespace) is bool(theirs)


@pytest.mark.parametrize(
    ("theirs", "stays"),
    [
        (None, False),
        ({"name": "registry"}, True),
        ({"name": "registry", "labels": {"app.kubernetes.io/part-of": "prefect"}}, True),
        ({"name": "registry", "labels": {"selfhosted.prefect/runs-of": "prefect"}}, False),
        ({"name": "registry", "ownerReferences": [{"name": "else"}]}, False),
        ({"name": "kube-root-ca.crt"}, False),
    ],
)
def test_a_namespace_that_holds_something_else_stays(theirs: dict[str, Any] | None, *, stays: bool) -> None:
    """This also applies if this instance has created the namespace."""
    client = FakeClient()
    namespace = put(client, "v1", "Namespace", namespace="", name="batch")
    put(client, "v1", "Secret", namespace="batch")
    if theirs:
        other = {"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "batch", **theirs}}
        client.objects[objects_of(client).path_of(other)] = other
    objects = objects_of(client)
    removed = {change.title for change in objects.remove_all(["batch"], 0)}
    assert ("Namespace batch" in removed) is not stays
    assert bool(client.objects.get(objects.path_of(namespace))) is stays
    said = {"Namespace batch was not deleted, because it also contains Secret registry."}
    assert client.warnings == (said if stays else set())


def test_a_failed_job_is_not_waited_for() -> None:
    condition = {"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"}
    with pytest.raises(KubernetesError, match="Job a failed: Job has reached"):
        unfinished(made("Job", {}, {"conditions": [condition]}))


def test_what_the_cluster_notes_is_no_difference() -> None:
    before = made("Service", {"type": "ClusterIP"}, resourceVersion="1", generation=1, managedFields=[], uid="x")
    after = made("Service", {"type": "ClusterIP"}, {"loadBalancer": {}}, resourceVersion="2", generation=2)
    assert comparable(before) == comparable(after)
    assert comparable(before) != comparable(made("Service", {"type": "NodePort"}))


def test_a_secret_is_never_shown() -> None:
    old = {**made("Secret"), "data": {"same": "c2FtZQ==", "password": "b2xk"}}
    new = {**made("Secret"), "data": {"same": "c2FtZQ==", "password": "bmV3"}}
    shown = presentable(new, old)
    assert shown["data"] == {"same": "hidden", "password": "hidden, differs"}
    assert presentable(None, new) == {}


def test_pods_come_last() -> None:
    kinds = ["Deployment", "RoleBinding", "Namespace", "HorizontalPodAutoscaler", "ClusterRole", "Secret"]
    ordered = [[item["kind"] for item in wave] for wave in waves([made(kind) for kind in kinds])]
    pods = ["Deployment", "HorizontalPodAutoscaler"]
    assert ordered == [["Namespace"], ["ClusterRole"], ["RoleBinding", "Secret"], pods]


def test_a_title_has_the_namespace() -> None:
    assert title(made("Service", namespace="flows")) == "Service a in flows"
    assert title(made("Namespace")) == "Namespace a"


@pytest.mark.parametrize(
    ("text", "number"), [("500m", 0.5), ("2", 2), ("1Gi", 2**30), ("128974848", 128974848), ("3k", 3000), (4, 4)]
)
def test_quantities(text: Any, number: float) -> None:
    assert quantity(text) == pytest.approx(number)


def kubeconfig(path: Path, user: dict[str, Any], server: str = "http://10.0.0.1:8080/prefix/") -> str:
    content = {
        "current-context": "one",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_nobody_acts_with_other_permissions_than_it_seems(tmp_path: Path) -> None:
    with pytest.raises(
        KubernetesError, match=r"impersonates admin, which this collection does not support. Use a context"
    ):
        access_from_kubeconfig(kubeconfig(tmp_path / "config", {"token": "abc", "as": "admin"}), "")


def test_authorities_are_trusted_as_kubectl_trusts_them(tmp_path: Path) -> None:
    way = access_from_kubeconfig(kubeconfig(tmp_path / "config", {"token": "abc"}, "https://10.0.0.1:6443"), "")
    assert way.tls is not None
    assert not way.tls.verify_flags & ssl.VERIFY_X509_STRICT
    assert way.tls.verify_mode is ssl.CERT_REQUIRED


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"gitVersion": "v1"}')

    def log_message(self, *_words: Any) -> None:
        """Log nothing."""


@pytest.fixture
def named(tmp_path: Path) -> Iterator[HTTPServer]:
    """An API server on this host whose certificate is for the name kubernetes. The certificate is in tmp_path."""
    words = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    words += ["-subj", "/CN=kubernetes", "-addext", "subjectAltName=DNS:kubernetes", "-keyout", "key", "-out", "ca.crt"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "ca.crt", tmp_path / "key")
    server = HTTPServer(("127.0.0.1", 0), Answer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("name", ["kubernetes", ""])
def test_a_server_may_be_reached_through_a_tunnel(named: HTTPServer, tmp_path: Path, name: str) -> None:
    path = kubeconfig(tmp_path / "config", {"token": "abc"}, f"https://127.0.0.1:{named.server_port}")
    content = yaml.safe_load(Path(path).read_text())
    content["clusters"][0]["cluster"].update({"certificate-authority": "ca.crt", "tls-server-name": name})
    Path(path).write_text(yaml.safe_dump(content))
    client = KubernetesClient(access_from_kubeconfig(path, ""))
    if name:
        assert client.json("GET", "/version") == {"gitVersion": "v1"}
    else:
        with pytest.raises(KubernetesError, match=r"certificate is not valid for '127\.0\.0\.1'"):
            client.json("GET", "/version")


def test_a_token_logs_in(tmp_path: Path) -> None:
    way = access_from_kubeconfig(kubeconfig(tmp_path / "config", {"token": "abc"}), "")
    assert (way.server, way.headers) == ("http://10.0.0.1:8080/prefix", {"Authorization": "Bearer abc"})


def test_a_token_file_is_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    way = access_from_kubeconfig(kubeconfig(tmp_path / "config", {"tokenFile": "token"}), "one")
    assert way.headers == {"Authorization": "Bearer from-file"}


def test_a_program_logs_in(tmp_path: Path) -> None:
    script = tmp_path / "login"
    script.write_text('#!/bin/sh\necho "{\\"status\\": {\\"token\\": \\"$WHO\\"}}"\n')
    script.chmod(0o755)
    user = {"exec": {"command": str(script), "env": [{"name": "WHO", "value": "me"}], "args": []}}
    assert access_from_kubeconfig(kubeconfig(tmp_path / "config", user), "").headers == {"Authorization": "Bearer me"}


def test_the_first_file_of_several_wins(tmp_path: Path) -> None:
    first = kubeconfig(tmp_path / "first", {"token": "first"})
    second = kubeconfig(tmp_path / "second", {"token": "second"})
    assert access(f"{tmp_path}/missing:{first}:{second}", None).headers == {"Authorization": "Bearer first"}


@pytest.mark.parametrize(
    ("user", "context", "words"),
    [
        ({}, "two", "has no context 'two'. Its contexts: one"),
        ({"auth-provider": {"name": "gcp"}}, "", "auth-provider"),
        ({"exec": {"command": "/nonexistent/login"}}, "", "/nonexistent/login"),
        ({"exec": {"command": "false"}}, "", "failed with exit code 1"),
    ],
)
def test_a_kubeconfig_that_does_not_work_is_explained(
    tmp_path: Path, user: dict[str, Any], context: str, words: str
) -> None:
    with pytest.raises(KubernetesError, match=words):
        access_from_kubeconfig(kubeconfig(tmp_path / "config", user), context)


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubernetesError, match=r"The kubeconfig .*/nothing does not exist"):
        access(str(tmp_path / "nothing"), None)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    user = {"client-certificate-data": base64.b64encode(b"nonsense").decode()}
    with pytest.raises(KubernetesError, match="refers to a file that cannot be read"):
        access_from_kubeconfig(kubeconfig(tmp_path / "config", user, "https://10.0.0.1"), "")


class Secrets:
    """A cluster with one namespace and one Secret in it."""

    def found(self, path: str) -> dict[str, Any] | None:
        if path.endswith("/secrets/other"):
            return None
        return {"metadata": {"resourceVersion": "7"}, "data": {"key": "c2VjcmV0"}}


@pytest.mark.parametrize(
    ("policy", "binding", "found"),
    [
        ({"spec": {"a": 1}}, {"spec": {"b": 2}}, {"readable": True, "policy": {"a": 1}, "binding": {"b": 2}}),
        ({"spec": {"a": 1}}, None, {"readable": True, "policy": {"a": 1}, "binding": None}),
        (None, None, {"readable": True, "policy": None, "binding": None}),
        (403, None, {"readable": False, "policy": None, "binding": None}),
        ({"spec": {}}, 403, {"readable": False, "policy": {}, "binding": None}),
    ],
)
def test_an_admission_policy_is_there_or_not_or_cannot_be_read(policy: Any, binding: Any, found: Any) -> None:
    class Policies:
        def found(self, path: str) -> Any:
            answer = policy if path.endswith("/validatingadmissionpolicies/home.i-workers") else binding
            if answer == 403:
                raise ApiError(403, "forbidden", {})
            return answer

    assert admission_policy(cast(KubernetesClient, Policies()), "home.i-workers") == found


def test_a_secret_has_a_version_and_stays_secret() -> None:
    found = _namespace(cast(KubernetesClient, Secrets()), "prefect", ["mine", "other"])
    assert (found["missing_secrets"], found["secret_versions"]) == (["other"], {"mine": "7"})
    assert "c2VjcmV0" not in str(found)


class Counted:
    """A namespace with two quotas and a LimitRange."""

    def found(self, path: str) -> Any:
        lists = {
            "resourcequotas": [
                {"spec": {"hard": {}}, "status": {"hard": {"limits.cpu": "9"}}},
                {"spec": {"scopes": ["BestEffort"]}, "status": {"hard": {"pods": "1"}}},
            ],
            "limitranges": [
                {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "4"}}]}},
                {
                    "spec": {
                        "limits": [
                            {
                                "type": "Container",
                                "default": {"cpu": "1", "memory": "1Gi"},
                                "defaultRequest": {"cpu": "100m"},
                            }
                        ]
                    }
                },
            ],
        }
        plural = path.rpartition("/")[2]
        return {"items": lists[plural]} if plural in lists else {"metadata": {"name": "prefect"}}


def test_what_is_counted_and_what_is_added_is_found() -> None:
    found = _namespace(cast(KubernetesClient, Counted()), "prefect", [])
    assert found["quotas"] == [{"hard": {"limits.cpu": "9"}}]
    limits = {"cpu": "1", "memory": "1Gi"}
    assert found["container_defaults"] == {"limits": limits, "requests": {"cpu": "100m", "memory": "1Gi"}}


def test_where_something_is_stands_in_a_secret_and_is_none() -> None:
    values = {"REDIS_HOST": "redis.example.com", "REDIS_PASSWORD": "hunter2hunter2"}
    sent = {name: base64.b64encode(value.encode()).decode() for name, value in values.items()}
    item = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "settings"}, "data": sent}
    assert secret_values([item]) == {"hunter2hunter2", sent["REDIS_PASSWORD"]}
