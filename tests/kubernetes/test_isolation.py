# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network policies: which components, runs and other pods cannot reach each other.

Programs in the pods try to connect. The network of tests/cluster enforces policies.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from defaults import API_PORT, DATABASE_PORT, PGBOUNCER_PORT, REDIS_PORT

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import KubernetesClient

from .conftest import POOLS, Installed
from .deployment import NETWORKING, Deployment, wait_for

COMPONENT, WORKLOAD = "selfhosted.prefect/component", "selfhosted.prefect/workload"
RUN_LABEL, POOL_LABEL = "selfhosted.prefect/runs-of", "selfhosted.prefect/pool"
ELSEWHERE = "prefect-tests-elsewhere"
# The pods that can reach the ports of each component, besides its own pods. The gateway publishes the API, so all pods
# can connect to it, and then need credentials. All other components are closed.
STRANGERS = {"outsider", "elsewhere", "impostor", "run elsewhere"}
REACHED = {
    "api": {"services", "worker-kubernetes", "worker-inside", "run", *STRANGERS},
    "pgbouncer": {"api"},
    "postgres": {"pgbouncer", "migration", "services"},
    "redis": {"api", "services"},
}
# The pods that can connect to each port outside the instance. This instance has its own PostgreSQL and Redis; policies
# for external ones would also open their ports.
FREE = {"services", "worker-inside", "run", *STRANGERS}
OUTSIDE = dict.fromkeys((25, API_PORT, DATABASE_PORT, REDIS_PORT, PGBOUNCER_PORT), FREE) | {
    53: FREE | {"api", "migration", "pgbouncer", "worker-kubernetes"},
    443: FREE | {"worker-kubernetes"},
}
# Tries all given addresses at once, and prints which of them answer. A policy drops or rejects packets.
PROBE = """
import concurrent.futures, json, socket, sys

def answers(place):
    if isinstance(place, str):
        try:
            return bool(socket.getaddrinfo(place, 80))
        except OSError:
            return False
    for _attempt in range(2):
        try:
            socket.create_connection(tuple(place), 2).close()
            return True
        except OSError:
            pass
    return False

places = json.loads(sys.argv[1])
with concurrent.futures.ThreadPoolExecutor(64) as threads:
    print(json.dumps(list(threads.map(answers, places))))
"""
LISTEN = """
import selectors, socket, sys

waiting = selectors.DefaultSelector()
for port in sys.argv[1:]:
    waiting.register(socket.create_server(("0.0.0.0", int(port))), selectors.EVENT_READ)
while True:
    for key, _events in waiting.select():
        key.fileobj.accept()[0].close()
"""
NAME_OF_API_SERVER = "kubernetes.default.svc.cluster.local"


def as_prefect_labels(instance: str) -> dict[str, str]:
    """Return the labels that Prefect gives the pod of a Job whose deployment has the name of a component."""
    return {
        "app.kubernetes.io/name": f"{instance}-postgres",
        "app.kubernetes.io/part-of": instance,
        "app.kubernetes.io/managed-by": "prefect",
    }


def a_pod(name: str, image: str, labels: Mapping[str, str], words: Sequence[str] = ("sleep", "3600")) -> dict[str, Any]:
    """Return a pod that meets the restricted level, and may listen on every port."""
    container = {
        "name": "main",
        "image": image,
        "command": list(words),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 1001,
            "seccompProfile": {"type": "RuntimeDefault"},
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        },
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": dict(labels)}, "spec": spec}


def is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)


@pytest.fixture(scope="module")
def strangers(development: Deployment, installed: Installed) -> Iterator[dict[str, dict[str, Any]]]:
    """Create pods outside the instance, some with its labels, and one like the migration pod, which has ended."""
    client, here = development.cluster.client, development.namespace
    api = development.pods("api")[0]
    image, part = api["spec"]["containers"][0]["image"], api["metadata"]["labels"]
    (job,) = development.objects("jobs", "/apis/batch/v1", labelSelector=f"{COMPONENT}=migration")
    run = {RUN_LABEL: development.instance, POOL_LABEL: "kubernetes"}
    pods = {
        "migration": (here, a_pod("like-migration", image, job["spec"]["template"]["metadata"]["labels"])),
        "outsider": (here, a_pod("outsider", image, as_prefect_labels(development.instance))),
        "elsewhere": (ELSEWHERE, a_pod("elsewhere", image, {}, ("python3", "-c", LISTEN, *map(str, OUTSIDE)))),
        "impostor": (ELSEWHERE, a_pod("impostor", image, part)),
        "run elsewhere": (ELSEWHERE, a_pod("run", image, run)),
    }
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ELSEWHERE}}
    there = f"/api/v1/namespaces/{ELSEWHERE}"
    if client.found(there):  # left by a test that was killed
        client.json("DELETE", there)
        wait_for(f"the end of {ELSEWHERE}", lambda: client.found(there) is None, 120)
    client.json("POST", "/api/v1/namespaces", body=namespace)
    try:
        for place, pod in pods.values():
            client.json("POST", f"/api/v1/namespaces/{place}/pods", body=pod)
        yield {
            name: wait_for(f"the pod of {name}", functools.partial(ready_at, client, path_of(place, pod)), 240)
            for name, (place, pod) in pods.items()
        }
    finally:
        for place, pod in pods.values():
            client.json("DELETE", path_of(place, pod), {"gracePeriodSeconds": 0})
        client.json("DELETE", there)


