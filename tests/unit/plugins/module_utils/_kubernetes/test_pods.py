# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource usage of pods, and output of programs in them, from an API server that the tests simulate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from unit.api_server import STATUS, Program, api_server, ended, errors, frame, output, pod

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes import pods
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ApiError,
    KubernetesClient,
    KubernetesError,
    access,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.exec import Ended, run_in

SELECTOR = "selfhosted.prefect/instance=prefect"
VERSION_2 = """\
/sys/fs/cgroup/cpu.stat:usage_usec 2500000
/sys/fs/cgroup/cpu.stat:user_usec 2000000
/sys/fs/cgroup/memory.current:104857600
/sys/fs/cgroup/memory.stat:anon 1
/sys/fs/cgroup/memory.stat:inactive_file 4857600
"""
VERSION_1 = """\
/sys/fs/cgroup/cpuacct/cpuacct.usage:1500000000
/sys/fs/cgroup/memory/memory.usage_in_bytes:2000
/sys/fs/cgroup/memory/memory.stat:inactive_file 1
/sys/fs/cgroup/memory/memory.stat:total_inactive_file 500
"""


def run(directory: Path, program: Program, command: tuple[str, ...] = ("true",)) -> Ended:
    with api_server(directory, [], program) as (kubeconfig, _asked):
        return run_in(KubernetesClient(access(kubeconfig, None)), "prefect", "a", "main", command)


def look(
    directory: Path, there: list[dict[str, Any]], program: Program, *programs: pods.Program, first: bool = True
) -> tuple[dict[str, Any], list[tuple[str, list[str]]]]:
    with api_server(directory, there, program) as (kubeconfig, asked):
        client = KubernetesClient(access(kubeconfig, None))
        return pods.Pods(client, ["prefect"], [SELECTOR, "cnpg.io/cluster=x"]).look(programs, first), asked


# --- Run a program ---


def test_a_program_is_run_with_its_words_and_its_output_is_returned(tmp_path: Path) -> None:
    seen = []

    def program(*told: Any) -> bytes:
        seen.append(told)
        return output("a") + errors("oh") + output("b\n") + ended()

    assert run(tmp_path, program, ("sh", "-c", "echo a & b=ü?")) == Ended(0, "ab\n", "oh")
    assert seen == [("a", "main", ["sh", "-c", "echo a & b=ü?"])]


@pytest.mark.parametrize("size", [125, 126, 0xFFFF, 0x10000, 300_000])
def test_output_of_any_length_is_whole(tmp_path: Path, size: int) -> None:
    assert run(tmp_path, lambda *_: output("x" * (size - 1)) + ended()).output == "x" * (size - 1)


def test_a_message_may_come_in_parts_and_with_pings_in_between(tmp_path: Path) -> None:
    parts = frame(b"\1first ", last=False) + frame(b"still there?", opcode=9) + frame(b"second", opcode=0)
    assert run(tmp_path, lambda *_: parts + ended() + frame(b"\x03\xe8", opcode=8)).output == "first second"


def test_an_exit_code_is_returned(tmp_path: Path) -> None:
    assert run(tmp_path, lambda *_: errors("no") + ended(3)) == Ended(3, "", "no")


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    status = {"status": "Failure", "message": "executable file not found in $PATH"}
    with pytest.raises(KubernetesError, match=r"psql in a: executable file not found in \$PATH"):
        run(tmp_path, lambda *_: frame(STATUS + json.dumps(status).encode()), ("psql",))


@pytest.mark.parametrize("sent", [b"", output("a"), output("abc")[:-1], ended()[:1]])
def test_a_connection_that_breaks_is_an_error(tmp_path: Path, sent: bytes) -> None:
    with pytest.raises(
        KubernetesError,
        match=r"^true in a: (the connection was closed|the connection was closed before the program ended)$",
    ):
        run(tmp_path, lambda *_: sent)


def test_a_refusal_is_told(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match='cannot get resource "pods/exec"') as raised:
        run(tmp_path, lambda *_: (403, 'cannot get resource "pods/exec"'))
    assert raised.value.status == 403


# --- Counters ---


def test_counters_of_both_versions_of_cgroups_are_read() -> None:
    assert pods.used(VERSION_2) == (2.5, 100_000_000)
    assert pods.used(VERSION_1) == (1.5, 1500)
    assert pods.used("") is None
    assert pods.used(VERSION_2.splitlines()[0]) is None


