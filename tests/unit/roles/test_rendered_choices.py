# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects that a cluster gets only with certain options. The test cluster does not have their operators."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import pytest
from rendering import evaluated, template


def rendered(inventory: str, role: str, name: str, **variables: Any) -> list[dict[str, Any]]:
    """Return the objects of a template in their final form."""
    objects = f"{template(name)} | selfhosted.prefect._manifests(prefect_pod_defaults)"
    found = evaluated(inventory, role, {"objects": objects}, **variables)
    return list(found["objects"])


def only(objects: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = [item for item in objects if item["kind"] == kind]
    return found


def data(secret: dict[str, Any]) -> dict[str, str]:
    return {name: base64.b64decode(value).decode() for name, value in secret["data"].items()}


PASSWORD = "of the database"
CLOUDNATIVE_PG = {
    "prefect_postgres_kind": "cloudnative_pg",
    "prefect_database_password": PASSWORD,
    "prefect_postgres_storage": "30Gi",
}


@pytest.mark.parametrize(
    ("variables", "instances", "storage", "image"),
    [
        ({}, 3, {"size": "30Gi"}, "ghcr.io/cloudnative-pg/postgresql:17.11-202608310816-system-trixie"),
        (
            {
                "prefect_postgres_instances": 2,
                "prefect_storage_class": "fast",
                "prefect_postgres_image": "postgresql:17",
            },
            2,
            {"size": "30Gi", "storageClass": "fast"},
            "postgresql:17",
        ),
    ],
    ids=["default", "chosen"],
)
def test_the_cluster_of_cloudnative_pg(
    variables: dict[str, Any], instances: int, storage: dict[str, str], image: str | None
) -> None:
    given = {**CLOUDNATIVE_PG, **variables, "prefect_postgres_settings": {"work_mem": "8MB", "max_wal_senders": 12}}
    objects = rendered("development", "prefect_postgres", "cloudnative_pg.yml.j2", **given)
    cluster = only(objects, "Cluster")
    assert cluster["apiVersion"] == "postgresql.cnpg.io/v1"
    spec = cluster["spec"]
    assert (spec["instances"], spec["storage"], spec.get("imageName")) == (instances, storage, image)
    parameters = spec["postgresql"]["parameters"]
    assert "pg_stat_statements.max" in parameters  # this setting makes the operator load and create the extension
    assert parameters["pg_stat_statements.track_utility"] == "off"  # otherwise the statistics would contain passwords
    first = spec["bootstrap"]["initdb"]
    assert (first["database"], first["owner"]) == ("prefect", "prefect")
    assert any("pg_trgm" in statement for statement in first["postInitApplicationSQL"])
    # The owner logs in with one Secret, now and after a change. The operator requires this type.
    (secret,) = [item for item in objects if item["metadata"]["name"] == first["secret"]["name"]]
    assert (secret["kind"], secret["type"]) == ("Secret", "kubernetes.io/basic-auth")
    login = data(secret)
    assert (login["username"], login["password"]) == ("prefect", PASSWORD)
    (role,) = spec["managed"]["roles"]
    assert (role["name"], role["login"], role["passwordSecret"]) == ("prefect", True, first["secret"])
    assert not spec.get("enableSuperuserAccess")
    assert PASSWORD not in str(spec)
    parameters = spec["postgresql"]["parameters"]
    assert all(isinstance(value, str) for value in parameters.values())  # otherwise the API server rejects the object
    assert (parameters["work_mem"], parameters["max_wal_senders"]) == ("8MB", "12")
    assert int(parameters["max_connections"]) > 0
    policy = only(objects, "NetworkPolicy")["spec"]
    assert policy["podSelector"]["matchLabels"] == {"cnpg.io/cluster": cluster["metadata"]["name"]}


def test_a_cluster_of_cloudnative_pg_is_reached_by_its_service_and_can_be_patched() -> None:
    patch = {"storage": {"resizeInUseVolumes": False}, "monitoring": {"enablePodMonitor": True}}
    given = {**CLOUDNATIVE_PG, "prefect_postgres_cluster_patch": patch}
    expressions = {"host": "prefect_database_host", "objects": template("cloudnative_pg.yml.j2")}
    found = evaluated("development", "prefect_postgres", expressions, **given)
    cluster = only(found["objects"], "Cluster")
    assert found["host"].partition(".")[0] == cluster["metadata"]["name"] + "-rw"
    assert cluster["spec"]["storage"] == {"size": "30Gi", "resizeInUseVolumes": False}
    assert cluster["spec"]["monitoring"] == {"enablePodMonitor": True}


@pytest.mark.parametrize("public", [False, True])
def test_the_route_of_the_gateway_api(*, public: bool) -> None:
    parent = {"name": "shared", "namespace": "gateways", "sectionName": "https"}
    variables = {
        "prefect_gateway_kind": "http_route",
        "prefect_gateway_parent": parent,
        "prefect_gateway_public_docs": public,
    }
    objects = rendered("production", "prefect_gateway", "kubernetes.yml.j2", **variables)
    assert [item for item in objects if item["kind"] == "Ingress"] == []
    route = only(objects, "HTTPRoute")
    assert route["apiVersion"] == "gateway.networking.k8s.io/v1"
    # The certificate belongs to the listener of the Gateway.
    assert route["spec"]["parentRefs"] == [parent]
    assert route["spec"]["hostnames"] == ["prefect.example.com"]
    *closed, open_ = route["spec"]["rules"]
    services = {
        item["metadata"]["name"]: {port["port"] for port in item["spec"]["ports"]}
        for item in objects
        if item["kind"] == "Service"
    }
    for rule in route["spec"]["rules"]:
        (backend,) = rule["backendRefs"]
        assert backend["port"] in services[backend["name"]]
    assert (open_["backendRefs"][0]["name"], "matches" in open_) == ("prefect-api", False)
    assert {rule["backendRefs"][0]["name"] for rule in closed} == (set() if public else {"prefect-closed"})
    paths = {match["path"]["value"] for rule in closed for match in rule["matches"]}
    documentation = {"/docs", "/redoc", "/openapi.json", "/api/docs", "/api/redoc", "/api/openapi.json"}
    assert paths == (set() if public else documentation)


@pytest.mark.parametrize("most", [3, 6])
def test_api_pods_scale_up_to_their_maximum(most: int) -> None:
    variables = {"prefect_server_replicas": 3, "prefect_server_max_replicas": most}
    objects = rendered("production", "prefect_server", "kubernetes_api.yml.j2", **variables)
    api = only(objects, "Deployment")
    scalers = [item for item in objects if item["kind"] == "HorizontalPodAutoscaler"]
    if most == 3:
        assert (api["spec"]["replicas"], scalers) == (3, [])
        return
    # Otherwise each run of the playbook would undo the decisions of the autoscaler.
    assert "replicas" not in api["spec"]
    (scaler,) = scalers
    assert scaler["apiVersion"] == "autoscaling/v2"
    spec = scaler["spec"]
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": api["metadata"]["name"]}
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 6)
    (metric,) = spec["metrics"]
    assert metric["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}
    # The utilization is a percentage of the request.
    assert api["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"]


def egress(objects: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    (policy,) = [item for item in objects if item["kind"] == "NetworkPolicy" and item["metadata"]["name"] == name]
    assert "Egress" in policy["spec"]["policyTypes"]
    return list(policy["spec"]["egress"])


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("redis://:of-redis@cache.example.com/0", [6379]),
        ("redis+sentinel://a,b:26380/prefect", [6379, 26379, 26380]),
    ],
)
def test_external_services_are_reached_by_their_ports(url: str, ports: list[int]) -> None:
    given = {"prefect_redis_url": url, "prefect_database_port": 5433}
    objects = rendered("production", "prefect_cluster", "namespaces.yml.j2", **given)
    assert egress(objects, "prefect-to-redis") == [{"ports": [{"port": port} for port in ports]}]
    assert egress(objects, "prefect-to-database") == [{"ports": [{"port": 5433}]}]