def path_of(namespace: str, pod: Mapping[str, Any]) -> str:
    return f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}"


def ready_at(client: KubernetesClient, path: str) -> dict[str, Any] | None:
    found = client.found(path)
    return dict(found) if found and is_ready(found) else None


@pytest.fixture(scope="module")
def parts(development: Deployment, installed: Installed) -> dict[str, dict[str, Any]]:
    """Return one pod of each workload by its component. Workers are listed by their pool."""
    found = {}
    for pod in development.pods():
        labels = pod["metadata"]["labels"]
        workload = labels[WORKLOAD].removeprefix(f"{development.instance}-")
        if is_ready(pod):
            found[workload if labels[COMPONENT] == "workers" else labels[COMPONENT]] = pod
    return found


def run_pod(development: Deployment, run: str) -> dict[str, Any] | None:
    client = development.cluster.client
    found = client.json("GET", "/api/v1/pods", {"labelSelector": f"prefect.io/flow-run-id={run}"})["items"]
    return next((dict(pod) for pod in found if is_ready(pod)), None)


@pytest.fixture
def run(development: Deployment, installed: Installed) -> Iterator[dict[str, Any]]:
    """Yield the pod of a real run while it runs."""
    (run,) = development.submit(1, seconds=600)
    yield wait_for("the pod of the run", lambda: run_pod(development, run), 120)
    cancelled = {"state": {"type": "CANCELLED", "name": "Cancelled"}, "force": True}
    development.api("POST", f"/flow_runs/{run}/set_state", cancelled)


def reached(development: Deployment, pod: Mapping[str, Any], places: Sequence[Any]) -> list[bool]:
    """Return which of the addresses answer to a program in a pod."""
    metadata = pod["metadata"]
    command = ["python3", "-c", PROBE, json.dumps(places)]
    output = development.run_in(metadata["name"], command, namespace=metadata["namespace"])
    return list(json.loads(output))


def ports_of(pod: Mapping[str, Any]) -> list[int]:
    containers = pod["spec"]["containers"]
    return [port["containerPort"] for each in containers for port in each.get("ports") or []]


def matrix(
    development: Deployment, clients: Mapping[str, Mapping[str, Any]], places: Mapping[Any, Any]
) -> dict[Any, set[str]]:
    """Return the clients that reach each address. All clients try at the same time."""
    wanted = list(places.values())
    with ThreadPoolExecutor(8) as threads:
        answers = dict(zip(clients, threads.map(lambda pod: reached(development, pod, wanted), clients.values())))
    return {place: {name for name, answer in answers.items() if answer[number]} for number, place in enumerate(places)}


def settled(find: Callable[[], Any], expected: Any) -> Any:
    """Wait for the expected result, because a network applies policies some time after the start of a pod."""
    end = time.monotonic() + 60
    while (found := find()) != expected and time.monotonic() < end:
        time.sleep(2)
    return found


Everybody = dict[str, dict[str, Any]]


@pytest.fixture
def everybody(parts: Everybody, strangers: Everybody, run: dict[str, Any]) -> Everybody:
    return {**parts, **strangers, "run": run}


def test_each_part_reaches_what_it_needs_and_nothing_else(development: Deployment, everybody: Everybody) -> None:
    assert everybody.keys() == FREE | {"api", "migration", "pgbouncer", "postgres", "redis", "worker-kubernetes"}
    places = {
        (name, port): (pod["status"]["podIP"], port)
        for name, pod in everybody.items()
        if name not in ("migration", "outsider", "elsewhere", "impostor", "run elsewhere", "run")
        for port in ports_of(pod)
    }
    assert {name for name, _port in places} >= {*REACHED, "worker-kubernetes", "worker-inside"}

    def reached_by_others() -> dict[tuple[str, int], set[str]]:
        found = matrix(development, everybody, places)
        return {(name, port): clients - {name} for (name, port), clients in found.items()}

    expected = {(name, port): REACHED.get(name, set()) for name, port in places}
    assert settled(reached_by_others, expected) == expected


