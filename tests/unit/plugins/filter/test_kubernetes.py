# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes objects, work pools and workers that the filters create."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.job_template import job_template
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.admission import admission_notes
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.cluster_problems import cluster_problems
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.admission_policies import (
    admission_policies,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.manifests import (
    CHECKSUM,
    dns_rule,
    manifests,
    secret_data,
    without_containers,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.pools import (
    can_be_labelled,
    kubernetes_pools,
    run_namespaces,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.worker_deployments import (
    services_deployments,
    worker_deployments,
)

SHARED = {"instance": "prefect", "image_pull_policy": "IfNotPresent", "image_pull_secrets": ["registry"]}


def deployment(**pod: Any) -> dict[str, Any]:
    spec = {"containers": [{"name": "web", "image": "web:1"}], **pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"template": {"spec": spec}},
    }


def pod_of(item: dict[str, Any]) -> dict[str, Any]:
    return dict(item["spec"]["template"]["spec"])


def secret(value: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "data": {"password": value}}


def test_pods_meet_the_restricted_level() -> None:
    pod = pod_of(manifests([deployment()], SHARED)[0])
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert pod["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_a_workload_selects_its_own_pods_and_spreads_them() -> None:
    made = manifests([deployment()], SHARED)[0]
    labels = {"selfhosted.prefect/instance": "prefect", "selfhosted.prefect/workload": "web"}
    assert made["spec"]["selector"] == {"matchLabels": labels}
    described = {"app.kubernetes.io/part-of": "prefect", "app.kubernetes.io/name": "web"}
    assert made["spec"]["template"]["metadata"]["labels"] == labels | described
    assert [entry["topologyKey"] for entry in pod_of(made)["topologySpreadConstraints"]] == [
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    ]


def test_what_a_template_states_wins() -> None:
    made = manifests([deployment(automountServiceAccountToken=True, securityContext={"runAsUser": 70})], SHARED)[0]
    assert pod_of(made)["automountServiceAccountToken"] is True
    assert pod_of(made)["securityContext"]["runAsUser"] == 70
    assert pod_of(made)["securityContext"]["runAsNonRoot"] is True


def test_a_patch_adds_a_sidecar_that_is_secured_too() -> None:
    patch = {
        "metadata": {"annotations": {"a": "b"}},
        "spec": {
            "nodeSelector": {"pool": "prefect"},
            "dnsPolicy": "Default",
            "containers": [
                {"name": "proxy", "image": "proxy:1"},
                {"name": "web", "env": [{"name": "A", "value": "1"}]},
            ],
        },
    }
    made = manifests([deployment()], SHARED, patch)[0]
    web, proxy = pod_of(made)["containers"]
    assert (web["name"], web["image"], web["env"]) == ("web", "web:1", [{"name": "A", "value": "1"}])
    assert proxy["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod_of(made)["nodeSelector"] == {"pool": "prefect"}
    assert pod_of(made)["dnsPolicy"] == "Default"
    assert made["spec"]["template"]["metadata"]["annotations"]["a"] == "b"


def test_the_migration_gets_no_sidecar_that_would_keep_it_from_ending() -> None:
    patch = {
        "metadata": {"annotations": {"a": "b"}},
        "spec": {"nodeSelector": {"pool": "prefect"}, "containers": [{"name": "proxy", "image": "proxy:1"}]},
    }
    assert without_containers(patch) == {
        "metadata": {"annotations": {"a": "b"}},
        "spec": {"nodeSelector": {"pool": "prefect"}},
    }
    assert "containers" in patch["spec"]
    assert without_containers({}) == {}


def test_one_patch_has_something_for_several_workloads() -> None:
    volume = {"volumeMounts": [{"name": "ca", "mountPath": "/ca"}]}
    patch = {"spec": {"containers": [{"name": "api", **volume}, {"name": "web", **volume}]}}
    (container,) = pod_of(manifests([deployment()], SHARED, patch)[0])["containers"]
    assert (container["name"], container["image"]) == ("web", "web:1")
    assert container["volumeMounts"] == volume["volumeMounts"]
    # The Job of the migration gets the change of its container, and no other container.
    proxy = {"name": "proxy", "image": "proxy:1"}
    assert without_containers({"spec": {"containers": [{"name": "migrate", **volume}, proxy]}}) == {
        "spec": {"containers": [{"name": "migrate", **volume}]}
    }


def test_a_patch_adds_to_what_has_no_names() -> None:
    """The settings of a pod come from one entry of envFrom. A pod without it starts, but with the wrong behavior."""
    own = {"secretRef": {"name": "web"}}
    more, taint = {"configMapRef": {"name": "more"}}, {"key": "runs", "operator": "Exists"}
    spread = {"topologyKey": "rack", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}
    there = deployment(containers=[{"name": "web", "envFrom": [own], "args": ["a"]}], tolerations=[taint])
    patch = {
        "spec": {
            "tolerations": [taint, {"key": "web"}],
            "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["db"]}],
            "topologySpreadConstraints": [spread],
            "containers": [{"name": "web", "envFrom": [more, own], "args": ["b"]}],
        }
    }
    pod = pod_of(manifests([there], SHARED, patch)[0])
    assert pod["containers"][0]["envFrom"] == [own, more]
    assert pod["containers"][0]["args"] == ["b"]
    assert pod["tolerations"] == [taint, {"key": "web"}]
    assert pod["hostAliases"] == [{"ip": "10.0.0.1", "hostnames": ["db"]}]
    assert pod["topologySpreadConstraints"] == [spread]
    removed = {"spec": {"tolerations": None, "containers": [{"name": "web", "envFrom": None}]}}
    pod = pod_of(manifests([there], SHARED, removed)[0])
    assert "tolerations" not in pod
    assert "envFrom" not in pod["containers"][0]


def test_a_patch_that_would_replace_what_has_names_is_refused() -> None:
    there = deployment(volumes=[{"name": "home", "emptyDir": {}}])
    with pytest.raises(AnsibleFilterError, match=r"pod_patch: an entry of spec\.volumes has no name\. Set its name"):
        manifests([there], SHARED, {"spec": {"volumes": [{"emptyDir": {}}]}})


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (None, "spec.containers is empty"),
        ({"containers": None}, "spec.containers is empty"),
        ({"containers": [{"image": "a"}]}, "has no name"),
    ],
)
def test_a_patch_that_leaves_no_pod_is_refused(spec: Any, words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"pod_patch: .*{words}"):
        manifests([deployment()], SHARED, {"spec": spec})


def test_a_container_that_no_pod_has_needs_an_image() -> None:
    patch = {"spec": {"containers": [{"name": "apii", "env": []}]}}
    with pytest.raises(AnsibleFilterError, match=r"apii has no image.* Set its image, or change one of api, services"):
        manifests([deployment()], SHARED, patch)


def checksum(value: str, **pod: Any) -> str | None:
    made = manifests([secret(value), deployment(**pod)], SHARED)[1]
    return made["spec"]["template"]["metadata"].get("annotations", {}).get(CHECKSUM)


@pytest.mark.parametrize(
    "pod",
    [
        {"volumes": [{"name": "login", "secret": {"secretName": "login"}}]},
        {"containers": [{"name": "web", "envFrom": [{"secretRef": {"name": "login"}}]}]},
        {"containers": [{"name": "web", "env": [{"name": "P", "valueFrom": {"secretKeyRef": {"name": "login"}}}]}]},
    ],
)
def test_another_secret_replaces_the_pods_that_use_it(pod: dict[str, Any]) -> None:
    assert checksum("old", **pod) == checksum("old", **pod)
    assert checksum("old", **pod) != checksum("new", **pod)


def test_a_secret_that_a_pod_does_not_use_replaces_nothing() -> None:
    assert checksum("old") is None


def test_other_objects_stay_as_they_are() -> None:
    assert manifests([secret("x"), None], SHARED) == [secret("x")]


def test_secret_data() -> None:
    data = secret_data({"B": True, "A": 'p"ä', "NONE": None, "EMPTY": ""})
    assert {name: base64.b64decode(value).decode() for name, value in data.items()} == {"A": 'p"ä', "B": "true"}


def pool(**options: Any) -> dict[str, Any]:
    return kubernetes_pools([{"name": "a", "type": "kubernetes", **options}], "flows", "prefect:1", {"X": True})[0]


def test_jobs_run_where_the_worker_may_start_them_and_go_away() -> None:
    job = pool()["job"]
    assert (job["namespace"], job["image"], job["finished_job_ttl"], job["env"]) == (
        "flows",
        "prefect:1",
        300,
        {"X": "true"},
    )
    assert (job["cpu_request"], job["memory_request"]) == ("100m", "256Mi")


@pytest.mark.parametrize(
    ("job", "made"),
    [
        ({}, ("256Mi", "512Mi")),
        ({"memory_request": "1Gi"}, ("1Gi", "1Gi")),
        ({"memory_request": "300Mi"}, ("300Mi", "512Mi")),
        ({"memory_limit": "128Mi"}, ("128Mi", "128Mi")),
        ({"memory_request": "1Gi", "memory_limit": "3Gi"}, ("1Gi", "3Gi")),
        ({"memory_request": "1Gi", "memory_limit": "512Mi"}, ("1Gi", "512Mi")),  # the preflight rejects this
        ({"memory_request": "1Gi", "memory_limit": None}, ("1Gi", None)),
        ({"memory_request": "much"}, ("much", "512Mi")),
    ],
)
def test_a_default_does_not_contradict_what_a_pool_states(job: dict[str, Any], made: tuple[str, str]) -> None:
    there = pool(job=job)["job"]
    assert (there["memory_request"], there["memory_limit"]) == made


@pytest.mark.parametrize(("limit", "request_"), [("50m", "50m"), (0.5, "100m"), (None, "100m")])
def test_a_small_limit_of_the_cpu(limit: Any, request_: str) -> None:
    job = pool(job={"cpu_limit": limit})["job"]
    assert (job["cpu_request"], job["cpu_limit"]) == (request_, limit)


def test_labels_are_those_of_the_pods() -> None:
    labels = {"selfhosted.prefect/runs-of": "prefect"}
    patch = {"job_manifest": {"spec": {"template": {"metadata": {"labels": {"team": "data"}}}}}}
    entry = {"name": "a", "type": "kubernetes", "job_manifest_patch": patch}
    (made,) = kubernetes_pools([entry], "flows", "prefect:1", labels=labels)
    manifest = made["job_manifest_patch"]["job_manifest"]
    assert manifest["spec"]["template"]["metadata"]["labels"] == {
        **labels,
        "selfhosted.prefect/pool": "a",
        "team": "data",
    }


def test_what_a_pool_states_itself_wins() -> None:
    made = pool(
        job={"namespace": "other", "env": {"Y": "2"}},
        job_manifest_patch={"job_manifest": {"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 60}}}}},
    )
    assert made["job"]["namespace"] == "other"
    assert made["job"]["env"] == {"X": "true", "Y": "2"}
    spec = made["job_manifest_patch"]["job_manifest"]["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 60
    assert spec["securityContext"]["runAsNonRoot"] is True


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"labels": {"team": "data"}, "annotations": {"a": "b"}},
        {"labels": "{{ labels }}"},
        {"labels": {"selfhosted.prefect/runs-of": "other", "selfhosted.prefect/pool": "other"}},
    ],
)
@pytest.mark.parametrize("patch", [None, {"job_manifest": {"spec": {"template": {"metadata": None}}}}])
def test_runs_of_every_template_have_the_labels(metadata: Any, patch: Any) -> None:
    """By which network policies, the admission policy and the teardown find them."""
    spec = {"containers": [{"name": "prefect-job", "image": "{{ image }}"}]}
    pod = {"spec": spec, **({"metadata": metadata} if metadata else {})}
    manifest = {"spec": {"template": pod, "ttlSecondsAfterFinished": 5}}
    template = {"job_configuration": {"job_manifest": manifest, "env": "{{ env }}"}, "variables": {"properties": {}}}
    entry = {"name": "a", "type": "kubernetes", "base_job_template": template}
    if patch:
        entry["job_manifest_patch"] = patch
    labels = {"selfhosted.prefect/runs-of": "prefect"}
    (made,) = kubernetes_pools([entry], "flows", "prefect:1", labels=labels)
    assert can_be_labelled(template)
    assert "job" not in made
    # As the module that creates the pool combines the two.
    result = job_template(made["base_job_template"], None, made["job_manifest_patch"])["job_configuration"]
    found = result["job_manifest"]["spec"]["template"]
    assert found["metadata"]["labels"].items() >= {**labels, "selfhosted.prefect/pool": "a"}.items()
    assert found["spec"] == spec
    assert (result["env"], result["job_manifest"]["spec"]["ttlSecondsAfterFinished"]) == ("{{ env }}", 5)
    if metadata and "annotations" in metadata and not patch:
        assert found["metadata"]["annotations"] == {"a": "b"}
        assert found["metadata"]["labels"]["team"] == "data"


def nested(*names: str, value: Any) -> dict[str, Any]:
    return {names[0]: nested(*names[1:], value=value) if names[1:] else value}


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"job_configuration": {}},
        {"job_configuration": "{{ all }}"},
        *(
            nested("job_configuration", *names, value=value)
            for names in (("job_manifest",), ("job_manifest", "spec"), ("job_manifest", "spec", "template"))
            for value in ("{{ placeholder }}", None, [])
        ),
        nested("job_configuration", "job_manifest", "spec", "template", "metadata", value="{{ metadata }}"),
    ],
    ids=json.dumps,
)
def test_a_template_without_a_place_for_labels_is_told(template: dict[str, Any]) -> None:
    assert not can_be_labelled(template)


