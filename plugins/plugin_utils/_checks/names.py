# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""What is made of the names in an inventory, and what each of these things may be called.

A rule says how a kind of thing may be called. What is made of an option stands in `made`: whoever gives an object, a
process or an account a new suffix adds it there, or the test fails that renders everything with the longest names.
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
    """How a kind of thing may be called."""

    kind: str
    longest: int
    pattern: str
    words: str

    def broken_by(self, name: str) -> str:
        """Return what is wrong with C(name), nothing where it is good."""
        if not re.fullmatch(self.pattern, name):
            return f"{name!r} cannot be {self.kind}."
        size = len(name.encode())
        return f"{name!r} would be {self.kind} and has {size} characters, which may be {self.longest}." * (
            size > self.longest
        )


class Made(NamedTuple):
    """Something that gets a name."""

    rule: Rule
    name: str
    option: str  # which the name comes from
    part: str  # its value


_DNS = r"[a-z]([a-z0-9-]*[a-z0-9])?"
_DNS_WORDS = "lower-case letters, digits and dashes, with a letter first and no dash at the end"
# The name of a workload is the value of a label, and so is that of a Job.
LABEL = Rule("a label in Kubernetes", 63, _DNS, _DNS_WORDS)
SERVICE = Rule("a Service in Kubernetes", 63, _DNS, _DNS_WORDS)
# The label of a revision is the name of the StatefulSet, a dash and a hash of ten characters.
STATEFUL_SET = Rule("a StatefulSet in Kubernetes", 63 - 11, _DNS, _DNS_WORDS)
# CloudNativePG refuses longer ones, because it adds suffixes of its own.
DATABASE_CLUSTER = Rule("a Cluster of CloudNativePG", 50, _DNS, _DNS_WORDS)
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
# A file name has 255 bytes, of which systemd takes `.service`, and who writes it a suffix until it is complete.
UNIT = Rule(
    "a unit of systemd and a program of supervisord", 200, r"[a-z][a-z0-9._-]*", "lower-case letters, digits and . _ -"
)
ACCOUNT = Rule(
    "a Linux account", 32, r"[a-z_][a-z0-9_-]*", "lower-case letters, digits, _ and -, with a letter or _ first"
)
# pg_createcluster. Its unit has version and name with a dash between them, so the name has none.
POSTGRESQL_CLUSTER = Rule(
    "a PostgreSQL cluster of Debian's", 63, r"[a-z][a-z0-9_]*", "lower-case letters, digits and _"
)
# PostgreSQL cuts names off after 63 bytes, and PgBouncer reads these characters only in the name of a database.
DATABASE = Rule(
    "a database of PostgreSQL and PgBouncer", 63, r"[A-Za-z0-9_][A-Za-z0-9_.-]*", "letters, digits and . _ -"
)
DATABASE_ROLE = Rule(
    "a role of PostgreSQL and PgBouncer", 63, r"[A-Za-z0-9_][A-Za-z0-9_.@$+-]*", "letters, digits and . _ @ $ + -"
)

# Accounts of the distribution, of the packages that are installed, and of nobody.
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
    """Return what is made of the name of the instance and nothing else."""
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
            continue  # which is told of the group itself
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
    """Return everything that gets a name which an inventory decides."""
    return [*_of_instance(v), *_of_groups(v), *_of_pools(v)]


def duplicates(things: Iterable[Made]) -> Iterator[tuple[Made, Made]]:
    """Return the pairs of different options that would make two things of one kind and one name."""
    first: dict[tuple[str, str], Made] = {}
    for thing in things:
        other = first.setdefault((thing.rule.kind, thing.name), thing)
        if (other.option, other.part) != (thing.option, thing.part):
            yield other, thing


# What an instance makes begins with its name and one of these words, and what stands behind them is chosen freely. An
# instance that has one of them in its own name could make the same: `prefect-worker-api-1` is a worker of a pool `api`,
# or an API process of an instance `prefect-worker`.
FREE = ("worker", "services")
# Network policies and programs of two words, of which the second is what another thing is called.
_TWO_WORDS = ("to",)


def word_of_another(instance: str) -> str:
    """Return the word for which another instance may make the same names as this one, nothing if there is none."""
    return next((word for word in instance.split("-")[1:] if word in (*FREE, *_TWO_WORDS)), "")
