# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""CPU and memory of the pods of an instance, and the output of programs in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    KubernetesClient,
    KubernetesError,
    part,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.exec import Ended, run_in
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import GROUP_LABEL

Argument = TypeVar("Argument")

# A container sees its own cgroup here, of version 2 or 1. These are counters. The metrics API returns averages, and not
# every cluster has it. Credentials for one namespace cannot read the statistics of the kubelet.
_FILES = (
    *("cpu.stat", "memory.current", "memory.stat"),
    *("cpuacct/cpuacct.usage", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
# Prints the file name before each line, and no errors about missing files.
USAGE = ("grep", "-sH", ".", *(f"/sys/fs/cgroup/{name}" for name in _FILES))


class Used(NamedTuple):
    """CPU and memory of a container."""

    cpu_seconds: float
    memory_bytes: int


def used(output: str) -> Used | None:
    """Parse the output of USAGE. Return None if it does not contain the counters.

    Like the kubelet, exclude the inactive part of the page cache from the memory.
    """
    counted = {}
    for line in output.splitlines():
        path, _colon, text = line.partition(":")
        name, _space, value = text.rpartition(" ")
        if value.isdigit():
            counted[f"{path.rpartition('/')[2]} {name}".strip()] = int(value)
    for cpu, unit, memory, idle in (
        ("cpu.stat usage_usec", 1e6, "memory.current", "memory.stat inactive_file"),
        ("cpuacct.usage", 1e9, "memory.usage_in_bytes", "memory.stat total_inactive_file"),
    ):
        if cpu in counted and memory in counted:
            return Used(counted[cpu] / unit, max(0, counted[memory] - counted.get(idle, 0)))
    return None


class Program(NamedTuple):
    """A program to run in pods."""

    name: str
    component: str
    command: Sequence[str]
    each: bool  # in each pod of the component instead of one


class Pods:
    """The running pods of an instance, without those that only keep images on the nodes."""

    def __init__(self, client: KubernetesClient, namespaces: Sequence[str], selectors: Sequence[str]) -> None:
        self.client = client
        answers = [
            client.json("GET", f"/api/v1/namespaces/{part(namespace)}/pods", {"labelSelector": selector})
            for namespace in dict.fromkeys(namespaces)
            for selector in selectors
        ]
        found = {_place(pod): pod for answer in answers for pod in answer["items"]}
        self.pods = [pod for _place, pod in sorted(found.items()) if _runs(pod)]

    def look(self, programs: Sequence[Program], counters_first: bool) -> dict[str, Any]:
        """Read counters and run programs, in the order that excludes the work of the programs from the counters."""
        found: dict[str, Any] = {"unread": []}
        steps: list[Callable[[], dict[str, Any]]] = [self.count, lambda: self.ask(programs)]
        for step in steps if counters_first else reversed(steps):
            told = step()
            found["unread"] += told.pop("unread")
            found.update(told)
        return found

    def count(self) -> dict[str, Any]:
        moment = time.time()
        places = [(pod, container) for pod in self.pods for container in _containers(pod)]

        def read(place: tuple[Mapping[str, Any], str]) -> Used:
            output = self._run(place[0], place[1], USAGE).output
            found = used(output)
            if found is None:
                raise KubernetesError(f"/sys/fs/cgroup has no counters: {output[:100] or 'no output'}")
            return found

        answers = self._together(read, places)
        by_pod: dict[tuple[str, str], list[Used]] = {}
        failed = []
        for (pod, container), answer in zip(places, answers):
            if isinstance(answer, KubernetesError):
                failed.append(f"{pod['metadata']['name']}, container {container}: {answer}")
            else:
                by_pod.setdefault(_place(pod), []).append(answer)
        unread = f"CPU and memory of {len(failed)} of {len(places)} containers; the first one is {(failed or [''])[0]}"
        return {
            "moment": moment,
            "processes": [_as_process(pod, by_pod[_place(pod)]) for pod in self.pods if _place(pod) in by_pod],
            "unread": [unread] if failed else [],
        }

    def ask(self, programs: Sequence[Program]) -> dict[str, Any]:
        unread = []
        work: list[tuple[Program, Mapping[str, Any]]] = []
        for program in programs:
            there = [pod for pod in self.pods if _component(pod) == program.component and _is_ready(pod)]
            work += [(program, pod) for pod in (there if program.each else there[:1])]
            if not there:
                unread.append(f"{program.name}: no pod of {program.component} is ready")

        def run(one: tuple[Program, Mapping[str, Any]]) -> Ended:
            program, pod = one
            return self._run(pod, pod["spec"]["containers"][0]["name"], program.command)

        answers: dict[str, list[dict[str, Any]]] = {program.name: [] for program in programs}
        for (program, pod), answer in zip(work, self._together(run, work)):
            name = pod["metadata"]["name"]
            ended = Ended(-1, "", str(answer)) if isinstance(answer, KubernetesError) else answer
            if ended.code:
                last = (ended.errors.strip() or f"ended with {ended.code}").splitlines()[-1]
                unread.append(f"{program.name}, in {name}: {last}")
            told = {"pod": name, "rc": ended.code, "stdout": ended.output, "stderr": ended.errors}
            answers[program.name].append(told)
        return {"programs": answers, "unread": unread}

    def _run(self, pod: Mapping[str, Any], container: str, command: Sequence[str]) -> Ended:
        return run_in(self.client, pod["metadata"]["namespace"], pod["metadata"]["name"], container, command)

    def _together(self, work: Callable[[Argument], Any], arguments: Sequence[Argument]) -> list[Any]:
        def tried(argument: Argument) -> Any:
            try:
                return work(argument)
            except KubernetesError as error:
                return error

        return self.client.together(tried, arguments)


def _place(pod: Mapping[str, Any]) -> tuple[str, str]:
    return pod["metadata"]["name"], pod["metadata"]["namespace"]


def _runs(pod: Mapping[str, Any]) -> bool:
    owners = {owner["kind"] for owner in pod["metadata"].get("ownerReferences") or []}
    phase = (pod.get("status") or {}).get("phase")
    return phase == "Running" and not pod["metadata"].get("deletionTimestamp") and "DaemonSet" not in owners


def _statuses(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = pod["status"]
    # Sidecar containers are init containers.
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _containers(pod: Mapping[str, Any]) -> list[str]:
    return [each["name"] for each in _statuses(pod) if "running" in (each.get("state") or {})]


def _component(pod: Mapping[str, Any]) -> str:
    return str((pod["metadata"].get("labels") or {}).get(GROUP_LABEL, ""))


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions") or []
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)


def _as_process(pod: Mapping[str, Any], counted: Sequence[Used]) -> dict[str, Any]:
    return {
        "name": pod["metadata"]["name"],
        "group": _component(pod),
        "host": pod["spec"].get("nodeName", ""),
        "pid": sum(each.get("restartCount", 0) for each in _statuses(pod)),
        "cpu_seconds": round(sum(each.cpu_seconds for each in counted), 2),
        "memory_bytes": sum(each.memory_bytes for each in counted),
    }
