# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the preflight rejects before a host is changed, each with its option and a remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.deployment_notes import deployment_notes
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.deployment_problems import deployment_problems
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.host_problems import host_problems
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.unknown_variables import unknown_variables
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import coefficients
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.connections import connection_budget

ROLES = Path(__file__).resolve().parents[4] / "roles"
OWN = yaml.safe_load((ROLES / "prefect_common/meta/settings.yml").read_text())
GOOD: dict[str, Any] = {
    "prefect_version": "3.9.1",
    "prefect_shipped_versions": ["3.6.29", "3.9.1"],
    "prefect_lock_directory": "/inventory/locks",
    "prefect_lock_file": "/inventory/locks/prefect-3.9.1.txt",
    "prefect_version_facts": {
        "python": "3.11",
        "settings": ["PREFECT_SERVER_API_PORT", "PREFECT_RESULTS_PERSIST_BY_DEFAULT"],
    },
    "prefect_server_settings": {
        "PREFECT_SERVER_API_PORT": 1,
        "PREFECT_LOGGING_X_LEVEL": "INFO",
        "HTTPS_PROXY": "",
    },
    "prefect_worker_settings": {"PREFECT_RESULTS_PERSIST_BY_DEFAULT": True},
    "prefect_pod_patches": {
        "server": {"spec": {"containers": [{"name": "api", "env": [{"name": "HTTPS_PROXY"}]}]}},
        "worker": {},
    },
    "prefect_own_settings": OWN,
    "prefect_instance": "prefect",
    "prefect_platform": "host",
    "prefect_user": "prefect",
    "prefect_worker_user": "prefect-worker",
    "prefect_namespace": "prefect",
    "prefect_postgres_kind": "statefulset",
    "prefect_address": "10.0.0.4",
    "prefect_gateway_bind": "*",
    "prefect_pgbouncer_host": "db_1.example.com",
    "prefect_database_name": "prefect",
    "prefect_database_user": "prefect@my-server",
    "prefect_pgbouncer_stats_user": "pgbouncer_stats",
    "prefect_api_url": "http://[fd00::5]:4200/api",
    "prefect_control_api_url": "https://prefect.example.com/api",
    "prefect_database_port": 5432,
    "prefect_pgbouncer_port": 6432,
    "prefect_redis_port": 6379,
    "prefect_gateway_port": 4200,
    "prefect_server_api_port": 4211,
    "prefect_worker_port": 4231,
    "prefect_api_hosts": ["a", "b"],
    "prefect_services_hosts": ["a"],
    "prefect_gateway_hosts": ["a"],
    "prefect_pgbouncer_hosts": ["a"],
    "prefect_pgbouncer_replicas": 1,
    "prefect_postgres_hosts": ["a"],
    "prefect_redis_hosts": ["a"],
    "prefect_worker_hosts": ["b"],
    "prefect_postgres_version": 15,
    "prefect_postgres_image": "postgres:15.18",
    "prefect_database_host": "10.0.0.5",
    "prefect_database_max_connections": 49,  # 25 + 1 * (5 + 10 + 1) + 3 + 5
    "prefect_database_password": "p@s:/#% '\"\\$`",
    "prefect_pgbouncer_stats_password": "x",
    "prefect_pgbouncer_pool_size": 25,
    "prefect_redis_user": "prefect",
    "prefect_redis_password": "x",
    "prefect_redis_url": "redis://:x@10.0.0.5:6379/0",
    "prefect_redis_ca": "",
    "prefect_metadata_addresses": ["169.254.0.0/16", "fe80::/10", "192.0.2.1"],
    "prefect_database_ca": "",
    "prefect_database_ssl_mode": "verify-full",
    "prefect_hosts_without_port_guard": [],
    "prefect_worker_backlog_database_url": "",
    "prefect_tls": "none",
    "prefect_tls_days": 90,
    "prefect_tls_renew_days": 30,
    "prefect_api_auth_string": "admin:pass:word",
    "prefect_api_allow_anonymous": False,
    "prefect_api_addresses": ["10.0.0.5", "127.0.0.1"],
    "prefect_gateway_host": "prefect.example.com",
    "prefect_gateway_service_type": "ClusterIP",
    "prefect_server_replicas": 3,
    "prefect_server_api_pool_size": 5,
    "prefect_server_api_max_overflow": 10,
    "prefect_server_services_pool_size": 5,
    "prefect_server_services_max_overflow": 10,
    "prefect_services_groups": [{"name": "services"}],
    "prefect_background_services": {"scheduler": "A", "triggers": "B", "event_logger": "C"},
    "prefect_work_pools": [
        {"name": "default", "type": "process", "concurrency_limit": 0, "queues": [{"name": "default", "priority": 1}]},
        {"name": "gone", "state": "absent"},
        {"name": "big", "queues": None, "workers": {"min": 0, "max": 3, "limit": None}},
    ],
    "prefect_jobs_namespace": "prefect-jobs",
    "prefect_run_namespaces": ["prefect-jobs"],
    "prefect_allow_shared_namespace": False,
    "prefect_global_concurrency_limits": [{"name": "api", "limit": 0, "slot_decay_per_second": 0.5}],
    "prefect_tag_concurrency_limits": [{"tag": "api", "concurrency_limit": 10}],
}
SCALED = {"name": "a", "workers": {"min": 0, "max": 3, "autoscaling": {"metric": "backlog"}}}
WITH_PROMETHEUS = {
    "name": "a",
    "workers": {
        "min": 0,
        "max": 3,
        "autoscaling": {"metric": "backlog", "prometheus": {"address": "http://p", "query": "sum(a)"}},
    },
}
PRIVATE_CA = {"prefect_database_ca": "-----BEGIN CERTIFICATE-----", "prefect_work_pools": [SCALED]}
PASSWORDS = ("prefect_database_password", "prefect_pgbouncer_stats_password", "prefect_redis_password")
LEAST = {
    "prefect_server_replicas": 1,
    "prefect_pgbouncer_pool_size": 1,
    "prefect_server_api_pool_size": 1,
    "prefect_server_services_pool_size": 1,
    "prefect_server_api_max_overflow": 0,
    "prefect_server_services_max_overflow": 0,
}
POOL = "prefect_work_pools[default]"
ANONYMOUS_IN_A_CLUSTER = {"prefect_api_auth_string": "", "prefect_platform": "kubernetes", "prefect_work_pools": []}
AUTHORITY = "-----BEGIN CERTIFICATE-----\n"


