# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names from which invalid names would be generated, and names of two instances that would collide."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_problems import GOOD as ALL

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks import names
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.deployment_problems import deployment_problems
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.name_problems import name_problems
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import process_name

GOOD: dict[str, Any] = {
    "prefect_instance": "prefect",
    "prefect_platform": "host",
    "prefect_user": "prefect",
    "prefect_worker_user": "prefect-worker",
    "prefect_namespace": "prefect",
    "prefect_jobs_namespace": "prefect-jobs",
    "prefect_postgres_kind": "statefulset",
    "prefect_postgres_hosts": ["a"],
    "prefect_address": "10.0.0.4",
    "prefect_metadata_addresses": [],
    "prefect_gateway_bind": "*",
    "prefect_gateway_host": "",
    "prefect_pgbouncer_host": "a",
    "prefect_database_host": "a",
    "prefect_database_name": "prefect",
    "prefect_database_user": "prefect",
    "prefect_pgbouncer_stats_user": "pgbouncer_stats",
    "prefect_api_url": "http://10.0.0.4:4200/api",
    "prefect_control_api_url": "http://10.0.0.4:4200/api",
    "prefect_database_port": 5432,
    "prefect_pgbouncer_port": 6432,
    "prefect_redis_port": 6379,
    "prefect_gateway_port": 4200,
    "prefect_server_api_port": 4211,
    "prefect_worker_port": 4231,
    "prefect_services_groups": [{"name": "services"}],
    "prefect_work_pools": [],
}
CLUSTER = {"prefect_platform": "kubernetes"}
BACKLOG = {"workers": {"min": 1, "max": 3, "autoscaling": {"metric": "backlog"}}}
FULL = {"type": "kubernetes", "pre_pull": True}


def named(instance: str) -> dict[str, str]:
    """Return an instance with the accounts that are named after it."""
    return {"prefect_instance": instance, "prefect_user": instance, "prefect_worker_user": f"{instance}-worker"}


def pools(*given: str, **options: Any) -> dict[str, Any]:
    return {"prefect_work_pools": [{"name": name, **options} for name in given]}


def groups(*given: str) -> dict[str, Any]:
    return {"prefect_services_groups": [{"name": name} for name in given]}


