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
_SUBDOMAIN = r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"


def _object(kind: str) -> Rule:
    """Return the rule for objects whose name may contain dots and has no other limit than that of Kubernetes."""
    return Rule(f"{kind} in Kubernetes", 253, _SUBDOMAIN, _DNS_WORDS)


SECRET = _object("a Secret")
CONFIG_MAP = _object("a ConfigMap")
SERVICE_ACCOUNT = _object("a ServiceAccount")
ROLE = _object("a Role")
ROLE_BINDING = _object("a RoleBinding")
NETWORK_POLICY = _object("a NetworkPolicy")
DISRUPTION_BUDGET = _object("a PodDisruptionBudget")
CPU_AUTOSCALER = _object("a HorizontalPodAutoscaler")
BACKLOG_AUTOSCALER = _object("a ScaledObject of KEDA")
TRIGGER = _object("a TriggerAuthentication of KEDA")
CLUSTER_TRIGGER = _object("a ClusterTriggerAuthentication of KEDA")
INGRESS = _object("an Ingress")
ROUTE = _object("an HTTPRoute")
ADMISSION_POLICY = _object("a ValidatingAdmissionPolicy")
ADMISSION_BINDING = _object("a ValidatingAdmissionPolicyBinding")
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


def _cluster_scoped(v: Mapping[str, Any], name: str) -> Iterator[str]:
    """Return the name of a cluster-scoped object, which contains the namespace of the instance."""
    namespace = str(v["prefect_namespace"])
    if not NAMESPACE.broken_by(namespace):  # another check reports it
        yield f"{namespace}.{name}"


def _in_cluster(v: Mapping[str, Any]) -> Iterator[Made]:
    """Return the objects whose names are derived only from the name of the instance, whichever options are set."""
    instance = str(v["prefect_instance"])
    database = DATABASE_CLUSTER if v.get("prefect_postgres_kind") == "cloudnative_pg" else STATEFUL_SET
    kinds = {
        "postgres": (database, SECRET, CONFIG_MAP, SERVICE, NETWORK_POLICY),
        "postgres-owner": (SECRET,),
        "postgres-rw": (SERVICE,),  # the operator creates it
        "redis": (STATEFUL_SET, SECRET, SERVICE, NETWORK_POLICY),
        "pgbouncer": (LABEL, SECRET, SERVICE, DISRUPTION_BUDGET, NETWORK_POLICY),
        "pgbouncer-exporter": (SECRET,),
        "api": (LABEL, SECRET, CONFIG_MAP, SERVICE, DISRUPTION_BUDGET, CPU_AUTOSCALER, INGRESS, ROUTE, NETWORK_POLICY),
        "api-clients": (NETWORK_POLICY,),
        "closed": (SERVICE, NETWORK_POLICY),
        **{f"to-{name}": (NETWORK_POLICY,) for name in ("dns", "pgbouncer", "database", "redis")},
        "observer": (LABEL, SECRET, SERVICE_ACCOUNT, ROLE, ROLE_BINDING, NETWORK_POLICY),
        "migrate": (SECRET, CONFIG_MAP, NETWORK_POLICY),
        "migrate-0123456789": (LABEL,),
        "services": (NETWORK_POLICY,),
        "services-scripts": (CONFIG_MAP,),
        "worker-scripts": (CONFIG_MAP,),
        "start-worker": (CONFIG_MAP,),
    }
    for suffix, rules in kinds.items():
        yield from (Made(rule, f"{instance}-{suffix}", _INSTANCE, instance) for rule in rules)
    for rule in (ADMISSION_POLICY, ADMISSION_BINDING):
        yield from (Made(rule, name, _INSTANCE, instance) for name in _cluster_scoped(v, f"{instance}-workers"))


def _of_instance(v: Mapping[str, Any]) -> Iterator[Made]:
    """Return the objects whose names are derived only from the name of the instance."""
    if v["prefect_platform"] == "kubernetes":
        yield from _in_cluster(v)
        return
    instance = str(v["prefect_instance"])
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
        if pool.get("state") == "absent":
            continue
        if v["prefect_platform"] != "kubernetes":
            for number in sorted({1, worker_count(pool)} - {0}) if worker_count(pool) else ():
                yield Made(UNIT, f"{v['prefect_instance']}-{process_name(name, number)}", _POOL.format(name), name)
        elif most_workers(pool):
            for rule, derived in _of_workers(v, pool):
                yield Made(rule, derived, _POOL.format(name), name)


def _of_workers(v: Mapping[str, Any], pool: Mapping[str, Any]) -> Iterator[tuple[Rule, str]]:
    """Return the objects of the workers of a pool in a cluster."""
    workload = f"{v['prefect_instance']}-{process_name(str(pool['name']), 0)[: -len('-0')]}"
    for rule in (LABEL, SECRET, SERVICE_ACCOUNT, DISRUPTION_BUDGET, NETWORK_POLICY):
        yield rule, workload
    if pool.get("type") == "kubernetes":
        yield from ((ROLE, workload), (ROLE_BINDING, workload), (SECRET, f"{workload}-api-login"))
        yield NETWORK_POLICY, f"{workload}.runs"
    if pool.get("pre_pull"):
        yield LABEL, f"{workload}-image"
    if most_workers(pool) == worker_count(pool):
        return
    scaling = (pool.get("workers") or {}).get("autoscaling") or {}
    if scaling.get("metric") != "backlog":
        yield CPU_AUTOSCALER, workload
        return
    yield BACKLOG_AUTOSCALER, workload
    if not scaling.get("prometheus"):
        # The credentials for workers that execute flow code are in the namespace of KEDA.
        inside = (pool.get("type") or "process") == "process"
        for trigger in _cluster_scoped(v, workload) if inside else (workload,):
            yield from ((CLUSTER_TRIGGER if inside else TRIGGER, trigger), (SECRET, f"{trigger}-backlog"))


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
