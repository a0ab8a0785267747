# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that the roles render from the inventories for clusters, and that no test on a cluster can observe."""

from __future__ import annotations

import base64
import itertools
from typing import Any
from urllib.parse import urlsplit

import pytest
from rendering import ROOT, evaluated, template

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.facts import _resource, _reviews, quantity

VERBS = ["get", "list", "create", "patch", "delete"]
LABEL = "selfhosted.prefect/runs-of"
POOL_LABEL = "selfhosted.prefect/pool"


PART = {"selfhosted.prefect/instance": "prefect"}


def peer(namespace: str, **labels: str) -> dict[str, Any]:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "podSelector": {"matchLabels": labels},
    }


PROBLEMS = "__prefect_preflight_variables | selfhosted.prefect._deployment_problems"


def test_a_secret_that_was_forgotten_is_refused() -> None:
    """The production inventory reads its secrets from the environment, where none is set."""
    found = evaluated("production", "prefect_preflight", {"problems": PROBLEMS}, prefect_version="3.9.1")
    assert {problem["option"] for problem in found["problems"]} == {
        "prefect_database_password",
        "prefect_pgbouncer_stats_password",
        "prefect_redis_password",
        "prefect_api_auth_string",
    }


def test_runs_reach_the_api() -> None:
    expressions = {
        "objects": template("kubernetes_api.yml.j2"),
        "pools": "__prefect_configuration_pools",
    }
    flows = {"name": "a", "type": "kubernetes", "job": {"namespace": "flows"}}
    inside = {"name": "b"}
    for namespaces, workers, pools in (
        (["prefect-jobs"], False, None),
        (["flows"], False, [flows]),
        (["flows", "more"], False, [{**flows, "workers": {"namespaces": ["more"]}}]),
        (["flows", "prefect-jobs"], True, [flows, inside]),
    ):
        variables = {"prefect_work_pools": pools} if pools else {}
        found = evaluated("production", "prefect_server", expressions, **variables)
        (policy,) = [item for item in found["objects"] if item["kind"] == "NetworkPolicy"]
        allowed = [{"podSelector": {"matchLabels": PART}}, *(peer(name, **{LABEL: "prefect"}) for name in namespaces)]
        if workers:
            allowed.append(peer("prefect-jobs", **PART, **{"selfhosted.prefect/component": "workers"}))
        assert policy["spec"]["ingress"] == [{"from": allowed, "ports": [{"port": "http"}]}]
        pool = found["pools"][0]
        pod = pool["job_manifest_patch"]["job_manifest"]["spec"]["template"]
        assert pod["metadata"]["labels"] == {LABEL: "prefect", POOL_LABEL: pool["name"]}
        assert pool["job"]["namespace"] == namespaces[0]


# The variables with which the preflight of a cluster adds up the pods, from any role.
PREFLIGHT = {
    "prefect_platform": "kubernetes",
    "pods_template": str(ROOT / "roles" / "prefect_preflight" / "templates" / "pods.yml.j2"),
    "role_path": str(ROOT / "roles" / "prefect_preflight"),
}
PODS = "lookup('ansible.builtin.template', pods_template) | from_yaml"


@pytest.mark.parametrize(
    ("variables", "request_mb", "limit_mb"),
    [
        ({}, 1024, 2048),
        ({"prefect_postgres_memory_mb": 512}, 1024, 2048),
        ({"prefect_postgres_memory_mb": 8192}, 8192, 8192),
        ({"prefect_workload": {"runs_per_hour": 25000, "run_seconds": 30, "pool_type": "kubernetes"}}, None, None),
    ],
)
def test_the_pod_of_postgresql_has_the_memory_that_it_plans_with(
    variables: dict[str, Any], request_mb: int | None, limit_mb: int | None
) -> None:
    expressions = {
        "planned": "prefect_postgres_memory_mb",
        "objects": template("statefulset.yml.j2"),
        "preflight": PODS,
    }
    given = {**PREFLIGHT, "prefect_postgres_hosts": ["cluster"]}
    found = evaluated("local", "prefect_postgres", expressions, **given, **variables)
    planned = int(found["planned"])
    (pod,) = [item["spec"]["template"]["spec"] for item in found["objects"] if item["kind"] == "StatefulSet"]
    resources = pod["containers"][0]["resources"]
    assert quantity(resources["requests"]["memory"]) == (request_mb or planned) * 2**20
    assert quantity(resources["limits"]["memory"]) == (limit_mb or planned) * 2**20
    assert [item["resources"] for item in found["preflight"] if item["option"] == "prefect_postgres_resources"] == [
        resources
    ]
    if not request_mb:
        assert planned > 2048