BAD: list[tuple[dict[str, Any], str, str]] = [
    # Names with which deployments failed before these checks existed.
    ({**CLUSTER, **pools("x" * 58)}, "prefect_work_pools[" + "x" * 58 + "].name", "at most 48 of them"),
    ({**CLUSTER, **groups("x" * 70)}, "prefect_services_groups[].name", "at most 46 of them"),
    (named("prefect-"), "prefect_instance", "do not end with a dash"),
    (
        named("prefect-worker"),
        "prefect_instance",
        "Objects of an instance 'prefect' can have names that start with prefect-worker",
    ),
    ({"prefect_database_name": "my database"}, "prefect_database_name", "letters, digits and . _ -"),
    # Other names that would fail in the same way.
    ({**CLUSTER, **pools("x" * 43, **FULL)}, "prefect_work_pools[" + "x" * 43 + "].name", "at most 42 of them"),
    (pools("x" * 190), "prefect_work_pools[" + "x" * 190 + "].name", "at most"),
    (groups("x" * 190), "prefect_services_groups[].name", "at most"),
    (named("x" * 26), "prefect_instance", "Use at most 25 characters, or set prefect_worker_user"),
    (named("prefect-services-2"), "prefect_instance", "without the word services"),
    (named("prefect-to"), "prefect_instance", "without the word to"),
    ({**CLUSTER, **pools("a", "a-api-login", type="kubernetes")}, "prefect_work_pools[a-api-login].name", "Secret"),
    ({**CLUSTER, **pools("a", "a-image", **FULL)}, "prefect_work_pools[a-image].name", "Rename one of them"),
    (
        {**CLUSTER, **pools("a", "a-backlog", type="kubernetes", **BACKLOG)},
        "prefect_work_pools[a-backlog].name",
        "a Secret in Kubernetes with the name prefect-worker-a-backlog",
    ),
    ({**CLUSTER, **groups("a.b", "a-b")}, "prefect_services_groups[].name", "'a.b' and 'a-b' would both create"),
    ({"prefect_user": "Prefect"}, "prefect_user", "a Linux account"),
    ({"prefect_worker_user": "x" * 33}, "prefect_worker_user", "the limit is 32"),
    ({"prefect_worker_user": "flow runs"}, "prefect_worker_user", "a Linux account"),
    ({"prefect_user": "postgres"}, "prefect_user", "is a system account"),
    ({"prefect_worker_user": "root"}, "prefect_worker_user", "is a system account"),
    ({"prefect_worker_user": "prefect"}, "prefect_worker_user", "read their passwords"),
    ({"prefect_database_name": "x" * 64}, "prefect_database_name", "at most 63"),
    ({"prefect_database_name": "a'b"}, "prefect_database_name", "letters, digits"),
    ({"prefect_database_name": "pgbouncer"}, "prefect_database_name", "PgBouncer reserves"),
    ({"prefect_database_user": "a,b"}, "prefect_database_user", "letters, digits"),
    ({"prefect_database_user": "postgres"}, "prefect_database_user", "PostgreSQL reserves"),
    ({"prefect_database_user": "pg_reader"}, "prefect_database_user", "PostgreSQL reserves"),
    ({"prefect_database_user": "pgbouncer_stats"}, "prefect_database_user", "prefect_pgbouncer_stats_user"),
    ({"prefect_pgbouncer_stats_user": "a b"}, "prefect_pgbouncer_stats_user", "letters, digits"),
    ({**CLUSTER, "prefect_namespace": "Prefect"}, "prefect_namespace", "lower-case letters"),
    ({**CLUSTER, "prefect_jobs_namespace": "n" * 64}, "prefect_jobs_namespace", "at most 63"),
    (
        {**CLUSTER, "prefect_work_pools": [{"name": "a", "workers": {"namespaces": ["A"]}}]},
        "prefect_work_pools[a].workers.namespaces",
        "lower-case letters",
    ),
    ({**CLUSTER, **pools("a", job={"namespace": "a/b"})}, "prefect_work_pools[a].job.namespace", "lower-case letters"),
    (
        {**CLUSTER, "prefect_gateway_host": "https://prefect.example"},
        "prefect_gateway_host",
        "without scheme, port and path",
    ),
    ({"prefect_address": "[fd00::5]"}, "prefect_address", "fd00::5"),
    ({"prefect_address": "fe80::1%eth0"}, "prefect_address", "brackets and zone"),
    ({"prefect_address": "0.0.0.0"}, "prefect_address", "prefect_gateway_bind"),
    ({"prefect_address": "::"}, "prefect_address", "not an address to which clients can connect"),
    ({"prefect_database_host": "db.example:5432"}, "prefect_database_host", "without scheme, port"),
    ({"prefect_database_host": "/run/postgresql"}, "prefect_database_host", "neither a host name nor an address"),
    ({"prefect_database_host": "a,b"}, "prefect_database_host", "neither a host name nor an address"),
    ({"prefect_gateway_bind": "10.0.0.5:80"}, "prefect_gateway_bind", "without scheme, port"),
    ({"prefect_api_url": "http://fd00::5:4200/api"}, "prefect_api_url", "in brackets"),
    ({"prefect_api_url": "http://h:99999/api"}, "prefect_api_url", "http(s)://host[:port]/api"),
    ({"prefect_control_api_url": "h:4200/api"}, "prefect_control_api_url", "http(s)://host[:port]/api"),
    ({**CLUSTER, "prefect_redis_port": 70000}, "prefect_redis_port", "from 1 to 65535"),
    ({"prefect_postgres_hosts": [], "prefect_database_port": 0}, "prefect_database_port", "from 1 to 65535"),
]


@pytest.mark.parametrize(("change", "option", "words"), BAD)
def test_a_name_that_cannot_be(change: dict[str, Any], option: str, words: str) -> None:
    problems = list(name_problems({**GOOD, **change}))
    assert {problem["option"] for problem in problems} == {option}
    assert words in problems[0]["problem"] + " " + problems[0]["remedy"]
    assert problems[0]["remedy"].endswith(".")


@pytest.mark.parametrize(
    "change",
    [
        {},
        CLUSTER,
        named("x" * 25),
        {**named("x" * 31), "prefect_worker_user": "flows"},
        {**CLUSTER, **named("x" * 31)},
        {**CLUSTER, **pools("x" * 48), **groups("x" * 46)},
        {**CLUSTER, **pools("x" * 42, **FULL)},
        pools("x" * 150, "Ünï cödé", "a b"),
        groups("a.b", "a-b", "a_b"),
        named("team-api"),
        named("preworker"),
        {"prefect_database_name": "flow_runs-2.0", "prefect_database_user": "prefect@server"},
        {"prefect_address": "fd00::5", "prefect_database_host": "fd00::6", "prefect_gateway_bind": "::"},
        {"prefect_api_url": "https://[fd00::5]/api", "prefect_address": "Host_1.example"},
        {**CLUSTER, "prefect_gateway_host": "*.example.com"},
    ],
)
def test_a_name_that_can_be(change: dict[str, Any]) -> None:
    assert list(name_problems({**GOOD, **change})) == []