def pool(**options: Any) -> dict[str, Any]:
    return {"prefect_work_pools": [{"name": "default", **options}]}


def groups(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"prefect_services_groups": list(entries), "prefect_database_max_connections": 200}


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"prefect_metadata_addresses": ["metadata.internal"]}, "prefect_metadata_addresses", "neither an address nor"),
    ({"prefect_metadata_addresses": ["169.254.1.0/16"]}, "prefect_metadata_addresses", "networks such as"),
    ({"prefect_version": "3.10.0", "prefect_lock_file": ""}, "prefect_version", "lock.yml -e prefect_version=3.10.0"),
    ({"prefect_version": "3.5.9"}, "prefect_version", "older than 3.6.0"),
    ({"prefect_version": "3-latest"}, "prefect_version", "3.6.29, 3.9.1"),
    (
        {"prefect_server_settings": {"PREFECT_SERVER_API_PROT": 1}},
        "prefect_server_settings",
        "PREFECT_SERVER_API_PORT?",
    ),
    (
        {"prefect_worker_settings": {"PREFECT_NOTHING": 1}},
        "prefect_worker_settings",
        "PREFECT_NOTHING is",
    ),
    ({"prefect_instance": "Prefect"}, "prefect_instance", "'Prefect'"),
    ({"prefect_instance": "1st"}, "prefect_instance", "Start with a letter"),
    ({"prefect_instance": "a/b"}, "prefect_instance", "'a/b'"),
    ({"prefect_instance": "x" * 32}, "prefect_instance", "31"),
    ({"prefect_instance": ""}, "prefect_instance", "''"),
    ({"prefect_api_hosts": []}, "prefect_api_hosts", "group prefect_api"),
    ({"prefect_services_hosts": []}, "prefect_services_hosts", "group prefect_services"),
    ({"prefect_gateway_hosts": []}, "prefect_gateway_hosts", "group prefect_gateway"),
    ({"prefect_pgbouncer_hosts": []}, "prefect_pgbouncer_hosts", "group prefect_pgbouncer"),
    ({"prefect_postgres_hosts": [], "prefect_database_host": ""}, "prefect_database_host", "external PostgreSQL"),
    ({"prefect_postgres_hosts": ["a", "b"]}, "prefect_postgres_hosts", "does not replicate"),
    ({"prefect_worker_hosts": []}, "prefect_worker_hosts", "to prefect_workers"),
    (
        {"prefect_platform": "kubernetes", "prefect_worker_hosts": [], "prefect_work_pools": [SCALED]},
        "prefect_worker_hosts",
        "and workers.max of the pools",
    ),
    (
        {"prefect_platform": "kubernetes", "prefect_work_pools": [{"name": "a", "workers": {"min": 0, "max": 3}}]},
        "prefect_work_pools[a].workers.min",
        "or workers.autoscaling.metric to backlog",
    ),
    (
        {"prefect_platform": "kubernetes", "prefect_work_pools": [SCALED], "prefect_run_namespaces": ["x", "prefect"]},
        "prefect_jobs_namespace",
        "prefect_allow_shared_namespace",
    ),
    (
        {
            "prefect_platform": "kubernetes",
            "prefect_work_pools": [],
            "prefect_postgres_version": 19,
            "prefect_postgres_image": "",
        },
        "prefect_postgres_image",
        "statefulset has no default image of PostgreSQL 19",
    ),
    (
        {
            "prefect_platform": "kubernetes",
            **pool(type="kubernetes", base_job_template={"job_configuration": {"job_manifest": "{{ manifest }}"}}),
        },
        f"{POOL}.base_job_template",
        "a mapping down to spec.template",
    ),
    ({"prefect_postgres_version": 13}, "prefect_postgres_version", "14.9"),
    ({"prefect_redis_url": "", "prefect_redis_hosts": []}, "prefect_redis_url", "lost silently"),
    ({"prefect_redis_url": "redis+cluster://h:1"}, "prefect_redis_url", "Redis Cluster"),
    ({"prefect_redis_url": "rediss+cluster://h:1"}, "prefect_redis_url", "Redis Cluster"),
    ({"prefect_redis_url": "http://h:1"}, "prefect_redis_url", "rediss://, redis+sentinel://, rediss+sentinel://"),
    ({"prefect_redis_url": "rediss://:ab/cd@h:1/0"}, "prefect_redis_url", "password is not percent-encoded"),
    ({"prefect_redis_url": "h:6379"}, "prefect_redis_url", "not a Redis URL"),
    ({"prefect_redis_ca": AUTHORITY}, "prefect_redis_ca", "starts with redis://"),
    ({"prefect_redis_ca": AUTHORITY, "prefect_redis_url": "redis+sentinel://h/m"}, "prefect_redis_ca", "rediss://"),
    ({"prefect_redis_ca": "/etc/ca.crt", "prefect_redis_url": "rediss://h:1/0"}, "prefect_redis_ca", "not PEM text"),
    ({"prefect_tls_renew_days": 90}, "prefect_tls_renew_days", "renewed in every run"),
    ({"prefect_database_ca": "/etc/ca.crt"}, "prefect_database_ca", "not PEM text"),
    (
        {"prefect_redis_ca": AUTHORITY, "prefect_redis_url": "rediss://h:1/0?ssl_ca_certs=/etc/ca.crt"},
        "prefect_redis_ca",
        "ssl_ca_certs",
    ),
    *[({option: ""}, option, "empty") for option in PASSWORDS],
    *[({option: "a\nb"}, option, "line break") for option in PASSWORDS],
    *[({option: "a\0b"}, option, "NUL") for option in PASSWORDS],
    ({"prefect_api_auth_string": "a:b\n"}, "prefect_api_auth_string", "line break"),
    ({"prefect_api_auth_string": "secret"}, "prefect_api_auth_string", "user:password"),
    ({"prefect_api_auth_string": ":secret"}, "prefect_api_auth_string", "user:password"),
    ({"prefect_api_auth_string": "user:"}, "prefect_api_auth_string", "user:password"),
    ({"prefect_redis_user": "default"}, "prefect_redis_user", "not a valid user name"),
    ({"prefect_redis_user": "a b"}, "prefect_redis_user", "letters, digits"),
    ({"prefect_api_auth_string": ""}, "prefect_api_auth_string", "prefect_api_allow_anonymous"),
    ({"prefect_api_auth_string": "", "prefect_api_addresses": ["*"]}, "prefect_api_auth_string", "reachable at *"),
    ({"prefect_api_auth_string": "", "prefect_api_addresses": ["::"]}, "prefect_api_auth_string", "reachable at ::"),
    ({"prefect_api_auth_string": "", "prefect_api_addresses": ["box"]}, "prefect_api_auth_string", "reachable at box"),
    *[
        ({**ANONYMOUS_IN_A_CLUSTER, **options}, "prefect_api_auth_string", words)
        for words, options in (
            ("under prefect.example.com", {}),
            ("through a load balancer", {"prefect_gateway_host": "", "prefect_gateway_service_type": "LoadBalancer"}),
            ("on a port of every node", {"prefect_gateway_host": "", "prefect_gateway_service_type": "NodePort"}),
            ("from the cluster's pods", {"prefect_gateway_host": ""}),
        )
    ],
    *[
        ({"prefect_redis_hosts": [], "prefect_redis_url": url}, "prefect_redis_password", "prefect_redis_url contains")
        for url in ("rediss://:@redis.example.com:6380/0", "redis+sentinel://:@a:26379,b:26379/mymaster")
    ],
    *[({option: least - 1}, option, f"less than {least}") for option, least in LEAST.items()],
    ({"prefect_server_api_max_overflow": -1}, "prefect_server_api_max_overflow", "no limit"),
    ({"prefect_database_max_connections": 48}, "prefect_database_max_connections", "49 connections"),
    (groups(), "prefect_services_groups", "empty"),
    (groups({"name": "a"}, {"name": "a", "services": ["triggers"]}), "prefect_services_groups", "called 'a'"),
    (groups({"name": "A b"}), "prefect_services_groups[].name", "'A b'"),
    (groups({"name": "-a"}), "prefect_services_groups[].name", "'-a'"),
    (groups({"name": "a"}, {"name": "b", "services": ["trigger"]}), "prefect_services_groups[].services", "'trigger'"),
    (
        groups({"name": "a"}, {"name": "b", "services": ["triggers"]}, {"name": "c", "services": ["triggers"]}),
        "prefect_services_groups[].services",
        "in two groups",
    ),
    (groups({"name": "a"}, {"name": "b"}), "prefect_services_groups[].services", "a, b"),
    (groups({"name": "a", "services": ["triggers"]}), "prefect_services_groups[].services", "runs scheduler"),
    ({"prefect_work_pools": [{"name": "Prefect-x"}]}, "prefect_work_pools[Prefect-x].name", "starts with"),
    *[
        ({"prefect_work_pools": [{"name": f"a{bad}b"}]}, f"prefect_work_pools[a{bad}b].name", f"contains {bad}")
        for bad in "/%&<>"
    ],
    ({"prefect_work_pools": [{"name": " "}]}, "prefect_work_pools[ ].name", "empty"),
    ({"prefect_work_pools": [{"name": "a"}, {"name": "a"}]}, "prefect_work_pools", "called 'a'"),
    (pool(concurrency_limit=-1), f"{POOL}.concurrency_limit", "negative"),
    (
        pool(type="kubernetes", job={"memory_request": "1Gi", "memory_limit": "512Mi"}),
        f"{POOL}.job.memory_limit",
        "512Mi is less than memory_request, 1Gi",
    ),
    (
        pool(type="kubernetes", job={"cpu_request": 1, "cpu_limit": "500m"}),
        f"{POOL}.job.cpu_limit",
        "Raise it to 1 or more, or lower cpu_request.",
    ),
    (pool(workers={"min": -1}), f"{POOL}.workers.min", "negative"),
    (pool(workers={"limit": -1}), f"{POOL}.workers.limit", "negative"),
    (pool(workers={"min": 3, "max": 2}), f"{POOL}.workers.max", "less than workers.min"),
    (pool(workers={"max": 0}), f"{POOL}.workers.max", "less than workers.min"),
    (
        pool(workers={"autoscaling": {"prometheus": {"address": "http://a", "query": "sum(a)"}}}),
        f"{POOL}.workers.autoscaling.prometheus",
        "workers do not scale by it",
    ),
    (pool(queues=[{"name": "a/b"}]), f"{POOL}.queues[a/b].name", "contains /"),
    (pool(queues=[{"name": "a", "concurrency_limit": -2}]), f"{POOL}.queues[a].concurrency_limit", "-2"),
    (pool(queues=[{"name": "a", "priority": 0}]), f"{POOL}.queues[a].priority", "less than 1"),
    (pool(queues=[{"name": "a"}, {"name": "a"}]), f"{POOL}.queues", "called 'a'"),
    (pool(queues=[{"name": "a", "priority": 1}, {"name": "b"}]), f"{POOL}.queues", "order of the list decides"),
    (pool(queues=[{"name": "a", "priority": 1}, {"name": "b", "priority": 1}]), f"{POOL}.queues", "priority 1"),
    (
        {"prefect_global_concurrency_limits": [{"name": "a&b", "limit": 1}]},
        "prefect_global_concurrency_limits[a&b].name",
        "contains &",
    ),
    (
        {"prefect_global_concurrency_limits": [{"name": "a", "limit": -1}]},
        "prefect_global_concurrency_limits[a].limit",
        "negative",
    ),
    (
        {"prefect_global_concurrency_limits": [{"name": "a", "limit": 1, "slot_decay_per_second": -0.5}]},
        "prefect_global_concurrency_limits[a].slot_decay_per_second",
        "negative",
    ),
    (
        {"prefect_global_concurrency_limits": [{"name": "a", "limit": 1}, {"name": "a", "limit": 2}]},
        "prefect_global_concurrency_limits",
        "called 'a'",
    ),
    (
        {"prefect_tag_concurrency_limits": [{"tag": "a", "concurrency_limit": -1}]},
        "prefect_tag_concurrency_limits[a].concurrency_limit",
        "negative",
    ),
    *[
        (
            {"prefect_global_concurrency_limits": [{"name": f"{owner}:a", "limit": 1}]},
            f"prefect_global_concurrency_limits[{owner}:a].name",
            "The server reserves names",
        )
        for owner in ("tag", "deployment")
    ],
    ({"prefect_tag_concurrency_limits": [{"tag": "a<b"}]}, "prefect_tag_concurrency_limits[a<b].tag", "contains <"),
    (
        {"prefect_tag_concurrency_limits": [{"tag": "a"}, {"tag": "a"}]},
        "prefect_tag_concurrency_limits",
        "tag 'a'",
    ),
]