@pytest.mark.parametrize(
    ("variables", "preloaded"),
    [
        ({}, ["pg_stat_statements"]),
        ({"prefect_postgres_statement_statistics": False}, []),
        (
            {"prefect_postgres_settings": {"shared_preload_libraries": "auto_explain, pg_stat_statements"}},
            ["pg_stat_statements", "auto_explain"],
        ),
        ({"prefect_platform": "kubernetes"}, []),
        (
            {
                "prefect_platform": "kubernetes",
                "prefect_postgres_settings": {"shared_preload_libraries": "auto_explain"},
            },
            ["auto_explain"],
        ),
    ],
)
def test_what_postgresql_loads_when_it_starts(variables: dict[str, Any], preloaded: list[str]) -> None:
    given = {
        "prefect_address": "10.0.0.8",
        "prefect_postgres_memory_mb": 512,
        "prefect_database_port": 5432,
        **variables,
    }
    names = ("restart", "container") if "prefect_platform" in variables else ("restart", "reload")
    expressions = {name: f"lookup('ansible.builtin.template', '{name}.conf.j2')" for name in names}
    found = evaluated("local", "prefect_postgres", expressions, **given)
    lines = [line for text in found.values() for line in text.splitlines() if "preload" in line]
    times = 2 if "container" in names else 1
    assert lines == [f"shared_preload_libraries = '{','.join(preloaded)}'"] * times * bool(preloaded)


@pytest.mark.parametrize(
    ("variables", "limit"),
    [
        ({}, 0),
        ({"prefect_workload": {"runs_per_hour": 25000, "run_seconds": 30}, "prefect_loadtest_workers": 20}, 15),
        # A load above the plan, with too many workers, as after a typing error.
        ({"prefect_workload": {"runs_per_hour": 2500, "run_seconds": 30}, "prefect_loadtest_rate": 7}, 294),
    ],
)
def test_synthetic_workers_have_the_limit_of_real_ones_or_what_the_load_needs(
    variables: dict[str, Any], limit: int
) -> None:
    given = {"prefect_loadtest_workers": 0, **variables}
    expressions = {"limit": "prefect_loadtest_worker_limit"}
    found = evaluated("local", "prefect_loadtest", expressions, **given)
    assert int(found["limit"]) == limit


@pytest.mark.parametrize(
    ("workload", "rate", "run_seconds"),
    [
        ({}, 1, 0),
        ({"runs_per_hour": 7200, "run_seconds": 30, "peak_factor": 3}, 6, 30),
        # The options of a workload may be null.
        ({"runs_per_hour": 7200, "run_seconds": 30, "peak_factor": None}, 2, 30),
        ({"runs_per_hour": None, "run_seconds": None, "peak_factor": None}, 1, 0),
    ],
)
def test_the_load_is_that_of_the_workload(workload: dict[str, Any], rate: float, run_seconds: float) -> None:
    expressions = {"rate": "prefect_loadtest_rate", "run_seconds": "prefect_loadtest_run_seconds"}
    found = evaluated("local", "prefect_loadtest", expressions, prefect_workload=workload)
    assert {name: float(value) for name, value in found.items()} == {"rate": rate, "run_seconds": run_seconds}


@pytest.mark.parametrize(
    ("variables", "request_mb", "limit_mb"),
    [
        ({}, 512, 1024),
        ({"prefect_redis_maxmemory": "2gb"}, 2048, 4096),
        ({"prefect_redis_maxmemory": "1073741824"}, 1024, 2048),
        ({"prefect_workload": {"runs_per_hour": 100000, "run_seconds": 30, "tasks_per_run": 5}}, 1024, 2048),
        ({"prefect_redis_resources": {"limits": {"memory": "3Gi"}}}, None, 3072),
    ],
)
def test_the_pod_of_redis_has_more_memory_than_redis_may_use(
    variables: dict[str, Any], request_mb: int | None, limit_mb: int
) -> None:
    expressions = {
        "resources": "prefect_redis_resources",
        "preflight": PODS,
    }
    given = {**PREFLIGHT, "prefect_redis_hosts": ["cluster"]}
    found = evaluated("local", "prefect_redis", expressions, **given, **variables)
    assert [item["resources"] for item in found["preflight"] if item["option"] == "prefect_redis_resources"] == [
        found["resources"]
    ]
    assert quantity(found["resources"]["limits"]["memory"]) == limit_mb * 2**20
    if request_mb:
        assert quantity(found["resources"]["requests"]["memory"]) == request_mb * 2**20