@pytest.mark.parametrize("name", ["a\nb", "a\tb", "a\0b", " a", "a ", "a\u2028b", "a\u200bb", "a\x7fb"])
def test_a_name_with_characters_that_nobody_sees(name: str) -> None:
    lists: list[tuple[str, dict[str, Any]]] = [
        ("prefect_work_pools", {"name": name}),
        ("prefect_work_pools", {"name": "a", "queues": [{"name": name}]}),
        ("prefect_global_concurrency_limits", {"name": name}),
        ("prefect_tag_concurrency_limits", {"tag": name}),
    ]
    for option, entry in lists:
        (problem,) = deployment_problems({**ALL, option: [entry]})
        assert problem["option"].startswith(option)
        assert "contains an invisible character" in problem["problem"]


# --- Two instances side by side ---

WORDS = ("prefect", "a", "api", "job", "start", "worker", "services", "postgres", "to", "redis", "runs", "closed", "1")


def everything(instance: str, platform: str) -> set[tuple[str, str]]:
    """Return everything that an instance creates, with pools and groups of all names."""
    texts = [*WORDS, *("-".join(pair) for pair in itertools.product(WORDS, WORDS))]
    v = {**GOOD, **named(instance), "prefect_platform": platform, **pools(*texts, **FULL), **groups("services", *texts)}
    v["prefect_work_pools"] = [{**pool, "workers": {"min": 2}} for pool in v["prefect_work_pools"]]
    if platform == "host":
        accounts = {("account", v["prefect_user"]), ("account", v["prefect_worker_user"])}
        return {("unit", thing.name) for thing in names.made(v) if thing.rule is names.UNIT} | accounts
    return {("object", thing.name) for thing in names.made(v)}


@pytest.mark.parametrize("platform", ["host", "kubernetes"])
def test_two_instances_never_make_the_same(platform: str) -> None:
    first = everything("prefect", platform)
    refused = 0
    for rest in [*WORDS, *("-".join(pair) for pair in itertools.product(WORDS, WORDS))]:
        other = f"prefect-{rest}"
        if names.word_of_another(other):
            refused += bool(first & everything(other, platform))
        else:
            assert not first & everything(other, platform), other
    assert refused > 2  # otherwise the rule would not be needed


# --- Arbitrary names ---


@given(
    instance=st.from_regex(r"[a-z][a-z0-9-]{0,30}", fullmatch=True),
    pool=st.text(min_size=1, max_size=80),
    group=st.from_regex(r"[a-z0-9][a-z0-9._-]{0,70}", fullmatch=True),
    platform=st.sampled_from(["host", "kubernetes"]),
)
def test_what_is_not_refused_gets_good_names(instance: str, pool: str, group: str, platform: str) -> None:
    v = {**GOOD, **named(instance), "prefect_platform": platform, **pools(pool, **FULL), **groups(group)}
    things = names.made(v)
    assert {thing.name for thing in things if thing.part == pool and thing.option.startswith("prefect_work_pools")}
    if not list(name_problems(v)):
        for thing in things:
            assert not thing.rule.broken_by(thing.name)


# Words of which the collection derives names, so that names of pools and derived names meet.
PARTS = st.sampled_from(["a", "runs", "image", "api-login", "backlog", "worker", "scripts", "0", "ä", "."])
POOL = st.fixed_dictionaries(
    {
        "name": st.lists(PARTS, min_size=1, max_size=3).map("-".join),
        "type": st.sampled_from(["kubernetes", "process", "docker", None]),
        "pre_pull": st.booleans(),
        "workers": st.sampled_from([{}, BACKLOG["workers"], {"min": 1, "max": 3}]),
    }
)


@given(some=st.lists(POOL, max_size=6, unique_by=lambda pool: pool["name"]))
def test_pools_that_are_not_refused_share_no_object(some: list[dict[str, Any]]) -> None:
    v = {**GOOD, **CLUSTER, "prefect_work_pools": some}
    keys = [(thing.rule.kind, thing.name) for thing in names.made(v)]
    assert (len(keys) != len(set(keys))) == bool(list(name_problems(v)))


@given(name=st.text(min_size=1, max_size=300))
def test_the_name_of_a_process_is_plain(name: str) -> None:
    assert not set(process_name(name, 1)) - set("abcdefghijklmnopqrstuvwxyz0123456789-")
