# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles render for hosts with IPv6 addresses only, and for pods with addresses of both families."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from rendering import ROOT, evaluated, template

ADDRESS = "fd00:db8::a"
# A template that joins a host with a port or a scheme, instead of `endpoint`, `postgresql_url` and `redis_url`.
BY_HAND = re.compile(
    r"""\}\}:(?:\{\{|\d)"""  # {{ host }}:{{ port }}
    r"""|[a-z]://\{\{"""  # http://{{ host }}
    r"""|://['"]\s*~"""  # 'http://' ~ host
    r"""|(?:host|address|_bind)\w*\s*~\s*['"]:['"]"""  # host ~ ':' ~ port
)


def test_no_template_joins_a_host_and_a_port_by_hand() -> None:
    found = []
    for directory in ("roles", "playbooks", "inventories"):
        for path in sorted((ROOT / directory).rglob("*")):
            if path.suffix not in (".yml", ".j2"):
                continue
            text = path.read_text()
            found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in BY_HAND.finditer(text)]
    assert found == []


def text(name: str) -> str:
    return f"lookup('ansible.builtin.template', '{name}')"


# All texts with an address that the roles write on a host with all components.
WRITTEN = {
    "prefect_postgres": [text("restart.conf.j2"), text("pg_hba.conf.j2")],
    "prefect_pgbouncer": [text("pgbouncer.ini.j2")],
    "prefect_redis": [text("redis.conf.j2")],
    "prefect_server": [
        *(text(f"{part}.yml.j2") for part in ("api_files", "api_processes", "services_files", "services_processes")),
        "prefect_api_url",
        "prefect_control_api_url",
        "prefect_redis_url",
    ],
    "prefect_gateway": [text("haproxy.cfg.j2")],
    "prefect_worker": [text("processes.yml.j2"), "__prefect_worker_environment"],
}
HOST: dict[str, Any] = {
    "prefect_address": ADDRESS,
    "prefect_redis_is_local": False,  # otherwise it would listen on loopback
    "prefect_worker_hosts": ["localhost"],
    "prefect_database_password": "d",
    "prefect_redis_password": "r",
    "prefect_pgbouncer_stats_password": "s",
    "prefect_work_pools": [{"name": "default", "type": "process"}],
    "prefect_venv_marker": "/opt/prefect/complete",
    "prefect_host": {
        "distribution": "debian",
        "version": "12",
        "service_manager": "systemd",
        "memory_mb": 4096,
        "ipv6": True,
        "ipv6_loopback": True,
        "processes": [],
    },
}


@pytest.fixture(scope="module")
def written() -> dict[str, list[str]]:
    """Return the rendered texts by role."""
    found = {}
    for role, expressions in WRITTEN.items():
        named = {str(number): expression for number, expression in enumerate(expressions)}
        values = evaluated("local", role, named, **HOST)
        found[role] = [str(values[str(number)]) for number in range(len(expressions))]
    return found


def test_an_ipv6_address_has_brackets_beside_a_port(written: dict[str, list[str]]) -> None:
    texts = [text for values in written.values() for text in values]
    assert sum(text.count(ADDRESS) for text in texts) > len(texts)  # every text contains the address
    for text in texts:
        for match in re.finditer(re.escape(ADDRESS), text):
            before, after = text[: match.start()], text[match.end() :]
            if re.match(r"\]?:\d", after) or re.search(r"(?://|@)\[?$", before):
                assert before.endswith("["), text[max(0, match.start() - 60) : match.end() + 20]
                assert after.startswith("]")


def test_every_url_of_a_host_has_its_address_and_its_port(written: dict[str, list[str]]) -> None:
    urls = [
        urlsplit(url)
        for values in written.values()
        for value in values
        for url in re.findall(r"\b(?:https?|redis|postgresql\+asyncpg)://[^\s\"',}\\]+", value)
    ]
    assert {url.scheme for url in urls} == {"http", "redis", "postgresql+asyncpg"}
    assert {(url.hostname, url.port is not None) for url in urls} == {(ADDRESS, True)}