def test_a_good_deployment_has_no_problem() -> None:
    assert deployment_problems(GOOD) == []


def test_the_preflight_hands_over_all_that_is_looked_at() -> None:
    role = Path(__file__).resolve().parents[4] / "roles" / "prefect_preflight"
    variables = yaml.safe_load((role / "vars" / "main.yml").read_text())
    names = {*variables["__prefect_preflight_names"], *variables["__prefect_preflight_adapted"]}
    assert names == set(GOOD)


def test_hosts_encrypt_and_a_cluster_has_its_network_for_it() -> None:
    found = deployment_problems({**GOOD, "prefect_tls": "authority", "prefect_platform": "kubernetes"})
    assert [entry["option"] for entry in found].count("prefect_tls") == 1
    assert deployment_problems({**GOOD, "prefect_tls": "authority"}) == []


@pytest.mark.parametrize(
    "change",
    [
        {"prefect_postgres_hosts": [], "prefect_postgres_version": 9},
        {"prefect_redis_hosts": [], "prefect_redis_password": "", "prefect_redis_url": "rediss://h:1/0"},
        {"prefect_redis_url": "redis+sentinel://h:26379/mymaster"},
        {"prefect_redis_url": "rediss+sentinel://h:26379/mymaster"},
        {"prefect_redis_url": "rediss+sentinel://:p@h,[::1]:26379/mymaster"},
        {"prefect_redis_url": "rediss+sentinel://h:26379/mymaster", "prefect_redis_ca": AUTHORITY},
        {"prefect_redis_hosts": [], "prefect_redis_password": "", "prefect_redis_url": "redis://user@h:1/0"},
        {
            "prefect_api_auth_string": "",
            "prefect_api_addresses": ["127.0.0.1", "127.0.1.1", "::1", "[::1]", "localhost"],
        },
        {"prefect_api_auth_string": "", "prefect_api_allow_anonymous": True},
        {"prefect_work_pools": [], "prefect_worker_hosts": []},
        pool(type="kubernetes", job={"memory_request": "1Gi", "cpu_limit": "50m"}),
        pool(type="kubernetes", job={"memory_request": "1024Mi", "memory_limit": "1Gi", "cpu_request": None}),
        pool(type="other", job={"memory_request": 2, "memory_limit": 1}),  # without a meaning for this type
        {"prefect_work_pools": [{"name": "a", "workers": {"min": 0}}], "prefect_worker_hosts": []},
        {"prefect_work_pools": [{"name": "a", "workers": {"min": 0, "max": 3}}], "prefect_worker_hosts": []},
        {"prefect_platform": "kubernetes", "prefect_work_pools": [SCALED]},
        {"prefect_postgres_image": ""},  # of hosts
        {
            "prefect_platform": "kubernetes",
            "prefect_work_pools": [],
            "prefect_postgres_image": "",
            "prefect_postgres_hosts": [],
        },
        pool(type="kubernetes", base_job_template={"job_configuration": {}}),  # on hosts, no policy selects its pods
        {"prefect_run_namespaces": ["prefect"]},  # without effect on hosts
        {
            "prefect_platform": "kubernetes",
            "prefect_allow_shared_namespace": True,
            "prefect_work_pools": [SCALED],
            "prefect_run_namespaces": ["prefect"],
        },
        groups({"name": "a", "services": ["triggers"]}, {"name": "b", "services": ["scheduler"]}),
        groups({"name": "a", "services": ["triggers", "event_logger"]}, {"name": "b"}),
    ],
)
def test_other_good_deployments_have_no_problem(change: dict[str, Any]) -> None:
    assert deployment_problems({**GOOD, **change}) == []