def test_a_database_of_the_operator_is_reached_by_its_pods() -> None:
    objects = rendered("development", "prefect_cluster", "namespaces.yml.j2", **CLOUDNATIVE_PG)
    (rule,) = egress(objects, "prefect-to-database")
    assert rule["to"] == [{"podSelector": {"matchLabels": {"cnpg.io/cluster": "prefect-postgres"}}}]


def test_what_leaves_the_cluster_is_chosen() -> None:
    collector: dict[str, Any] = {"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "ports": [{"port": 4317}]}
    pools = [
        {"name": "jobs", "type": "kubernetes", "workers": {"min": 1, "egress": [collector]}},
        {"name": "processes", "type": "process", "workers": {"min": 1}},
        {"name": "closed", "type": "process", "workers": {"min": 1, "egress": []}},
    ]
    given = {
        "prefect_server_egress": [collector],
        "prefect_server_services_egress": [],
        "prefect_kubernetes_api_ports": [16443],
        "prefect_work_pools": pools,
        "prefect_separate_observer": True,
    }
    for name, policy in (("api", "prefect-api"), ("migration", "prefect-migrate"), ("services", "prefect-services")):
        objects = rendered("production", "prefect_server", f"kubernetes_{name}.yml.j2", **given)
        assert egress(objects, policy) == ([] if name == "services" else [collector])
    objects = rendered("production", "prefect_worker", "kubernetes.yml.j2", **given)
    api, *others = egress(objects, "prefect-worker-jobs")
    assert api["ports"] == [{"port": 4211}]  # the port of the pods
    to_kubernetes = {"ports": [{"port": 16443}]}
    assert others == [to_kubernetes, collector]
    assert egress(objects, "prefect-observer") == [api, to_kubernetes, collector]
    assert egress(objects, "prefect-worker-processes") == [api, {}]
    assert egress(objects, "prefect-worker-closed") == [api]


def test_workers_start_guarded() -> None:
    pools = [
        {"name": "jobs", "type": "kubernetes", "workers": {"min": 1}},
        {"name": "processes", "type": "process", "workers": {"min": 1}},
    ]
    objects = rendered("production", "prefect_worker", "kubernetes.yml.j2", prefect_work_pools=pools)
    pods = {
        item["metadata"]["name"]: item["spec"]["template"]["spec"] for item in objects if item["kind"] == "Deployment"
    }
    # Workers of process pools are in the namespace of flow code, those of Kubernetes pools in that of the server.
    for pool, name, namespace in (
        ("jobs", "prefect-start-worker", None),
        ("processes", "prefect-worker-scripts", "prefect-jobs"),
    ):
        pod = pods[f"prefect-worker-{pool}"]
        assert pod["containers"][0]["args"][:4] == ["python", "/scripts/start_worker.py", "worker", "start"]
        assert {"name": "scripts", "configMap": {"name": name}} in pod["volumes"]
        (scripts,) = (item for item in objects if item["metadata"]["name"] == name)
        assert "start_worker.py" in scripts["data"]
        assert scripts["metadata"].get("namespace") == namespace


def test_workers_start_guarded_on_hosts() -> None:
    pools = [
        {"name": "jobs", "type": "kubernetes", "workers": {"min": 1}},
        {"name": "processes", "type": "process", "workers": {"min": 1}},
    ]
    parts = ("processes", "host_files")
    expressions = {part: f"lookup('ansible.builtin.template', '{part}.yml.j2') | from_yaml" for part in parts}
    given = {"prefect_address": "127.0.0.1", "prefect_venv_marker": "/marker", "prefect_work_pools": pools}
    found = evaluated("local", "prefect_worker", expressions, **given)
    file = "/opt/prefect/start_worker.py"
    assert file in [entry["path"] for entry in found["host_files"]]
    by_name = {process["name"]: process for process in found["processes"]}
    for pool in ("jobs", "processes"):
        worker = by_name[f"worker-{pool}-1"]
        assert worker["command"][1:4] == [file, "worker", "start"]
        assert worker["restart_on"] == [file]


# Where clouds give the permissions of a machine to whoever asks on it.
METADATA = {
    "AWS, Google Cloud, Azure, Oracle, DigitalOcean": "169.254.169.254",
    "AWS ECS": "169.254.170.2",
    "AWS EKS Pod Identity": "169.254.170.23",
    "AWS, IPv6": "fd00:ec2::254",
    "AWS EKS Pod Identity, IPv6": "fd00:ec2::23",
    "Google Cloud, IPv6": "fd20:ce::254",
    "OpenStack, IPv6": "fe80::a9fe:a9fe",
    "Scaleway, IPv6": "fd00:42::42",
    "Alibaba Cloud": "100.100.100.200",
    "Azure, certificates and settings": "168.63.129.16",
}


def contains(networks: Iterable[str], address: str) -> bool:
    return any(ipaddress.ip_address(address) in ipaddress.ip_network(network) for network in networks)


@pytest.mark.parametrize("address", METADATA.values(), ids=METADATA.keys())
def test_what_background_services_send_does_not_reach_a_metadata_service(address: str) -> None:
    """In a cluster and on a host, which have the same list."""
    (rule,) = egress(rendered("production", "prefect_server", "kubernetes_services.yml.j2"), "prefect-services")
    blocks = [entry["ipBlock"] for entry in rule["to"] if "ipBlock" in entry]
    assert [block["cidr"] for block in blocks] == ["0.0.0.0/0", "::/0"]
    assert contains([network for block in blocks for network in block["except"]], address)
    for group in services_on_a_host():
        assert contains(group["service_settings"]["IPAddressDeny"], address)


def services_on_a_host(**given: Any) -> list[dict[str, Any]]:
    expression = "lookup('ansible.builtin.template', 'services_processes.yml.j2') | from_yaml"
    groups = [{"name": "services", "services": ["scheduler"]}, {"name": "others"}]
    variables = {"prefect_address": "127.0.0.1", "prefect_venv_marker": "/marker", "prefect_services_groups": groups}
    found = evaluated("local", "prefect_server", {"found": expression}, **variables, **given)["found"]
    assert len(found) == 2
    return list(found)


def test_the_metadata_services_are_chosen() -> None:
    mine = ["192.0.2.7", "fd00::/64"]
    objects = rendered("production", "prefect_server", "kubernetes_services.yml.j2", prefect_metadata_addresses=mine)
    (rule,) = egress(objects, "prefect-services")
    assert rule["to"][:2] == [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["192.0.2.7/32"]}},
        {"ipBlock": {"cidr": "::/0", "except": ["fd00::/64"]}},
    ]
    assert [group["service_settings"] for group in services_on_a_host(prefect_metadata_addresses=mine)] == [
        {"IPAddressDeny": mine}
    ] * 2
    objects = rendered("production", "prefect_server", "kubernetes_services.yml.j2", prefect_metadata_addresses=[])
    (rule,) = egress(objects, "prefect-services")
    assert rule["to"][:2] == [{"ipBlock": {"cidr": "0.0.0.0/0"}}, {"ipBlock": {"cidr": "::/0"}}]
    assert {"namespaceSelector": {}} in rule["to"], "some networks apply addresses to no pod"
    assert "ports" not in rule


