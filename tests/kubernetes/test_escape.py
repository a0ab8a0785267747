# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attempts of flow code to read secrets of the server, and the controls that prevent each of them.

The tests use the token of a worker, which starts every Job that an API client asks for; the API, with a run whose pool
has been changed; and the pods of real runs.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ApiError,
    KubernetesClient,
    KubernetesError,
    access_from_kubeconfig,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import POOL_LABEL, RUNS_LABEL

from .conftest import NAME, Installed
from .deployment import BATCH, Deployment, wait_for

POLICY = "ValidatingAdmissionPolicy"
# Reports what a pod can see: its whole environment, its files, and the answers of the API server to its token.
LOOK = """
import json, os, pathlib, ssl, urllib.error, urllib.request

found = {"environment": dict(os.environ), "files": {}, "api_server": {}}
places = ["/var/run/secrets", "/run/secrets", "/etc", "/mnt", "/home", "/opt/prefect", "/tmp"]
for place in places:
    for path in pathlib.Path(place).rglob("*"):
        try:
            if path.is_file() and path.stat().st_size < 100_000:
                found["files"][str(path)] = path.read_text(errors="replace")
        except OSError:
            pass
for process in pathlib.Path("/proc").glob("[0-9]*/environ"):
    try:
        found["files"][str(process)] = process.read_text(errors="replace")
    except OSError:
        pass
token = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
headers = {"Authorization": f"Bearer {token.read_text()}"} if token.exists() else {}
for path in %s:
    request = urllib.request.Request(f"https://kubernetes.default.svc{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5, context=ssl._create_unverified_context()) as answer:
            found["api_server"][path] = answer.status
    except urllib.error.HTTPError as error:
        found["api_server"][path] = error.code
    except OSError as error:
        found["api_server"][path] = -1
print(json.dumps(found))
"""


def client_as(development: Deployment, directory: Path, account: str, namespace: str) -> KubernetesClient:
    """Return a client with the credentials of a ServiceAccount."""
    kubeconfig = development.kubeconfig_as(directory, account, namespace)
    return KubernetesClient(access_from_kubeconfig(str(kubeconfig), ""))


@pytest.fixture
def worker(development: Deployment, installed: Installed, tmp_path: Path) -> KubernetesClient:
    """A client with the credentials of the workers of the Kubernetes pool."""
    return client_as(development, tmp_path, f"{development.instance}-worker-kubernetes", development.namespace)


def refusal(client: KubernetesClient, method: str, path: str, body: Any = None) -> str:
    """Return the reason if a request is forbidden. An empty text means that it is allowed, even if it is invalid."""
    query = {"dryRun": "All"} if method != "GET" else None
    try:
        try:
            client.json(method, path, query, body)
        except ApiError:
            raise
        except KubernetesError:
            # The connection was idle for minutes while a playbook ran. A dry run can be retried.
            client.json(method, path, query, body)
    except ApiError as error:
        if error.status not in (403, 404, 409, 422):
            raise
        return str(error) if error.status == 403 or POLICY in str(error) else ""
    return ""


# The claim of an ephemeral volume that is new and empty.
EMPTY = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
# Labels of a run in the pool whose worker is attacked.
LABELS = {RUNS_LABEL: NAME, POOL_LABEL: "kubernetes"}


def job(**spec: Any) -> dict[str, Any]:
    """Return a Job as a worker creates it, with changes in the spec of its pod."""
    container = {
        "name": "prefect-job",
        "image": "prefect",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **spec.pop("container", {}),
    }
    metadata = {"labels": spec.pop("labels", LABELS)}
    pod = {
        "restartPolicy": "Never",
        "securityContext": {"runAsNonRoot": True, "runAsUser": 1001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        **spec,
    }
    manifest = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "mine-", **metadata}}
    return {**manifest, "spec": {"template": {"metadata": metadata, "spec": pod}}}


