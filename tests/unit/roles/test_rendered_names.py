# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With the longest names that the preflight accepts, the names of all rendered objects are valid."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from rendering import evaluated, template

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks import names

INSTANCE = "i" * 31
ACCOUNTS = {"prefect_user": INSTANCE, "prefect_worker_user": "flows"}
MORE = {"type": "kubernetes", "pre_pull": True, "workers": {"min": 1, "max": 3, "namespaces": ["flows"]}}


def longest(platform: str, option: str) -> str:
    """Return the longest value for which all generated names are valid."""

    def good(size: int) -> bool:
        own = {"prefect_instance": INSTANCE, "prefect_namespace": "here", "prefect_platform": platform}
        variables = {**own, **given("x" * size)}
        return not any(thing.rule.broken_by(thing.name) for thing in names.made(variables))

    def given(name: str) -> dict[str, Any]:
        pool = {"name": name if option == "pool" else "p", **MORE}
        return {
            "prefect_work_pools": [pool],
            "prefect_services_groups": [{"name": name if option == "group" else "services"}],
        }

    size = next(size for size in range(1, 300) if not good(size + 1))
    assert good(size)
    return "x" * size


CLUSTER = {
    "prefect_postgres": ["statefulset.yml.j2", "cloudnative_pg.yml.j2"],
    "prefect_pgbouncer": ["kubernetes.yml.j2"],
    "prefect_redis": ["kubernetes.yml.j2"],
    "prefect_cluster": ["namespaces.yml.j2"],
    "prefect_server": ["kubernetes_api.yml.j2", "kubernetes_services.yml.j2", "kubernetes_migration.yml.j2"],
    "prefect_gateway": ["kubernetes.yml.j2"],
    "prefect_worker": ["kubernetes.yml.j2"],
}
RULES = {
    "StatefulSet": names.STATEFUL_SET,
    "Service": names.SERVICE,
    "Cluster": names.DATABASE_CLUSTER,
    "Secret": names.SECRET,
    "Namespace": names.NAMESPACE,
    "ConfigMap": names.CONFIG_MAP,
    "ServiceAccount": names.SERVICE_ACCOUNT,
    "Role": names.ROLE,
    "RoleBinding": names.ROLE_BINDING,
    "NetworkPolicy": names.NETWORK_POLICY,
    "PodDisruptionBudget": names.DISRUPTION_BUDGET,
    "HorizontalPodAutoscaler": names.CPU_AUTOSCALER,
    "ScaledObject": names.BACKLOG_AUTOSCALER,
    "TriggerAuthentication": names.TRIGGER,
    "ClusterTriggerAuthentication": names.CLUSTER_TRIGGER,
    "Ingress": names.INGRESS,
    "HTTPRoute": names.ROUTE,
    "ValidatingAdmissionPolicy": names.ADMISSION_POLICY,
    "ValidatingAdmissionPolicyBinding": names.ADMISSION_BINDING,
    **dict.fromkeys(("Deployment", "DaemonSet", "Job"), names.LABEL),
}