@pytest.mark.parametrize(("change", "option", "words"), BAD)
def test_problems_of_a_deployment(change: dict[str, Any], option: str, words: str) -> None:
    problems = deployment_problems({**GOOD, **change})
    assert [problem["option"] for problem in problems] == [option]
    assert words in problems[0]["problem"] + " " + problems[0]["remedy"]
    assert problems[0]["remedy"].endswith(".")


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ({}, []),
        ({"prefect_run_namespaces": ["prefect"]}, ["prefect_allow_shared_namespace"]),
        # KEDA has the credentials of the server, and no CA certificate.
        (PRIVATE_CA, ["prefect_worker_backlog_database_url"]),
        ({**PRIVATE_CA, "prefect_database_ssl_mode": "verify-ca"}, ["prefect_worker_backlog_database_url"]),
        ({**PRIVATE_CA, "prefect_database_ssl_mode": "prefer"}, []),
        ({**PRIVATE_CA, "prefect_database_ca": ""}, []),
        ({**PRIVATE_CA, "prefect_worker_backlog_database_url": "postgresql://reader@db/prefect"}, []),
        ({**PRIVATE_CA, "prefect_work_pools": [{**SCALED, "state": "absent"}]}, []),
        ({**PRIVATE_CA, "prefect_work_pools": [{"name": "a", "workers": {**SCALED["workers"], "max": 0}}]}, []),
        ({**PRIVATE_CA, "prefect_work_pools": [{"name": "a", "workers": {"min": 1, "max": 3}}]}, []),
        ({**PRIVATE_CA, "prefect_work_pools": [WITH_PROMETHEUS]}, []),
    ],
)
def test_what_a_deployment_leaves_open(change: dict[str, Any], options: list[str]) -> None:
    assert deployment_notes({**GOOD, **change}) == []
    notes = deployment_notes({**GOOD, "prefect_platform": "kubernetes", **change})
    assert [note.partition(":")[0] for note in notes] == options