def jobs_that_read(secret: str, instance: str) -> dict[str, dict[str, Any]]:
    """Return Jobs that would read a Secret, or reach what only the pods of the instance may reach."""
    reference = {"name": secret}
    one = {"name": "S", "valueFrom": {"secretKeyRef": {**reference, "key": "key"}}}
    read = {"envFrom": [{"secretRef": reference}]}
    setting = {"configMapRef": {"name": f"{instance}-worker-scripts"}}

    def volume(**source: Any) -> dict[str, Any]:
        return job(volumes=[{"name": "v", **source}])

    def claim(**more: Any) -> dict[str, Any]:
        return {"volumeClaimTemplate": {"spec": {**EMPTY, **more}}}

    return {
        "envFrom": job(container=read),
        "env": job(container={"env": [one]}),
        "envFrom of an init container": job(initContainers=[{"name": "first", "image": "prefect", **read}]),
        "a second container": job(
            containers=[{"name": "prefect-job", "image": "a"}, {"name": "b", "image": "a", **read}]
        ),
        "a volume": volume(secret={"secretName": secret}),
        "an optional volume": volume(secret={"secretName": secret, "optional": True}),
        "a projected volume": volume(projected={"sources": [{"secret": reference}]}),
        "a csi volume": volume(csi={"driver": "none", "nodePublishSecretRef": reference}),
        "a volume of ceph": volume(cephfs={"monitors": ["a"], "secretRef": reference}),
        "a volume of azure": volume(azureFile={"secretName": secret, "shareName": "a"}),
        "a claim": volume(persistentVolumeClaim={"claimName": f"data-{instance}-postgres-0"}),
        "a copy of a claim": volume(ephemeral=claim(dataSource={"kind": "PersistentVolumeClaim", "name": "data"})),
        "a copy of a snapshot": volume(
            ephemeral=claim(
                dataSourceRef={"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "data"}
            )
        ),
        "a volume of somebody's claim": volume(ephemeral=claim(volumeName="pvc-0")),
        "a volume with labels": volume(ephemeral=claim(selector={"matchLabels": {"a": "b"}})),
        "a volume of the node": volume(hostPath={"path": "/var/lib/kubelet"}),
        "a volume of nfs": volume(nfs={"server": "a", "path": "/"}),
        "a volume of another driver": volume(csi={"driver": "secrets-store.csi.k8s.io"}),
        "a node of its choice": job(nodeName="server"),
        "a priority": job(priorityClassName="system-cluster-critical"),
        "a probe of another host": job(
            container={"readinessProbe": {"httpGet": {"host": "192.0.2.1", "port": 80, "path": "/"}}}
        ),
        "a hook for another host": job(
            container={"lifecycle": {"preStop": {"tcpSocket": {"host": "192.0.2.1", "port": 80}}}}
        ),
        "no labels": job(labels={}),
        "the image's login": job(imagePullSecrets=[reference]),
        "a ConfigMap": job(container={"envFrom": [setting]}),
        "a ConfigMap as a volume": volume(configMap={"name": f"{instance}-worker-scripts"}),
        "a ServiceAccount": job(serviceAccountName=f"{instance}-worker-inside"),
        "a ServiceAccount by its old name": job(serviceAccount=f"{instance}-worker-inside"),
        "the network of the node": job(hostNetwork=True),
        "the processes of the node": job(hostPID=True),
        "the IPC of the node": job(hostIPC=True),
        "a privileged container": job(container={"securityContext": {"privileged": True}}),
        "the label of the instance": job(labels={**LABELS, "selfhosted.prefect/instance": instance}),
        "the label of a component": job(labels={**LABELS, "selfhosted.prefect/component": "api"}),
        "the label of a workload": job(labels={**LABELS, "selfhosted.prefect/workload": f"{instance}-api"}),
        "the label of the database's clients": job(labels={**LABELS, "selfhosted.prefect/uses-database": "true"}),
        "the label of Redis' clients": job(labels={**LABELS, "selfhosted.prefect/uses-redis": "true"}),
        "the label of another pool's runs": job(labels={**LABELS, POOL_LABEL: "inside"}),
        "the label of another instance's runs": job(labels={**LABELS, RUNS_LABEL: "another"}),
        "the label of the operator's database": job(labels={**LABELS, "cnpg.io/cluster": f"{instance}-postgres"}),
    }


NAMES = sorted(jobs_that_read("", ""))


@pytest.mark.parametrize("way", NAMES)
def test_no_job_of_a_worker_reads_a_secret(development: Deployment, worker: KubernetesClient, way: str) -> None:
    """In the namespace of the server, every Job is forbidden. In that of flow code, each of these Jobs is."""
    for secret in (f"{development.instance}-worker-inside", f"{development.instance}-api"):
        manifest = jobs_that_read(secret, development.instance)[way]
        why = refusal(worker, "POST", f"{BATCH}/namespaces/{development.jobs_namespace}/jobs", manifest)
        assert POLICY in why, (secret, why)
        assert refusal(worker, "POST", f"{BATCH}/namespaces/{development.namespace}/jobs", manifest)


def test_a_worker_may_start_jobs_and_nothing_else(development: Deployment, worker: KubernetesClient) -> None:
    here, there = (f"namespaces/{name}" for name in (development.namespace, development.jobs_namespace))
    login = {"name": f"{development.instance}-worker-kubernetes-api-login", "key": "PREFECT_API_AUTH_STRING"}
    own = job(
        container={"env": [{"name": "A", "value": "b"}, {"name": "P", "valueFrom": {"secretKeyRef": login}}]},
        labels={
            RUNS_LABEL: development.instance,
            POOL_LABEL: "kubernetes",
            "app.kubernetes.io/part-of": "prefect",
            "mine": "yes",
        },
        volumes=[
            {"name": "tmp", "emptyDir": {}},
            {"name": "disk", "ephemeral": {"volumeClaimTemplate": {"spec": EMPTY}}},
        ],
        serviceAccountName="default",
    )
    for method, path, body in (
        ("POST", f"{BATCH}/{there}/jobs", job()),
        ("POST", f"{BATCH}/{there}/jobs", own),
        ("GET", f"{BATCH}/{there}/jobs", None),
        ("DELETE", f"{BATCH}/{there}/jobs/none", None),
        ("GET", f"/api/v1/{there}/pods", None),
        ("GET", f"/api/v1/{there}/pods/none/log", None),
    ):
        assert not refusal(worker, method, path, body), (method, path)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "mine"}, "spec": {"containers": []}}
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "more"}, "rules": []}
    token = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}
    postgres = f"/api/v1/{here}/pods/{development.instance}-postgres-0"
    (inside,) = (item["metadata"]["name"] for item in development.workers_of("inside"))
    everywhere = [
        (method, path.format(place), body)
        for place in (here, there)
        for method, path, body in (
            ("GET", "/api/v1/{}/secrets", None),
            ("GET", f"/api/v1/{{}}/secrets/{development.instance}-api", None),
            ("GET", f"/api/v1/{{}}/secrets/{development.instance}-worker-inside", None),
            ("GET", "/api/v1/{}/configmaps", None),
            ("GET", "/api/v1/{}/events", None),
            ("POST", "/api/v1/{}/pods", pod),
            ("POST", f"/api/v1/{{}}/serviceaccounts/{development.instance}-worker-inside/token", token),
            ("POST", f"/api/v1/{{}}/serviceaccounts/{development.instance}-observer/token", token),
            ("POST", "/apis/rbac.authorization.k8s.io/v1/{}/roles", role),
            ("POST", "/apis/apps/v1/{}/deployments", {"metadata": {"name": "mine"}}),
            ("POST", f"{BATCH}/{{}}/cronjobs", {"metadata": {"name": "mine"}}),
            ("PATCH", f"{BATCH}/{{}}/jobs/none", {}),
        )
    ]
    for method, path, body in (
        *everywhere,
        ("POST", f"{postgres}/exec", {}),
        ("GET", f"{postgres}/exec?command=env&stdout=true", None),
        ("GET", f"{postgres}/log", None),
        ("PATCH", f"{postgres}/ephemeralcontainers", {}),
        ("GET", f"{postgres}/portforward", None),
        ("POST", f"/api/v1/{there}/pods/{inside}/exec", {}),
        ("PATCH", f"/api/v1/{there}/pods/{inside}/ephemeralcontainers", {}),
        ("POST", f"{BATCH}/{here}/jobs", own),
        ("POST", f"{BATCH}/namespaces/default/jobs", own),
        ("POST", f"{BATCH}/namespaces/kube-system/jobs", own),
        ("GET", f"{BATCH}/jobs", None),
        ("GET", f"/api/v1/{here}/pods", None),
        ("GET", "/api/v1/namespaces/default/pods", None),
        ("GET", "/api/v1/secrets", None),
        ("GET", "/api/v1/nodes", None),
    ):
        assert refusal(worker, method, path, body), (method, path)