@pytest.mark.parametrize(
    ("pools", "options"),
    [
        (None, ["prefect_workload.nodes.count"]),  # the plan has 300 runs
        ([{"concurrency_limit": 100}], []),
        ([{"concurrency_limit": 100, "job": {"cpu_request": 1}}], ["prefect_workload.nodes.count"]),
        ([{"concurrency_limit": 5, "job": {"memory_request": "64Gi"}}], ["prefect_work_pools[a].job"]),
    ],
)
@pytest.mark.parametrize("platform", ["kubernetes", "host"])
def test_the_preflight_judges_the_pools_that_are_really_there(
    platform: str, pools: list[dict[str, Any]] | None, options: list[str]
) -> None:
    nodes = {"count": 2, "cpu": 32, "memory_mb": 65536 - 1}
    workload = {"runs_per_hour": 25000, "run_seconds": 30, "pool_type": "kubernetes", "nodes": nodes}
    variables: dict[str, Any] = {"prefect_workload": workload, "prefect_platform": platform}
    if pools:
        variables["prefect_work_pools"] = [{"name": "a", "type": "kubernetes", **pool} for pool in pools]
    expressions = {"problems": "__prefect_preflight_node_problems"}
    found = evaluated("production", "prefect_preflight", expressions, **variables)
    assert [problem["option"] for problem in found["problems"]] == options


@pytest.mark.parametrize(
    ("pool", "requests", "limits"),
    [
        ({}, {"cpu": "100m", "memory": "256Mi"}, {"memory": "512Mi"}),
        ({"job": {"memory_request": "1Gi"}}, {"cpu": "100m", "memory": "1Gi"}, {"memory": "1Gi"}),
        ({"base_job_template": {"a": {}}}, {"cpu": "100m", "memory": "256Mi"}, {"memory": "512Mi"}),
    ],
)
def test_what_the_preflight_adds_up_for_runs(
    pool: dict[str, Any], requests: dict[str, str], limits: dict[str, str]
) -> None:
    pools = [{"name": "a", "type": "kubernetes", "concurrency_limit": 5, **pool}]
    given = {**PREFLIGHT, "prefect_work_pools": pools}
    found = evaluated("production", "prefect_preflight", {"pods": PODS}, **given)["pods"]
    (runs,) = [item for item in found if item["what"] == "runs of a"]
    assert (runs["count"], runs["namespace"]) == (5, "prefect-jobs")
    assert runs["resources"] == {"requests": requests, "limits": limits}