@pytest.mark.parametrize(
    "entry", [{"name": "a", "type": "process"}, {"name": "a", "type": "kubernetes", "state": "absent"}]
)
def test_other_pools_stay_as_they_are(entry: dict[str, Any]) -> None:
    assert kubernetes_pools([entry], "flows", "prefect:1") == [entry]


def workers(**options: Any) -> dict[str, Any]:
    (made,) = worker_deployments([{"name": "Fast ones", "type": "kubernetes", "workers": options}], "flows")
    return made


def test_a_pool_gets_one_worker_that_starts_jobs_in_its_namespace() -> None:
    made = workers()
    assert (made["min"], made["max"], made["metric"], made["job_namespaces"]) == (1, 1, None, ["flows"])
    assert made["name"].startswith("worker-fast-ones-")


@pytest.mark.parametrize(
    ("options", "metric", "target"),
    [
        ({"min": 2, "max": 8}, "cpu", 70),
        ({"min": 2, "max": 8, "autoscaling": {"metric": "backlog"}}, "backlog", 15),
        ({"min": 2, "max": 8, "autoscaling": {"metric": "cpu", "target": 50}}, "cpu", 50),
        ({"min": 2, "max": 2, "autoscaling": {"metric": "cpu"}}, None, 70),
    ],
)
def test_workers_scale_between_their_bounds(options: dict[str, Any], metric: str | None, target: int) -> None:
    made = workers(**options)
    assert (made["metric"], made["target"]) == (metric, target)