@pytest.fixture
def jobs(development: Deployment, installed: Installed) -> Iterator[dict[str, str]]:
    """Create suspended Jobs in the namespace of flow code. Yield their paths by owner."""
    path = f"{BATCH}/namespaces/{development.jobs_namespace}/jobs"
    owners = {
        "own": LABELS,
        "another pool's": {**LABELS, POOL_LABEL: "inside"},
        "another instance's": {**LABELS, RUNS_LABEL: "another"},
        "somebody's": {},
    }
    found = {}
    client = development.cluster.client
    try:
        for owner, labels in owners.items():
            manifest = job(labels=labels)
            manifest["spec"]["suspend"] = True
            found[owner] = f"{path}/{client.json('POST', path, body=manifest)['metadata']['name']}"
        yield found
    finally:
        for each in found.values():
            client.json("DELETE", each, {"propagationPolicy": "Background"})


def test_a_worker_deletes_jobs_of_its_pool_only(
    development: Deployment, worker: KubernetesClient, jobs: dict[str, str]
) -> None:
    """A worker deletes the Job of a cancelled run. An API client can write the name of this Job."""
    refused = {owner for owner, path in jobs.items() if POLICY in refusal(worker, "DELETE", path)}
    assert refused == jobs.keys() - {"own"}
    assert not refusal(worker, "DELETE", jobs["own"])


