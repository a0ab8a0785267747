# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What site.yml changes after a change of the inventory or of the cluster."""

from __future__ import annotations

import copy
import re

from rendering import evaluated

from .conftest import POOLS, Installed, Note
from .deployment import APPS, NETWORKING, Deployment


def test_an_unchanged_run_changes_nothing(
    development: Deployment, installed: Installed, record_testsuite_property: Note
) -> None:
    run = development.play("site")
    record_testsuite_property("unchanged run, seconds", round(run.seconds, 1))
    assert (run.tasks_that_changed(), run.changed) == ([], 0)


def test_check_mode_without_a_change_shows_none(development: Deployment, installed: Installed) -> None:
    run = development.play("site", "--check")
    assert (run.tasks_that_changed(), run.changed) == ([], 0)


def test_a_changed_number_of_pods_is_shown_and_nothing_else(development: Deployment, installed: Installed) -> None:
    run = development.play("server", "--check", "--diff", prefect_server_replicas=2)
    assert run.tasks_that_changed() == ["Run the API"]
    lines = re.findall(r"^[-+] .*", run.output, re.MULTILINE)
    default = int(evaluated("development", "prefect_server", {"replicas": "prefect_server_replicas"})["replicas"])
    assert [re.sub(r"[\s\",]", "", line) for line in lines] == [f"-replicas:{default}", "+replicas:2"]
    assert development.one("deployments", "api")["spec"]["replicas"] == default


def test_a_changed_limit_is_shown_and_nothing_else(development: Deployment, installed: Installed) -> None:
    limits = [{"name": "external-api", "limit": 11, "slot_decay_per_second": 1.0}]
    run = development.play("configure", "--check", "--diff", prefect_global_concurrency_limits=limits)
    assert run.tasks_that_changed() == ["Configure the API"]
    lines = re.findall(r"^[-+] .*", run.output, re.MULTILINE)
    assert [re.sub(r"[\s\",]", "", line) for line in lines] == ["-limit:10", "+limit:11"]


def test_check_mode_shows_a_changed_setting_of_one_component(development: Deployment, installed: Installed) -> None:
    predicted = development.play("database", "--check", prefect_pgbouncer_query_wait_timeout_seconds=14)
    done = development.play("database", prefect_pgbouncer_query_wait_timeout_seconds=14)
    assert done.tasks_that_changed() == predicted.tasks_that_changed() == ["Run PgBouncer"]


def test_workers_are_replaced_when_the_job_template_changes(development: Deployment, installed: Installed) -> None:
    before = {pod["metadata"]["name"] for pod in development.pods("workers")}
    pools = copy.deepcopy(POOLS)
    pools[0]["job"]["memory_request"] = "129Mi"
    queues = [{**POOLS[0], "queues": [{"name": "urgent", "priority": 1}]}, POOLS[1]]
    assert development.play("workers", prefect_work_pools=queues).tasks_that_changed() == []
    development.play("workers", prefect_work_pools=pools)
    after = {pod["metadata"]["name"] for pod in development.pods("workers")}
    assert len(before) == len(after) == 2
    assert len(before & after) == 1  # the worker of the other pool stays
    development.play("workers")


def test_what_is_switched_off_is_pruned(development: Deployment, installed: Installed) -> None:
    def policies() -> set[str]:
        return {policy["metadata"]["name"] for policy in development.objects("networkpolicies", NETWORKING)}

    assert f"{development.instance}-api" in policies()
    development.play("server", prefect_network_policies=False)
    assert not {name for name in policies() if name.startswith(f"{development.instance}-api")}
    development.play("server")
    assert f"{development.instance}-api" in policies()


def test_workers_go_with_the_last_machine_of_their_group(development: Deployment, installed: Installed) -> None:
    none = [{**pool, "workers": {"min": 0}} for pool in POOLS]
    run = development.play("server", "--check", "--diff", prefect_work_pools=none, prefect_worker_hosts=[])
    # The API no longer accepts connections from workers in the namespace of flow code.
    assert run.tasks_that_changed() == ["Run the API", "Remove components that the inventory no longer has"]
    assert len(re.findall(r"^--- before: Deployment ", run.output, re.MULTILINE)) == len(POOLS)


def test_a_change_by_another_field_manager_is_a_conflict_that_names_the_field(
    development: Deployment, installed: Installed
) -> None:
    path = f"{APPS}/namespaces/{development.namespace}/deployments/{development.instance}-pgbouncer"
    patch = {"spec": {"replicas": 3}}
    query = {"fieldManager": "somebody"}
    development.cluster.client.json("PATCH", path, query, patch, "application/merge-patch+json")
    refused = development.play("database", check=False)
    assert refused.code != 0
    assert '"somebody"' in refused.output
    assert ".spec.replicas" in refused.output
    assert "prefect_kubernetes_force_conflicts" in refused.output
    development.play("database", prefect_kubernetes_force_conflicts=True)
    assert development.one("deployments", "pgbouncer")["spec"]["replicas"] == 2


def test_a_workload_that_does_not_start_is_explained(development: Deployment, installed: Installed) -> None:
    refused = development.play(
        "database",
        check=False,
        prefect_pgbouncer_image="nowhere.example/pgbouncer:none",
        prefect_kubernetes_wait_seconds=10,
    )
    assert refused.code != 0
    assert "nowhere.example/pgbouncer:none" in refused.output
    assert "ErrImagePull" in refused.output or "ImagePullBackOff" in refused.output
    development.play("database")


def test_a_wrong_login_is_said(development: Deployment, installed: Installed) -> None:
    refused = development.play("configure", check=False, prefect_api_auth_string="admin:wrong")
    assert refused.code != 0
    assert "401" in refused.output
