# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Names of the objects that a deployment derives from the names in an inventory, and the rules for them.

A rule describes the valid names of a kind of object. `made` returns the names that are derived from options. For a new
suffix of an object, a process or an account, add it there. Otherwise the test fails that renders all objects with the
longest names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import (
    most_workers,
    process_name,
    worker_count,
)


class Rule(NamedTuple):
    """The valid names of a kind of object."""

    kind: str
    longest: int
    pattern: str
    words: str

    def broken_by(self, name: str) -> str:
        """Return the problem with C(name), an empty string if it is valid."""
        if not re.fullmatch(self.pattern, name):
            return f"{name!r} is not a valid name of {self.kind}."
        size = len(name.encode())
        return f"{name!r}, the name of {self.kind}, has {size} characters; the limit is {self.longest}." * (
            size > self.longest
        )


class Made(NamedTuple):
    """An object with a derived name."""

    rule: Rule
    name: str
    option: str  # option from which the name is derived
    part: str  # value of the option


_DNS = r"[a-z]([a-z0-9-]*[a-z0-9])?"
_DNS_WORDS = "lower-case letters, digits and dashes, with a letter at the start and no dash at the end"
# The names of workloads and of Jobs are values of labels.
LABEL = Rule("a label in Kubernetes", 63, _DNS, _DNS_WORDS)
SERVICE = Rule("a Service in Kubernetes", 63, _DNS, _DNS_WORDS)
# The label of a revision is the name of the StatefulSet, a dash and a hash of ten characters.
STATEFUL_SET = Rule("a StatefulSet in Kubernetes", 63 - 11, _DNS, _DNS_WORDS)
# CloudNativePG rejects longer names, because it adds suffixes.
DATABASE_CLUSTER = Rule("a CloudNativePG Cluster", 50, _DNS, _DNS_WORDS)
SECRET = Rule("a Secret in Kubernetes", 253, _DNS, _DNS_WORDS)
NAMESPACE = Rule(
    "a namespace in Kubernetes", 63, r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", "lower-case letters, digits and dashes"
)
HOST_NAME = Rule(
    "a host name",
    253,
    r"(?:\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*",
    "lower-case letters, digits, dashes and dots",
)
# The limit of a file name is 255 bytes, including `.service` and the suffix of an incomplete file.
UNIT = Rule(
    "a systemd unit or a supervisord program", 200, r"[a-z][a-z0-9._-]*", "lower-case letters, digits and . _ -"
)
ACCOUNT = Rule(
    "a Linux account", 32, r"[a-z_][a-z0-9_-]*", "lower-case letters, digits, _ and -, with a letter or _ at the start"
)
# pg_createcluster joins version and name with a dash in the name of the unit, so the name must not contain one.
POSTGRESQL_CLUSTER = Rule("a PostgreSQL cluster in Debian", 63, r"[a-z][a-z0-9_]*", "lower-case letters, digits and _")
# PostgreSQL truncates names to 63 bytes. PgBouncer accepts only these characters in the name of a database.
DATABASE = Rule(
    "a database in PostgreSQL and PgBouncer", 63, r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "letters, digits and . _ -"
)
DATABASE_ROLE = Rule(
    "a role in PostgreSQL and PgBouncer", 63, r"[A-Za-z0-9_][A-Za-z0-9_.@$+-]*", "letters, digits and . _ @ $ + -"
)

# Accounts of the distribution and of the installed packages.
SYSTEM_ACCOUNTS = frozenset(
    [
        *("root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data"),
        *("backup", "list", "irc", "nobody", "_apt", "sshd", "messagebus", "systemd-network", "systemd-resolve"),
        *("systemd-timesync", "postgres", "redis", "haproxy"),
    ]
)
DATABASES_OF_OTHERS = ("pgbouncer", "template0", "template1")
# Parts of file names and of names in Kubernetes.
GROUP = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_INSTANCE, _POOL, _GROUP = "prefect_instance", "prefect_work_pools[{}].name", "prefect_services_groups[].name"


def group_process(group: str) -> str:
    """Return the name of the process of a group of background services."""
    return group if group == "services" else f"services-{group}"


