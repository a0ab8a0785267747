# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom the parts of an instance cannot reach.

The network of tests/cluster enforces no policies, so those that are in
the cluster are evaluated here, for every pair of the instance's pods, one of a run and one that does not belong to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from .conftest import Installed
from .deployment import NETWORKING, Deployment, wait_for

COMPONENT = "selfhosted.prefect/component"
NAMESPACE_LABEL = "kubernetes.io/metadata.name"  # which every namespace has
RUN_LABEL = "selfhosted.prefect/runs-of"
# Which others may reach which port. The API's is open to all, who then need its login: the gateway publishes it. The
# migration may send to the database only.
REACHED = {
    ("api", "http"): {"services", "workers", "run", "outsider"},
    ("pgbouncer", "pgbouncer"): {"api"},
    ("postgres", "postgres"): {"pgbouncer", "migration", "services"},
    ("redis", "redis"): {"api", "services"},
}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels", "matchExpressions"}, "another kind of selector than this test understands"
    expressions = selector.get("matchExpressions") or []
    assert all(each["operator"] == "NotIn" for each in expressions), "another operator than this test understands"
    return all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items()) and all(
        labels.get(each["key"]) not in each["values"] for each in expressions
    )


def selects(policy: Mapping[str, Any], pod: Mapping[str, Any]) -> bool:
    """Whether a policy is for a pod."""
    same = policy["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return same and matches(policy["spec"]["podSelector"], pod["metadata"].get("labels") or {})


def is_peer(peer: Mapping[str, Any], pod: Mapping[str, Any], namespace: str) -> bool:
    """A peer without a namespaceSelector is in the namespace of the policy; one with both has to meet both."""
    assert set(peer) <= {"podSelector", "namespaceSelector"}, "another kind of peer than this test understands"
    metadata = pod["metadata"]
    if "namespaceSelector" in peer:
        here = matches(peer["namespaceSelector"], {NAMESPACE_LABEL: metadata["namespace"]})
    else:
        here = metadata["namespace"] == namespace
    return here and matches(peer.get("podSelector") or {}, metadata.get("labels") or {})


def named_ports(pod: Mapping[str, Any]) -> dict[str, int]:
    containers = pod["spec"]["containers"]
    return {port["name"]: port["containerPort"] for each in containers for port in each.get("ports") or []}


def lets_through(
    rule: Mapping[str, Any], namespace: str, other: Mapping[str, Any], port: int, names: Mapping[str, int]
) -> bool:
    """A rule without peers is for all, as is one without ports."""
    peers = rule.get("from") or rule.get("to")
    ports = [names.get(str(entry["port"]), entry["port"]) for entry in rule.get("ports") or []]
    return (not peers or any(is_peer(peer, other, namespace) for peer in peers)) and (not ports or port in ports)


def reaches(
    policies: list[dict[str, Any]], client: Mapping[str, Any], server: Mapping[str, Any], port: int
) -> Iterator[bool]:
    """Whether the client's policies allow it, and whether the server's do."""
    for kind, rules, here, there in (("Egress", "egress", client, server), ("Ingress", "ingress", server, client)):
        own = [policy for policy in policies if kind in policy["spec"]["policyTypes"] and selects(policy, here)]
        names = named_ports(server)
        allowed = [
            lets_through(rule, policy["metadata"]["namespace"], there, port, names)
            for policy in own
            for rule in policy["spec"].get(rules) or []
        ]
        yield not own or any(allowed)


def a_pod(namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "labels": labels}, "spec": {"containers": []}}


@pytest.fixture
def pods(development: Deployment, installed: Installed) -> dict[str, dict[str, Any]]:
    """One of each component, one of a run, and one of somebody else."""
    found = {pod["metadata"]["labels"][COMPONENT]: pod for pod in development.pods()}
    return found | {
        "run": a_pod(development.jobs_namespace, {RUN_LABEL: development.instance}),
        "outsider": a_pod(development.namespace, {COMPONENT: "outsider"}),
    }


def test_each_part_reaches_what_it_needs_and_nothing_else(
    development: Deployment, pods: dict[str, dict[str, Any]]
) -> None:
    assert pods.keys() == {
        "api",
        "services",
        "workers",
        "migration",
        "pgbouncer",
        "postgres",
        "redis",
        "run",
        "outsider",
    }
    policies = development.objects("networkpolicies", NETWORKING)
    found = {
        (name, port): {
            client for client in pods if client != name and all(reaches(policies, pods[client], server, number))
        }
        for name, server in pods.items()
        for port, number in named_ports(server).items()
    }
    assert {place: clients for place, clients in found.items() if clients} == REACHED


def test_what_leaves_the_cluster(development: Deployment, pods: dict[str, dict[str, Any]]) -> None:
    """PostgreSQL and Redis are in this one; elsewhere, their ports are open."""
    workers = {pod["metadata"]["labels"]["selfhosted.prefect/workload"]: pod for pod in development.pods("workers")}
    launchers, processes = (f"{development.instance}-worker-{pool}" for pool in ("kubernetes", "inside"))
    everything = {**{name: pod for name, pod in pods.items() if name != "workers"}, **workers}
    policies = development.objects("networkpolicies", NETWORKING)
    outside = a_pod("elsewhere", {COMPONENT: "api", "selfhosted.prefect/instance": development.instance})
    anywhere = {"services", processes, "run", "outsider"}
    for port, expected in (
        (53, everything.keys() - {"postgres", "redis"}),
        (443, anywhere | {launchers}),
        (named_ports(pods["api"])["http"], anywhere),
        (5432, anywhere),
        (6379, anywhere),
        (25, anywhere),
    ):
        sent = {name for name, pod in everything.items() if next(reaches(policies, pod, outside, port))}
        assert sent == expected, port


def test_runs_reach_the_api_where_not_everybody_may(development: Deployment, pods: dict[str, dict[str, Any]]) -> None:
    """As with prefect_gateway_client_namespaces, which takes away what opens the API to all."""
    closed = [
        policy
        for policy in development.objects("networkpolicies", NETWORKING)
        if policy["metadata"]["name"] != f"{development.instance}-api-clients"
    ]
    api = pods["api"]
    port = named_ports(api)["http"]
    clients = {
        "run": pods["run"],
        "outsider": pods["outsider"],
        "run of another instance": a_pod(development.jobs_namespace, {RUN_LABEL: "another"}),
        "run elsewhere": a_pod("elsewhere", {RUN_LABEL: development.instance}),
        "part elsewhere": a_pod("elsewhere", pods["workers"]["metadata"]["labels"]),
    }
    assert {name for name, client in clients.items() if all(reaches(closed, client, api, port))} == {"run"}


def test_a_run_has_the_label(development: Deployment, installed: Installed) -> None:
    """On its pod, where a policy looks for it."""
    (run,) = development.submit(1, seconds=0)
    found = wait_for(
        "the pod of the run",
        lambda: development.objects("pods", labelSelector=f"prefect.io/flow-run-id={run}"),
    )
    assert found[0]["metadata"]["labels"][RUN_LABEL] == development.instance
    development.wait_for_states([run], {"COMPLETED"})