def test_what_leaves_the_cluster(development: Deployment, everybody: Everybody) -> None:
    """A pod in another namespace stands for all addresses outside the instance."""
    address = everybody["elsewhere"]["status"]["podIP"]
    places = {port: (address, port) for port in OUTSIDE}
    expected: dict[Any, set[str]] = {**OUTSIDE, "dns": everybody.keys() - {"postgres", "redis"}}
    asked: dict[Any, Any] = {**places, "dns": NAME_OF_API_SERVER}
    assert settled(lambda: matrix(development, everybody, asked), expected) == expected


def test_only_the_instance_and_its_runs_reach_the_api_without_its_clients(
    development: Deployment, everybody: Everybody
) -> None:
    """As with prefect_gateway_client_namespaces, which omits the policy that opens the API to all pods."""
    pod = everybody["api"]
    places = {"api": (pod["status"]["podIP"], *ports_of(pod))}
    policy = f"{NETWORKING}/namespaces/{development.namespace}/networkpolicies/{development.instance}-api-clients"
    development.cluster.client.json("DELETE", policy)
    expected = {"api", "services", "worker-kubernetes", "worker-inside", "run"}
    try:
        wait_for("the closed API", lambda: matrix(development, everybody, places) == {"api": expected}, 30)
    finally:
        development.play("server")


def service_of(development: Deployment) -> tuple[str, int]:
    """Return the address of the API as in the environment of a run."""
    port = development.one("services", "api", "/api/v1")["spec"]["ports"][0]["port"]
    return f"{development.instance}-api.{development.namespace}.svc", port


@pytest.mark.parametrize("own", [False, True], ids=["all pools", "one pool"])
def test_runs_reach_the_api_alone_where_that_is_asked_for(
    development: Deployment, parts: Everybody, strangers: Everybody, request: pytest.FixtureRequest, *, own: bool
) -> None:
    listener = strangers["elsewhere"]["status"]["podIP"]
    places: dict[Any, Any] = {"dns": NAME_OF_API_SERVER, "api": service_of(development)}
    places |= {("pod", port): (parts["api"]["status"]["podIP"], port) for port in ports_of(parts["api"])}
    inside = {"dns", *places}
    places |= {("outside", port): (listener, port) for port in OUTSIDE}
    for name in ("pgbouncer", "postgres", "redis"):
        places |= {(name, port): (parts[name]["status"]["podIP"], port) for port in ports_of(parts[name])}
    allowed = [{"to": [{"ipBlock": {"cidr": f"{listener}/32"}}], "ports": [{"port": 443}]}]
    # Port 53 is open for every name service.
    expected = inside | {("outside", 53), ("outside", 443)}
    options: dict[str, Any] = {"prefect_runs_egress": allowed}
    if own:
        pool = {**POOLS[0], "workers": {**POOLS[0]["workers"], "runs_egress": allowed}}
        options = {"prefect_work_pools": [pool, *POOLS[1:]]}

    def reached_by(pod: Mapping[str, Any]) -> set[Any]:
        return {name for name, clients in matrix(development, {"run": pod}, places).items() if clients}

    development.play("workers", **options)
    try:
        assert development.play("workers", **options).changed == 0
        (finishing,) = development.submit(1, seconds=0)
        pod = request.getfixturevalue("run")
        assert settled(lambda: reached_by(pod), expected) == expected
        development.wait_for_states([finishing], {"COMPLETED"})
    finally:
        development.play("workers")
    opened = inside | {("outside", port) for port in OUTSIDE}
    assert settled(lambda: reached_by(pod), opened) == opened


def test_a_run_has_the_labels(run: dict[str, Any], development: Deployment) -> None:
    """The pod has the labels that policies select. The labels from Prefect select no part of the instance."""
    labels = run["metadata"]["labels"]
    assert {RUN_LABEL: development.instance, POOL_LABEL: "kubernetes"}.items() <= labels.items()
    assert labels["app.kubernetes.io/part-of"] == "prefect"
    assert not {COMPONENT, WORKLOAD, "selfhosted.prefect/instance"} & labels.keys()


def test_a_pod_that_is_named_like_a_part_gets_no_requests(development: Deployment, strangers: Everybody) -> None:
    """A deployment with the name of a component has such runs."""
    outsider = strangers["outsider"]
    assert outsider["metadata"]["labels"]["app.kubernetes.io/name"] == f"{development.instance}-postgres"
    slices = development.objects("endpointslices", "/apis/discovery.k8s.io/v1")
    addresses = {
        address for each in slices for endpoint in each.get("endpoints") or [] for address in endpoint["addresses"]
    }
    assert addresses
    assert outsider["status"]["podIP"] not in addresses
