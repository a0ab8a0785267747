# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Problems with names, accounts, addresses and ports."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import EVERY_ADDRESS, network
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks import names
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem

_PORTS = ("database", "pgbouncer", "redis", "gateway", "server_api", "worker")
_ADDRESSES = ("prefect_address", "prefect_database_host", "prefect_pgbouncer_host", "prefect_gateway_bind")
_URLS = ("prefect_api_url", "prefect_control_api_url")


def _instance(v: Mapping[str, Any]) -> Iterator[Problem]:
    instance, option = str(v["prefect_instance"]), "prefect_instance"
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,29}[a-z0-9])?", instance):
        yield problem(
            option,
            f"{instance!r} is not valid in the names of units and directories.",
            "Use at most 31 lower-case letters, digits and dashes. Start with a letter, and do not end with a dash.",
        )
    word = names.word_of_another(instance)
    if word:
        before = instance[: f"{instance}-".index(f"-{word}-")]
        yield problem(
            option,
            f"Objects of an instance {before!r} can have names that start with {before}-{word}, too, so the names of "
            "the two instances could conflict.",
            f"Use a name without the word {word}.",
        )


def _made(v: Mapping[str, Any]) -> Iterator[Problem]:
    if any(True for _found in _instance(v)):
        return  # all names contain the name of the instance
    things = names.made(v)
    told = set()
    for thing in things:
        wrong = thing.rule.broken_by(thing.name)
        if wrong and thing.option not in told:
            told.add(thing.option)
            size = max(1, len(thing.part) - max(0, len(thing.name) - thing.rule.longest))
            yield problem(thing.option, wrong, f"Use {thing.rule.words}, and at most {size} of them.")
    pairs = set()
    for one, other in names.duplicates(things):
        if (one.option, one.part, other.option, other.part) in pairs:
            continue  # one pair of names can conflict in several kinds of objects
        pairs.add((one.option, one.part, other.option, other.part))
        yield problem(
            other.option,
            f"{one.part!r} and {other.part!r} would both create {other.rule.kind} with the name {other.name}.",
            "Rename one of them.",
        )


def _accounts(v: Mapping[str, Any]) -> Iterator[Problem]:
    if v["prefect_platform"] != "host":
        return
    instance, own, workers = (str(v[f"prefect_{name}"]) for name in ("instance", "user", "worker_user"))
    for option, account, derived in (
        ("prefect_user", own, instance),
        ("prefect_worker_user", workers, f"{instance}-worker"),
    ):
        wrong = names.ACCOUNT.broken_by(account)
        if wrong and account == derived:
            most = names.ACCOUNT.longest - len(derived) + len(instance)
            yield problem(
                "prefect_instance", wrong, f"Use at most {most} characters, or set {option} to another account."
            )
        elif wrong:
            yield problem(option, wrong, f"Use at most {names.ACCOUNT.longest} {names.ACCOUNT.words}.")
        elif account in names.SYSTEM_ACCOUNTS:
            yield problem(option, f"{account} is a system account.", "Use a separate account.")
    if own == workers:
        yield problem(
            "prefect_worker_user",
            f"The processes of the server use the account {workers}, too, so flow runs could read their passwords.",
            "Use another account.",
        )


def _database(v: Mapping[str, Any]) -> Iterator[Problem]:
    for option, rule in (
        ("prefect_database_name", names.DATABASE),
        ("prefect_database_user", names.DATABASE_ROLE),
        ("prefect_pgbouncer_stats_user", names.DATABASE_ROLE),
    ):
        name = str(v[option])
        wrong = rule.broken_by(name)
        if wrong:
            yield problem(option, wrong, f"Use at most {rule.longest} {rule.words}.")
    if v["prefect_database_name"] in names.DATABASES_OF_OTHERS:
        yield problem(
            "prefect_database_name",
            f"PostgreSQL or PgBouncer reserves the database name {v['prefect_database_name']}.",
            "Use another name.",
        )
    user = str(v["prefect_database_user"])
    if v["prefect_postgres_hosts"] and (user == "postgres" or user.startswith("pg_")):
        yield problem("prefect_database_user", f"PostgreSQL reserves the role {user}.", "Use another name.")
    if user == v["prefect_pgbouncer_stats_user"] or user == "pgbouncer":
        yield problem(
            "prefect_database_user",
            f"{user} is also the value of prefect_pgbouncer_stats_user."
            if user != "pgbouncer"
            else "pgbouncer is the admin user of PgBouncer.",
            "Use another name.",
        )