@pytest.mark.parametrize(
    ("pool", "limit"),
    [
        ({"concurrency_limit": 10, "workers": {"min": 2, "max": 4}}, 3),
        ({"concurrency_limit": 10, "workers": {"min": 2}}, 5),
        ({"concurrency_limit": 10}, 10),
        ({"concurrency_limit": 2, "workers": {"min": 4}}, 1),
        ({"concurrency_limit": 10, "workers": {"min": 2, "limit": 7}}, 7),
        ({"concurrency_limit": 0}, None),
        ({}, None),
        ({"concurrency_limit": 10, "type": "kubernetes"}, 10),
        ({"concurrency_limit": 10, "workers": {"min": 3, "max": 9}, "type": "kubernetes"}, 4),
        ({"concurrency_limit": 10, "workers": {"min": 0, "max": 9}, "type": "kubernetes"}, 10),
        ({"concurrency_limit": None, "workers": {"min": 3}, "type": "kubernetes"}, None),
        ({"concurrency_limit": 10, "workers": {"limit": 7}, "type": "kubernetes"}, 7),
    ],
)
def test_the_limit_of_a_pool_is_dealt_out(pool: dict[str, Any], limit: int | None) -> None:
    (made,) = worker_deployments([{"name": "a", **pool}], "flows")
    assert made["limit"] == limit


