# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection recognizes its own objects by labels that no other program sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from rendering import ROOT, evaluated, template

PREFIX = "selfhosted.prefect/"
# The label of the operator for its own pods, which policies have to select, and the label of every namespace.
GIVEN = {"podSelector": {"cnpg.io/cluster"}, "namespaceSelector": {"kubernetes.io/metadata.name"}}
# The labels of Prefect 3.9.1 for the pod of a Job (prefect_kubernetes/worker.py). Users can choose the names in them.
JOB = {
    "app.kubernetes.io/managed-by": "prefect",
    "app.kubernetes.io/part-of": "prefect",
    "app.kubernetes.io/version": "3.9.1",
    "app.kubernetes.io/name": "prefect-postgres",
    "prefect.io/deployment-id": "5b0ea1a2-6d44-4d4f-9c3b-6c1e37b6a0de",
    "prefect.io/deployment-name": "prefect-postgres",
    "prefect.io/flow-id": "ae6c7d0c-3d43-4fd8-a7fb-1d0c9f0bde52",
    "prefect.io/flow-name": "prefect-api",
    "prefect.io/flow-run-id": "e3a1aa5e-6b8c-4f0f-8c52-7b8d1f0b3f60",
    "prefect.io/flow-run-name": "prefect-redis",
    "prefect.io/version": "3.9.1",
    "prefect.io/work-pool-name": "flows",
    "prefect.io/worker-name": "prefect-worker-flows-5f7d8c9b4-x2x7p",
    "batch.kubernetes.io/job-name": "prefect-redis-9xk2p",
    "batch.kubernetes.io/controller-uid": "0d1f7d0c-3d43-4fd8-a7fb-1d0c9f0bde52",
    "job-name": "prefect-redis-9xk2p",
    "controller-uid": "0d1f7d0c-3d43-4fd8-a7fb-1d0c9f0bde52",
}
POOLS = [
    {"name": "flows", "type": "kubernetes", "pre_pull": True, "workers": {"min": 1}},
    {"name": "inside", "type": "process", "workers": {"min": 1, "max": 3, "autoscaling": {"metric": "backlog"}}},
]
TEMPLATES = {
    "prefect_cluster": ["namespaces.yml.j2"],
    "prefect_postgres": ["statefulset.yml.j2", "cloudnative_pg.yml.j2"],
    "prefect_pgbouncer": ["kubernetes.yml.j2"],
    "prefect_redis": ["kubernetes.yml.j2"],
    "prefect_server": ["kubernetes_migration.yml.j2", "kubernetes_api.yml.j2", "kubernetes_services.yml.j2"],
    "prefect_gateway": ["kubernetes.yml.j2"],
    "prefect_worker": ["kubernetes.yml.j2"],
}
OPTIONS = {
    "prefect_work_pools": POOLS,
    "prefect_separate_observer": True,
    "prefect_server_replicas": 2,
    "prefect_server_max_replicas": 4,
    "prefect_server_egress": [{}],
    "prefect_database_password": "of-the-database",
    "prefect_pgbouncer_exporter_image": "exporter:1",
}


def selectors(value: Any, where: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return every selector of an object, with the key that contains it."""
    if isinstance(value, list):
        for item in value:
            yield from selectors(item, where)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            if (name == "selector" or name.endswith("Selector")) and name != "nodeSelector":
                yield name, item
            yield from selectors(item, name)


def keys(selector: Mapping[str, Any]) -> set[str]:
    if not selector.keys() <= {"matchLabels", "matchExpressions"}:
        return set(selector)  # the selector of a Service
    return {*(selector.get("matchLabels") or {}), *(each["key"] for each in selector.get("matchExpressions") or [])}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    if not selector.keys() <= {"matchLabels", "matchExpressions"}:
        return selector.items() <= labels.items()
    expressions = selector.get("matchExpressions") or []
    assert all(each["operator"] == "NotIn" for each in expressions)
    return (selector.get("matchLabels") or {}).items() <= labels.items() and all(
        labels.get(each["key"]) not in each["values"] for each in expressions
    )


@pytest.fixture(scope="module")
def rendered() -> list[dict[str, Any]]:
    """Return all objects of an instance that uses as many options as possible."""
    found: list[dict[str, Any]] = []
    for role, names in TEMPLATES.items():
        expressions = {
            name.partition(".")[0]: f"{template(name)} | selfhosted.prefect._manifests(prefect_pod_defaults)"
            for name in names
        }
        found += [
            item for objects in evaluated("development", role, expressions, **OPTIONS).values() for item in objects
        ]
    return found


def test_objects_select_by_labels_of_the_collection(rendered: list[dict[str, Any]]) -> None:
    found = [(item, *entry) for item in rendered for entry in selectors(item)]
    assert {item["kind"] for item, _name, _selector in found} >= {
        *("Service", "Deployment", "StatefulSet", "DaemonSet", "PodDisruptionBudget", "NetworkPolicy"),
    }
    foreign = {
        (item["kind"], item["metadata"]["name"], key)
        for item, name, selector in found
        for key in keys(selector) - GIVEN.get(name, set())
        if not key.startswith(PREFIX)
    }
    assert foreign == set()


def test_a_pod_of_a_run_is_no_part_of_the_instance(rendered: list[dict[str, Any]]) -> None:
    """No Service sends it requests, no workload counts it, and only the policy of the API admits it."""
    labels = {**JOB, f"{PREFIX}runs-of": "prefect"}
    selecting = {
        (item["kind"], item["metadata"]["name"], name)
        for item in rendered
        for name, selector in selectors(item)
        if name != "namespaceSelector" and matches(selector, labels)
    }
    assert selecting == {("NetworkPolicy", "prefect-api", "podSelector")}
    (policy,) = [
        item for item in rendered if (item["kind"], item["metadata"]["name"]) == ("NetworkPolicy", "prefect-api")
    ]
    assert not matches(policy["spec"]["podSelector"], labels)  # the policy does not select it, but admits it as a peer


def test_a_workload_selects_the_pods_that_it_makes(rendered: list[dict[str, Any]]) -> None:
    selected = {}
    for item in rendered:
        if item["kind"] in ("Deployment", "StatefulSet", "DaemonSet"):
            labels = item["spec"]["template"]["metadata"]["labels"]
            name = item["metadata"]["name"]
            assert matches(item["spec"]["selector"], labels), name
            selected[name] = [other["metadata"]["name"] for other in rendered if selects(other, labels)]
    for name, by in selected.items():
        # Only its own Service and disruption budget select it, if they exist.
        assert set(by) <= {name}, name
    assert {"prefect-api", "prefect-pgbouncer", "prefect-postgres", "prefect-redis"} <= {
        name for name, by in selected.items() if by
    }


def selects(item: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Return whether a Service or a disruption budget selects a pod."""
    return item["kind"] in ("Service", "PodDisruptionBudget") and (
        "selector" in item["spec"] and matches(item["spec"]["selector"], labels)
    )


def test_the_labels_that_others_set_too_are_in_one_file() -> None:
    """This file only writes them. No other code may select, prune, delete or recognize objects by these labels."""
    places = [ROOT / name for name in ("plugins", "roles", "playbooks", "extensions")]
    sources = [path for place in places for path in place.rglob("*.*") if path.suffix in (".py", ".yml", ".j2", ".sh")]
    assert len(sources) > 100
    found = [path for path in sources if "app.kubernetes.io" in path.read_text()]
    assert found == [ROOT / "plugins" / "module_utils" / "_labels.py"]