@pytest.fixture
def removed(development: Deployment, installed: Installed, tmp_path: Path) -> Iterator[KubernetesClient]:
    """A client with the credentials of a worker whose pool was removed from the inventory. It may still create Jobs."""
    account, kept = f"{development.instance}-worker-gone", f"{development.instance}-worker-kubernetes"
    accounts = f"/api/v1/namespaces/{development.namespace}/serviceaccounts"
    bindings = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{development.jobs_namespace}/rolebindings"
    client = development.cluster.client
    binding = {
        "metadata": {"name": account},
        "roleRef": client.json("GET", f"{bindings}/{kept}")["roleRef"],
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": development.namespace}],
    }
    try:
        client.json("POST", accounts, body={"metadata": {"name": account}})
        client.json("POST", bindings, body=binding)
        yield client_as(development, tmp_path, account, development.namespace)
    finally:
        for path in (f"{accounts}/{account}", f"{bindings}/{account}"):
            client.json("DELETE", path)


def test_a_worker_of_a_removed_pool_is_still_limited(development: Deployment, removed: KubernetesClient) -> None:
    path = f"{BATCH}/namespaces/{development.jobs_namespace}/jobs"
    own = {**LABELS, POOL_LABEL: "gone"}
    assert not refusal(removed, "POST", path, job(labels=own))
    assert POLICY in refusal(removed, "POST", path, job(labels=LABELS))
    for way in ("envFrom", "a volume", "a ServiceAccount", "the image's login"):
        manifest = jobs_that_read(f"{development.instance}-worker-inside", development.instance)[way]
        manifest["metadata"]["labels"] = manifest["spec"]["template"]["metadata"]["labels"] = own
        assert POLICY in refusal(removed, "POST", path, manifest), way