PROMETHEUS = {"address": "http://prometheus:9090", "query": "sum(runs)"}


@pytest.mark.parametrize(
    ("metric", "most", "wanted"), [("backlog", 8, PROMETHEUS), ("cpu", 8, None), ("backlog", 2, None)]
)
def test_a_prometheus_tells_the_backlog(metric: str, most: int, wanted: Any) -> None:
    made = workers(min=2, max=most, autoscaling={"metric": metric, "prometheus": PROMETHEUS})
    assert made["prometheus"] == wanted
    assert workers(min=2, max=8, autoscaling={"metric": "backlog"})["prometheus"] is None


@pytest.mark.parametrize(("kind", "target"), [("process", 5), ("kubernetes", 15)])
def test_a_backlog_brings_as_many_workers_as_can_run_it(kind: str, target: int) -> None:
    options = {"min": 2, "max": 20, "autoscaling": {"metric": "backlog"}}
    (made,) = worker_deployments([{"name": "a", "type": kind, "concurrency_limit": 100, "workers": options}], "flows")
    assert made["target"] == target


@pytest.mark.parametrize(
    ("kind", "own", "wanted"),
    [
        ("kubernetes", None, []),
        ("process", None, [{}]),
        ("process", [], []),
        ("kubernetes", [{"to": []}], [{"to": []}]),
    ],
)
def test_where_workers_may_send(kind: str, own: Any, wanted: Any) -> None:
    pool = {"name": "a", "type": kind, "workers": {"min": 1, "egress": own}}
    assert worker_deployments([pool], "flows")[0]["egress"] == wanted


@pytest.mark.parametrize("name", ["flows", "Flöws of A/B"])
def test_runs_have_the_labels_by_which_their_policy_selects(name: str) -> None:
    entry = {"name": name, "type": "kubernetes"}
    (deployment,) = worker_deployments([entry], "flows")
    (made,) = kubernetes_pools([entry], "flows", "prefect:1")
    labels = made["job_manifest_patch"]["job_manifest"]["spec"]["template"]["metadata"]["labels"]
    assert labels == deployment["run_labels"]
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", *labels.values())


def test_a_pool_without_workers_gets_no_deployment() -> None:
    assert worker_deployments([{"name": "a", "workers": {"min": 0}}, {"name": "b", "state": "absent"}], "flows") == []


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("no", False), ("false", False), ("", False), (None, False), (0, False), ("yes", True), ("True", True), (1, True)],
)
def test_a_truth_may_be_a_text(value: Any, *, wanted: bool) -> None:
    """A template or a quoted value in the inventory is a text. The argument specification of the role accepts it."""
    pools = [{"name": "a", "type": "kubernetes", "pre_pull": value}]
    (made,) = worker_deployments(pools, "flows")
    assert made["pre_pull"] == wanted