def test_what_listens_on_an_ipv6_address(written: dict[str, list[str]]) -> None:
    assert re.search(rf"^bind {ADDRESS}$", written["prefect_redis"][0], re.MULTILINE)
    assert re.search(rf"^listen_addr = {ADDRESS}$", written["prefect_pgbouncer"][0], re.MULTILINE)
    assert f"\nlisten_addresses = '{ADDRESS},127.0.0.1'\n" in written["prefect_postgres"][0]
    assert re.search(rf'^host "prefect" "prefect" {ADDRESS}/128 scram', written["prefect_postgres"][1], re.MULTILINE)
    assert re.search(rf"^    bind \[{ADDRESS}\]:4200$", written["prefect_gateway"][0], re.MULTILINE)
    assert re.search(rf"^    server api-1 \[{ADDRESS}\]:4211$", written["prefect_gateway"][0], re.MULTILINE)
    assert re.search(rf'"?--host"?, "{ADDRESS}"', written["prefect_server"][1])


BINDS = {
    ("*", True): ["*:4200", "[::]:4200 v6only"],
    ("*", False): ["*:4200"],
    ("::", True): ["[::]:4200"],
    ("10.0.0.5", True): ["10.0.0.5:4200"],
    ("127.0.0.1", True): ["127.0.0.1:4200", "[::1]:4200"],
    ("127.0.0.1", False): ["127.0.0.1:4200"],
}


def test_the_gateway_listens_on_all_addresses_of_a_host() -> None:
    expressions = {}
    for bind, ipv6 in BINDS:
        variables = {
            "prefect_gateway_bind": bind,
            "prefect_host": {**HOST["prefect_host"], "ipv6": ipv6, "ipv6_loopback": ipv6},
        }
        expressions[f"{bind} {ipv6}"] = (
            f"lookup('ansible.builtin.template', 'haproxy.cfg.j2', template_vars={variables})"
        )
    found = evaluated("local", "prefect_gateway", expressions, **HOST)
    for (bind, ipv6), lines in BINDS.items():
        assert re.findall(r"^    bind (.*)$", found[f"{bind} {ipv6}"], re.MULTILINE) == lines


CLUSTER = {
    "prefect_postgres": "statefulset.yml.j2",
    "prefect_pgbouncer": "kubernetes.yml.j2",
    "prefect_redis": "kubernetes.yml.j2",
    "prefect_server": "kubernetes_api.yml.j2",
    "prefect_gateway": "kubernetes.yml.j2",
    "prefect_worker": "kubernetes.yml.j2",
}


@pytest.mark.parametrize("role", CLUSTER)
def test_pods_are_reached_through_both_families(role: str) -> None:
    expressions = {
        "objects": f"{template(CLUSTER[role])} | selfhosted.prefect._manifests(prefect_pod_defaults)",
        "worker": "__prefect_worker_environment.PREFECT_WORKER_WEBSERVER_HOST",
        "redis": "__prefect_redis_listen_address",
        "pgbouncer": "__prefect_pgbouncer_listen_address",
        "every": "prefect_every_address",
    }
    found = evaluated("development", role, expressions, prefect_gateway_host="prefect.example.com")
    services = [item["spec"] for item in found["objects"] if item["kind"] == "Service"]
    assert {service["ipFamilyPolicy"] for service in services} <= {"PreferDualStack"}
    assert services or role in ("prefect_server", "prefect_worker")
    # Addresses of a single family. In asyncio, this includes "::".
    assert not re.search(
        r"(?<![\d.])0\.0\.0\.0(?!')|\[::\]|'::0?'(?!,)",
        str(found["objects"]).replace(
            "{'hostnames': ['every-address'], 'ip': '0.0.0.0'}, {'hostnames': ['every-address'], 'ip': '::'}", ""
        ),
    )
    assert (found["redis"], found["pgbouncer"]) == ("* -::*", "*")
    assert found["worker"] == found["every"]
    for item in found["objects"]:
        pod = (item["spec"].get("template") or {}).get("spec") if "spec" in item else None
        if pod and found["every"] in str(pod["containers"]):
            aliases = {alias["ip"]: alias["hostnames"] for alias in pod["hostAliases"]}
            assert aliases == {address: [found["every"]] for address in ("0.0.0.0", "::")}
