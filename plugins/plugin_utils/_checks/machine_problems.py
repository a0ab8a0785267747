# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""What is wrong with a machine, before it is touched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import coefficients


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def _system(host: Mapping[str, Any], supported: Sequence[str], python: str) -> Iterator[Problem]:
    system = f"{host['distribution']} {host['version']}"
    if system not in supported:
        yield problem("ansible_host", f"{system} is not supported.", f"Use a host with one of: {', '.join(supported)}.")
    elif _version(host["python"]) < _version(python):
        yield problem(
            "ansible_python_interpreter",
            f"Python {host['python']} is too old for this version of Prefect.",
            f"Point it at Python {python} or newer.",
        )


def _is_ours(process: str, recorded: Sequence[str]) -> bool:
    # Workers are numbered through all pools, so a new pool moves the ports of the others.
    worker = "worker-"
    return process in recorded or (process.startswith(worker) and any(name.startswith(worker) for name in recorded))


def _ports(host: Mapping[str, Any], ports: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    first, last = host["ephemeral_ports"] or (0, -1)
    owners: dict[int, str] = {}
    for entry in ports:
        option, port, process = entry["option"], int(entry["port"]), entry["process"]
        if not 0 < port < 65536:
            yield problem(option, f"{port} is not a TCP port.", "Use a number from 1 to 65535.")
        elif port in owners:
            yield problem(option, f"{process} and {owners[port]} would both listen on {port}.", "Set different ports.")
        elif first <= port <= last:
            yield problem(
                option,
                f"Port {port} for {process} is in the range {first}-{last} that the kernel gives to outgoing "
                "connections, so it may be taken whenever the process starts.",
                f"Use a port below {first}.",
            )
        elif port in host["listening_ports"] and not _is_ours(process, host["processes"]):
            yield problem(
                option,
                f"Port {port} for {process} is in use by another program on this host.",
                f"Stop that program (ss -ltnp 'sport = :{port}' names it) or use another port.",
            )
        owners.setdefault(port, process)


def _data(host: Mapping[str, Any], cluster: str) -> Iterator[Problem]:
    version, _slash, name = cluster.partition("/")
    others = [other for other in host["postgresql_clusters"] if name and other.partition("/")[2] == name]
    if others and cluster not in others:
        present = others[0].partition("/")[0]
        yield problem(
            "prefect_postgres_version",
            f"The data of this machine is PostgreSQL {present}'s, which PostgreSQL {version} cannot read.",
            f"Set it to {present}, or upgrade the data first (pg_upgradecluster {present} {name}).",
        )


def _others(
    host: Mapping[str, Any], ports: Sequence[Mapping[str, Any]], instance: str, data_dir: str
) -> Iterator[Problem]:
    """Find what another instance has, or this one when its data was elsewhere."""
    for account, directory in host["accounts_of"].items():
        if directory != data_dir:
            yield problem(
                "prefect_instance",
                f"The account {account} is that of another instance, whose data is in {directory}.",
                "Use another name, or other accounts (prefect_user, prefect_worker_user); or, if that is this one, set "
                f"prefect_data_dir to {directory}.",
            )
    units = {f"{instance}-{entry['process']}" for entry in ports if not _is_ours(entry["process"], host["processes"])}
    found = sorted(units & set(host["units"]))
    if found:
        yield problem(
            "prefect_instance",
            f"There is {found[0]}.service already, of another instance: {data_dir} knows nothing of it.",
            "Use another name; or, if that is this instance, set prefect_data_dir to the directory that it had before, "
            "or remove the unit.",
        )


def _mb(entry: Mapping[str, Any]) -> int:
    if "process" not in entry:
        return int(entry["mb"])
    return round(int(entry["count"]) * coefficients.value(f"{entry['process']}_memory_mb"))


def _memory(host: Mapping[str, Any], memory: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    sizes = {entry["what"]: (_mb(entry), entry["option"]) for entry in memory}
    needed = sum(mb for mb, _option in sizes.values())
    if needed > host["memory_mb"]:
        parts = ", ".join(f"{what} {mb}" for what, (mb, _option) in sizes.items() if mb)
        options = list(dict.fromkeys(option for mb, option in sorted(sizes.values(), reverse=True) if mb))
        yield problem(
            options[0],
            f"The components of this machine can need {needed} MiB ({parts}), but it has {host['memory_mb']}.",
            f"Use a larger machine, move components to others, or lower one of: {', '.join(options)}.",
        )


def _kernel(
    host: Mapping[str, Any], ports: Sequence[Mapping[str, Any]], manager: str, memory_limit: str
) -> Iterator[Problem]:
    if memory_limit and manager != "systemd":
        yield problem(
            "prefect_worker_memory_limit",
            f"{manager} cannot bound the memory of a worker and its runs, which takes control groups.",
            "Leave it empty and bound the container or the machine as a whole, or use a machine with systemd.",
        )
    # 0 refuses only what is larger than all of the memory, and Redis is not.
    if host.get("overcommit_memory") == 2 and any(entry["process"] == "redis" for entry in ports):
        yield problem(
            "prefect_redis_maxmemory",
            "vm.overcommit_memory is 2 on this machine, so Redis cannot write its file anew once it has more data than "
            "half of what the kernel promises, although it needs no more memory for that.",
            "Set it to 1 (echo vm.overcommit_memory=1 > /etc/sysctl.d/redis.conf && sysctl --system) or to 0, the "
            "kernel's default, or run Redis on another machine.",
        )


def machine_problems(
    host: Mapping[str, Any],
    ports: Sequence[Mapping[str, Any]],
    supported: Sequence[str],
    python: str,
    cluster: str = "",
    memory: Sequence[Mapping[str, Any]] = (),
    deployment: str = "",  # Ansible has an argument called instance of its own
    data_dir: str = "",
    manager: str = "systemd",
    memory_limit: str = "",
) -> list[Problem]:
    """Return what stands against deploying on this machine."""
    return [
        *_system(host, supported, python),
        *_ports(host, ports),
        *_others(host, ports, deployment, data_dir),
        *_data(host, cluster),
        *_memory(host, memory),
        *_kernel(host, ports, manager, memory_limit),
    ]