def test_flow_code_is_in_the_namespaces_of_flow_code() -> None:
    pools = [
        {"name": "a", "type": "kubernetes"},
        {"name": "b", "type": "kubernetes", "job": {"namespace": "own"}, "workers": {"namespaces": ["other", "own"]}},
        {"name": "c"},
        {"name": "d", "type": "docker"},
        {"name": "e", "type": "kubernetes", "state": "absent", "job": {"namespace": "gone"}},
    ]
    assert run_namespaces(pools, "flows") == ["flows", "own", "other"]
    assert run_namespaces(pools, "flows", absent=True) == ["flows", "own", "other", "gone"]
    assert run_namespaces([{"name": "c", "workers": {"min": 0}}, pools[3]], "flows") == []
    made = {
        entry["pool"]: (entry["namespace"], entry["job_namespaces"]) for entry in worker_deployments(pools, "flows")
    }
    assert made == {
        "a": (None, ["flows"]),
        "b": (None, ["own", "other"]),
        "c": ("flows", []),
        "d": (None, []),
    }


def admission_policy(pools: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
    policy, binding = admission_policies(pools, "i", "home", **options)
    assert policy["metadata"]["name"] == binding["metadata"]["name"] == "home.i-workers"
    assert binding["spec"] == {"policyName": "home.i-workers", "validationActions": ["Deny"]}
    return dict(policy["spec"])


def listed(policy: dict[str, Any]) -> dict[str, list[str]]:
    """Return the names in the policy, by kind, without those that every worker may use."""
    expressions = {entry["name"]: entry["expression"].split(" + ")[0] for entry in policy["variables"]}
    return {name: json.loads(text) for name, text in expressions.items() if text.startswith("[")}


def admitted(pool: dict[str, Any], **options: Any) -> dict[str, list[str]]:
    """Return what the policy allows the Jobs of a pool to refer to."""
    found = listed(admission_policy([{"name": "a", "type": "kubernetes", **pool}], **options))
    start = "i-worker-a/"
    assert all(name.startswith(start) for names in found.values() for name in names)
    return {kind: [name.removeprefix(start) for name in names] for kind, names in found.items()}


def test_jobs_may_refer_to_what_their_pool_names() -> None:
    assert not any(admitted({}).values())
    spec = {
        "imagePullSecrets": [{"name": "pulled"}],
        "nodeName": "node-1",
        "priorityClassName": "high",
        "volumes": [
            {"name": "a", "secret": {"secretName": "mounted"}},
            {"name": "b", "projected": {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "m"}}]}},
            {"name": "d", "persistentVolumeClaim": {"claimName": "models"}},
            {"name": "e", "persistentVolumeClaim": {"claimName": "{{ claim }}"}},
            {"name": "c", "csi": {"driver": "csi.example", "nodePublishSecretRef": {"name": "published"}}},
        ],
        "containers": [
            {
                "name": "prefect-job",
                "envFrom": [{"secretRef": {"name": "whole"}}],
                "env": [{"name": "E", "valueFrom": {"configMapKeyRef": {"name": "n", "key": "k"}}}],
            }
        ],
    }
    patch = {"job_manifest": {"spec": {"template": {"spec": spec}}}}
    account = {"service_account_name": "runner"}
    found = admitted(
        {"job": account, "job_manifest_patch": patch},
        allowed={"secrets": ["s3"], "config_maps": None, "persistent_volume_claims": ["shared"]},
    )
    assert found["secrets"] == sorted(["pulled", "mounted", "projected", "published", "whole", "s3"])
    assert found["config_maps"] == ["m", "n"]
    assert found["service_accounts"] == ["runner"]
    assert found["persistent_volume_claims"] == ["models", "shared"]
    assert found["csi_drivers"] == ["csi.example"]
    assert found["nodes"] == ["node-1"]
    assert found["priority_classes"] == ["high"]
    # In a pool's own template, the defaults of variables are allowed, but no other values.
    variable = {"service_account_name": {"type": "string", "default": "named"}}
    template = {"variables": {"properties": variable}, "job_configuration": {"serviceAccountName": "{{ name }}"}}
    assert admitted({"base_job_template": template})["service_accounts"] == ["named"]


def test_every_kind_of_volume_is_limited_or_reads_nothing() -> None:
    rules = [rule["expression"] for rule in admission_policy([{"name": "a", "type": "kubernetes"}])["validations"]]
    (kinds,) = (re.findall(r"has\(v\.(\w+)\)", rule) for rule in rules if rule.count(" || has(v.") > 2)
    assert len(kinds) > 5
    free = {kind for kind in kinds if not any(f"!has(v.{kind})" in rule for rule in rules)}
    assert free == {"emptyDir", "downwardAPI"}


