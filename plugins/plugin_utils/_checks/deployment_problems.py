# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Problems with an inventory, found before the first change."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import is_loopback
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.name_problems import name_problems
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.names import GROUP
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import (
    Problem,
    Read,
    problem,
    without_logins,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.jobs import RESOURCES, exceeds
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.pools import can_be_labelled
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._redis import redis_parts
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.connections import connection_budget
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import most_workers, worker_count

OLDEST_POSTGRESQL = 14
OLDEST_PREFECT = (3, 6, 0)
_REDIS_USER = re.compile(r"[A-Za-z0-9._-]+")
_FORBIDDEN_IN_NAMES = "/%&<>"
_OWNED_BY_OTHERS = ("tag:", "deployment:")
_REDIS_SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
_SECRETS = (
    "prefect_database_password",
    "prefect_pgbouncer_stats_password",
    "prefect_redis_password",
    "prefect_api_auth_string",
)


def _version(v: Mapping[str, Any]) -> Iterator[Problem]:
    version, shipped = str(v["prefect_version"]), ", ".join(v["prefect_shipped_versions"])
    if not re.fullmatch(r"[0-9]+[.][0-9]+[.][0-9]+", version):
        yield problem(
            "prefect_version",
            f"{version} is not a version of Prefect.",
            f"Set it to three numbers. The collection has lock files of: {shipped}.",
        )
    elif tuple(map(int, version.split("."))) < OLDEST_PREFECT:
        yield problem(
            "prefect_version",
            f"Prefect {version} is older than 3.6.0, the oldest version that this collection deploys.",
            f"Set it to 3.6.0 or newer. The collection has lock files of: {shipped}.",
        )
    elif v["prefect_platform"] == "host" and not v["prefect_lock_file"]:
        yield problem(
            "prefect_version",
            f"There is no lock file of Prefect {version}, neither in the collection nor in "
            f"{v['prefect_lock_directory']}.",
            f"Create it: ansible-playbook -i INVENTORY playbooks/lock.yml -e prefect_version={version}. Or set it to "
            f"one of: {shipped}.",
        )


def _settings(v: Mapping[str, Any]) -> Iterator[Problem]:
    """Report settings that this version does not have. Prefect itself ignores them without a message."""
    known = v["prefect_version_facts"].get("settings") or []
    for option in ("prefect_server_settings", "prefect_worker_settings"):
        for name in v[option] if known else ():
            # Sections of the logging configuration have no setting of their own.
            if name.startswith("PREFECT_") and not name.startswith("PREFECT_LOGGING_") and name not in known:
                close = difflib.get_close_matches(name, known, 1)
                yield problem(
                    option,
                    f"{name} is not a setting of Prefect {v['prefect_version']}, which would ignore it.",
                    f"Did you mean {close[0]}? Otherwise, remove it." if close else "Remove it.",
                )


def _own_name(name: str, own: Mapping[str, str], aliases: Mapping[str, str]) -> str | None:
    """Return the setting of the roles that a variable sets.

    Prefect ignores the case of names, knows some settings by several names, and reads a group of settings as JSON from
    the variable whose name is their common prefix.
    """
    name = name.upper()
    names = {**{one: one for one in own}, **{alias: one for alias, one in aliases.items() if one in own}}
    return names.get(name) or next((one for each, one in names.items() if each.startswith(f"{name}_")), None)


def _environment_of(patch: Mapping[str, Any]) -> list[str]:
    """Return the names of the variables that a patch of pods sets."""
    spec = patch.get("spec") or {}
    containers = (spec.get("containers") or []) + (spec.get("initContainers") or [])
    return [str(variable.get("name")) for container in containers for variable in container.get("env") or []]


def _own_settings(v: Mapping[str, Any]) -> Iterator[Problem]:
    """Report settings that the roles set, and whose other values would take precedence."""
    table = v["prefect_own_settings"]
    for part in ("server", "worker"):
        for option, names in (
            (f"prefect_{part}_settings", list(v[f"prefect_{part}_settings"])),
            (table["patches"][part], _environment_of(v["prefect_pod_patches"][part])),
        ):
            for name in names:
                own = _own_name(name, table[part], table["aliases"])
                if own:
                    other = table[part][own]
                    yield problem(
                        option,
                        f"The collection sets {own}, and {name} would take precedence."
                        if name != own
                        else f"The collection sets {own}, and this value would take precedence.",
                        f"Remove it, and set {other} instead." if other else "Remove it.",
                    )


def _most_workers(v: Mapping[str, Any], pool: Mapping[str, Any]) -> int:
    """Return the maximum number of workers of a pool. On hosts, the number is fixed."""
    return most_workers(pool) if v["prefect_platform"] == "kubernetes" else worker_count(pool)


def _topology(v: Mapping[str, Any]) -> Iterator[Problem]:
    for group in ("api", "services", "gateway", "pgbouncer"):
        if not v[f"prefect_{group}_hosts"]:
            yield problem(
                f"prefect_{group}_hosts",
                f"No host runs the component {group}.",
                f"Add at least one host to the inventory group prefect_{group}.",
            )
    if not v["prefect_database_host"]:
        yield problem(
            "prefect_database_host",
            "There is no database: the group prefect_postgres is empty.",
            "Add a host to prefect_postgres, or set prefect_database_host to an external PostgreSQL.",
        )
    if v["prefect_postgres_hosts"][1:]:
        yield problem(
            "prefect_postgres_hosts",
            "More than one host is in prefect_postgres, and this role does not replicate.",
            "Keep one host there, or set prefect_database_host to the address of a replicated PostgreSQL.",
        )
    if any(_most_workers(v, pool) for pool in v["prefect_work_pools"]) and not v["prefect_worker_hosts"]:
        yield problem(
            "prefect_worker_hosts",
            "prefect_work_pools requires workers, but no host runs any.",
            "Add a host to prefect_workers, or set workers.min and workers.max of the pools to 0.",
        )
    if v["prefect_postgres_hosts"] and int(v["prefect_postgres_version"]) < OLDEST_POSTGRESQL:
        yield problem(
            "prefect_postgres_version",
            f"PostgreSQL {v['prefect_postgres_version']} is too old for Prefect, which needs 14.9 or newer.",
            "Set it to 14 or newer.",
        )
    elif v["prefect_platform"] == "kubernetes" and v["prefect_postgres_hosts"] and not v["prefect_postgres_image"]:
        yield problem(
            "prefect_postgres_image",
            f"{v['prefect_postgres_kind']} has no default image of PostgreSQL {v['prefect_postgres_version']}.",
            "Set it to an image with an exact version, or set prefect_postgres_version to another major version.",
        )


def _redis(v: Mapping[str, Any]) -> Iterator[Problem]:
    url = str(v["prefect_redis_url"])
    if not url:
        yield problem(
            "prefect_redis_url",
            f"{v['prefect_server_replicas']} API processes and separate background services need Redis: "
            "without it events, leases and scheduled work are lost silently.",
            "Add a host to the inventory group prefect_redis, or set prefect_redis_url.",
        )
        return
    scheme = redis_parts(url).scheme if "://" in url else ""
    if "cluster" in scheme:
        yield problem(
            "prefect_redis_url",
            f"{scheme}:// is Redis Cluster, which Prefect does not support.",
            "Use a single Redis (redis:// or rediss://) or Sentinel (redis+sentinel:// or rediss+sentinel://).",
        )
    elif scheme not in _REDIS_SCHEMES:
        yield problem(
            "prefect_redis_url",
            f"{scheme or 'no scheme'}:// is not a Redis URL.",
            f"Start it with one of: {', '.join(name + '://' for name in _REDIS_SCHEMES)}.",
        )
    elif "sentinel" not in scheme and not _has_good_port(url):
        yield problem(
            "prefect_redis_url",
            "It contains an invalid port, possibly because the password is not percent-encoded.",
            "Create the URL with the filter selfhosted.prefect.redis_url, which encodes the password.",
        )
    elif v["prefect_redis_ca"]:
        yield from _redis_ca(str(v["prefect_redis_ca"]), url)


def _database(v: Mapping[str, Any]) -> Iterator[Problem]:
    if v["prefect_database_ca"]:
        yield from _pem("prefect_database_ca", str(v["prefect_database_ca"]))


def _has_good_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:  # its text may contain a part of the password
        return False


def _redis_ca(authority: str, url: str) -> Iterator[Problem]:
    option = "prefect_redis_ca"
    if not url.startswith("rediss"):
        yield problem(
            option,
            f"It requires TLS, but prefect_redis_url starts with {url.partition(':')[0]}://.",
            "Start prefect_redis_url with rediss:// or rediss+sentinel://, or remove prefect_redis_ca.",
        )
    if "ssl_ca_certs=" in url.partition("?")[2]:
        yield problem(
            option, "prefect_redis_url also contains a CA certificate, in ssl_ca_certs.", "Remove one of the two."
        )
    yield from _pem(option, authority)


def _pem(option: str, text: str) -> Iterator[Problem]:
    if "-----BEGIN" not in text:
        yield problem(
            option,
            "It is not PEM text.",
            "Set it to the text of the certificate, for example with lookup('ansible.builtin.file', 'authority.crt').",
        )


def _secrets(v: Mapping[str, Any]) -> Iterator[Problem]:
    required = [("prefect_database_password", True), ("prefect_pgbouncer_stats_password", True)]
    required.append(("prefect_redis_password", bool(v["prefect_redis_hosts"])))
    for option, needed in required:
        if needed and not v[option]:
            yield problem(option, "It is empty.", "Set it to a value from Ansible Vault or another secret store.")
    if not _REDIS_USER.fullmatch(str(v["prefect_redis_user"])) or v["prefect_redis_user"] == "default":
        yield problem(
            "prefect_redis_user",
            f"{v['prefect_redis_user']!r} is not a valid user name.",
            "Use letters, digits, dots, underscores and dashes. Do not use 'default': the role disables this user.",
        )
    for option in _SECRETS:
        if any(character in str(v[option]) for character in "\n\r\0"):
            yield problem(
                option, "It contains a line break or a NUL character.", "Remove it. All other characters are allowed."
            )
    login = str(v["prefect_api_auth_string"])
    if login and not all(login.partition(":")):
        yield problem(
            "prefect_api_auth_string",
            "It is not of the form user:password.",
            "Use a user name, a colon and a password. The password may contain colons.",
        )
    # A URL with an empty password.
    if not v["prefect_redis_hosts"] and redis_parts(str(v["prefect_redis_url"])).login.endswith(":"):
        yield problem(
            "prefect_redis_password",
            "prefect_redis_url contains an empty password.",
            "Set the password. If Redis has no password, remove the part before the @ from the URL.",
        )
    yield from _anonymous(v)


def _anonymous(v: Mapping[str, Any]) -> Iterator[Problem]:
    """Reject missing credentials unless prefect_api_allow_anonymous is set."""
    if v["prefect_api_auth_string"] or v["prefect_api_allow_anonymous"]:
        return
    where = _in_cluster(v) if v["prefect_platform"] == "kubernetes" else _on_hosts(v)
    if where:
        yield problem(
            "prefect_api_auth_string",
            f"It is empty, and the API is reachable {where}. Every client that reaches it can run commands.",
            "Set it to user:password from Ansible Vault or another secret store, or set prefect_api_allow_anonymous "
            "to true if the API needs no credentials.",
        )


def _in_cluster(v: Mapping[str, Any]) -> str:
    """Return the place from which clients can reach the API, as text."""
    if v["prefect_gateway_host"]:
        return f"under {v['prefect_gateway_host']} (prefect_gateway_host)"
    kind = v["prefect_gateway_service_type"]
    if kind == "ClusterIP":
        return "from the cluster's pods"
    how = {"LoadBalancer": "through a load balancer", "NodePort": "on a port of every node"}.get(kind, "from outside")
    return f"{how} (prefect_gateway_service_type)"


def _on_hosts(v: Mapping[str, Any]) -> str:
    others = sorted({str(address) for address in v["prefect_api_addresses"] if not is_loopback(str(address))})
    return f"at {', '.join(others)} (prefect_address, prefect_gateway_bind)" if others else ""


def _numbers(v: Mapping[str, Any]) -> Iterator[Problem]:
    for option, least in (
        ("prefect_server_replicas", 1),
        ("prefect_pgbouncer_pool_size", 1),
        ("prefect_server_api_pool_size", 1),
        ("prefect_server_services_pool_size", 1),
        ("prefect_server_api_max_overflow", 0),
        ("prefect_server_services_max_overflow", 0),
    ):
        if int(v[option]) < least:
            why = " In Prefect, -1 means no limit." if option.endswith("max_overflow") else ""
            yield problem(option, f"{v[option]} is less than {least}.{why}", f"Set it to {least} or more.")
    budget = connection_budget(v)
    available = int(v["prefect_database_max_connections"])
    if budget["sum"] > available:
        parts = ", ".join(f"{name} {count}" for name, count in budget.items() if name != "sum")
        yield problem(
            "prefect_database_max_connections",
            f"The processes can open {budget['sum']} connections ({parts}), but PostgreSQL allows {available}.",
            f"Raise it to {budget['sum']} or more, or lower prefect_pgbouncer_pool_size, "
            "prefect_server_services_pool_size or prefect_server_services_max_overflow.",
        )


def _duplicates(values: Iterable[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def _services(v: Mapping[str, Any]) -> Iterator[Problem]:
    groups, known = v["prefect_services_groups"], v["prefect_background_services"]
    option = "prefect_services_groups"
    if not groups:
        yield problem(
            option, "It is empty, so no process would run the background services.", "List at least one group."
        )
        return
    for name in (group["name"] for group in groups):
        if not GROUP.fullmatch(str(name)):
            yield problem(
                f"{option}[].name",
                f"{name!r} is not valid in the name of a process.",
                "Use lower-case letters, digits, dots, underscores and dashes, with a letter or a digit at both ends.",
            )
    for name in _duplicates(group["name"] for group in groups):
        yield problem(option, f"Two groups are called {name!r}.", "Give every group its own name.")
    listed = [service for group in groups for service in group.get("services") or []]
    for service in sorted(set(listed) - set(known)):
        yield problem(
            f"{option}[].services", f"{service!r} is not a background service.", f"Use names from: {', '.join(known)}."
        )
    for service in _duplicates(listed):
        yield problem(f"{option}[].services", f"{service!r} is in two groups.", "List it in only one group.")
    open_groups = [group["name"] for group in groups if not group.get("services")]
    if len(open_groups) > 1:
        yield problem(
            f"{option}[].services",
            f"The groups {', '.join(open_groups)} have no list of services and would run the same services.",
            "Omit the list in only one group. This group runs the services that no other group lists.",
        )
    missing = sorted(set(known) - set(listed) - {"event_logger"})
    if not open_groups and missing:
        yield problem(
            f"{option}[].services",
            f"No group runs {', '.join(missing)}.",
            "Add them to a group, or omit the list in one group. This group runs the services that no other group "
            "lists.",
        )


def _pool(where: str, pool: Mapping[str, Any]) -> Iterator[Problem]:
    name = str(pool["name"])
    if name.lower().startswith("prefect"):
        yield problem(f"{where}.name", f"{name!r} starts with 'prefect', which the server rejects.", "Rename the pool.")
    yield from _name_characters(f"{where}.name", name)
    yield from _limit(f"{where}.concurrency_limit", pool.get("concurrency_limit"))
    workers = pool.get("workers") or {}
    for bound in ("min", "max", "limit"):
        yield from _limit(f"{where}.workers.{bound}", workers.get(bound))
    if workers.get("max") is not None and int(workers["max"]) < worker_count(pool):
        yield problem(f"{where}.workers.max", "It is less than workers.min.", "Raise max or lower min.")
    if pool.get("type") == "kubernetes":
        yield from _job(f"{where}.job", pool.get("job") or {})
    scaling = workers.get("autoscaling") or {}
    if scaling.get("prometheus") and scaling.get("metric") != "backlog":
        yield problem(
            f"{where}.workers.autoscaling.prometheus",
            "It provides the backlog, but the workers do not scale by it.",
            "Set the metric to backlog, or remove prometheus.",
        )
    queues = pool.get("queues") or []
    for queue in queues:
        queue_where = f"{where}.queues[{queue['name']}]"
        yield from _name_characters(f"{queue_where}.name", str(queue["name"]))
        yield from _limit(f"{queue_where}.concurrency_limit", queue.get("concurrency_limit"))
        if queue.get("priority") is not None and int(queue["priority"]) < 1:
            yield problem(
                f"{queue_where}.priority", f"{queue['priority']} is less than 1.", "1 is the highest priority."
            )
    for queue_name in _duplicates(queue["name"] for queue in queues):
        yield problem(f"{where}.queues", f"Two queues are called {queue_name!r}.", "Give every queue its own name.")
    priorities = [queue["priority"] for queue in queues if queue.get("priority") is not None]
    for priority in _duplicates(priorities):
        yield problem(f"{where}.queues", f"Two queues have the priority {priority}.", "Give every queue its own.")
    if 0 < len(priorities) < len(queues):
        yield problem(
            f"{where}.queues",
            "Some queues have a priority and some have none.",
            "Set the priority of every queue or of none. Without priorities, the order of the list decides.",
        )


def _template(option: str, template: Mapping[str, Any]) -> Iterator[Problem]:
    if not can_be_labelled(template):
        yield problem(
            option,
            "Its job_configuration.job_manifest has no mapping spec.template, or a placeholder in its place. The "
            "labels by which network policies, the admission policy and teardown.yml find the runs cannot be added.",
            "Write job_manifest as a mapping down to spec.template, with placeholders only for values below it.",
        )


def _job(where: str, job: Mapping[str, Any]) -> Iterator[Problem]:
    for name in RESOURCES:
        request, limit = job.get(f"{name}_request"), job.get(f"{name}_limit")
        if exceeds(request, limit):
            yield problem(
                f"{where}.{name}_limit",
                f"{limit} is less than {name}_request, {request}: Kubernetes rejects the pod of every run.",
                f"Raise it to {request} or more, or lower {name}_request.",
            )


def _name_characters(option: str, name: str) -> Iterator[Problem]:
    found = "".join(character for character in _FORBIDDEN_IN_NAMES if character in name)
    if name.strip() and (not name.isprintable() or name != name.strip()):
        yield problem(
            option,
            f"{name!r} contains an invisible character.",
            "Use a name without line breaks, tabs and other control characters, and without spaces at its ends.",
        )
    elif found or not name.strip():
        yield problem(
            option,
            f"{name!r} contains {' '.join(found)}, which the server rejects." if found else "It is empty.",
            f"Use a name without any of {' '.join(_FORBIDDEN_IN_NAMES)}.",
        )


def _limit(option: str, value: Any) -> Iterator[Problem]:
    if value is not None and int(value) < 0:
        yield problem(option, f"{value} is negative.", "Use 0 or more. Omit it for no limit.")


def _namespaces(v: Mapping[str, Any]) -> Iterator[Problem]:
    """Check the namespaces of runs: a client that can create a Job in a namespace can read every Secret there."""
    if v["prefect_platform"] != "kubernetes":
        return
    if v["prefect_namespace"] in v["prefect_run_namespaces"] and not v["prefect_allow_shared_namespace"]:
        yield problem(
            "prefect_jobs_namespace",
            f"Flow code would run in {v['prefect_namespace']} and could read the Secrets of the server there.",
            "Set it, and job.namespace and workers.namespaces of each pool, to other namespaces than "
            "prefect_namespace. Or set prefect_allow_shared_namespace to true if all flow code may read these Secrets.",
        )


def _api_objects(v: Mapping[str, Any]) -> Iterator[Problem]:
    for pool in v["prefect_work_pools"]:
        where = f"prefect_work_pools[{pool['name']}]"
        yield from _pool(where, pool)
        template = pool.get("base_job_template")
        if v["prefect_platform"] == "kubernetes" and pool.get("type") == "kubernetes" and template:
            yield from _template(f"{where}.base_job_template", template)
        scaling = (pool.get("workers") or {}).get("autoscaling") or {}
        if _most_workers(v, pool) > worker_count(pool) == 0 and (scaling.get("metric") or "cpu") == "cpu":
            yield problem(
                f"{where}.workers.min",
                "Workers that scale by CPU cannot start from zero.",
                "Set it to 1 or more, or workers.autoscaling.metric to backlog, which needs KEDA.",
            )
    for name in _duplicates(pool["name"] for pool in v["prefect_work_pools"]):
        yield problem("prefect_work_pools", f"Two pools are called {name!r}.", "Give every pool its own name.")
    for limit in v["prefect_global_concurrency_limits"]:
        where = f"prefect_global_concurrency_limits[{limit['name']}]"
        yield from _name_characters(f"{where}.name", str(limit["name"]))
        if str(limit["name"]).startswith(_OWNED_BY_OTHERS):
            yield problem(
                f"{where}.name",
                f"The server reserves names that start with {' or '.join(_OWNED_BY_OTHERS)}.",
                "Rename it, or use prefect_tag_concurrency_limits for the limit of a tag.",
            )
        yield from _limit(f"{where}.limit", limit.get("limit"))
        if float(limit.get("slot_decay_per_second") or 0) < 0:
            yield problem(f"{where}.slot_decay_per_second", "It is negative.", "Use 0 or more slots per second.")
    for name in _duplicates(limit["name"] for limit in v["prefect_global_concurrency_limits"]):
        yield problem("prefect_global_concurrency_limits", f"Two limits are called {name!r}.", "Keep one of them.")
    for limit in v["prefect_tag_concurrency_limits"]:
        where = f"prefect_tag_concurrency_limits[{limit['tag']}]"
        yield from _name_characters(f"{where}.tag", str(limit["tag"]))
        yield from _limit(f"{where}.concurrency_limit", limit.get("concurrency_limit"))
    for tag in _duplicates(limit["tag"] for limit in v["prefect_tag_concurrency_limits"]):
        yield problem("prefect_tag_concurrency_limits", f"Two limits are for the tag {tag!r}.", "Keep one of them.")


def _tls(v: Mapping[str, Any]) -> Iterator[Problem]:
    if v["prefect_tls"] != "none" and v["prefect_platform"] == "kubernetes":
        yield problem(
            "prefect_tls",
            "It encrypts connections between hosts. It has no effect on connections between pods.",
            "Set it to none. Enable encryption in the cluster's network (WireGuard of Cilium or Calico), or use a "
            "service mesh.",
        )
    if int(v["prefect_tls_renew_days"]) >= int(v["prefect_tls_days"]):
        yield problem(
            "prefect_tls_renew_days",
            f"A certificate that is valid for {v['prefect_tls_days']} days would be renewed in every run.",
            "Set it to less than prefect_tls_days.",
        )


def deployment_problems(variables: Mapping[str, Any]) -> list[Problem]:
    """Return the problems with the variables of a deployment."""
    checks = (
        _version,
        _settings,
        _own_settings,
        name_problems,
        _topology,
        _database,
        _redis,
        _secrets,
        _numbers,
        _services,
        _namespaces,
        _api_objects,
        _tls,
    )
    values = Read(variables)
    found = [each for check in checks for each in check(values)]
    return without_logins(found, values.values_read)