def _cluster(v: Mapping[str, Any]) -> Iterator[Problem]:
    if v["prefect_platform"] != "kubernetes":
        return
    jobs = [
        (f"prefect_work_pools[{pool['name']}].job.namespace", str(pool["job"]["namespace"]))
        for pool in v["prefect_work_pools"]
        if (pool.get("job") or {}).get("namespace")
    ]
    jobs += [
        (f"prefect_work_pools[{pool['name']}].workers.namespaces", str(name))
        for pool in v["prefect_work_pools"]
        for name in (pool.get("workers") or {}).get("namespaces") or []
    ]
    own = [
        ("prefect_namespace", str(v["prefect_namespace"])),
        ("prefect_jobs_namespace", str(v["prefect_jobs_namespace"])),
    ]
    if names.NAMESPACE.broken_by(own[0][1]) and own[1][1].startswith(own[0][1]):
        own.pop()  # it contains the invalid name, too
    for option, namespace in [*own, *jobs]:
        wrong = names.NAMESPACE.broken_by(namespace)
        if wrong:
            yield problem(option, wrong, f"Use at most {names.NAMESPACE.longest} {names.NAMESPACE.words}.")
    host = str(v["prefect_gateway_host"])
    if host and names.HOST_NAME.broken_by(host):
        yield problem(
            "prefect_gateway_host",
            names.HOST_NAME.broken_by(host),
            f"Use {names.HOST_NAME.words}, without scheme, port and path.",
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        # A host name. It may contain upper-case letters and, on some hosts, underscores.
        return bool(re.fullmatch(r"(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_-]+)*\.?", text))
    return "%" not in text


def _addresses(v: Mapping[str, Any]) -> Iterator[Problem]:
    # In a cluster, no component uses the address of the inventory host.
    for option in _ADDRESSES if v["prefect_platform"] == "host" else ("prefect_database_host",):
        address = str(v[option])
        everywhere = address in EVERY_ADDRESS
        if not address or (option == "prefect_gateway_bind" and everywhere):
            continue
        if everywhere and option == "prefect_address":
            yield problem(
                option,
                f"{address} is not an address to which clients can connect.",
                "Use an address of the host. For a gateway that listens on all addresses, set prefect_gateway_bind to "
                "'*'.",
            )
        elif not _is_address(address):
            yield problem(
                option,
                f"{address!r} is neither a host name nor an address.",
                "Write it without scheme, port, brackets and zone, for example db.example.com, 10.0.0.5 or fd00::5.",
            )


def _metadata(v: Mapping[str, Any]) -> Iterator[Problem]:
    for address in v["prefect_metadata_addresses"]:
        if not network(str(address)):
            yield problem(
                "prefect_metadata_addresses",
                f"{str(address)!r} is neither an address nor a network.",
                "Use addresses such as 192.0.2.1 and fd00::1, and networks such as 192.0.2.0/24 and fd00::/64.",
            )


def _urls(v: Mapping[str, Any]) -> Iterator[Problem]:
    for option in _URLS:
        url = str(v[option])
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and " " not in url
        except ValueError:  # an IPv6 address without brackets, or an invalid port
            good = False
        if not good:
            yield problem(
                option,
                f"{url!r} is not an API URL.",
                "Use the format http(s)://host[:port]/api, with an IPv6 address in brackets: "
                "http://[fd00::5]:4200/api.",
            )


def _ports(v: Mapping[str, Any]) -> Iterator[Problem]:
    """Check the ports that no host of the inventory listens on."""
    for name in _PORTS:
        option = f"prefect_{name}_port"
        elsewhere = v["prefect_platform"] == "kubernetes" or (name == "database" and not v["prefect_postgres_hosts"])
        if elsewhere and not 0 < int(v[option]) < 65536:
            yield problem(option, f"{v[option]} is not a TCP port.", "Use a number from 1 to 65535.")


def name_problems(v: Mapping[str, Any]) -> Iterator[Problem]:
    """Return the problems with names, addresses and ports."""
    for check in (_instance, _made, _accounts, _database, _cluster, _addresses, _metadata, _urls, _ports):
        yield from check(v)