@pytest.mark.parametrize(
    ("tls", "hosts", "noted"), [("none", ["a"], True), ("authority", ["a"], False), ("none", [], False)]
)
def test_flow_code_that_can_take_the_port_of_a_server_is_noted(tls: str, hosts: list[str], *, noted: bool) -> None:
    notes = deployment_notes({**GOOD, "prefect_tls": tls, "prefect_hosts_without_port_guard": hosts})
    assert [note for note in notes if note.startswith("prefect_tls: on a, flow code")] == notes
    assert bool(notes) == noted


@pytest.mark.parametrize(
    ("url", "noted"),
    [
        ("rediss://:x@redis.example.com:6380/0", True),
        ("rediss://default:x@redis.example.com:6380/0", True),
        ("rediss://def%61ult:x@redis.example.com:6380/0", True),
        ("redis://redis.example.com", True),
        ("redis+sentinel://:x@a:26379,[fd00::1]:26379/main", True),
        ("redis+sentinel://default:x@a,b/main/0", True),
        ("rediss://prefect:x@redis.example.com:6380/0", False),
        ("redis+sentinel://prefect:default@a,b/main/0", False),
        ("", False),  # a problem of its own
    ],
)
def test_an_external_redis_needs_a_user_of_its_own(url: str, noted: bool) -> None:
    external = {**GOOD, "prefect_redis_hosts": [], "prefect_redis_url": url}
    notes = deployment_notes(external)
    assert [note.partition(":")[0] for note in notes] == ["prefect_redis_url"] * noted
    assert deployment_notes({**external, "prefect_redis_hosts": ["a"]}) == []