def test_what_pulls_the_image_goes_where_the_runs_go() -> None:
    pod = {"nodeSelector": {"pool": "runs"}, "tolerations": [{"key": "runs", "operator": "Exists"}]}
    pool = {
        "name": "a",
        "type": "kubernetes",
        "pre_pull": True,
        "job_manifest_patch": {"job_manifest": {"spec": {"template": {"spec": pod}}}},
    }
    proxy = {"name": "proxy", "image": "proxy:1"}
    patch = {"metadata": {"annotations": {"a": "b"}}, "spec": {"nodeSelector": {"x": "y"}, "containers": [proxy]}}
    variables = {
        "prefect_work_pools": [pool],
        "prefect_worker_pod_patch": patch,
        "prefect_image_pull_secrets": ["registry"],
    }
    found = evaluated("development", "prefect_worker", {"objects": "__prefect_worker_objects"}, **variables)
    templates = {
        item["kind"]: item["spec"]["template"]
        for item in found["objects"]
        if item["kind"] in ("DaemonSet", "Deployment")
    }
    image, worker = templates["DaemonSet"], templates["Deployment"]
    assert image["spec"] | pod == image["spec"]
    assert image["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert [container["name"] for container in image["spec"]["containers"]] == ["image"]
    assert "annotations" not in image["metadata"]
    assert worker["spec"]["nodeSelector"] == {"x": "y"}
    assert [container["name"] for container in worker["spec"]["containers"]] == ["worker", "proxy"]


def test_the_observer_may_send_where_the_workers_of_jobs_may() -> None:
    proxy, anywhere = {"to": [{"ipBlock": {"cidr": "10.0.0.3/32"}}]}, {}
    pools = [
        {"name": "a", "type": "kubernetes", "workers": {"egress": [proxy]}},
        {"name": "b", "type": "kubernetes", "workers": {"egress": [proxy]}},
        {"name": "c", "workers": {"egress": [anywhere]}},
        {"name": "d", "type": "kubernetes", "state": "absent", "job": {"namespace": "gone"}},
    ]
    # One patch for both workloads, which each get only their own container.
    patch = {"spec": {"containers": [{"name": "observer", "tty": True}, {"name": "worker", "stdin": True}]}}
    variables = {
        "prefect_work_pools": pools,
        "prefect_worker_pod_patch": patch,
        "prefect_separate_observer": True,
        "prefect_network_policies": True,
    }
    expressions = {
        "objects": "__prefect_worker_objects",
        "namespaces": "prefect_run_namespaces",
        "searched": "prefect_kubernetes_objects.namespaces",
    }
    found = evaluated("production", "prefect_worker", expressions, **variables)
    assert (found["namespaces"], found["searched"]) == (["prefect-jobs"], ["prefect-jobs", "gone"])
    named = {(item["kind"], item["metadata"]["name"]): item for item in found["objects"]}
    assert named["NetworkPolicy", "prefect-observer"]["spec"]["egress"][2:] == [proxy]
    for name, field in (("prefect-observer", "tty"), ("prefect-worker-a", "stdin")):
        (container,) = named["Deployment", name]["spec"]["template"]["spec"]["containers"]
        assert {"tty", "stdin"} & container.keys() == {field}


def test_the_migration_goes_the_way_to_the_database_that_the_server_goes() -> None:
    timeout = "PREFECT_SERVER_DATABASE_CONNECTION_TIMEOUT"
    variables = {"prefect_server_settings": {timeout: 60, "PREFECT_SERVER_EPHEMERAL_ENABLED": False}}
    expressions = {"objects": template("kubernetes_migration.yml.j2")}
    found = evaluated("production", "prefect_server", expressions, **variables)
    (secret,) = [item for item in found["objects"] if item["kind"] == "Secret"]
    assert base64.b64decode(secret["data"][timeout]).decode() == "60"
    assert "PREFECT_SERVER_EPHEMERAL_ENABLED" not in secret["data"]


def test_a_database_that_does_not_answer_changes_no_number_of_workers() -> None:
    """KEDA keeps the current number if it is higher than the fallback."""
    pools = [
        {"name": name, "type": "kubernetes", "workers": {"min": least, "max": 40, "autoscaling": {"metric": "backlog"}}}
        for name, least in (("a", 0), ("b", 3))
    ]
    objects = {"objects": template("kubernetes.yml.j2")}
    found = evaluated("development", "prefect_worker", objects, prefect_work_pools=pools)
    fallbacks = [item["spec"]["fallback"] for item in found["objects"] if item["kind"] == "ScaledObject"]
    common = {"failureThreshold": 3, "behavior": "currentReplicasIfHigher"}
    assert fallbacks == [{**common, "replicas": 1}, {**common, "replicas": 3}]


def test_the_preflight_asks_for_all_that_is_granted() -> None:
    permissions = {"permissions": "__prefect_preflight_permissions.namespaced"}
    pool = {"name": "a", "type": "kubernetes", "job": {"namespace": "flows"}}
    variables = {"prefect_work_pools": [pool], "prefect_separate_observer": True}
    # Each expression is evaluated in its own role, because lookups search for files in the role.
    found = {
        **evaluated("development", "prefect_preflight", permissions, **variables),
        **evaluated("development", "prefect_worker", {"objects": template("kubernetes.yml.j2")}, **variables),
    }
    namespaces = ["prefect", "flows"]
    # Requirements without verbs use the default verbs.
    asked = _reviews(namespaces, {"namespaced": [{"verbs": VERBS, **entry} for entry in found["permissions"]]})
    roles = [item for item in found["objects"] if item["kind"] == "Role"]
    assert len(roles) == 2
    for role in roles:
        for rule in role["rules"]:
            for group, resource, verb in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"]):
                review = {"namespace": "flows", "verb": verb, "group": group, **_resource(resource)}
                assert role["metadata"]["namespace"] == "flows"
                assert review in asked
    # In a namespace without Jobs, no worker has a Role.
    assert {"namespace": "prefect", "verb": "watch", "group": "", "resource": "events"} not in asked
    assert len(asked) == len({str(review) for review in asked})


AUTHORITY = "-----BEGIN CERTIFICATE-----\nabc\n"
REDIS = {"prefect_redis_url": "rediss://redis.example:6380/0", "prefect_redis_ca": AUTHORITY}


@pytest.mark.parametrize("variables", [REDIS, {**REDIS, "prefect_redis_ca": ""}], ids=["private", "public"])
def test_pods_that_use_redis_have_its_authority(variables: dict[str, str]) -> None:
    objects = f"({template('kubernetes_api.yml.j2')}) + ({template('kubernetes_services.yml.j2')})"
    pods = f"{objects} | selfhosted.prefect._manifests(prefect_pod_defaults)"
    found = evaluated("production", "prefect_server", {"objects": pods}, **variables)["objects"]
    settings = {
        item["metadata"]["name"]: {name: base64.b64decode(value).decode() for name, value in item["data"].items()}
        for item in found
        if item["kind"] == "Secret"
    }
    maps = {item["metadata"]["name"]: item["data"] for item in found if item["kind"] == "ConfigMap"}
    deployments = [item for item in found if item["kind"] == "Deployment"]
    assert len(deployments) == len(settings) > 1
    for item in deployments:
        told = settings[item["metadata"]["name"]]
        urls = {name: value for name, value in told.items() if "rediss://" in value}
        clients = ("PREFECT_REDIS_MESSAGING", "PREFECT_REDIS_WORKER_CLEANUP_QUEUE")
        with_authority = {f"{client}_URL" for client in clients} if variables["prefect_redis_ca"] else set()
        assert set(urls) == {"PREFECT_SERVER_DOCKET_URL", *with_authority}
        for client in () if with_authority else clients:  # no URL, because then the client retries failures
            found_there = {name: told[f"{client}_{name}"] for name in ("HOST", "PORT", "DB", "SSL")}
            assert found_there == {"HOST": "redis.example", "PORT": "6380", "DB": "0", "SSL": "true"}
        files = {urlsplit(url).query.partition("ssl_ca_certs=")[2] for url in urls.values()}
        pod = item["spec"]["template"]["spec"]
        volumes = {volume["name"]: volume.get("configMap", {}).get("name", "") for volume in pod["volumes"]}
        (container,) = pod["containers"]
        content = {
            f"{mount['mountPath']}/{name}": text
            for mount in container["volumeMounts"]
            for name, text in maps.get(volumes[mount["name"]], {}).items()
        }
        if variables["prefect_redis_ca"]:
            (file,) = files
            assert content[file] == AUTHORITY
        else:
            assert files == {""}
            assert [name for name in content if name.endswith(".crt")] == []


@pytest.mark.parametrize("part", ["api", "services"])
def test_processes_that_use_redis_have_its_authority(part: str) -> None:
    """Each part has its own file, and restarts when the file changes."""
    expressions = {
        "files": f"lookup('ansible.builtin.template', '{part}_files.yml.j2') | from_yaml",
        "processes": f"lookup('ansible.builtin.template', '{part}_processes.yml.j2') | from_yaml",
    }
    variables = {
        **REDIS,
        "__prefect_server_part": part,
        "__prefect_server_services_numbers": [1],
        "__prefect_server_api_numbers": [1, 2],
        # Values that come from other hosts.
        "prefect_address": "10.0.0.7",
        "prefect_database_host": "10.0.0.8",
        "prefect_pgbouncer_host": "10.0.0.9",
        "prefect_api_url": "http://10.0.0.7:4200/api",
        "role_path": str(ROLE),
    }
    found = evaluated("local", "prefect_server", expressions, **variables)
    files = {entry["path"]: entry for entry in found["files"]}
    path = f"/etc/prefect/{part}-redis-ca.crt"
    assert (files[path]["content"], files[path]["mode"]) == (AUTHORITY, "0644")
    (environment,) = [entry["content"] for name, entry in files.items() if name.endswith(".env")]
    assert environment.count(f"ssl_ca_certs={path}") == 3
    for process in found["processes"]:
        assert path in process.get("restart_on", [path])  # by default, a process restarts on changes of all files

    found = evaluated("local", "prefect_server", expressions, **{**variables, "prefect_redis_ca": ""})
    assert path not in {entry["path"] for entry in found["files"]}
    assert "ssl_ca_certs" not in str(found)


ROLE = ROOT / "roles" / "prefect_server"
WORKERS = str(ROOT / "roles" / "prefect_worker" / "templates" / "kubernetes.yml.j2")


@pytest.mark.parametrize("observer", [False, True])
def test_workers_may_start_jobs_where_runs_may_be_and_nowhere_else(*, observer: bool) -> None:
    pools = [
        {"name": "a", "type": "kubernetes", "workers": {"namespaces": ["one", "two"]}},
        {"name": "b", "type": "kubernetes", "job": {"namespace": "flows"}},
        {"name": "c"},
    ]
    variables = {"prefect_work_pools": pools, "prefect_separate_observer": observer, "prefect_namespace": "here"}
    objects = {"objects": template("kubernetes.yml.j2")}
    found = evaluated("development", "prefect_worker", objects, **variables)["objects"]
    assert not [item["kind"] for item in found if item["kind"].startswith("Cluster")]
    rules = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): {
            (resource, verb)
            for rule in item["rules"]
            for resource, verb in itertools.product(rule["resources"], rule["verbs"])
        }
        for item in found
        if item["kind"] == "Role"
    }
    starts = {("jobs", "create"), ("jobs", "delete")}
    watches = {(what, verb) for what in ("jobs", "pods") for verb in ("list", "watch")}
    watches |= {("jobs", "get"), ("pods/log", "get")}
    places = {"prefect-worker-a": ["here-jobs", "one", "two"], "prefect-worker-b": ["flows"]}
    everywhere = ["here-jobs", "one", "two", "flows"]
    wanted = {
        (place, name): starts if observer else starts | watches for name, where in places.items() for place in where
    }
    if observer:
        wanted |= {(place, "prefect-observer"): watches for place in everywhere}
    assert rules == wanted
    for item in found:
        if item["kind"] == "RoleBinding":
            metadata = item["metadata"]
            assert (metadata["namespace"], metadata["name"]) in wanted
            account = {"kind": "ServiceAccount", "name": metadata["name"], "namespace": "here"}
            assert (item["roleRef"]["name"], item["subjects"]) == (metadata["name"], [account])
    # The process that watches the pods does so in all namespaces of runs.
    variable = "PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES"
    watched = {
        item["metadata"]["name"]: entry["value"].split(",")
        for item in found
        if item["kind"] == "Deployment"
        for entry in item["spec"]["template"]["spec"]["containers"][0].get("env") or []
        if entry["name"] == variable
    }
    assert watched == ({"prefect-observer": everywhere} if observer else places)


