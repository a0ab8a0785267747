# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a set of Kubernetes objects decides without a cluster; the rest is tested on one, in tests/kubernetes."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    access,
    access_from_kubeconfig,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes_facts import _namespace, quantity
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes_objects import (
    comparable,
    presentable,
    title,
    unfinished,
    waves,
)


def made(kind: str, spec: Any = None, status: Any = None, **metadata: Any) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "a", **metadata}, "spec": spec or {}, "status": status or {}}


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (made("Deployment", generation=2, status={"observedGeneration": 1}), "not looked at it"),
        (
            made("Deployment", {"replicas": 3}, {"updatedReplicas": 2, "availableReplicas": 3}),
            "2 of 3 pods are up to date",
        ),
        (
            made("Deployment", {"replicas": 1}, {"replicas": 2, "updatedReplicas": 1, "availableReplicas": 2}),
            "1 old pods are still there",
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


def test_a_failed_job_is_not_waited_for() -> None:
    condition = {"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"}
    with pytest.raises(KubernetesError, match="Job a has failed: Job has reached"):
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
    assert shown["data"] == {"same": "hidden", "password": "hidden, and differs"}
    assert presentable(None, new) == {}


def test_pods_come_last() -> None:
    kinds = ["Deployment", "Secret", "Namespace", "HorizontalPodAutoscaler", "ServiceAccount"]
    ordered = [[item["kind"] for item in wave] for wave in waves([made(kind) for kind in kinds])]
    assert ordered == [["Namespace"], ["Secret", "ServiceAccount"], ["Deployment", "HorizontalPodAutoscaler"]]


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
        ({}, "two", "has no context 'two': it has one"),
        ({"auth-provider": {"name": "gcp"}}, "", "auth-provider"),
        ({"exec": {"command": "/nonexistent/login"}}, "", "/nonexistent/login"),
        ({"exec": {"command": "false"}}, "", "ended with 1"),
    ],
)
def test_a_kubeconfig_that_does_not_work_is_explained(
    tmp_path: Path, user: dict[str, Any], context: str, words: str
) -> None:
    with pytest.raises(KubernetesError, match=words):
        access_from_kubeconfig(kubeconfig(tmp_path / "config", user), context)


def test_a_missing_kubeconfig_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubernetesError, match=r"no kubeconfig at .*/nothing"):
        access(str(tmp_path / "nothing"), None)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    user = {"client-certificate-data": base64.b64encode(b"nonsense").decode()}
    with pytest.raises(KubernetesError, match="cannot be used"):
        access_from_kubeconfig(kubeconfig(tmp_path / "config", user, "https://10.0.0.1"), "")


class Secrets:
    """A cluster with one namespace and one Secret in it."""

    def found(self, path: str) -> dict[str, Any] | None:
        if path.endswith("/secrets/other"):
            return None
        return {"metadata": {"resourceVersion": "7"}, "data": {"key": "c2VjcmV0"}}


def test_a_secret_has_a_version_and_stays_secret() -> None:
    found = _namespace(cast(KubernetesClient, Secrets()), "prefect", ["mine", "other"])
    assert (found["missing_secrets"], found["secret_versions"]) == (["other"], {"mine": "7"})
    assert "c2VjcmV0" not in str(found)