def test_all_problems_are_told_at_once() -> None:
    changes = {"prefect_version": "1", "prefect_redis_url": "", "prefect_database_password": "", **pool(name="a/b")}
    options = [problem["option"] for problem in deployment_problems({**GOOD, **changes})]
    assert options == [
        "prefect_version",
        "prefect_redis_url",
        "prefect_database_password",
        "prefect_work_pools[a/b].name",
    ]


def test_no_secret_is_told() -> None:
    secret = "hunter\n2"
    problems = deployment_problems({**GOOD, **dict.fromkeys(PASSWORDS, secret), "prefect_api_auth_string": secret})
    assert problems
    assert "hunter" not in str(problems)


def replaced(value: Any, url: str) -> Iterator[Any]:
    """The value of an option with each of its texts replaced."""
    if isinstance(value, str):
        yield url
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from ([*value[:at], new, *value[at + 1 :]] for new in replaced(item, url))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from ({**value, key: new} for new in replaced(item, url))


URLS = [
    "postgresql://user:hunter2@db.example.com/prefect",
    "http://user:hun/ter?hunter2@db.example.com:99999/api",
    "redis://db.example.com:0/0?password=hunter2",
    "postgresql://user:hunter2\n@db.example.com",
    "user:'hunter2\"@db.example.com",
]


@pytest.mark.parametrize("platform", ["host", "kubernetes"])
@pytest.mark.parametrize("url", URLS)
def test_no_password_of_a_url_is_told(url: str, platform: str) -> None:
    """In whichever option somebody has set it."""
    told = set()
    # The server shows the names of pools to each client.
    for option, good in [(option, good) for option, good in GOOD.items() if option != "prefect_work_pools"]:
        for value in replaced(good, url):
            problems = deployment_problems({**GOOD, "prefect_platform": platform, option: value})
            assert "hunter2" not in str(problems), option
            told.update(problem["option"] for problem in problems if "example.com" in problem["problem"])
    assert {"prefect_database_host", "prefect_api_url", "prefect_control_api_url", "prefect_database_name"} <= told


OWN_NAMES = [
    *((part, name, name) for part in ("server", "worker") for name in OWN[part]),
    *(
        (part, alias, name)
        for part in ("server", "worker")
        for alias, name in OWN["aliases"].items()
        if name in OWN[part]
    ),
    ("server", "prefect_server_api_auth_string", "PREFECT_SERVER_API_AUTH_STRING"),
    ("server", "PREFECT_SERVER_API", "PREFECT_SERVER_API_AUTH_STRING"),
    ("server", "PREFECT_SERVER", "PREFECT_SERVER_EVENTS_MESSAGING_BROKER"),
]


def patched(part: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"prefect_pod_patches": {"server": {}, "worker": {}, part: {"spec": spec}}}