def test_flow_code_is_beside_no_secret_of_the_server() -> None:
    """A Job can read every Secret in its namespace, so flow code can, too."""
    scaled = {"min": 1, "max": 9, "autoscaling": {"metric": "backlog"}}
    pools = [
        {"name": "jobs", "type": "kubernetes", "workers": scaled, "pre_pull": True},
        {"name": "inside", "workers": scaled, "pre_pull": True},
        {"name": "fast", "workers": {"min": 1, "max": 9}},
    ]
    variables = {"prefect_work_pools": pools, "prefect_namespace": "here", "prefect_separate_observer": True}
    expressions = {
        "objects": "__prefect_worker_objects",
        "backlog": "__prefect_worker_backlog_connection",
        "searched": "prefect_kubernetes_objects.namespaces",
    }
    found = evaluated("development", "prefect_worker", expressions, **variables)
    placed: dict[str, set[str]] = {}
    for item in found["objects"]:
        placed.setdefault(item["metadata"].get("namespace") or "here", set()).add(item["metadata"]["name"])
    inside = {"prefect-worker-inside", "prefect-worker-fast"}
    images = {"prefect-worker-inside-image", "prefect-worker-jobs-image"}
    login, scripts = "prefect-worker-jobs-api-login", "prefect-worker-scripts"
    role, observer = "prefect-worker-jobs", "prefect-observer"
    assert placed["here-jobs"] == {*inside, *images, login, scripts, role, observer}
    # The credentials for KEDA are in the namespace of KEDA, and the reference to them contains no namespace.
    trigger = "here.prefect-worker-inside"
    assert placed["keda"] == {f"{trigger}-backlog"}
    assert "keda" in found["searched"]
    assert placed["here"] == {
        "prefect-worker-jobs",
        "prefect-worker-jobs-backlog",
        "prefect-start-worker",
        "prefect-observer",
        trigger,
    }
    secret = base64.b64encode(found["backlog"].encode()).decode()
    named = {
        (item["metadata"].get("namespace"), item["metadata"]["name"])
        for item in found["objects"]
        if item["kind"] == "Secret" and secret in item["data"].values()
    }
    assert named == {("keda", f"{trigger}-backlog"), ("here", "prefect-worker-jobs-backlog")}
    references = {
        item["metadata"]["name"]: item["spec"]["triggers"][0]["authenticationRef"]
        for item in found["objects"]
        if item["kind"] == "ScaledObject"
    }
    assert references == {
        "prefect-worker-jobs": {"name": "prefect-worker-jobs", "kind": "TriggerAuthentication"},
        "prefect-worker-inside": {"name": trigger, "kind": "ClusterTriggerAuthentication"},
    }
    tokens = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]["automountServiceAccountToken"]
        for item in found["objects"]
        if item["kind"] in ("Deployment", "DaemonSet")
    }
    assert {name for name, mounted in tokens.items() if mounted} == {"prefect-worker-jobs", "prefect-observer"}