def test_jobs_have_the_labels_of_their_pool() -> None:
    label, pool = "selfhosted.prefect/runs-of", "selfhosted.prefect/pool"
    own_template = {"job_configuration": {"job_manifest": {"spec": {"template": {}}}}}
    pools = kubernetes_pools(
        [
            {"name": "a", "type": "kubernetes"},
            {"name": "b", "type": "kubernetes", "base_job_template": own_template},
        ],
        "flows",
        "i:1",
        {},
        "Never",
        ["pulled"],
        {label: "i"},
    )
    found = listed(admission_policy(pools))
    assert found["labels"] == [f"i-worker-{name}/{text}" for name in "ab" for text in (f"{pool}={name}", f"{label}=i")]
    assert found["secrets"] == ["i-worker-a/pulled"]


def test_one_policy_limits_all_workers_of_an_instance() -> None:
    pools = [
        {"name": "a", "type": "kubernetes", "job": {"service_account_name": "of-a"}},
        {"name": "B", "type": "kubernetes", "job": {"service_account_name": "of-b"}},
        {"name": "c", "type": "kubernetes", "job": {"service_account_name": "of-c"}, "workers": {"min": 0}},
        {"name": "d", "type": "kubernetes", "job": {"service_account_name": "of-d"}, "state": "absent"},
        {"name": "e"},
    ]
    policy = admission_policy(pools)
    accounts = [f"i-{entry['name']}" for entry in worker_deployments(pools[:2], "flows")]
    # Workers of removed pools get only the names that every worker may use.
    assert listed(policy)["service_accounts"] == sorted(
        f"{account}/of-{pool}" for account, pool in zip(accounts, "ab", strict=True)
    )
    (condition,) = policy["matchConditions"]
    assert condition["expression"] == 'request.userInfo.username.startsWith("system:serviceaccount:home:i-worker-")'
    assert admission_policies(pools[2:], "i", "home") == []


def placement(spec: Any) -> dict[str, Any]:
    patch = {"job_manifest": {"spec": {"template": {"spec": spec}}}}
    entry = {"name": "a", "type": "kubernetes", "job_manifest_patch": patch}
    return dict(worker_deployments([entry], "flows", ["registry"])[0]["placement"])


def test_the_placement_is_that_of_the_runs() -> None:
    registry = [{"name": "registry"}]
    spec = {"nodeSelector": {"pool": "runs"}, "tolerations": [{"operator": "Exists"}], "affinity": {"nodeAffinity": {}}}
    assert placement({**spec, "containers": []}) == {**spec, "imagePullSecrets": registry}
    assert placement({"imagePullSecrets": [{"name": "own"}]}) == {"imagePullSecrets": [*registry, {"name": "own"}]}
    assert placement(None) == placement({"nodeSelector": None}) == {"imagePullSecrets": registry}
    assert workers()["placement"] == {}


NAMESPACE: dict[str, Any] = {
    "exists": True,
    "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
    "missing_secrets": [],
    "quotas": [{"hard": {"requests.cpu": "2", "pods": "10", "services": "1"}}],
}
CLUSTER: dict[str, Any] = {
    "version": "v1.37.2",
    "denied": [],
    "namespaces": {"prefect": NAMESPACE},
    "storage_classes": ["standard"],
    "default_storage_class": "standard",
    "apis": [
        "admissionregistration.k8s.io/v1/validatingadmissionpolicies",
        "metrics.k8s.io/v1beta1",
        "keda.sh/v1alpha1",
        "gateway.networking.k8s.io/v1",
        "postgresql.cnpg.io/v1",
    ],
    "nodes": {"count": 2, "cpu": 4, "memory_mb": 8192, "pods": 220, "most_cpu": 2, "most_memory_mb": 4096},
}
NEEDS: dict[str, Any] = {
    "create_namespaces": False,
    "namespace": "prefect",
    "pull_secrets": ["registry"],
    "tls_secret": "certificate",
    "volumes": True,
    "storage_class": "",
    "metrics": ["cpu", "backlog"],
    "http_route": True,
    "gateway_parent": {"name": "public"},
    "cloudnative_pg": True,
    "instance": "prefect",
    "pod_security": "restricted",
    "admission_policies": True,
    "admission_objects": [],
    "unlimited_jobs": False,
    "nodes_autoscale": False,
    "pods": [
        {
            "option": "prefect_server_api_resources",
            "what": "the API",
            "namespace": "prefect",
            "count": 3,
            "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}},
        }
    ],
}


def api(count: int = 3, **requests: str) -> dict[str, Any]:
    entry = NEEDS["pods"][0]
    resources = {**entry["resources"], "requests": {**entry["resources"]["requests"], **requests}}
    return {"pods": [{**entry, "count": count, "resources": resources}]}


