# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The programs of a deployment, with the same structure on both platforms: processes of hosts, pods of a cluster.

Everything that a check has to know about the platform is here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypedDict

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.names import group_process, group_workload

Result = Mapping[str, Any]  # the registered result of a task
Expected = Mapping[str, Any]


class Reading(TypedDict):
    """The state of the deployment."""

    # Registered results of the tasks of prefect_verify, by name and by host. Skipped tasks have no result.
    #   processes     host: its processes
    #   gateway       host: HAProxy's servers
    #   pgbouncer     host: PgBouncer's connections to PostgreSQL
    #   certificates  host: remaining days of the certificate of each port, or why it is invalid
    #   server, probes, workers       responses of the API
    #   pgbouncer_again               host: PgBouncer's connections after `programs` has run
    #   programs      output of redis_report.py and database_report.py
    found: Mapping[str, Mapping[str, Result]]
    configuration: Result  # differences from the inventory
    pods: Sequence[Mapping[str, Any]]  # pods of a cluster


class Program(NamedTuple):
    """A process of a host, or a pod."""

    workload: str  # the name of the process, or the Deployment or StatefulSet of the pod
    component: str
    docket: str  # PID or pod: the part of its Docket name that only this program has
    counts: bool  # whether it counts towards the expected number
    problem: str  # why it does not work, empty if it works


class Platform(NamedTuple):
    """The terms of a platform."""

    check: str
    good: str
    shortage: str
    remedy: str


_HOST = Platform(
    check="Every process runs",
    good="{ready} on {hosts} host(s)",
    shortage="{name} is missing",
    remedy="Check its log (journalctl -u <unit>, or the instance's log directory), then run site.yml again.",
)
_KUBERNETES = Platform(
    check="Every pod is ready",
    good="{ready} in {workloads} workloads",
    shortage="{name} has {ready} of {least} pods",
    remedy="Check the pod with kubectl describe and kubectl logs --previous, then run site.yml again.",
)


def on_kubernetes(expected: Expected) -> bool:
    return bool(expected["platform"] == "kubernetes")


def platform_of(expected: Expected) -> Platform:
    """Return the terms of the platform."""
    return _KUBERNETES if on_kubernetes(expected) else _HOST


def on_hosts(reading: Reading, name: str) -> Mapping[str, Result]:
    """Return the results of a task by host."""
    return reading["found"].get(name, {})


def programs(reading: Reading, expected: Expected) -> list[Program]:
    """Return the programs that were found."""
    return _pods(reading, expected) if on_kubernetes(expected) else _processes(reading)


def _processes(reading: Reading) -> list[Program]:
    # A stopped process counts, because its own problem is reported.
    return [
        Program(
            workload=process["name"],
            component=process["group"],
            docket=str(process["pid"]),
            counts=True,
            problem="" if process["running"] else f"{process['name']} does not run on {host}",
        )
        for host, result in on_hosts(reading, "processes").items()
        for process in result.get("processes") or []
    ]


def _pods(reading: Reading, expected: Expected) -> list[Program]:
    wanted = expected_programs(expected)
    return [
        Program(
            workload=pod["workload"],
            component=pod["component"],
            docket=pod["name"],
            counts=pod["ready"],
            problem=f"{pod['name']} was restarted {pod['restarts']} times and is not ready"
            if pod["restarts"] > 1 and not pod["ready"] and pod["workload"] in wanted
            else "",
        )
        for pod in reading["pods"]
    ]


def expected_programs(expected: Expected) -> dict[str, int]:
    """Return the minimum number of programs of each workload."""
    return expected_workloads(expected) if on_kubernetes(expected) else dict(Counter(_expected_processes(expected)))


def _expected_processes(expected: Expected) -> list[str]:
    names = [f"api-{number}" for number in range(1, int(expected["replicas"]) + 1)]
    for component, hosts in expected["components"].items():
        names += [component] * len(hosts)
    names += [group_process(group["name"]) for group in expected["services_groups"]]
    # lost-runs runs on each host with workers of process pools. The hosts get the workers in turn.
    hosts = expected["worker_hosts"]
    watched = {
        hosts[number % len(hosts)] for number, worker in enumerate(expected["workers"]) if worker["type"] == "process"
    }
    return names + ["lost-runs"] * len(watched) + [worker["process"] for worker in expected["workers"]]


def _worker_workloads(expected: Expected) -> dict[str, int]:
    """Return the minimum number of pods of each Deployment of workers."""
    return {f"{expected['instance']}-{each['name']}": int(each["min"]) for each in expected["worker_deployments"]}


def expected_workloads(expected: Expected) -> dict[str, int]:
    """Return the minimum number of pods of each workload. CloudNativePG manages its pods itself."""
    components = expected["components"]
    workloads = {}
    if components["postgres"] and expected["postgres_kind"] == "statefulset":
        workloads["postgres"] = 1
    if components["redis"]:
        workloads["redis"] = 1
    if components["pgbouncer"]:
        workloads["pgbouncer"] = int(expected["pgbouncer_replicas"])
    workloads["api"] = int(expected["replicas"])
    workloads.update({group_workload(group["name"]): 1 for group in expected["services_groups"]})
    if expected["separate_observer"] and any(each["type"] == "kubernetes" for each in expected["worker_deployments"]):
        workloads["observer"] = 1
    named = {f"{expected['instance']}-{name}": least for name, least in workloads.items()}
    return {**named, **_worker_workloads(expected)}


def expected_workers(expected: Expected) -> dict[str, int]:
    """Return the minimum number of heartbeats of each worker: one of a process, at least one of a Deployment."""
    if on_kubernetes(expected):
        return _worker_workloads(expected)
    return {f"{expected['instance']}-{worker['process']}": 1 for worker in expected["workers"]}


def worker_of(heartbeat: str, reading: Reading) -> str:
    """Return the worker that sends a heartbeat with this name. In a cluster, each pod sends its own one."""
    return next((pod["workload"] for pod in reading["pods"] if pod["name"] == heartbeat), heartbeat)


def silent_poolers(reading: Reading, expected: Expected) -> dict[str, Result]:
    """Return the hosts whose PgBouncer does not list its connections. In a cluster, the addresses are sufficient."""
    hosts = () if on_kubernetes(expected) else expected["components"]["pgbouncer"]
    results = {host: on_hosts(reading, "pgbouncer").get(host, {}) for host in hosts}
    return {host: result for host, result in results.items() if result.get("query_result") is None}


def pooled_connections(reading: Reading) -> set[tuple[str, int | None]]:
    """Return the addresses and ports from which PgBouncer is connected to PostgreSQL. None is any port of a pod."""
    again = [result for all_hosts in on_hosts(reading, "pgbouncer_again").values() for result in all_hosts["results"]]
    results = [*on_hosts(reading, "pgbouncer").values(), *again]
    rows = [row for result in results for row in result.get("query_result") or []]
    pods = {(pod["address"], None) for pod in reading["pods"] if pod["component"] == "pgbouncer"}
    return {(row["local_addr"], int(row["local_port"])) for row in rows} | pods