def test_a_worker_whose_runs_are_processes_may_nothing(
    development: Deployment, installed: Installed, tmp_path: Path
) -> None:
    client = client_as(development, tmp_path, f"{development.instance}-worker-inside", development.jobs_namespace)
    for namespace in (development.namespace, development.jobs_namespace):
        for path in (f"{BATCH}/namespaces/{namespace}/jobs", f"/api/v1/namespaces/{namespace}/pods"):
            assert refusal(client, "GET", path)
            assert refusal(client, "POST", path, {})
        assert refusal(client, "GET", f"/api/v1/namespaces/{namespace}/secrets")


def server_secrets(development: Deployment) -> dict[str, str]:
    """Return the secrets of the server that no API client may read, by name."""
    found = {path.name: path.read_text().strip() for path in (development.inventory / ".secrets").iterdir()}
    assert found.pop("api") in development.login
    assert len(found) == 3
    return found


def test_where_flow_code_runs_no_secret_of_the_server_is(development: Deployment, installed: Installed) -> None:
    items = development.cluster.items(f"/api/v1/namespaces/{development.jobs_namespace}/secrets")
    # Only the Secrets of its workers and Jobs.
    assert {item["metadata"]["name"] for item in items} == {
        f"{development.instance}-worker-inside",
        f"{development.instance}-worker-kubernetes-api-login",
    }
    values = [base64.b64decode(value).decode() for item in items for value in item["data"].values()]
    assert development.login in values
    assert [name for name, secret in server_secrets(development).items() if secret in " ".join(values)] == []


@pytest.fixture
def runs(development: Deployment, installed: Installed) -> Iterator[dict[str, str]]:
    """Yield the pods of real runs, by pool, while they run."""
    (first,) = development.submit(1, seconds=300)
    (second,) = development.submit(1, seconds=300, pool="inside")
    development.wait_for_states([first, second], {"RUNNING"})
    label = f"prefect.io/flow-run-id={first}"
    (pod,) = (item["metadata"] for item in development.objects("pods", labelSelector=label))
    (worker,) = (item["metadata"] for item in development.workers_of("inside"))
    assert {pod["namespace"], worker["namespace"]} == {development.jobs_namespace}
    yield {"kubernetes": pod["name"], "inside": worker["name"]}
    cancelled = {"state": {"type": "CANCELLED", "name": "Cancelled"}, "force": True}
    for run in (first, second):
        development.api("POST", f"/flow_runs/{run}/set_state", cancelled)


def test_a_run_finds_no_secret_of_the_server(development: Deployment, runs: dict[str, str]) -> None:
    secrets = server_secrets(development)
    here, there = (f"namespaces/{name}" for name in (development.namespace, development.jobs_namespace))
    paths = [
        path
        for place in (here, there)
        for path in (f"/api/v1/{place}/secrets", f"/api/v1/{place}/pods", f"{BATCH}/{place}/jobs")
    ]
    for pool, pod in runs.items():
        found = json.loads(development.run_in(pod, ["python", "-c", LOOK % paths]))
        assert found["environment"].get("PREFECT_API_URL"), pool
        text = json.dumps(found)
        assert [name for name, secret in secrets.items() if secret in text] == [], pool
        assert "/var/run/secrets/kubernetes.io/serviceaccount/token" not in found["files"], pool
        assert not {200, 201} & set(found["api_server"].values()), (pool, found["api_server"])