def without(api: str) -> dict[str, Any]:
    return {"apis": [name for name in CLUSTER["apis"] if name != api]}


def namespace(**changed: Any) -> dict[str, Any]:
    return {"namespaces": {"prefect": {**NAMESPACE, **changed}}}


def test_a_good_cluster_has_no_problem() -> None:
    assert cluster_problems(CLUSTER, NEEDS) == []


@pytest.mark.parametrize(
    ("cluster", "needs", "option", "words"),
    [
        ({"version": "v1.29.4"}, {}, "prefect_kubeconfig", "older than 1.30"),
        (
            {"denied": ["create pods/exec in prefect"]},
            {},
            "prefect_kubeconfig",
            "not permitted to create pods/exec in prefect",
        ),
        (
            namespace(exists=False),
            {},
            "prefect_namespace",
            "prefect_create_namespaces is false",
        ),
        (
            namespace(missing_secrets=["registry"]),
            {},
            "prefect_image_pull_secrets",
            "Secret registry does not exist in the namespace prefect",
        ),
        (
            namespace(missing_secrets=["mine"]),
            {},
            "prefect_server_existing_secret",
            "Secret mine does not exist",
        ),
        (
            namespace(missing_secrets=["certificate"]),
            {},
            "prefect_gateway_tls_secret",
            "Secret certificate does not exist in the namespace prefect",
        ),
        ({}, {"gateway_parent": {}}, "prefect_gateway_parent", "no name of a Gateway"),
        ({"default_storage_class": ""}, {}, "prefect_storage_class", "no default storage class"),
        ({}, {"storage_class": "fast"}, "prefect_storage_class", "storage class fast does not exist"),
        (
            without("admissionregistration.k8s.io/v1/validatingadmissionpolicies"),
            {},
            "prefect_admission_policies",
            "no ValidatingAdmissionPolicy",
        ),
        (without("metrics.k8s.io/v1beta1"), {}, "prefect_work_pools[].workers.autoscaling", "no metrics API"),
        (without("keda.sh/v1alpha1"), {}, "prefect_work_pools[].workers.autoscaling", "no KEDA"),
        (without("gateway.networking.k8s.io/v1"), {}, "prefect_gateway_kind", "no Gateway API"),
        (without("postgresql.cnpg.io/v1"), {}, "prefect_postgres_kind", "does not have the operator CloudNativePG"),
        (
            namespace(labels={}),
            {},
            "prefect_pod_security",
            "Standard privileged, which is less restrictive than restricted",
        ),
        (
            {},
            api(5),
            "prefect_server_api_resources",
            "allows 2 of requests.cpu, and the pods of this instance need 2.5",
        ),
        (
            namespace(quotas=[{"hard": {"pods": "2"}}]),
            {},
            "prefect_server_api_resources",
            "allows 2 of pods, and the pods of this instance need 3",
        ),
        (
            namespace(quotas=[{"hard": {"memory": "1Gi"}}]),
            {},
            "prefect_server_api_resources",
            "allows 1Gi of memory, and the pods of this instance need 3072 MiB",
        ),
        (
            namespace(quotas=[{"hard": {"limits.cpu": "9"}}]),
            {},
            "prefect_server_api_resources",
            "limits limits.cpu, so each pod must set it, and the API does not",
        ),
        (namespace(quotas=[]), api(1, cpu="2500m"), "prefect_server_api_resources", "the largest node has 2"),
        (
            namespace(quotas=[]),
            api(9, memory="1Mi"),
            "prefect_server_api_resources",
            "need 4.5 of requests.cpu in total",
        ),
        (
            namespace(quotas=[]),
            api(9, cpu="1m"),
            "prefect_server_api_resources",
            "9216 MiB of requests.memory in total",
        ),
    ],
)
def test_what_a_cluster_lacks_is_named(cluster: Any, needs: Any, option: str, words: str) -> None:
    (problem,) = cluster_problems({**CLUSTER, **cluster}, {**NEEDS, **needs})
    assert problem["option"] == option
    assert words in problem["problem"]
    assert problem["remedy"]


def policy_of_others(**options: Any) -> dict[str, Any]:
    """What is needed where an administrator makes the policy."""
    made = admission_policies([{"name": "a", "type": "kubernetes"}], "i", "home")
    return {**NEEDS, "admission_policies": False, "admission_objects": made, **options}


def served(spec: dict[str, Any]) -> dict[str, Any]:
    """As the API server returns it, with its defaults."""
    if "matchConstraints" not in spec:
        return dict(spec)
    rules = [{**rule, "scope": "*"} for rule in spec["matchConstraints"]["resourceRules"]]
    return {**spec, "matchConstraints": {"resourceRules": rules, "matchPolicy": "Equivalent", "namespaceSelector": {}}}


