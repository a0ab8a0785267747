# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts replace pods one by one, and clients notice nothing. The next run completes a killed rollout."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.runs import Client

from .conftest import Installed, Note
from .deployment import Deployment, wait_for


@pytest.fixture(autouse=True)
def as_before(development: Deployment, installed: Installed) -> Iterator[None]:
    """Restore the settings of the inventory at the end."""
    yield
    development.play("site")


def names(development: Deployment, component: str) -> set[str]:
    return {pod["metadata"]["name"] for pod in development.pods(component)}


# The answers to the client come from the database, which the API reaches through PgBouncer.
@pytest.mark.parametrize(
    ("component", "pods", "task", "variables"),
    [
        ("api", 3, "Run the API", {"prefect_server_keep_alive_seconds": 64}),
        ("pgbouncer", 2, "Run PgBouncer", {"prefect_pgbouncer_query_wait_timeout_seconds": 13}),
    ],
    ids=["api", "pgbouncer"],
)
def test_a_changed_setting_replaces_pods_without_a_failed_request(
    development: Deployment,
    component: str,
    pods: int,
    task: str,
    variables: dict[str, Any],
    record_testsuite_property: Note,
) -> None:
    before = {kind: names(development, kind) for kind in ("api", "pgbouncer")}
    with Client(development, repeats=True) as client:
        run = development.play("site", **variables)
    assert run.tasks_that_changed() == [task]
    after = {kind: names(development, kind) for kind in ("api", "pgbouncer")}
    assert len(before[component]) == len(after[component]) == pods
    assert not before[component] & after[component]
    (other,) = before.keys() - {component}
    assert before[other] == after[other]
    assert client.failures == []
    # Only an API process that stops closes persistent connections of its clients.
    assert len(client.repeated) <= (pods if component == "api" else 0)
    assert client.answers > 100
    record_testsuite_property(f"requests while pods of {component} were replaced", client.answers)


def test_a_replaced_worker_of_a_process_pool_lets_its_runs_end(
    development: Deployment, installed: Installed, record_testsuite_property: Note
) -> None:
    def there(worker: str) -> bool:
        return worker in {pod["metadata"]["name"] for pod in development.objects("pods")}

    runs = development.submit(2, seconds=60, pool="inside")
    development.wait_for_states(runs, {"RUNNING"})
    (before,) = development.workers_of("inside")
    worker = before["metadata"]["name"]
    assert development.play("site", prefect_worker_heartbeat_seconds=28).tasks_that_changed() == ["Run the workers"]
    (after,) = development.workers_of("inside")
    assert after["metadata"]["name"] != worker
    late = development.submit(1, seconds=0, pool="inside")
    development.wait_for_states([*runs, *late], {"COMPLETED"})
    assert [development.times_run(run)["RUNNING"] for run in runs] == [1, 1]
    # The pod ends when its runs have ended, and not at the end of its grace period.
    ended = time.monotonic()
    wait_for("the worker to end", lambda: not there(worker), 30)
    record_testsuite_property("seconds until a worker ends after its runs", round(time.monotonic() - ended, 1))


def test_a_killed_change_is_finished_by_the_next_run(development: Deployment) -> None:
    # The first change is applied before the kill, the second is being rolled out, and the third comes later.
    changed: dict[str, Any] = {
        "prefect_pgbouncer_query_wait_timeout_seconds": 12,
        "prefect_server_keep_alive_seconds": 63,
        "prefect_worker_heartbeat_seconds": 29,
    }
    workers = names(development, "workers")
    development.play_and_kill("site", "Run the API", **changed)
    assert names(development, "workers") == workers
    development.play("site", **changed)

    def everywhere(component: str, *words: str) -> set[str]:
        pods = names(development, component)
        assert len(pods) > 1
        return {development.run_in(pod, list(words)).strip() for pod in pods}

    setting = ["grep", "query_wait_timeout", "/etc/pgbouncer/pgbouncer.ini"]
    assert everywhere("pgbouncer", *setting) == {"query_wait_timeout = 12"}
    assert everywhere("api", "printenv", "PREFECT_SERVER_API_KEEPALIVE_TIMEOUT") == {"63"}
    assert everywhere("workers", "printenv", "PREFECT_WORKER_HEARTBEAT_SECONDS") == {"29"}
    again = development.play("site", **changed)
    assert (again.tasks_that_changed(), again.changed) == ([], 0)