def labels(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """Yield all labels of objects and pods, and those in selectors."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if key in ("labels", "matchLabels") and isinstance(inner, str):
                yield name, inner
            yield from labels(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from labels(inner)


def made_in_cluster(given: dict[str, Any]) -> set[tuple[str, str]]:
    """What the preflight compares, with either PostgreSQL."""
    kinds = ("statefulset", "cloudnative_pg")
    options = ({**given, "prefect_platform": "kubernetes", "prefect_postgres_kind": kind} for kind in kinds)
    return {(thing.rule.kind, thing.name) for variables in options for thing in names.made(variables)}


BACKLOG = {"min": 1, "max": 3, "autoscaling": {"metric": "backlog"}}


@pytest.mark.parametrize(
    ("kind", "workers"),
    [("kubernetes", BACKLOG), ("process", BACKLOG), ("kubernetes", {"min": 1, "max": 3})],
    ids=["backlog of Jobs", "backlog of processes", "cpu"],
)
def test_the_preflight_finds_pools_that_are_rendered_to_one_object(kind: str, workers: dict[str, Any]) -> None:
    """Whatever is put behind the name of a worker can also be the end of the name of a pool."""
    pool = {"name": "x", "type": kind, "pre_pull": True, "workers": workers}
    variables = {
        "prefect_instance": "prefect",
        "prefect_platform": "kubernetes",
        "prefect_services_groups": [],
        # Flow code beside the server: the most that can meet.
        "prefect_namespace": "here",
        "prefect_jobs_namespace": "here",
        "prefect_runs_egress": [],
        "prefect_api_auth_string": "a:b",
    }

    def rendered(pools: list[dict[str, Any]]) -> list[tuple[str, str]]:
        given = {**variables, "prefect_work_pools": pools}
        items = evaluated("development", "prefect_worker", {"made": "__prefect_worker_objects"}, **given)["made"]
        keys = [(RULES[item["kind"]].kind, item["metadata"]["name"]) for item in items]
        known = {(thing.rule.kind, thing.name) for thing in names.made(given)}
        assert set(keys) <= known, "give them a place in plugin_utils/_checks/names.py"
        return keys

    alone = rendered([pool])
    assert len(alone) == len(set(alone))
    start = "prefect-worker-x"
    ends = {name.partition(start)[2] for _kind, name in alone if start in name}
    pools = [{**pool, "name": f"x{end}"} for end in sorted(ends) if re.fullmatch("[a-z0-9-]*", end)]
    pools.append({**pool, "name": "x-runs"})  # which once was the end of a name
    refused = {
        (one.rule.kind, one.name)
        for one, _other in names.duplicates(names.made({**variables, "prefect_work_pools": pools}))
    }
    assert {key for key, count in Counter(rendered(pools)).items() if count > 1} <= refused


@pytest.mark.parametrize("role", CLUSTER)
def test_every_object_has_a_valid_name(role: str) -> None:
    given = {
        **ACCOUNTS,
        "prefect_instance": INSTANCE,
        "prefect_namespace": "n" * (63 - len("-jobs")),
        "prefect_gateway_host": "prefect.example.com",
        "prefect_api_auth_string": "a:b",
        "prefect_work_pools": [{"name": longest("kubernetes", "pool"), **MORE}],
        "prefect_services_groups": [{"name": longest("kubernetes", "group")}],
        "prefect_pgbouncer_exporter_image": "exporter:1",
    }
    expressions = {
        str(number): f"{template(name)} | selfhosted.prefect._manifests(prefect_pod_defaults)"
        for number, name in enumerate(CLUSTER[role])
    }
    found = evaluated("development", role, expressions, **given)
    objects = [item for number in expressions for item in found[number]]
    known = made_in_cluster(given)
    assert objects
    for item in objects:
        name, kind = item["metadata"]["name"], item["kind"]
        assert RULES[kind].broken_by(name) == ""
        for _key, value in labels(item):
            assert len(value) <= 63, (kind, name, value)
            assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", value), (kind, name, value)
        if kind == "Job":
            assert len(name) == len(f"{INSTANCE}-migrate-0123456789")
        elif kind != "Namespace":  # its name is an option
            assert (RULES[kind].kind, name) in known, "give it a place in plugin_utils/_checks/names.py"


HOST: dict[str, Any] = {
    **ACCOUNTS,
    "prefect_instance": INSTANCE,
    "prefect_venv_marker": "/opt/prefect/complete",
    "prefect_worker_hosts": ["localhost"],
    "prefect_address": "10.0.0.4",
}
PROCESSES = {
    "prefect_server": ["api_processes.yml.j2", "services_processes.yml.j2"],
    "prefect_worker": ["processes.yml.j2"],
}


@pytest.mark.parametrize("role", PROCESSES)
def test_every_process_has_a_valid_name(role: str) -> None:
    given = {
        **HOST,
        "prefect_work_pools": [{"name": longest("host", "pool"), "type": "process", "workers": {"min": 1}}],
        "prefect_services_groups": [{"name": longest("host", "group")}],
        "prefect_server_replicas": 1,
    }
    expressions = {
        str(number): f"lookup('ansible.builtin.template', '{name}') | from_yaml"
        for number, name in enumerate(PROCESSES[role])
    }
    found = evaluated("local", role, expressions, **given)
    units = [f"{INSTANCE}-{process['name']}" for number in expressions for process in found[number]]
    assert len(units) == 2  # an API process and a group, or a worker and the check for lost runs
    known = {thing.name for thing in names.made({**given, "prefect_platform": "host"})}
    for unit in units:
        assert names.UNIT.broken_by(unit) == ""
        assert len(f"{unit}.service".encode()) < 255
        assert unit in known, "give it a place in plugin_utils/_checks/names.py"


def test_the_longest_is_the_longest() -> None:
    """With one more character in the name of a pool, a label would have 64 characters."""
    assert len(f"{INSTANCE}-worker-{longest('kubernetes', 'pool')}-image") == 63
    assert len(f"{INSTANCE}-services-{longest('kubernetes', 'group')}") == 63