def test_a_client_of_the_api_cannot_change_a_pool_into_a_way_to_secrets(
    development: Deployment, installed: Installed
) -> None:
    """A run may use the API, and can therefore change the job template of its own pool."""
    pool = development.api("GET", "/work_pools/kubernetes")
    changed = copy.deepcopy(pool["base_job_template"])
    container = changed["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"][0]
    container["envFrom"] = [{"secretRef": {"name": f"{development.instance}-worker-inside"}}]
    update = {"base_job_template": changed}
    try:
        development.api("PATCH", "/work_pools/kubernetes", update)
        # A worker keeps the template that it has read until it is restarted.
        (pod,) = development.workers_of("kubernetes")
        development.delete_pod(pod["metadata"]["name"])
        (run,) = development.submit(1, seconds=0)
        development.wait_for_states([run], {"CRASHED", "FAILED"}, 180)
        state = development.api("GET", f"/flow_runs/{run}")["state"]
        logs = development.api("POST", "/logs/filter", {"logs": {"flow_run_id": {"any_": [run]}}})
        text = json.dumps([state, *logs])
        assert POLICY in text or "a container reads a Secret" in text, text
        label = f"prefect.io/flow-run-id={run}"
        assert development.objects("jobs", BATCH, labelSelector=label) == []
    finally:
        development.play("configure")
        development.play("workers")


def test_what_a_pool_names_its_jobs_may_read(development: Deployment, worker: KubernetesClient) -> None:
    """After the inventory no longer names a Secret, Jobs may not read it."""
    pools = copy.deepcopy(development.variables["prefect_work_pools"])
    source = {"envFrom": [{"secretRef": {"name": "of-the-flows"}}]}
    container = {"name": "prefect-job", **source}
    template = {"spec": {"containers": [container]}}
    pools[0]["job_manifest_patch"] = {"job_manifest": {"spec": {"template": template}}}
    path = f"{BATCH}/namespaces/{development.jobs_namespace}/jobs"

    def reads(name: str) -> str:
        return refusal(worker, "POST", path, job(container={"envFrom": [{"secretRef": {"name": name}}]}))

    assert POLICY in reads("of-the-flows")

    def mounts(name: str) -> str:
        volume = {"name": "v", "persistentVolumeClaim": {"claimName": name}}
        return refusal(worker, "POST", path, job(volumes=[volume]))

    assert POLICY in mounts("of-all")
    allowed = {"secrets": ["of-all"], "persistent_volume_claims": ["of-all"]}
    development.play("workers", prefect_work_pools=pools, prefect_jobs_allowed=allowed)
    try:
        wait_for("the policy to be in force", lambda: not reads("of-the-flows") and not reads("of-all"))
        assert POLICY in reads("of-nobody")
        assert not mounts("of-all")
        assert POLICY in mounts("of-nobody")
        again = development.play("workers", prefect_work_pools=pools, prefect_jobs_allowed=allowed)
        assert again.tasks_that_changed() == []
    finally:
        development.play("workers")
    wait_for("the policy to be as before", lambda: POLICY in reads("of-the-flows"))


def is_shared(pool: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    return {**pool, "job": {**pool["job"], "namespace": namespace}}


@pytest.mark.parametrize("way", ["option", "pool", "list"])
def test_the_preflight_refuses_flow_code_beside_the_server(
    development: Deployment, installed: Installed, way: str
) -> None:
    pools = development.variables["prefect_work_pools"]
    here = development.namespace
    ways: dict[str, dict[str, Any]] = {
        "option": {"prefect_jobs_namespace": here},
        "pool": {"prefect_work_pools": [is_shared(pools[0], here)]},
        "list": {"prefect_work_pools": [{**pools[0], "workers": {"min": 1, "namespaces": [here]}}]},
    }
    variables = ways[way]
    refused = development.play("preflight", check=False, **variables)
    words = " ".join(refused.output.split())
    assert refused.code != 0
    assert f"prefect_jobs_namespace: Flow code would run in {here}" in words
    told = development.play("preflight", prefect_allow_shared_namespace=True, **variables)
    assert f"prefect_allow_shared_namespace: flow code runs in {here}, the namespace of the server" in " ".join(
        told.output.split()
    )
