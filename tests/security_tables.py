# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate the tables of docs/security.md from what the roles render.

usage: .venv/bin/python tests/security_tables.py      writes them into the page
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from defaults import ROOT
from rendering import evaluated, templated

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import process_group
from ansible_collections.selfhosted.prefect.plugins.modules.process_group import argument_spec, normalized, site_of

PAGE = ROOT / "docs" / "security.md"
MARK = r"(<!-- table: {} -->\n).*?(<!-- end -->\n)"
# In the order of site.yml, with the variables of loops and of the including tasks.
HOST_TASKS = {
    "prefect_postgres": ("host.yml", {}),
    "prefect_pgbouncer": ("host.yml", {}),
    "prefect_redis": ("host.yml", {}),
    "prefect_server": ("run_api_processes.yml", {"__prefect_server_only": [], "__prefect_server_defer": False}),
    "prefect_gateway": ("host.yml", {}),
    "services": ("run_services.yml", {}),
    "prefect_worker": ("host.yml", {}),
}
# Files whose paths contain the name of a process share one row.
PER_PROCESS = re.compile(r"(/etc/systemd/system/prefect-|/etc/prefect/liveness[.]d/)[^/]*([.]\w+)")
# A host in the format of host_facts.
FOUND = {
    "distribution": "debian",
    "version": "13",
    "ipv6_loopback": True,
    "memory_mb": 8192,
    "cpus": 4,
    "service_manager": "systemd",
    "processes": [],
    "missing_packages": [],
    "missing_users": [],
    "missing_paths": [],
}
PASSWORDS = dict.fromkeys(
    ("prefect_database_password", "prefect_pgbouncer_stats_password", "prefect_redis_password"), "planted"
)


def tasks_of(path: Path) -> Iterable[dict[str, Any]]:
    """Return the tasks of a file, including those in its blocks."""
    waiting = list(yaml.safe_load(path.read_text()))
    while waiting:
        task = waiting.pop(0)
        waiting = [*task.get("block", []), *waiting]
        yield task


class Group(process_group.Group):
    """A group of processes with all files that the module writes for it. It does not read the state of a host."""

    def _look(self) -> None:
        self.stale_files: list[str] = []

    def _plan(self) -> None:
        pass

    def _refuse_what_others_can_change(self) -> None:
        pass


def process_groups() -> list[Group]:
    """Return the groups of the local inventory, and the group that the module adds for the liveness checks."""
    common = templated_on_host("prefect_worker", "{{ prefect_process_group }}", {})
    groups = []
    for options in process_group_options():
        validated = ArgumentSpecValidator(argument_spec()).validate({**common, **options})
        assert not validated.error_messages, validated.error_messages
        params = normalized(validated.validated_parameters)
        groups.append(Group(site_of(params), params))
    with patch.object(process_group, "Group", Group):
        (liveness,) = {group.name: group for group in map(Group.watchdog, groups) if group and group.wanted}.values()
    assert isinstance(liveness, Group)
    return [*groups, liveness]


def process_group_options() -> list[dict[str, Any]]:
    """Return the options of each process_group task of the local inventory, as Ansible evaluates them."""
    groups = []
    for role, (name, variables) in HOST_TASKS.items():
        owner = "prefect_server" if role == "services" else role
        for task in tasks_of(ROOT / "roles" / owner / "tasks" / name):
            if options := task.get("selfhosted.prefect.process_group"):
                groups.append(templated_on_host(owner, options, {**variables, **task.get("vars", {})}))
    return groups


def templated_on_host(role: str, value: Any, own: Mapping[str, Any]) -> Any:
    """Return a value with everything in it templated, as for a task of the role on a host of the inventory."""
    given = {
        "prefect_address": "127.0.0.1",
        "prefect_database_clients": ["127.0.0.1"],
        "prefect_host": FOUND,
        "prefect_api_auth_string": "admin:planted",
        "role_path": str(ROOT / "roles" / role),
    }
    return templated("local", role, value, own, **given, **PASSWORDS)


def rows(header: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    titles = list(header)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in [titles, ["---"] * len(titles), *map(list, lines)])


def process_table(groups: Iterable[Group]) -> str:
    """Return the table of processes on a host: their accounts, and the addresses on which they listen."""
    lines = []
    for name, process in (item for group in groups for item in group.processes.items()):
        ready = process["ready"] or {}
        address = ready.get("tcp") or re.sub(r"^https?://|/.*$", "", ready.get("http") or "")
        reads = process["environment_file"]
        lines.append((f"`{name}`", process["user"], address or "-", f"`{reads}`" if reads else "-"))
    return rows(("Process", "Account", "Listens on", "Environment file"), lines)


def file_table(groups: Iterable[Group]) -> str:
    """Return the table of files and directories on a host: their owners, and which of them contain secrets."""
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for entry in [*group.directories, *group.wanted.values()]:
            path = PER_PROCESS.sub(r"\1*\2", entry["path"]) + ("" if "content" in entry else "/")
            owner = f"{entry['owner'] or 'root'}:{entry['group'] or 'root'}"
            secret = "yes" if b"planted" in entry.get("content", b"") else "no"
            row = (f"`{path}`", owner, f"{entry['mode']:04o}", secret)
            assert found.setdefault(path, row) == row, path
    return rows(("Path", "Owner", "Mode", "Contains secrets"), found.values())