def test_the_workers_of_a_pool_may_have_an_identity() -> None:
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/flows"}
    pools = [{"name": "a", "type": "process", "workers": {"service_account_annotations": role}}, {"name": "b"}]
    objects = {"objects": template("kubernetes.yml.j2")}
    found = evaluated("development", "prefect_worker", objects, prefect_work_pools=pools)
    metadata = {
        item["metadata"]["name"]: item["metadata"] for item in found["objects"] if item["kind"] == "ServiceAccount"
    }
    assert metadata["prefect-worker-a"]["annotations"] == role
    assert "annotations" not in metadata["prefect-worker-b"]
    used = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]["serviceAccountName"]
        for item in found["objects"]
        if item["kind"] == "Deployment"
    }
    assert used == {name: name for name in metadata}


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, {"namespaces", "validatingadmissionpolicies", "validatingadmissionpolicybindings"}),
        ({"prefect_create_namespaces": False}, set()),
        ({"prefect_admission_policies": False}, {"namespaces"}),
        ({"prefect_work_pools": [{"name": "a"}]}, {"namespaces"}),
        (
            {
                "prefect_create_namespaces": False,
                "prefect_work_pools": [
                    {"name": "a", "workers": {"min": 1, "max": 2, "autoscaling": {"metric": "backlog"}}}
                ],
            },
            {"clustertriggerauthentications"},
        ),
    ],
)
def test_the_preflight_asks_for_what_belongs_to_the_whole_cluster(variables: dict[str, Any], wanted: set[str]) -> None:
    expressions = {
        "cluster": "__prefect_preflight_permissions.cluster",
        "needs": "__prefect_preflight_needs.admission_policies",
    }
    found = evaluated("development", "prefect_preflight", expressions, **variables)
    assert {entry["resource"] for entry in found["cluster"]} == wanted
    assert found["needs"] == ("validatingadmissionpolicies" in wanted)


