# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The teardown, with and without the data. It is the last module, because it leaves nothing."""

from __future__ import annotations

import re

from .conftest import Installed
from .deployment import APPS, BATCH, COMPLETED, Deployment


def test_teardown_waits_for_the_runs_and_a_late_one_stops_it(development: Deployment, installed: Installed) -> None:
    """As long as a run is active, nothing that it needs is removed, and no new run starts."""
    runs = development.submit(1, seconds=90)
    development.wait_for_states(runs, {"RUNNING"})
    refused = development.play(
        "teardown", check=False, prefect_teardown_confirm=development.instance, prefect_teardown_runs_seconds=5
    )
    assert refused.code != 0
    assert re.search(
        r"After 5 s, \d pods or Jobs of flow runs or workers have not ended", " ".join(refused.output.split())
    )
    assert development.one("deployments", "api", APPS)["status"]["readyReplicas"]
    development.wait_for_states(runs, {"COMPLETED"})
    (late,) = development.submit(1, seconds=0)
    development.wait_for_states([late], {"SCHEDULED"})
    development.play("site")
    development.wait_for_states([late], {"COMPLETED"})


def test_teardown_ends_the_runs_when_told_so(development: Deployment, installed: Installed) -> None:
    runs = [*development.submit(1, seconds=600), *development.submit(1, seconds=600, pool="inside")]
    development.wait_for_states(runs, {"RUNNING"})
    ended = development.play("teardown", prefect_teardown_confirm=development.instance, prefect_teardown_runs="end")
    assert ended.seconds < 240
    for kind, api in (("deployments", APPS), ("jobs", BATCH), ("pods", "/api/v1")):
        assert development.objects(kind, api) == []


def test_teardown_keeps_the_volumes_and_a_killed_run_can_be_repeated(
    development: Deployment, installed: Installed
) -> None:
    development.teardown("keep")
    assert development.objects("deployments", APPS) == []
    assert len(development.objects("persistentvolumeclaims")) == 2
    development.play_and_kill("site", "Run the API")
    again = development.play("site")
    assert COMPLETED.format(2) in again.output
    # The pool still exists, so the run did not have to configure it.
    assert "Configure the API" not in again.tasks_that_changed()


def test_teardown_leaves_nothing_when_told_so(development: Deployment, installed: Installed) -> None:
    development.teardown("delete")
    for namespace in (development.namespace, development.jobs_namespace):
        development.cluster.wait_until_gone(f"/api/v1/namespaces/{namespace}")
    policies = development.cluster.items("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies")
    assert [item for item in policies if item["metadata"]["name"].startswith(f"{development.namespace}.")] == []