def test_where_runs_may_send_is_chosen() -> None:
    store: dict[str, Any] = {"to": [{"ipBlock": {"cidr": "192.0.2.1/32"}}]}
    here, elsewhere, _anywhere, closed = pools = [
        {"name": "here", "type": "kubernetes"},
        {"name": "elsewhere", "type": "kubernetes", "job": {"namespace": "flows"}},
        {"name": "anywhere", "type": "kubernetes", "workers": {"runs_egress": [{}]}},
        {"name": "closed", "type": "kubernetes", "workers": {"runs_egress": []}},
    ]
    given = {"prefect_work_pools": [*pools, {"name": "inside", "type": "process"}], "prefect_dns_ports": [5353]}
    for shared, restricted in (([{}], [closed]), ([store], [here, elsewhere, closed])):
        chosen = {**given, "prefect_runs_egress": shared}
        objects = rendered("production", "prefect_worker", "kubernetes.yml.j2", **chosen)
        runs = [
            item for item in objects if item["kind"] == "NetworkPolicy" and item["metadata"]["name"].endswith(".runs")
        ]
        assert [item["metadata"]["name"] for item in runs] == [
            f"prefect-worker-{pool['name']}.runs" for pool in restricted
        ]
        for pool, item in zip(restricted, runs, strict=True):
            labels = {"selfhosted.prefect/runs-of": "prefect", "selfhosted.prefect/pool": pool["name"]}
            assert item["spec"]["podSelector"] == {"matchLabels": labels}
            assert item["metadata"]["namespace"] == ("flows" if pool is elsewhere else "prefect-jobs")
            to_api, to_dns, *others = egress(objects, item["metadata"]["name"])
            # Runs and the API may be in different namespaces.
            assert to_api["to"][0]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "prefect"}}
            assert to_api["ports"] == [{"port": 4211}]
            assert to_dns == {"ports": [{"port": 5353, "protocol": name} for name in ("UDP", "TCP")]}
            assert others == ([] if pool is closed else [store])


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://prefect-api.prefect.svc:4200/api", None),
        ("http://prefect-api:4200/api", None),
        ("http://prefect-api.prefect.svc.cluster.local:4200/api", None),
        ("https://prefect-api.example.com/api", 443),
        ("http://prefect.example.com/api", 80),
        ("https://prefect.example.com:8443/api", 8443),
    ],
)
def test_workers_reach_the_api_by_its_url(url: str, port: int | None) -> None:
    pools = [{"name": "jobs", "type": "kubernetes", "workers": {"min": 1}}]
    given = {"prefect_api_url": url, "prefect_work_pools": pools}
    objects = rendered("production", "prefect_worker", "kubernetes.yml.j2", **given)
    to_api = egress(objects, "prefect-worker-jobs")[0]
    assert to_api["ports"] == [{"port": port or 4211}]
    assert ("to" in to_api) is (port is None)