def test_a_pod_is_the_sum_of_its_containers(tmp_path: Path) -> None:
    there = [pod("b", "pgbouncer", "pgbouncer", "exporter"), pod("a", "api")]
    there[1]["status"]["containerStatuses"][0]["restartCount"] = 2
    found, _asked = look(tmp_path, there, lambda *_: output(VERSION_1) + ended(2))
    shared = {"host": "node-1"}
    assert found["processes"] == [
        {"name": "a", "group": "api", "pid": 2, "cpu_seconds": 1.5, "memory_bytes": 1500, **shared},
        {"name": "b", "group": "pgbouncer", "pid": 0, "cpu_seconds": 3.0, "memory_bytes": 3000, **shared},
    ]
    assert (found["unread"], found["programs"]) == ([], {})


def test_only_what_runs_is_looked_at(tmp_path: Path) -> None:
    done, leaving = pod("done", "migration"), pod("leaving", "api", deletionTimestamp="2026-01-01T00:00:00Z")
    done["status"]["phase"] = "Succeeded"
    image = pod("image", "workers", ownerReferences=[{"kind": "DaemonSet"}])
    waits = pod("waits", "workers", "worker", "sidecar")
    waits["status"]["containerStatuses"][1]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    operators = pod("postgres-1", "database")
    operators["metadata"]["labels"] = {"cnpg.io/cluster": "x"}
    there = [done, leaving, image, waits, operators]
    found, asked = look(tmp_path, there, lambda *_: output(VERSION_2) + ended(2))
    assert [each["name"] for each in found["processes"]] == ["postgres-1", "waits"]
    assert sorted(name for name, _command in asked) == ["postgres-1", "waits"]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    def program(name: str, _container: str, _command: list[str]) -> bytes | tuple[int, str]:
        return (404, "the node does not answer") if name == "a" else output(VERSION_2 if name == "c" else "") + ended(2)

    found, _asked = look(tmp_path, [pod(name, "api") for name in "abc"], program)
    assert [each["name"] for each in found["processes"]] == ["c"]
    assert found["unread"] == [
        "CPU and memory of 2 of 3 containers; the first one is a, container api: the node does not answer"
    ]


# --- Programs ---

ONCE = pods.Program("once", "api", ["one"], each=False)
EACH = pods.Program("each", "api", ["each"], each=True)


def answers(name: str, _container: str, command: list[str]) -> bytes:
    return output(VERSION_2 if command[0] == "grep" else f"{command[0]} in {name}") + ended()


def test_a_program_runs_in_one_pod_or_in_each(tmp_path: Path) -> None:
    starting = pod("a", "api")
    starting["status"]["conditions"][0]["status"] = "False"
    found, _asked = look(tmp_path, [starting, pod("b", "api", "main", "sidecar"), pod("c", "api")], answers, ONCE, EACH)
    printed = {
        name: [(each["pod"], each["rc"], each["stdout"]) for each in told] for name, told in found["programs"].items()
    }
    assert printed == {
        "once": [("b", 0, "one in b")],
        "each": [("b", 0, "each in b"), ("c", 0, "each in c")],
    }
    assert found["unread"] == []


@pytest.mark.parametrize("first", [True, False])
def test_counters_are_read_on_the_side_that_is_asked_for(tmp_path: Path, first: bool) -> None:
    _found, asked = look(tmp_path, [pod("a", "api")], answers, ONCE, first=first)
    commands = [command[0] for _pod, command in asked]
    assert commands == (["grep", "one"] if first else ["one", "grep"])


def test_a_program_that_fails_is_told_by_its_last_words(tmp_path: Path) -> None:
    def program(name: str, container: str, command: list[str]) -> bytes | tuple[int, str]:
        if command[0] == "grep":
            return answers(name, container, command)
        return errors("Traceback:\nOSError: no\n") + ended(1) if name == "a" else (500, "no such container")

    other = pods.Program("other", "services", ["x"], each=False)
    found, _asked = look(tmp_path, [pod("a", "api"), pod("b", "api")], program, EACH, other)
    assert found["unread"] == [
        "other: no pod of services is ready",
        "each, in a: OSError: no",
        "each, in b: no such container",
    ]
    assert [each["rc"] for each in found["programs"]["each"]] == [1, -1]
    assert found["programs"]["other"] == []
