# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real cluster: the one of KUBECONFIG where that is set, else one that is brought up here and taken down again."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    access_from_kubeconfig,
)

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "cluster" / "cluster"
OWN_NODE = "10.77.0.2"
RECAP = re.compile(r"^cluster\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=\d+\s+failed=(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Cluster:
    kubeconfig: str
    node: str

    @property
    def client(self) -> KubernetesClient:
        return KubernetesClient(access_from_kubeconfig(self.kubeconfig, ""))

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        return list(self.client.json("GET", path, query)["items"])


@dataclass(frozen=True)
class Run:
    code: int
    output: str
    seconds: float

    @property
    def changed(self) -> int:
        found = RECAP.search(self.output)
        assert found, self.output
        return int(found.group(2))

    def tasks_that_changed(self) -> list[str]:
        """The names of tasks, each with the role's name in front."""
        names, current = [], ""
        for line in self.output.splitlines():
            if found := re.match(r"TASK \[(.*)\]", line):
                current = found.group(1)
            elif line.startswith("changed: [cluster]"):
                names.append(current)
        return names


@dataclass(frozen=True)
class Deployment:
    """An inventory of its own, and what runs playbooks with it."""

    cluster: Cluster
    inventory: Path
    namespace: str

    def play(self, playbook: str, *words: str, check: bool = True, **variables: Any) -> Run:
        extra = {"prefect_namespace": self.namespace, "prefect_instance": self.namespace, **variables}
        started = time.monotonic()
        ended = subprocess.run(
            [
                "ansible-playbook",
                "-i",
                str(self.inventory),
                f"playbooks/{playbook}.yml",
                *words,
                "-e",
                json.dumps(extra),
            ],
            cwd=ROOT,
            env={
                **os.environ,
                "KUBECONFIG": self.cluster.kubeconfig,
                "PREFECT_NODE_ADDRESS": self.cluster.node,
                "ANSIBLE_NOCOLOR": "1",
                "ANSIBLE_FORCE_COLOR": "0",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        run = Run(ended.returncode, ended.stdout + ended.stderr, time.monotonic() - started)
        assert not check or run.code == 0, run.output
        return run

    def objects(self, kind: str, api: str = "/api/v1", **query: Any) -> list[dict[str, Any]]:
        return self.cluster.items(f"{api}/namespaces/{self.namespace}/{kind}", **query)


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.5)
    return result


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    given = os.environ.get("KUBECONFIG")
    if given:
        yield Cluster(given, os.environ.get("PREFECT_NODE_ADDRESS", "127.0.0.1"))
        return
    subprocess.run([PROGRAM, "up"], check=True)
    try:
        kubeconfig = subprocess.run([PROGRAM, "kubeconfig"], check=True, capture_output=True, text=True).stdout.strip()
        yield Cluster(kubeconfig, OWN_NODE)
    finally:
        subprocess.run([PROGRAM, "down"], check=True)


@pytest.fixture(scope="session")
def development(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The development inventory, not yet deployed; removed with its volumes at the end."""
    inventory = tmp_path_factory.mktemp("inventory") / "development"
    shutil.copytree(ROOT / "inventories" / "development", inventory, ignore=shutil.ignore_patterns(".secrets"))
    deployment = Deployment(cluster, inventory, "prefect-tests")
    deployment.play("teardown", prefect_teardown_confirm="prefect-tests", prefect_teardown_data="delete")
    yield deployment
    deployment.play("teardown", prefect_teardown_confirm="prefect-tests", prefect_teardown_data="delete")