POLICY, BINDING = (served(item["spec"]) for item in policy_of_others()["admission_objects"])
MISSING = "It is false, and the cluster has no ValidatingAdmissionPolicy home.i-workers with a binding"


@pytest.mark.parametrize(
    ("found", "problems", "notes"),
    [
        ({}, [], []),
        ({"policy": None}, [MISSING], []),
        ({"binding": None}, [MISSING], []),
        ({"policy": None, "binding": None}, [MISSING], []),
        ({"binding": {**BINDING, "validationActions": ["Audit"]}}, [MISSING], []),
        ({"binding": {**BINDING, "policyName": "other"}}, [MISSING], []),
        ({"binding": {**BINDING, "matchResources": {}}}, [], []),
        ({"policy": {**POLICY, "validations": POLICY["validations"][1:]}}, [], ["differs from the inventory"]),
        ({"policy": {**POLICY, "variables": []}}, [], ["differs from the inventory"]),
        ({"policy": None, "readable": False}, [], ["the preflight cannot check that they exist"]),
    ],
)
def test_the_policy_that_an_administrator_makes_is_looked_for(
    found: dict[str, Any], problems: list[str], notes: list[str]
) -> None:
    cluster = {**CLUSTER, "admission_policy": {"readable": True, "policy": POLICY, "binding": BINDING, **found}}
    told = cluster_problems(cluster, policy_of_others())
    assert [entry["option"] for entry in told] == ["prefect_admission_policies"] * len(problems)
    assert all(entry["problem"].startswith(words) for entry, words in zip(told, problems, strict=True))
    if not problems:
        noted = admission_notes(cluster, policy_of_others())
        assert all(words in note for note, words in zip(noted, notes, strict=True))
    accepted = policy_of_others(unlimited_jobs=True)
    assert cluster_problems(cluster, accepted) == []
    assert bool(admission_notes(cluster, accepted)) == bool(problems or notes)


def test_the_policy_that_the_playbooks_make_is_not_looked_for() -> None:
    assert cluster_problems(CLUSTER, NEEDS) == []
    assert admission_notes(CLUSTER, NEEDS) == []


def test_what_a_limit_range_adds_need_not_be_stated() -> None:
    added = {"quotas": [{"hard": {"limits.cpu": "9"}}], "container_defaults": {"limits": {"cpu": "1"}}}
    assert cluster_problems({**CLUSTER, **namespace(**added)}, NEEDS) == []
    added["container_defaults"] = {"limits": {"cpu": "4"}}
    (problem,) = cluster_problems({**CLUSTER, **namespace(**added)}, NEEDS)
    assert "allows 9 of limits.cpu, and the pods of this instance need 12" in problem["problem"]


def test_a_namespace_of_jobs_needs_the_secrets_of_its_pods_only() -> None:
    flows = {**NAMESPACE, "missing_secrets": ["certificate", "mine", "registry"], "quotas": []}
    (problem,) = cluster_problems({**CLUSTER, "namespaces": {"prefect": NAMESPACE, "flows": flows}}, NEEDS)
    assert problem["option"] == "prefect_image_pull_secrets"


def test_an_ingress_needs_no_gateway() -> None:
    assert cluster_problems(CLUSTER, {**NEEDS, "http_route": False, "gateway_parent": {}}) == []


def test_nodes_that_come_by_themselves_are_not_counted() -> None:
    needs = {**NEEDS, **api(99), "nodes_autoscale": True}
    assert cluster_problems({**CLUSTER, **namespace(quotas=[])}, needs) == []


def test_a_namespace_that_is_made_here_gets_its_level_here() -> None:
    ours = namespace(labels={"selfhosted.prefect/instance": "prefect"})
    assert cluster_problems({**CLUSTER, **ours}, NEEDS) == []


def test_external_services_need_no_volumes() -> None:
    assert cluster_problems({**CLUSTER, "default_storage_class": ""}, {**NEEDS, "volumes": False}) == []
    unknown = {**CLUSTER, "storage_classes": None, "default_storage_class": ""}
    assert cluster_problems(unknown, {**NEEDS, "volumes": True, "storage_class": "fast"}) == []


def test_each_group_of_background_services_has_a_deployment() -> None:
    groups = [{"name": "services"}, {"name": "late.runs_a"}, {"name": "services-b"}]
    assert services_deployments(groups, "prefect") == {
        "services": "prefect-services",
        "late.runs_a": "prefect-services-late-runs-a",
        "services-b": "prefect-services-services-b",
    }


def test_names_are_asked_for_by_both_protocols() -> None:
    assert dns_rule([53, 5353]) == {
        "ports": [
            {"port": 53, "protocol": "UDP"},
            {"port": 53, "protocol": "TCP"},
            {"port": 5353, "protocol": "UDP"},
            {"port": 5353, "protocol": "TCP"},
        ]
    }
