# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real cluster, that of KUBECONFIG or one that is started here, and the development inventory on it."""

from __future__ import annotations

import contextlib
import datetime
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import pytest

from .deployment import ROOT, Cluster, Deployment, Run

PROGRAM = ROOT / "tests" / "cluster" / "cluster"
OWN_NODE = "10.77.0.2"
NAME = "prefect-tests"
# A directory for the inventory. It keeps the inventory and the deployment for the next run of the tests.
KEPT = Path(os.environ["PREFECT_TEST_KEPT"]) if "PREFECT_TEST_KEPT" in os.environ else None
# Jobs are removed so soon that a test can wait for it.
POOLS: list[dict[str, Any]] = [
    {
        "name": "kubernetes",
        "type": "kubernetes",
        "concurrency_limit": 10,
        "job": {"finished_job_ttl": 15, "cpu_request": "20m", "memory_request": "128Mi"},
        "workers": {"min": 1, "query_seconds": 2},
    },
    # The runs of this pool are processes in the pod of the worker.
    {"name": "inside", "type": "process", "concurrency_limit": 2, "workers": {"min": 1, "limit": 2}},
]
Note = Callable[[str, object], None]


@dataclass(frozen=True)
class Installed:
    """The state after the first run of site.yml."""

    run: Run
    restarts: dict[str, int]
    api_ready_seconds: float


@contextlib.contextmanager
def own_cluster(output: TextIO | None = None) -> Iterator[Cluster]:
    """Start the cluster of tests/cluster, and stop it at the end unless it ran before. The output gets the progress."""
    kubeconfig = subprocess.run([PROGRAM, "kubeconfig"], check=True, capture_output=True, text=True).stdout.strip()
    found = Path(kubeconfig).exists()
    subprocess.run([PROGRAM, "up"], check=True, stdout=output)
    try:
        yield Cluster(kubeconfig, OWN_NODE, (str(PROGRAM), "enter", "kubectl"))
    finally:
        if not found:
            subprocess.run([PROGRAM, "down"], check=True, stdout=output)


def copy_inventory(directory: Path) -> Path:
    """Copy the development inventory to a directory, without generated passwords."""
    ignored = shutil.ignore_patterns(".secrets")
    source = ROOT / "inventories" / "development"
    return shutil.copytree(source, directory / "development", ignore=ignored, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    given = os.environ.get("KUBECONFIG")
    if given:
        yield Cluster(given, os.environ.get("PREFECT_NODE_ADDRESS", "127.0.0.1"))
        return
    with own_cluster() as brought_up:
        yield brought_up


@pytest.fixture(scope="session")
def development(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The development inventory, not deployed. At the end, the deployment is removed with its volumes."""
    inventory = copy_inventory(KEPT or tmp_path_factory.mktemp("inventory"))
    deployment = Deployment(cluster, inventory, NAME, NAME, 30420, {"prefect_work_pools": POOLS})
    if not KEPT and cluster.client.found(f"/api/v1/namespaces/{NAME}"):
        deployment.teardown("delete")
    yield deployment
    if not KEPT:
        deployment.teardown("delete")


@pytest.fixture(scope="session")
def predicted(development: Deployment) -> Run:
    """The result of check mode before the first run."""
    return development.play("site", "--check")


@pytest.fixture(scope="session")
def installed(development: Deployment, request: pytest.FixtureRequest, record_testsuite_property: Note) -> Installed:
    if not KEPT:  # otherwise it may already be deployed
        request.getfixturevalue("predicted")
    begun = time.time()
    run = development.play("site")
    pods = development.objects("pods")
    found = Installed(
        run,
        {
            pod["metadata"]["name"]: container["restartCount"]
            for pod in pods
            for container in pod["status"].get("containerStatuses", [])
        },
        max(ready_at(pod) for pod in development.pods("api")) - begun,
    )
    record_testsuite_property("first install, seconds", round(run.seconds, 1))
    record_testsuite_property("first install until every API pod is ready, seconds", round(found.api_ready_seconds, 1))
    return found


def ready_at(pod: dict[str, Any]) -> float:
    (moment,) = (entry["lastTransitionTime"] for entry in pod["status"]["conditions"] if entry["type"] == "Ready")
    return datetime.datetime.fromisoformat(moment.replace("Z", "+00:00")).timestamp()
