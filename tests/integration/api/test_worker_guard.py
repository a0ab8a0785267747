# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""start_worker.py restricts job configurations and stops workers gracefully. The tests run it in the real Prefect."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from defaults import ROOT

from .conftest import VERSIONS
from .support import Api, installed_prefect, wait_for

FILE = ROOT / "roles/prefect_worker/files/start_worker.py"
# Connects to Kubernetes with a job configuration, as the worker does for each flow run.
PROGRAM = """
import asyncio, importlib.util, json, sys, types

file, guarded, kubeconfig = sys.argv[1], sys.argv[2] == "True", json.loads(sys.argv[3])
spec = importlib.util.spec_from_file_location("start_worker", file)
start_worker = importlib.util.module_from_spec(spec)
spec.loader.exec_module(start_worker)
if guarded:
    start_worker.guard_clusters()
from prefect_kubernetes.credentials import KubernetesClusterConfig
from prefect_kubernetes.worker import KubernetesWorker

given = KubernetesClusterConfig(config=kubeconfig, context_name="c") if kubeconfig else None


async def connect():
    worker = KubernetesWorker.__new__(KubernetesWorker)
    async with worker._get_configured_kubernetes_client(types.SimpleNamespace(cluster_config=given)) as client:
        return client.configuration.host


try:
    print(asyncio.run(connect()))
except Exception as error:
    print(repr(error))
"""


def connected(version: str, guarded: bool, home: Path, kubeconfig: dict[str, object] | None) -> str:
    own = home / "own"
    server = {"name": "own", "cluster": {"server": "https://own.example:6443"}}
    context = {"name": "own", "context": {"cluster": "own", "user": "own"}}
    user = {"name": "own", "user": {"token": "t"}}
    own.write_text(json.dumps({"current-context": "own", "clusters": [server], "contexts": [context], "users": [user]}))
    arguments = ["-c", PROGRAM, str(FILE), str(guarded), json.dumps(kubeconfig)]
    ended = subprocess.run(
        [str(installed_prefect(version) / "bin/python"), *arguments],
        env={**os.environ, "PREFECT_HOME": str(home), "HOME": str(home), "KUBECONFIG": str(own)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def with_command(mark: Path) -> dict[str, object]:
    """Return a kubeconfig that gets its credentials from a command."""
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [str(mark)]}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"exec": {**command, "interactiveMode": "Never"}}}],
    }


@pytest.mark.parametrize("version", VERSIONS)
def test_a_kubeconfig_of_a_client_executes_nothing(version: str, tmp_path: Path) -> None:
    mark = tmp_path / "open"
    connected(version, False, tmp_path, with_command(mark))
    assert mark.exists(), "without the guard, the attack succeeds"
    mark = tmp_path / "guarded"
    assert "cluster_config is not allowed" in connected(version, True, tmp_path, with_command(mark))
    assert not mark.exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_the_cluster_of_the_worker_itself_is_used(version: str, tmp_path: Path) -> None:
    assert connected(version, True, tmp_path, None).strip() == "https://own.example:6443"


# In a pod, the shell that becomes the worker has already started another program.
BESIDE = ["sh", "-c", 'sleep 90 & exec "$@"', "sh"]
FLOW = """
import pathlib, time
from prefect import flow

here = pathlib.Path("HERE")  # the worker executes a copy

@flow
def sleep():
    (here / "begun").touch()
    time.sleep(6)
    (here / "ended").touch()
"""


@pytest.fixture
def worker(empty: Api, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start the worker of a process pool, with a run."""
    (tmp_path / "sleep.py").write_text(FLOW.replace("HERE", str(tmp_path)))
    empty.run("work_pool", name="p", type="process")
    empty.run("flow", name="sleep")
    empty.run("deployment", name="d", flow="sleep", work_pool="p", path=str(tmp_path), entrypoint="sleep.py:sleep")
    empty.run("flow_run", deployment="sleep/d", wait=False)
    # A shell makes programs that it starts in the background ignore SIGINT.
    start = ["env", "--default-signal=INT", *BESIDE, f"{empty.server.venv}/bin/python", str(FILE), "worker", "start"]
    environment = {**empty.server.environment, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    started = subprocess.Popen([*start, "--pool=p", "--type=process", "--limit=2"], env=environment)
    wait_for((tmp_path / "begun").exists, 120)
    yield started
    started.kill()
    started.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_is_told_to_stop_ends_after_its_last_run(
    empty: Api, worker: subprocess.Popen[bytes], number: signal.Signals, tmp_path: Path
) -> None:
    worker.send_signal(number)
    late = empty.run("flow_run", deployment="sleep/d", wait=False)["flow_run"]["id"]
    assert worker.wait(60) == 0
    assert (tmp_path / "ended").exists()
    runs = empty.run("flow_run_info")["flow_runs"]
    assert {run["id"] == late: run["state_type"] for run in runs} == {True: "SCHEDULED", False: "COMPLETED"}


def test_a_second_signal_stops_a_worker_at_once(worker: subprocess.Popen[bytes], tmp_path: Path) -> None:
    for _again in range(2):
        worker.send_signal(signal.SIGINT)
        time.sleep(1)  # two signals at the same time would count as one
    worker.wait(5)
    assert not (tmp_path / "ended").exists()