@pytest.mark.parametrize(
    ("variables", "query"),
    [
        ({}, ""),
        ({"prefect_database_ssl_mode": "verify-full"}, "sslmode=verify-full"),
        ({"prefect_database_ssl_mode": "verify-ca"}, "sslmode=verify-ca"),
        # KEDA has no way to this certificate; the preflight tells.
        ({"prefect_database_ssl_mode": "verify-full", "prefect_database_ca": "-----BEGIN"}, "sslmode=require"),
        ({"prefect_worker_backlog_database_url": "postgresql://r:p@db/a?sslmode=disable"}, "sslmode=disable"),
    ],
)
def test_keda_verifies_the_database_where_it_can(variables: dict[str, Any], query: str) -> None:
    expressions = {"url": "__prefect_worker_backlog_connection"}
    found = evaluated("production", "prefect_worker", expressions, prefect_database_password="x", **variables)
    assert found["url"].partition("?")[2] == query


@pytest.mark.parametrize(
    ("inventory", "variables", "looked_for"),
    [
        ("production", {}, True),
        ("staging", {}, True),
        ("production", {"prefect_admission_policies": True}, False),
        ("production", {"prefect_work_pools": [{"name": "a", "type": "process"}]}, False),
        ("development", {}, False),
        ("development", {"prefect_admission_policies": False}, True),
    ],
)
def test_the_preflight_looks_for_the_policy_that_the_playbooks_do_not_make(
    inventory: str, variables: dict[str, Any], *, looked_for: bool
) -> None:
    """And refuses a cluster without it; nothing else of the inventory says that nothing limits the Jobs."""
    cluster = {
        "version": "v1.37.2",
        "denied": [],
        "namespaces": {},
        "storage_classes": None,
        "apis": ["metrics.k8s.io/v1beta1", "admissionregistration.k8s.io/v1/validatingadmissionpolicies"],
        "nodes": {},
        "admission_policy": {"readable": True, "policy": None, "binding": None},
    }
    made = evaluated(inventory, "prefect_cluster", {"made": "prefect_admission_objects"}, **variables)["made"]
    expressions = {
        "name": "__prefect_preflight_needs.admission_objects | map(attribute='metadata.name') | first | default('')",
        "problems": "prefect_cluster | selfhosted.prefect._cluster_problems(__prefect_preflight_needs)",
        "notes": "prefect_cluster | selfhosted.prefect._admission_notes(__prefect_preflight_needs)",
    }
    found = evaluated(inventory, "prefect_preflight", expressions, prefect_cluster=cluster, **variables)
    assert found["name"] == (made[0]["metadata"]["name"] if looked_for else "")
    assert ("prefect_admission_policies" in {entry["option"] for entry in found["problems"]}) == looked_for
    told = evaluated(
        inventory,
        "prefect_preflight",
        expressions,
        prefect_cluster=cluster,
        prefect_allow_unlimited_jobs=True,
        **variables,
    )
    assert "prefect_admission_policies" not in {entry["option"] for entry in told["problems"]}
    assert bool(told["notes"]) == looked_for