CLUSTER_TEMPLATES = {
    "prefect_cluster": ["namespaces.yml.j2"],
    "prefect_postgres": ["statefulset.yml.j2"],
    "prefect_pgbouncer": ["kubernetes.yml.j2"],
    "prefect_redis": ["kubernetes.yml.j2"],
    "prefect_server": ["kubernetes_api.yml.j2", "kubernetes_migration.yml.j2", "kubernetes_services.yml.j2"],
    "prefect_gateway": ["kubernetes.yml.j2"],
    "prefect_worker": ["kubernetes.yml.j2"],
}
# One pool of each kind that differs here. It has more than three workers, so that an observer watches its pods.
POOLS = [
    {"name": "jobs", "type": "kubernetes", "workers": {"min": 4}},
    {"name": "processes", "type": "process", "workers": {"min": 1}},
]
Objects = list[dict[str, Any]]


def cluster_objects() -> Objects:
    """Return all objects of the development inventory with a pool of each kind, as the roles apply them."""
    found: Objects = []
    for role, names in CLUSTER_TEMPLATES.items():
        expressions = {
            name: f"lookup('ansible.builtin.template', '{name}') | from_yaml_all"
            " | selfhosted.prefect._manifests(prefect_pod_defaults)"
            for name in names
        }
        given = {**PASSWORDS, "prefect_api_auth_string": "admin:planted", "prefect_work_pools": POOLS}
        for objects in evaluated("development", role, expressions, **given).values():
            found += objects
    return found


def namespace_of(item: Mapping[str, Any]) -> str:
    return str(item["metadata"].get("namespace", "prefect"))


def pods_of(objects: Objects) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    """Return the workloads, each with the spec of its pods."""
    for item in objects:
        template = (item.get("spec") or {}).get("template") or {}
        if "containers" in (template.get("spec") or {}):
            yield item, template["spec"]


def secrets_of(value: Any) -> set[str]:
    """Return the names of the Secrets that a pod refers to."""
    if isinstance(value, list):
        return {name for item in value for name in secrets_of(item)}
    if not isinstance(value, Mapping):
        return set()
    names = {name for item in value.values() for name in secrets_of(item)}
    for key in ("secret", "secretRef", "secretKeyRef"):
        if isinstance(value.get(key), Mapping):
            names.add(value[key].get("secretName") or value[key].get("name"))
    return names


def pod_table(objects: Objects) -> str:
    """Return the table of pods: their ServiceAccount, whether they have its token, and the Secrets that they read."""
    lines = []
    for item, spec in pods_of(objects):
        token = "yes" if spec.get("automountServiceAccountToken", True) else "no"
        secrets = ", ".join(f"`{name}`" for name in sorted(secrets_of(spec))) or "-"
        account = f"`{spec.get('serviceAccountName', 'default')}`"
        name = re.sub(r"-[0-9a-f]{10}$", "-...", item["metadata"]["name"])  # a checksum in the name of the Job
        lines.append((f"`{name}`", f"`{namespace_of(item)}`", account, token, secrets))
    return rows(("Workload", "Namespace", "ServiceAccount", "Token", "Secrets"), lines)


def role_table(objects: Objects) -> str:
    """Return the table of ServiceAccounts: what each may do with the Kubernetes API, and in which namespace."""
    roles = {(item["kind"], namespace_of(item), item["metadata"]["name"]): item for item in objects}
    lines = []
    for item in objects:
        if item["kind"] not in ("RoleBinding", "ClusterRoleBinding"):
            continue
        reference = item["roleRef"]
        role = roles[reference["kind"], namespace_of(item), reference["name"]]
        where = f"`{namespace_of(item)}`" if item["kind"] == "RoleBinding" else "every namespace"
        for subject in item["subjects"]:
            for rule in role["rules"]:
                account = f"`{subject.get('namespace', namespace_of(item))}/{subject['name']}`"
                lines.append((account, where, ", ".join(rule["resources"]), ", ".join(rule["verbs"])))
    return rows(("ServiceAccount", "Namespace", "Resources", "Verbs"), lines)


def tables() -> dict[str, str]:
    """Return all tables of the page, by name."""
    groups = process_groups()
    objects = cluster_objects()
    return {
        "processes": process_table(groups),
        "files": file_table(groups),
        "pods": pod_table(objects),
        "roles": role_table(objects),
    }


def with_tables(text: str) -> str:
    """Return the text of the page with the current tables."""
    for name, table in tables().items():
        pattern = re.compile(MARK.format(name), re.DOTALL)
        assert pattern.search(text), f"{PAGE}: no place for the table {name}"
        parts = pattern.split(text, maxsplit=1)
        text = f"{parts[0]}{parts[1]}\n{table}\n{parts[2]}{parts[3]}"
    return text


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text()))
