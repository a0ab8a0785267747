# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an empty cluster to a flow run in a Job, again without a change, and away again, one after the other."""

from __future__ import annotations

from typing import Any, Callable

import pytest

from .conftest import Cluster, Deployment, Run, wait_for

BATCH, APPS = "/apis/batch/v1", "/apis/apps/v1"


@pytest.fixture(scope="module")
def installed(development: Deployment, record_testsuite_property: Callable[[str, object], None]) -> Run:
    run = development.play("site", prefect_work_pools=short_lived_jobs())
    record_testsuite_property("first install, seconds", round(run.seconds, 1))
    return run


def short_lived_jobs() -> list[dict[str, Any]]:
    """A pool whose Jobs go away while a test waits for it."""
    return [
        {
            "name": "kubernetes",
            "type": "kubernetes",
            "concurrency_limit": 10,
            "job": {"finished_job_ttl": 15, "cpu_request": "50m", "memory_request": "128Mi"},
            "workers": {"min": 1},
        }
    ]


def test_a_prediction_changes_nothing(development: Deployment) -> None:
    run = development.play("site", "--check", prefect_work_pools=short_lived_jobs())
    assert len(run.tasks_that_changed()) >= 8
    assert development.cluster.client.found(f"/api/v1/namespaces/{development.namespace}") is None


def test_an_empty_cluster_gets_to_a_completed_flow_run(installed: Run) -> None:
    assert "A flow run gets through every pool: 1 run(s) COMPLETED" in installed.output


def test_no_pod_was_started_twice(development: Deployment, installed: Run) -> None:
    pods = development.objects("pods")
    restarts = {
        pod["metadata"]["name"]: container["restartCount"]
        for pod in pods
        for container in pod["status"].get("containerStatuses", [])
    }
    assert len(restarts) >= 8
    assert set(restarts.values()) == {0}


def test_the_run_was_a_job_that_goes_away(development: Deployment, installed: Run) -> None:
    def flow_runs() -> list[dict[str, Any]]:
        return development.objects("jobs", BATCH, labelSelector="prefect.io/flow-run-id")

    for job in flow_runs():
        assert job["spec"]["ttlSecondsAfterFinished"] == 15
        assert job["spec"]["backoffLimit"] == 0
    wait_for("the Job to be removed", lambda: not flow_runs(), 60)


def test_the_namespace_enforces_the_restricted_level(development: Deployment, installed: Run) -> None:
    namespace = development.cluster.client.json("GET", f"/api/v1/namespaces/{development.namespace}")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_no_secret_stands_in_a_workload(development: Deployment, installed: Run) -> None:
    secrets = {path.read_text().strip() for path in (development.inventory / ".secrets").iterdir()}
    assert len(secrets) == 4
    text = str(development.objects("deployments", APPS)) + str(development.objects("statefulsets", APPS))
    assert not [secret for secret in secrets if secret in text]
    assert not [secret for secret in secrets if secret in installed.output]


def test_another_run_changes_nothing(
    development: Deployment, installed: Run, record_testsuite_property: Callable[[str, object], None]
) -> None:
    run = development.play("site", prefect_work_pools=short_lived_jobs())
    record_testsuite_property("unchanged run, seconds", round(run.seconds, 1))
    assert (run.tasks_that_changed(), run.changed) == ([], 0)


def test_a_prediction_of_no_change_is_right(development: Deployment, installed: Run) -> None:
    run = development.play("site", "--check", prefect_work_pools=short_lived_jobs())
    assert (run.tasks_that_changed(), run.changed) == ([], 0)


def test_a_changed_setting_is_predicted_and_reaches_only_its_component(development: Deployment, installed: Run) -> None:
    changed = {"prefect_work_pools": short_lived_jobs(), "pgbouncer_query_wait_timeout": 14}
    predicted = development.play("database", "--check", **changed)
    done = development.play("database", **changed)
    assert (
        done.tasks_that_changed() == predicted.tasks_that_changed() == ["selfhosted.prefect.pgbouncer : Run PgBouncer"]
    )


def test_what_is_switched_off_is_pruned(development: Deployment, installed: Run) -> None:
    def policies() -> set[str]:
        found = development.objects("networkpolicies", "/apis/networking.k8s.io/v1")
        return {policy["metadata"]["name"] for policy in found}

    assert f"{development.namespace}-api" in policies()
    development.play("server", prefect_work_pools=short_lived_jobs(), prefect_network_policies=False)
    assert not {name for name in policies() if name.startswith(f"{development.namespace}-api")}
    development.play("server", prefect_work_pools=short_lived_jobs())


def test_somebody_elses_change_is_a_conflict_that_names_the_field(development: Deployment, installed: Run) -> None:
    path = f"{APPS}/namespaces/{development.namespace}/deployments/{development.namespace}-pgbouncer"
    development.cluster.client.json(
        "PATCH", path, {"fieldManager": "somebody"}, {"spec": {"replicas": 3}}, "application/merge-patch+json"
    )
    refused = development.play("database", check=False, prefect_work_pools=short_lived_jobs())
    assert refused.code != 0
    assert '"somebody"' in refused.output
    assert ".spec.replicas" in refused.output
    assert "prefect_kubernetes_force_conflicts" in refused.output
    development.play("database", prefect_work_pools=short_lived_jobs(), prefect_kubernetes_force_conflicts=True)
    assert development.cluster.client.json("GET", path)["spec"]["replicas"] == 2


def test_a_workload_that_does_not_start_is_explained(development: Deployment, installed: Run) -> None:
    refused = development.play(
        "database", check=False, redis_image="nowhere.example/redis:none", prefect_kubernetes_wait_seconds=20,
        prefect_work_pools=short_lived_jobs(),
    )  # fmt: skip
    assert refused.code != 0
    assert "nowhere.example/redis:none" in refused.output
    assert "ErrImagePull" in refused.output or "ImagePullBackOff" in refused.output
    development.play("database", prefect_work_pools=short_lived_jobs())


def test_the_preflight_names_what_the_login_may_not(development: Deployment, installed: Run, cluster: Cluster) -> None:
    refused = development.play(
        "preflight", check=False, prefect_storage_class="none-such", prefect_work_pools=short_lived_jobs()
    )
    assert refused.code != 0
    assert "prefect_storage_class: There is no storage class none-such." in refused.output


def test_teardown_keeps_the_volumes_and_the_next_site_finds_its_data(development: Deployment, installed: Run) -> None:
    development.play("teardown", prefect_teardown_confirm=development.namespace)
    assert development.objects("deployments", APPS) == []
    assert len(development.objects("persistentvolumeclaims")) == 2
    again = development.play("site", prefect_work_pools=short_lived_jobs())
    assert "A flow run gets through every pool: 1 run(s) COMPLETED" in again.output
    # The pool is there from before: nothing had to be configured.
    assert not [name for name in again.tasks_that_changed() if "prefect_api_config" in name]


def test_teardown_leaves_nothing_when_told_so(development: Deployment, installed: Run, cluster: Cluster) -> None:
    development.play("teardown", prefect_teardown_confirm=development.namespace, prefect_teardown_data="delete")
    wait_for(
        "the namespace to be gone",
        lambda: cluster.client.found(f"/api/v1/namespaces/{development.namespace}") is None,
    )
