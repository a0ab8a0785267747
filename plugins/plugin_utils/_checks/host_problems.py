# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Problems with a host, found before the first change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import network
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
            f"Set it to Python {python} or newer.",
        )


def _is_ours(process: str, recorded: Sequence[str]) -> bool:
    # Workers of all pools are numbered together, so a new pool changes the ports of other workers.
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
                f"Port {port} for {process} is in the ephemeral port range {first}-{last}. An outgoing connection may "
                "use it when the process starts.",
                f"Use a port below {first}.",
            )
        elif port in host["listening_ports"] and not _is_ours(process, host["processes"]):
            yield problem(
                option,
                f"Port {port} for {process} is in use by another program on this host.",
                f"Stop that program (ss -ltnp 'sport = :{port}' shows it) or use another port.",
            )
        owners.setdefault(port, process)


def _data(host: Mapping[str, Any], cluster: str) -> Iterator[Problem]:
    version, _slash, name = cluster.partition("/")
    others = [other for other in host["postgresql_clusters"] if name and other.partition("/")[2] == name]
    if others and cluster not in others:
        present = others[0].partition("/")[0]
        yield problem(
            "prefect_postgres_version",
            f"The PostgreSQL data of this host is of version {present}, which PostgreSQL {version} cannot read.",
            f"Set it to {present}, or upgrade the data first (pg_upgradecluster {present} {name}).",
        )


def _others(
    host: Mapping[str, Any], ports: Sequence[Mapping[str, Any]], instance: str, data_dir: str
) -> Iterator[Problem]:
    """Find accounts and units of another instance, or of this one with another data directory."""
    for account, directory in host["accounts_of"].items():
        if directory != data_dir:
            yield problem(
                "prefect_instance",
                f"The account {account} belongs to another instance with the data directory {directory}.",
                "Use another name, or other accounts (prefect_user, prefect_worker_user). If it is the same instance, "
                f"set prefect_data_dir to {directory}.",
            )
    units = {f"{instance}-{entry['process']}" for entry in ports if not _is_ours(entry["process"], host["processes"])}
    found = sorted(units & set(host["units"]))
    if found:
        yield problem(
            "prefect_instance",
            f"{found[0]}.service already exists and belongs to another instance: {data_dir} has no record of it.",
            "Use another name. If it is the same instance, set prefect_data_dir to its previous directory, or remove "
            "the unit.",
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
            f"The components of this host can need {needed} MiB ({parts}), but it has {host['memory_mb']} MiB.",
            f"Use a larger host, move components to other hosts, or lower one of: {', '.join(options)}.",
        )


def _kernel(
    host: Mapping[str, Any], ports: Sequence[Mapping[str, Any]], manager: str, memory_limit: str
) -> Iterator[Problem]:
    if memory_limit and manager != "systemd":
        yield problem(
            "prefect_worker_memory_limit",
            f"{manager} cannot limit the memory of a worker and its runs, because it does not use control groups.",
            "Leave it empty and limit the memory of the whole container, or use a host with systemd.",
        )
    # Mode 0 rejects only requests for more than the total memory. The requests of Redis are smaller.
    if host.get("overcommit_memory") == 2 and any(entry["process"] == "redis" for entry in ports):
        yield problem(
            "prefect_redis_maxmemory",
            "vm.overcommit_memory is 2 on this host. Redis then cannot fork to rewrite its append-only file if its "
            "data exceeds half of the commit limit.",
            "Set it to 1 (echo vm.overcommit_memory=1 > /etc/sysctl.d/redis.conf && sysctl --system) or to 0, the "
            "kernel's default, or run Redis on another host.",
        )


def _denied(host: Mapping[str, Any], denied: Sequence[str], database_host: str) -> Iterator[Problem]:
    """Find addresses that background services need, but to which they may not connect."""
    networks = [found for found in map(network, denied) if found]

    def denying(address: str) -> list[str]:
        own = network(address)
        return [str(each) for each in networks if own and own.network_address in each]

    servers = host["name_servers"]
    if servers and all(map(denying, servers)):
        yield problem(
            "prefect_metadata_addresses",
            f"The background services could not resolve names: it contains each name server of this host "
            f"({', '.join(servers)}, from /etc/resolv.conf).",
            "Use a local resolver, such as systemd-resolved. Or set the option to a list without "
            f"{' and '.join(dict.fromkeys(each for server in servers for each in denying(server)))}, and deny the "
            "metadata service in another way.",
        )
    if denying(database_host):
        yield problem(
            "prefect_metadata_addresses",
            f"The background services could not connect to prefect_database_host: {database_host} is in "
            f"{denying(database_host)[0]}.",
            "Use another address of the database, or set the option to a list without this network.",
        )


def host_problems(
    host: Mapping[str, Any],
    ports: Sequence[Mapping[str, Any]],
    supported: Sequence[str],
    python: str,
    cluster: str = "",
    memory: Sequence[Mapping[str, Any]] = (),
    deployment: str = "",  # not called instance, which is the name of an argument of Ansible
    data_dir: str = "",
    manager: str = "systemd",
    memory_limit: str = "",
    denied: Sequence[str] = (),
    database_host: str = "",
) -> list[Problem]:
    """Return the problems with a deployment on this host."""
    return [
        *_system(host, supported, python),
        *_ports(host, ports),
        *_others(host, ports, deployment, data_dir),
        *_data(host, cluster),
        *_memory(host, memory),
        *_kernel(host, ports, manager, memory_limit),
        *_denied(host, denied, database_host),
    ]