@pytest.mark.parametrize("image", ["", "prometheuscommunity/pgbouncer-exporter:v0.11.0"], ids=["none", "exporter"])
def test_an_exporter_beside_pgbouncer(image: str) -> None:
    variables = {"prefect_pgbouncer_exporter_image": image, "prefect_pgbouncer_stats_password": "of@stats"}
    objects = rendered("development", "prefect_pgbouncer", "kubernetes.yml.j2", **variables)
    containers = {item["name"]: item for item in only(objects, "Deployment")["spec"]["template"]["spec"]["containers"]}
    ports = [port for rule in only(objects, "NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]]
    assert list(containers) == ["pgbouncer", *(["exporter"] if image else [])]
    assert ({"port": "metrics"} in ports) is bool(image)
    if not image:
        return
    exporter = containers["exporter"]
    assert exporter["image"] == image
    assert exporter["ports"] == [{"name": "metrics", "containerPort": 9127}]
    assert exporter["args"] == ["--web.listen-address=:9127"]
    assert exporter["securityContext"]["readOnlyRootFilesystem"] is True
    (source,) = exporter["envFrom"]
    (secret,) = [item for item in objects if item["metadata"]["name"] == source["secretRef"]["name"]]
    url = urlsplit(data(secret)["PGBOUNCER_EXPORTER_CONNECTION_STRING"])
    assert (url.hostname, url.path, url.password) == ("127.0.0.1", "/pgbouncer", "of%40stats")
    assert url.port == containers["pgbouncer"]["ports"][0]["containerPort"]


def test_settings_in_an_existing_secret_reach_every_process_of_the_server() -> None:
    """This includes the migration, which registers block types and needs the encryption key."""
    names = ("kubernetes_api.yml.j2", "kubernetes_services.yml.j2", "kubernetes_migration.yml.j2")
    expressions = {name: template(name) for name in names}
    version = {"namespaces": {"prefect": {"secret_versions": {"mine": "41"}}}}
    variables = {"prefect_server_existing_secret": "mine", "prefect_namespace": "prefect", "prefect_cluster": version}
    found = evaluated("production", "prefect_server", expressions, **variables)
    workloads = [item for name in names for item in found[name] if item["kind"] in ("Deployment", "Job")]
    assert [item["kind"] for item in workloads] == ["Deployment", "Deployment", "Job"]
    for item in workloads:
        pod = item["spec"]["template"]
        (container,) = pod["spec"]["containers"]
        # The last entry has precedence.
        assert container["envFrom"][-1] == {"secretRef": {"name": "mine"}}
        if item["kind"] == "Deployment":
            assert "41" in pod["metadata"]["annotations"].values()
