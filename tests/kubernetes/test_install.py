# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from an empty cluster to a flow run in a Job."""

from __future__ import annotations

import base64
import json
import urllib.error

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.listeners import listening_ports

from .conftest import Installed
from .deployment import APPS, COMPLETED, Deployment, Run, wait_for


def test_check_mode_of_the_first_run_changes_nothing(predicted: Run) -> None:
    assert len(predicted.tasks_that_changed()) >= 8


def test_one_run_gets_to_a_completed_flow_run(installed: Installed) -> None:
    assert COMPLETED.format(2) in installed.run.output


def test_no_pod_was_started_twice(installed: Installed) -> None:
    assert len(installed.restarts) >= 8
    assert set(installed.restarts.values()) == {0}


def test_a_run_is_a_job_that_goes_away(development: Deployment, installed: Installed) -> None:
    runs = development.submit(1, seconds=3)
    development.wait_for_states(runs, {"RUNNING", "COMPLETED"})
    (job,) = development.objects("jobs", "/apis/batch/v1", labelSelector=f"prefect.io/flow-run-id={runs[0]}")
    assert job["spec"]["ttlSecondsAfterFinished"] == 15
    assert job["spec"]["backoffLimit"] == 0
    pod = job["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 10
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    assert pod["containers"][0]["resources"]["requests"] == {"cpu": "20m", "memory": "128Mi"}
    annotations = job["spec"]["template"]["metadata"]["annotations"]
    assert annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] == "false"
    name = job["metadata"]["name"]
    path = f"/apis/batch/v1/namespaces/{development.jobs_namespace}/jobs/{name}"
    wait_for("the Job to be removed", lambda: development.cluster.client.found(path) is None, 60)


def test_the_namespace_enforces_the_restricted_level(development: Deployment, installed: Installed) -> None:
    for name in (development.namespace, development.jobs_namespace):
        namespace = development.cluster.client.json("GET", f"/api/v1/namespaces/{name}")
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_pods_listen_on_addresses_of_both_families(development: Deployment, installed: Installed) -> None:
    listening = 0
    for pod in development.pods():
        ports = {port["containerPort"] for each in pod["spec"]["containers"] for port in each.get("ports") or []}
        for table in ("tcp", "tcp6") if ports else ():
            found = development.run_in(pod["metadata"]["name"], ["cat", f"/proc/net/{table}"])
            assert ports <= set(listening_ports(found)), (pod["metadata"]["name"], table)
            listening += 1
    assert listening >= 2 * 6
    policies = {item["metadata"]["name"]: item["spec"]["ipFamilyPolicy"] for item in development.objects("services")}
    assert len(policies) >= 4
    assert set(policies.values()) == {"PreferDualStack"}


def test_only_workers_have_a_token(development: Deployment, installed: Installed) -> None:
    with_token = {
        pod["metadata"]["labels"].get("selfhosted.prefect/component")
        for pod in development.pods()
        if pod["spec"].get("automountServiceAccountToken") is not False
    }
    assert with_token == {"workers"}


def test_no_secret_stands_in_a_workload_or_in_the_output(development: Deployment, installed: Installed) -> None:
    secrets = {path.read_text().strip() for path in (development.inventory / ".secrets").iterdir()}
    assert len(secrets) == 4
    text = str(development.objects("deployments", APPS)) + str(development.objects("statefulsets", APPS))
    assert not [secret for secret in secrets if secret in text]
    # A task handles a Secret as base64. The output contains neither form, even with high verbosity.
    output = installed.run.output + development.play("site", "-vvv", "--diff").output
    # In base64, the last characters depend on the text that follows, so they are not compared.
    encoded = [base64.b64encode(secret.encode()).decode().rstrip("=")[:-1] for secret in secrets]
    assert not [secret for secret in (*secrets, *encoded) if secret in output]


def answer(development: Deployment, method: str, path: str) -> str:
    try:
        return json.dumps(development.api(method, path, None if method == "GET" else {}))
    except urllib.error.HTTPError as error:
        return error.read().decode()


def test_no_route_of_the_api_shows_a_secret(development: Deployment, installed: Installed) -> None:
    """The Service connects clients directly to the API pods, without a gateway in front of them."""
    secrets = {path.name: path.read_text().strip() for path in (development.inventory / ".secrets").iterdir()}
    paths = development.api("GET", "/openapi.json")["paths"]
    reading = [
        (method.upper(), path.removeprefix("/api"))
        for path, methods in paths.items()
        for method in methods
        if "{" not in path and (method == "get" or (method == "post" and path.endswith(("/filter", "/count"))))
    ]
    assert len(reading) > 40
    answers = {f"{method} {path}": answer(development, method, path) for method, path in reading}
    assert {route for route, text in answers.items() for secret in secrets.values() if secret in text} == set()
    assert json.loads(answers["GET /admin/settings"])["server"]["docket"]["name"] == "prefect-server"


def test_redis_lets_in_its_user_only(development: Deployment, installed: Installed) -> None:
    (redis,) = development.pods("redis")
    name = redis["metadata"]["name"]
    assert "NOAUTH" in development.run_in(name, ["redis-cli", "set", "prefect:stream", "x"], check=False)
    password = (development.inventory / ".secrets/redis").read_text().strip()
    # The failed authentication of the user default is on stderr. redis-cli then runs the command without
    # authentication.
    for user, refusal in (("default", "NOAUTH"), ("prefect", "NOPERM")):
        words = ["redis-cli", "--user", user, "--no-auth-warning", "--pass", password, "config", "get", "dir"]
        assert refusal in development.run_in(name, words, check=False), user


def test_the_migration_may_take_its_time(development: Deployment, installed: Installed) -> None:
    selector = "selfhosted.prefect/component=migration"
    (job,) = development.objects("jobs", "/apis/batch/v1", labelSelector=selector)
    assert job["spec"]["activeDeadlineSeconds"] == 3600
    assert job["status"]["succeeded"] == 1