@pytest.mark.parametrize(
    ("variables", "secret"),
    [
        ({}, "prefect-tls"),
        ({"prefect_gateway_host": ""}, ""),
        ({"prefect_gateway_annotations": {"cert-manager.io/cluster-issuer": "acme"}}, ""),
    ],
)
def test_the_certificate_is_looked_for(variables: dict[str, Any], secret: str) -> None:
    needs = {name: f"__prefect_preflight_needs.{name}" for name in ("tls_secret", "secrets")}
    found = evaluated("production", "prefect_preflight", needs, **variables)
    assert found == {"tls_secret": secret, "secrets": [secret] if secret else []}


@pytest.mark.parametrize(
    ("variables", "csrf", "version"),
    [
        ({}, False, False),
        ({"prefect_server_csrf_protection": True}, True, False),
        ({"prefect_worker_version_check": True}, False, True),
        ({"prefect_api_hosts": [], "prefect_api_url": "http://elsewhere/api"}, True, True),
    ],
    ids=["ours", "protected", "wanted", "of others"],
)
def test_clients_ask_the_server_what_the_inventory_does_not_know(
    variables: dict[str, Any], *, csrf: bool, version: bool
) -> None:
    expressions = {"environment": "__prefect_worker_environment"}
    made = evaluated("production", "prefect_worker", expressions, **variables)["environment"]
    names = ("CSRF_SUPPORT", "SERVER_VERSION_CHECK")
    assert [str(made[f"PREFECT_CLIENT_{name}_ENABLED"]) for name in names] == [str(csrf), str(version)]


@pytest.mark.parametrize(("codes", "told"), [(None, "500"), ([500, 504], "500,504"), ([], None)])
def test_clients_repeat_what_a_restarted_component_has_interrupted(codes: list[int] | None, told: str | None) -> None:
    variables = {} if codes is None else {"prefect_worker_retry_codes": codes}
    expressions = {"environment": "__prefect_worker_environment"}
    made = evaluated("production", "prefect_worker", expressions, **variables)["environment"]
    found = made["PREFECT_CLIENT_RETRY_EXTRA_CODES"]
    # ansible-core 2.18 renders null as an empty string. Prefect treats both as no codes.
    assert (None if found in (None, "") else str(found)) == told