def group_workload(group: str) -> str:
    """Return the name of the Deployment of a group, without that of the instance."""
    return re.sub("[._]", "-", group_process(group))


def _of_instance(v: Mapping[str, Any]) -> Iterator[Made]:
    """Return the objects whose names are derived only from the name of the instance."""
    instance = str(v["prefect_instance"])
    suffixes: list[tuple[Rule, str]]
    if v["prefect_platform"] == "kubernetes":
        operator = v.get("prefect_postgres_kind") == "cloudnative_pg"
        suffixes = [
            (DATABASE_CLUSTER if operator else STATEFUL_SET, "postgres"),
            (SERVICE, "postgres-rw"),
            (STATEFUL_SET, "redis"),
            (LABEL, "pgbouncer"),
            (SECRET, "pgbouncer-exporter"),
            (LABEL, "api"),
            (SERVICE, "closed"),
            (LABEL, "observer"),
            (LABEL, "migrate-0123456789"),
        ]
        yield from (Made(rule, f"{instance}-{suffix}", _INSTANCE, instance) for rule, suffix in suffixes)
        return
    processes = ("postgres", "pgbouncer", "redis", "gateway", "api-1", "lost-runs")
    yield from (Made(UNIT, f"{instance}-{process}", _INSTANCE, instance) for process in processes)
    yield Made(POSTGRESQL_CLUSTER, instance.replace("-", "_"), _INSTANCE, instance)


def _of_groups(v: Mapping[str, Any]) -> Iterator[Made]:
    for group in v["prefect_services_groups"]:
        name = str(group["name"])
        if not GROUP.fullmatch(name):
            continue  # another check reports it
        if v["prefect_platform"] == "kubernetes":
            workload = f"{v['prefect_instance']}-{group_workload(name)}"
            yield Made(LABEL, workload, _GROUP, name)
            yield Made(SECRET, workload, _GROUP, name)
        else:
            yield Made(UNIT, f"{v['prefect_instance']}-{group_process(name)}", _GROUP, name)


def _of_pools(v: Mapping[str, Any]) -> Iterator[Made]:
    for pool in v["prefect_work_pools"]:
        name = str(pool["name"])
        option = _POOL.format(name)
        if pool.get("state") == "absent":
            continue
        if v["prefect_platform"] != "kubernetes":
            for number in sorted({1, worker_count(pool)} - {0}) if worker_count(pool) else ():
                yield Made(UNIT, f"{v['prefect_instance']}-{process_name(name, number)}", option, name)
        elif most_workers(pool):
            workload = f"{v['prefect_instance']}-{process_name(name, 0)[: -len('-0')]}"
            yield Made(LABEL, workload, option, name)
            yield Made(SECRET, workload, option, name)
            if pool.get("type") == "kubernetes":
                yield Made(SECRET, f"{workload}-api-login", option, name)
            if pool.get("pre_pull"):
                yield Made(LABEL, f"{workload}-image", option, name)


def made(v: Mapping[str, Any]) -> list[Made]:
    """Return all objects whose names are derived from the inventory."""
    return [*_of_instance(v), *_of_groups(v), *_of_pools(v)]


def duplicates(things: Iterable[Made]) -> Iterator[tuple[Made, Made]]:
    """Return the pairs of options from which two objects of the same kind and name would be derived."""
    first: dict[tuple[str, str], Made] = {}
    for thing in things:
        other = first.setdefault((thing.rule.kind, thing.name), thing)
        if (other.option, other.part) != (thing.option, thing.part):
            yield other, thing


# Names of objects start with the name of the instance and one of these words, followed by a name from the inventory. If
# the name of an instance contains one of these words, names can conflict: `prefect-worker-api-1` is a worker of a pool
# `api`, or an API process of an instance `prefect-worker`.
FREE = ("worker", "services")
# Names of network policies have two words, such as `to-redis`. The second one is the name of another object.
_TWO_WORDS = ("to",)


def word_of_another(instance: str) -> str:
    """Return the word that makes names conflict with those of another instance, an empty string if there is none."""
    return next((word for word in instance.split("-")[1:] if word in (*FREE, *_TWO_WORDS)), "")
