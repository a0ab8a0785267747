# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from an empty cluster to a flow run in a Job."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import api_routes
import pytest
from api_routes import (
    Answer,
    ask,
    assert_most_were_answered,
    assert_nearly_all_need_credentials,
    objects,
    reading_routes,
)
from e2e.planted import forms

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


def secret_forms(development: Deployment) -> list[str]:
    """The secrets of the inventory, and what base64 makes of them."""
    found = [path.read_text().strip() for path in (development.inventory / ".secrets").iterdir()]
    assert len(found) == 4
    return [form for secret in found for form in forms(secret)]


def leaking(development: Deployment, answers: list[Answer]) -> set[str]:
    secrets = secret_forms(development)
    return {answer.route for answer in answers if any(form in answer.text for form in secrets)}


@pytest.fixture(scope="module")
def routes(development: Deployment, installed: Installed) -> list[tuple[str, str]]:
    """With real objects in their paths, among them a run."""
    development.wait_for_states(development.submit(1, seconds=0), {"COMPLETED"})
    return reading_routes(development.api("GET", "/openapi.json"), objects(development))


def by_the_service(development: Deployment, routes: list[tuple[str, str]], login: str) -> list[Answer]:
    """The Service leads to the pods themselves: what stands in front of others does not stand here."""
    origin = f"http://{development.ip}:{development.port}"
    return [ask(origin, method, path, login) for method, path in routes]


# Runs in a pod of the API, after the code of api_routes. The credentials are in the environment of the container.
IN_THE_POD = """
import os

def answers(wanted, port, with_login):
    login = os.environ["PREFECT_SERVER_API_AUTH_STRING"] if with_login else ""
    return [ask(f"http://127.0.0.1:{port}", method, path, login) for method, path in wanted]

"""


def by_the_pod(development: Deployment, routes: list[tuple[str, str]], login: str) -> list[Answer]:
    """By the port of the container, past the Service."""
    pod = development.pods("api")[0]
    ports = [port for each in pod["spec"]["containers"] for port in each.get("ports") or []]
    (port,) = (each["containerPort"] for each in ports if each["name"] == "http")
    script = Path(api_routes.__file__).read_text() + IN_THE_POD
    script += f"print(json.dumps(answers({routes!r}, {port}, {bool(login)})))\n"
    # By stdin: the arguments of a command in a pod are in a URL, which may be too long.
    printed = development.run_in(pod["metadata"]["name"], ["python", "-"], given=script)
    return [Answer(*answer) for answer in json.loads(printed)]


@pytest.mark.parametrize("way", [by_the_service, by_the_pod])
def test_no_route_of_the_api_shows_a_secret(
    development: Deployment, routes: list[tuple[str, str]], way: Callable[..., list[Answer]]
) -> None:
    answers = way(development, routes, development.login)
    assert leaking(development, answers) == set()
    assert_most_were_answered(answers)


@pytest.mark.parametrize("way", [by_the_service, by_the_pod])
def test_no_route_of_the_api_shows_a_secret_without_login(
    development: Deployment, routes: list[tuple[str, str]], way: Callable[..., list[Answer]]
) -> None:
    answers = way(development, routes, "")
    assert leaking(development, answers) == set()
    assert_nearly_all_need_credentials(answers)


def test_no_log_of_a_pod_shows_a_secret(development: Deployment, routes: list[tuple[str, str]]) -> None:
    """Of the server, of workers, and of the pods of runs that are still there."""
    for pool in ("kubernetes", "inside"):
        development.wait_for_states(development.submit(1, seconds=0, pool=pool), {"COMPLETED"})
    logs = {pod["metadata"]["name"]: development.logs(pod) for pod in development.objects("pods")}
    assert len([name for name, text in logs.items() if text]) >= 6, "there was nothing to look at"
    secrets = secret_forms(development)
    assert {name for name, text in logs.items() if any(form in text for form in secrets)} == set()


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