@pytest.mark.parametrize(("part", "name", "own"), OWN_NAMES)
@pytest.mark.parametrize("facts", [{}, {"settings": [name for _part, name, _own in OWN_NAMES]}])
def test_what_an_option_decides_is_decided_by_no_setting(part: str, name: str, own: str, facts: dict[str, Any]) -> None:
    """Also with a version of Prefect whose settings are not known, under another name, and in the pods."""
    variable = {"name": name, "value": "hunter2"}
    for option, change in (
        (f"prefect_{part}_settings", {f"prefect_{part}_settings": {name: "hunter2"}}),
        (f"prefect_{part}_pod_patch", patched(part, {"containers": [{"name": "any", "env": [variable]}]})),
        (f"prefect_{part}_pod_patch", patched(part, {"initContainers": [{"name": "any", "env": [variable]}]})),
    ):
        problems = deployment_problems({**GOOD, **change, "prefect_version_facts": facts})
        told = [each for each in problems if "would take precedence" in each["problem"]]
        assert [each["option"] for each in told] == [option]
        assert f"The collection sets {own}, and " in told[0]["problem"]
        assert OWN[part][own] in told[0]["remedy"]
        assert "hunter2" not in str(problems)


@pytest.mark.parametrize(
    "path", sorted((ROLES / "prefect_host/files").glob("prefect-*.json")), ids=lambda path: path.stem
)
def test_every_other_setting_can_be_set(path: Path) -> None:
    """No setting is taken for a group of settings that contains one of ours."""
    known = json.loads(path.read_text())["settings"]
    others = {
        part: [name for name in known if name not in {*OWN[part], *OWN["aliases"]}] for part in ("server", "worker")
    }
    assert min(map(len, others.values())) > 300
    given = {f"prefect_{part}_settings": dict.fromkeys(names, "x") for part, names in others.items()}
    assert deployment_problems({**GOOD, **given, "prefect_version_facts": {"settings": known}}) == []


def test_the_connection_budget_adds_up() -> None:
    variables = {**GOOD, "prefect_pgbouncer_replicas": 2, "prefect_services_groups": [{"name": n} for n in "xyz"]}
    assert connection_budget(variables) == {"pgbouncer": 50, "services": 48, "reserved": 3, "spare": 5, "sum": 106}


HOST: dict[str, Any] = {
    "distribution": "debian",
    "memory_mb": 4096,
    "version": "12",
    "python": "3.11.2",
    "ephemeral_ports": [32768, 60999],
    "listening_ports": [22, 5432, 8080],
    "name_servers": ["127.0.0.53"],
    "processes": ["postgres"],
    "units": ["prefect-postgres", "prefect-worker-api-1"],
    "accounts_of": {},
    "postgresql_clusters": ["15/main"],
}


def port(number: int, process: str = "redis", option: str = "prefect_redis_port") -> dict[str, Any]:
    return {"option": option, "port": number, "process": process}


def check(ports: list[dict[str, Any]] | None = None, **facts: Any) -> list[dict[str, str]]:
    return host_problems(
        {**HOST, **facts},
        ports or [],
        supported=["debian 12", "debian 13"],
        python="3.10",
        deployment="prefect",
        data_dir="/var/lib/prefect",
    )


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"accounts_of": {"prefect-worker": "/var/lib/other"}},
            ("belongs to another instance", "prefect_data_dir to /var/lib/other"),
        ),
        ({"units": ["prefect-redis"]}, ("prefect-redis.service already exists", "remove the unit")),
    ],
)
def test_what_another_instance_has_is_refused(facts: dict[str, Any], words: tuple[str, str]) -> None:
    assert check([port(6379), port(5432, "postgres")], accounts_of={"prefect": "/var/lib/prefect"}) == []
    (problem,) = check([port(6379), port(5432, "postgres")], **facts)
    assert problem["option"] == "prefect_instance"
    assert words[0] in problem["problem"]
    assert words[1] in problem["remedy"]


def test_data_of_another_postgresql_is_refused() -> None:
    def found(*clusters: str) -> list[str]:
        facts = {**HOST, "postgresql_clusters": list(clusters)}
        problems = host_problems(facts, [], supported=["debian 12"], python="3.10", cluster="17/prefect")
        return [f"{problem['option']}: {problem['remedy']}" for problem in problems]

    assert found() == found("15/main") == found("15/prefect", "17/prefect") == []
    (problem,) = found("15/prefect")
    assert problem.startswith("prefect_postgres_version: Set it to 15")


def test_a_good_machine_has_no_problem() -> None:
    assert (
        check([port(6379), port(5432, "postgres", "prefect_database_port"), port(32767, "a"), port(61000, "b")]) == []
    )
    assert check(python="3.10.0") == check(version="13", python="3.13.1") == []
    assert check([port(40000)], ephemeral_ports=[]) == []
    # A new pool moves the ports of running workers.
    assert check([port(8080, "worker-new-1")], processes=["worker-old-1"]) == []


def test_supervisord_cannot_bound_the_memory_of_workers() -> None:
    def found(**more: str) -> list[str]:
        problems = host_problems(HOST, [], supported=["debian 12"], python="3.10", **more)
        return [f"{problem['option']}: {problem['problem']}" for problem in problems]

    assert found(manager="supervisord") == found(manager="systemd", memory_limit="8G") == []
    (problem,) = found(manager="supervisord", memory_limit="8G")
    assert problem.startswith("prefect_worker_memory_limit: supervisord cannot limit the memory")


