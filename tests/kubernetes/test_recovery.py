# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the loss of any pod, the service recovers, no run is executed twice, and none stays Running indefinitely."""

from __future__ import annotations

import time

import pytest

from .conftest import Installed, Note
from .deployment import BATCH, Deployment, wait_for

# Sends a signal to all processes of a container except the first one, which ends when its child has ended.
SIGNAL = """
import os, signal, sys
for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
    if pid not in (1, os.getpid()):
        try:
            os.kill(pid, signal.Signals[sys.argv[1]])
        except ProcessLookupError:
            pass
"""


def delete(development: Deployment, pod: str, seconds_to_end: int | None) -> str:
    """Delete a pod, and return how."""
    query = {} if seconds_to_end is None else {"gracePeriodSeconds": seconds_to_end}
    development.delete_pod(pod, **query)
    return "killed" if seconds_to_end == 0 else "deleted"


def seconds_until_verified(development: Deployment, since: float) -> float:
    while (verified := development.play("verify", check=False)).code:
        assert time.monotonic() - since < 120, verified.output
    return round(time.monotonic() - since, 1)


def assert_executed_once(development: Deployment, runs: list[str]) -> None:
    for run in runs:
        history = development.times_run(run)
        assert (history["RUNNING"], history["COMPLETED"]) == (1, 1), history


@pytest.mark.parametrize(
    ("component", "seconds_to_end"),
    [
        ("api", None),
        ("services", None),
        ("services", 0),  # as after the loss of its node
        ("pgbouncer", None),
        ("redis", None),
        ("postgres", None),
    ],
)
def test_a_deleted_pod_comes_back(
    development: Deployment,
    installed: Installed,
    component: str,
    seconds_to_end: int | None,
    record_testsuite_property: Note,
) -> None:
    runs = development.submit(2, seconds=10)
    development.wait_for_states(runs, {"RUNNING", "COMPLETED"}, 90)
    runs += development.submit(2, seconds=0)  # these may be in any state when the pod is deleted
    gone = time.monotonic()
    how = delete(development, development.pods(component)[0]["metadata"]["name"], seconds_to_end)
    seconds = seconds_until_verified(development, gone)
    record_testsuite_property(f"seconds until verify.yml passes, {component} {how}", seconds)
    development.wait_for_states(runs, {"COMPLETED"}, 120)
    assert_executed_once(development, runs)


@pytest.mark.parametrize("workload", ["api", "services", "worker-kubernetes"])
def test_a_hung_process_is_replaced(
    development: Deployment, installed: Installed, workload: str, record_testsuite_property: Note
) -> None:
    """A stopped process exists and does nothing. Only a probe detects this."""
    label = f"selfhosted.prefect/workload={development.instance}-{workload}"
    name = development.objects("pods", labelSelector=label)[0]["metadata"]["name"]

    def status() -> tuple[int, bool]:
        (pod,) = (pod for pod in development.pods() if pod["metadata"]["name"] == name)
        (container,) = pod["status"]["containerStatuses"]
        return container["restartCount"], container["ready"]

    restarts, _ready = status()
    hung = time.monotonic()
    development.run_in(name, ["python", "-c", SIGNAL, "SIGSTOP"])
    wait_for("the container to be replaced", lambda: status() == (restarts + 1, True), 240)
    record_testsuite_property(f"seconds until a hung {workload} is replaced", round(time.monotonic() - hung, 1))
    seconds_until_verified(development, time.monotonic())


@pytest.mark.parametrize("seconds_to_end", [None, 0])
def test_jobs_go_on_without_their_worker(
    development: Deployment, installed: Installed, seconds_to_end: int | None, record_testsuite_property: Note
) -> None:
    def active() -> set[str]:
        """Return the Jobs of these runs that have a pod."""
        selectors = [f"prefect.io/flow-run-id={run}" for run in runs]
        jobs = [job for selector in selectors for job in development.objects("jobs", BATCH, labelSelector=selector)]
        return {job["metadata"]["uid"] for job in jobs if job["status"].get("active") == 1}

    runs = development.submit(2, seconds=90)  # longer than a worker may take to stop
    development.wait_for_states(runs, {"RUNNING"})
    before = active()
    (worker,) = (pod["metadata"]["name"] for pod in development.workers_of("kubernetes"))
    path = f"/api/v1/namespaces/{development.namespace}/pods/{worker}"
    gone = time.monotonic()
    how = delete(development, worker, seconds_to_end)
    wait_for("the worker to be gone", lambda: development.cluster.client.found(path) is None)
    assert len(before) == 2
    assert active() == before
    assert development.states(runs) == {"RUNNING": 2}
    record_testsuite_property(
        f"seconds until verify.yml passes, worker {how}", seconds_until_verified(development, gone)
    )
    development.wait_for_states(runs, {"COMPLETED"}, 150)
    assert_executed_once(development, runs)


def test_a_killed_workers_own_runs_are_crashed(
    development: Deployment, installed: Installed, record_testsuite_property: Note
) -> None:
    def status() -> tuple[int, bool]:
        (pod,) = development.workers_of("inside")
        (container,) = pod["status"]["containerStatuses"]
        return container["restartCount"], container["ready"]

    restarts, _ready = status()
    runs = development.submit(1, seconds=600, pool="inside")
    development.wait_for_states(runs, {"RUNNING"})
    (pod,) = development.workers_of("inside")
    development.run_in(pod["metadata"]["name"], ["python", "-c", SIGNAL, "SIGKILL"], check=False)
    wait_for("the container to come back", lambda: status() == (restarts + 1, True), 120)
    back = time.monotonic()
    development.wait_for_states(runs, {"CRASHED"}, 120)
    record_testsuite_property(
        "seconds until runs are Crashed, container of a process pool's worker back", round(time.monotonic() - back, 1)
    )
    development.wait_for_states(development.submit(2, seconds=0, pool="inside"), {"COMPLETED"})


def test_a_lost_workers_own_runs_are_crashed(
    development: Deployment, installed: Installed, record_testsuite_property: Note
) -> None:
    """The pod does not come back. Another pod, with another name, replaces it."""

    def online() -> set[str]:
        wanted = {"workers": {"status": {"any_": ["ONLINE"]}}}
        return {worker["name"] for worker in development.api("POST", "/work_pools/inside/workers/filter", wanted)}

    drain_seconds = 20
    development.play("workers", prefect_worker_drain_seconds=drain_seconds)
    try:
        runs = development.submit(1, seconds=600, pool="inside")
        development.wait_for_states(runs, {"RUNNING"})
        (pod,) = development.workers_of("inside")
        worker = pod["metadata"]["name"]
        assert worker in online()
        delete(development, worker, 0)
        wait_for("the worker to be offline", lambda: worker not in online(), 180)
        offline = time.monotonic()
        # A run counts as lost after the drain time, 10 s for the end of the pod, and 60 s. The check runs once a
        # minute.
        development.wait_for_states(runs, {"CRASHED"}, drain_seconds + 10 + 60 + 2 * 60)
        record_testsuite_property(
            "seconds until runs are Crashed, worker of a process pool offline", round(time.monotonic() - offline, 1)
        )
        development.wait_for_states(development.submit(2, seconds=0, pool="inside"), {"COMPLETED"})
    finally:
        development.play("workers")