@pytest.mark.parametrize(
    ("servers", "database_host", "words"),
    [
        (["127.0.0.53"], "db.example.com", []),
        ([], "10.0.0.5", []),
        # The resolver of the C library uses the next one.
        (["169.254.169.254", "10.0.0.2"], "fd00::5", []),
        (["169.254.169.254"], "", ["name server of this host (169.254.169.254,", "without 169.254.0.0/16,"]),
        (["168.63.129.16", "fe80::1"], "", ["(168.63.129.16, fe80::1,", "without 168.63.129.16/32 and fe80::/10,"]),
        (["10.0.0.2"], "169.254.3.4", ["169.254.3.4 is in 169.254.0.0/16", "another address of the database"]),
    ],
)
def test_services_can_reach_what_they_need(servers: list[str], database_host: str, words: list[str]) -> None:
    """Azure and Google Cloud have name servers at the addresses of their metadata services."""
    denied = ["169.254.0.0/16", "fe80::/10", "168.63.129.16"]

    def found(denied: list[str]) -> list[dict[str, str]]:
        facts = {**HOST, "name_servers": servers}
        more: dict[str, Any] = {"denied": denied, "database_host": database_host}
        return host_problems(facts, [], supported=["debian 12"], python="3.10", **more)

    assert found([]) == []
    problems = found(denied)
    assert [problem["option"] for problem in problems] == ["prefect_metadata_addresses"] * bool(words)
    assert all(word in str(problems) for word in words)


def test_a_kernel_that_promises_no_memory_twice_is_none_for_redis() -> None:
    for mode in (0, 1, None):
        assert check([port(6379)], overcommit_memory=mode) == []
    assert check([port(6000, "api-1")], overcommit_memory=2) == []
    (problem,) = check([port(6379)], overcommit_memory=2)
    assert problem["problem"].startswith("vm.overcommit_memory is 2")
    assert "Set it to 1" in problem["remedy"]


def test_memory_that_a_machine_does_not_have() -> None:
    memory = [
        {"option": "prefect_postgres_memory_mb", "what": "shared_buffers", "mb": 1024},
        {"option": "prefect_redis_maxmemory", "what": "Redis", "mb": 512},
        {"option": "prefect_server_replicas", "what": "API processes", "count": 2, "process": "api"},
        {"option": "prefect_work_pools", "what": "workers", "count": 0, "process": "worker"},
    ]
    processes = round(2 * coefficients.value("api_memory_mb"))

    def found(mb: int) -> list[dict[str, str]]:
        facts = {**HOST, "memory_mb": mb}
        return host_problems(facts, [], supported=["debian 12"], python="3.10", memory=memory)

    assert found(1536 + processes) == []
    (problem,) = found(1536 + processes - 1)
    assert problem["option"] == "prefect_postgres_memory_mb"
    assert f"can need {1536 + processes} MiB (shared_buffers 1024, Redis 512, API processes {processes})" in str(
        problem
    )
    assert (
        "lower one of: prefect_postgres_memory_mb, prefect_redis_maxmemory, prefect_server_replicas."
        in problem["remedy"]
    )


@pytest.mark.parametrize(
    ("ports", "facts", "option", "words"),
    [
        ([], {"version": "11"}, "ansible_host", "debian 11 is not supported"),
        ([], {"distribution": "fedora", "python": "3.6.1"}, "ansible_host", "fedora 12"),
        ([], {"python": "3.9.20"}, "ansible_python_interpreter", "Python 3.10 or newer"),
        ([port(0)], {}, "prefect_redis_port", "not a TCP port"),
        ([port(65536)], {}, "prefect_redis_port", "not a TCP port"),
        ([port(32768)], {}, "prefect_redis_port", "below 32768"),
        ([port(60999)], {}, "prefect_redis_port", "32768-60999"),
        ([port(8080)], {}, "prefect_redis_port", "in use by another program"),
        ([port(8080, "worker-new-1", "prefect_worker_port")], {}, "prefect_worker_port", "in use"),
        ([port(7000, "a", "x"), port(7000, "b", "y")], {}, "y", "b and a would both listen on 7000"),
    ],
)
def test_problems_of_a_machine(ports: list[Any], facts: dict[str, Any], option: str, words: str) -> None:
    (problem,) = check(ports, **facts)
    assert problem["option"] == option
    assert words in problem["problem"] + " " + problem["remedy"]


def test_unknown_variables() -> None:
    names = ["prefect_verson", "prefect_redis_maxmemory", "prefect_zzz_qqq", "__prefect_x", "ansible_host", "mine"]
    problems = unknown_variables(names, ["prefect_version", "prefect_redis_maxmemory"], ["prefect_", "redis_"])
    assert [problem["option"] for problem in problems] == ["prefect_verson", "prefect_zzz_qqq"]
    assert problems[0]["remedy"] == "Did you mean prefect_version?"
    assert problems[1]["remedy"] == "Remove it, or use another prefix."
