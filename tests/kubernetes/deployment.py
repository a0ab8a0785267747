# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One instance in a cluster: its playbooks, its objects and its API."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    KubernetesClient,
    access_from_kubeconfig,
)

ROOT = Path(__file__).resolve().parents[2]
APPS, BATCH, NETWORKING = "/apis/apps/v1", "/apis/batch/v1", "/apis/networking.k8s.io/v1"
RECAP = re.compile(r"^cluster\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=\d+\s+failed=(\d+)", re.MULTILINE)
COMPLETED = "A flow run gets through every pool: {} run(s) COMPLETED"


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain for {what}"
        time.sleep(0.5)
    return result


@dataclass(frozen=True)
class Cluster:
    kubeconfig: str
    node: str
    kubectl: tuple[str, ...] = ("kubectl",)

    @property
    def client(self) -> KubernetesClient:
        return KubernetesClient(access_from_kubeconfig(self.kubeconfig, ""))

    def wait_until_gone(self, path: str) -> None:
        wait_for(f"{path} to be gone", lambda: self.client.found(path) is None)

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        return list(self.client.json("GET", path, query)["items"])


@dataclass(frozen=True)
class Run:
    """The result of a playbook run."""

    code: int
    output: str
    seconds: float

    @property
    def ok(self) -> int:
        return self._recap(1)

    @property
    def changed(self) -> int:
        return self._recap(2)

    def _recap(self, group: int) -> int:
        found = RECAP.search(self.output)
        assert found, self.output
        return int(found.group(group))

    def tasks_that_changed(self) -> list[str]:
        """Return the names of the changed tasks, without role names."""
        names, current = [], ""
        for line in self.output.splitlines():
            if found := re.match(r"TASK \[(.*)\]", line):
                current = found.group(1).rpartition(" : ")[2]
            elif line.startswith("changed: [cluster]"):
                names.append(current)
        return names

    def tasks(self) -> list[str]:
        return [name.rpartition(" : ")[2] for name in re.findall(r"^TASK \[(.*)\]", self.output, re.MULTILINE)]


@dataclass(frozen=True)
class Deployment:
    """An inventory, and methods that run playbooks with it."""

    cluster: Cluster
    inventory: Path
    namespace: str
    instance: str
    port: int
    variables: dict[str, Any] = field(default_factory=dict)

    @property
    def ip(self) -> str:
        return self.cluster.node

    @property
    def login(self) -> str:
        return "admin:" + (self.inventory / ".secrets" / "api").read_text().strip()

    def kubeconfig_as(self, directory: Path, account: str, namespace: str) -> Path:
        """Create a kubeconfig with the credentials of a ServiceAccount."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 3600},
        }
        token = self.cluster.client.json("POST", path, body=request)["status"]["token"]
        config = yaml.safe_load(Path(self.cluster.kubeconfig).read_text())
        for entry in config["users"]:
            entry["user"] = {"token": token}
        kubeconfig = directory / f"{account}.kubeconfig"
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text(yaml.safe_dump(config))
        return kubeconfig

    # Playbooks

    def _command(self, playbook: str, words: Sequence[str], variables: dict[str, Any]) -> dict[str, Any]:
        extra = {
            "prefect_namespace": self.namespace,
            "prefect_instance": self.instance,
            "prefect_gateway_node_port": self.port,
            **self.variables,
            **variables,
        }
        environment = {
            "KUBECONFIG": self.cluster.kubeconfig,
            "PREFECT_NODE_ADDRESS": self.cluster.node,
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_FORCE_COLOR": "0",
        }
        return {
            "args": [
                *("ansible-playbook", "-i", str(self.inventory), f"playbooks/{playbook}.yml", *words),
                *("-e", json.dumps(extra)),
            ],
            "cwd": ROOT,
            "env": {**os.environ, **environment},
            "text": True,
        }

    def play(self, playbook: str, *words: str, check: bool = True, **variables: Any) -> Run:
        started = time.monotonic()
        command = self._command(playbook, words, variables)
        ended = subprocess.run(**command, capture_output=True, check=False)
        run = Run(ended.returncode, ended.stdout + ended.stderr, time.monotonic() - started)
        assert not check or run.code == 0, run.output
        return run

    def play_and_kill(self, playbook: str, task: str, **variables: Any) -> str:
        """Kill a playbook and its child processes two seconds after a task starts."""
        command = self._command(playbook, (), variables)
        output = ""
        with subprocess.Popen(
            **command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        ) as process:
            assert process.stdout
            for line in process.stdout:
                output += line
                if line.startswith("TASK [") and line.rstrip("] *\n").endswith(task):
                    time.sleep(2)
                    os.killpg(process.pid, signal.SIGKILL)
                    break
        assert process.returncode == -signal.SIGKILL, output
        return output

    def teardown(self, data: str) -> Run:
        """Remove the deployment, even if runs are still active."""
        options: dict[str, Any] = {"prefect_teardown_data": data, "prefect_teardown_runs": "end"}
        return self.play("teardown", prefect_teardown_confirm=self.instance, **options)

    # Objects

    @property
    def jobs_namespace(self) -> str:
        """Return the namespace of flow code."""
        return f"{self.namespace}-jobs"

    def objects(self, kind: str, api: str = "/api/v1", **query: Any) -> list[dict[str, Any]]:
        """Return the objects in the namespace of the server and in that of flow code."""
        return [
            item
            for namespace in (self.namespace, self.jobs_namespace)
            for item in self.cluster.items(f"{api}/namespaces/{namespace}/{kind}", **query)
        ]

    def one(self, kind: str, name: str, api: str = APPS) -> dict[str, Any]:
        path = f"{api}/namespaces/{self.namespace}/{kind}/{self.instance}-{name}"
        return dict(self.cluster.client.json("GET", path))

    def namespace_of(self, pod: str) -> str:
        (found,) = (item["metadata"] for item in self.objects("pods") if item["metadata"]["name"] == pod)
        return str(found["namespace"])

    def pods(self, component: str = "") -> list[dict[str, Any]]:
        """Return the pods of the instance that are not being deleted."""
        selector = f"selfhosted.prefect/instance={self.instance}"
        if component:
            selector += f",selfhosted.prefect/component={component}"
        found = self.objects("pods", labelSelector=selector)
        return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]

    def workers_of(self, pool: str) -> list[dict[str, Any]]:
        name = f"{self.instance}-worker-{pool}"
        return [pod for pod in self.pods("workers") if pod["metadata"]["labels"]["selfhosted.prefect/workload"] == name]

    def delete_pod(self, name: str, **query: Any) -> None:
        self.cluster.client.json("DELETE", f"/api/v1/namespaces/{self.namespace_of(name)}/pods/{name}", query)

    def query(self, statement: str) -> str:
        """Query the database, in its own pod."""
        script = 'PGPASSWORD=$POSTGRES_PASSWORD exec psql -h 127.0.0.1 -U $POSTGRES_USER -d $POSTGRES_DB -Atc "$0"'
        return self.run_in(f"{self.instance}-postgres-0", ["sh", "-c", script, statement]).strip()

    def run_in(
        self, pod: str, words: list[str], *, namespace: str = "", check: bool = True, given: str | None = None
    ) -> str:
        """What a command prints in a pod; it reads what it is given."""
        reading = [] if given is None else ["--stdin"]
        target = ["-n", namespace or self.namespace_of(pod), *reading, pod]
        command = [*self.cluster.kubectl, "exec", *target, "--", *words]
        return subprocess.run(command, check=check, capture_output=True, text=True, input=given).stdout

    def logs(self, pod: dict[str, Any]) -> str:
        """Of all containers of a pod that have run, also of those that were replaced."""
        name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
        command = [*self.cluster.kubectl, "logs", "-n", namespace, name, "--all-containers", "--prefix"]
        current = subprocess.run(command, check=False, capture_output=True, text=True)
        assert current.returncode == 0 or pod["status"]["phase"] != "Running", current.stderr
        # Containers that were not replaced have no former log, which is an error.
        former = subprocess.run([*command, "--previous"], check=False, capture_output=True, text=True).stdout
        return current.stdout + former

    # The API

    def api(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        login = base64.b64encode(self.login.encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://{self.ip}:{self.port}/api{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def submit(self, number: int, seconds: float, pool: str = "kubernetes") -> list[str]:
        """Create runs of the verification flow that are due now, and return their ids."""
        deployment = self.api("GET", f"/deployments/name/selfhosted-prefect-probe/{pool}")["id"]
        body = {"parameters": {"seconds": seconds}, "state": {"type": "SCHEDULED"}}
        return [self.api("POST", f"/deployments/{deployment}/create_flow_run", body)["id"] for _number in range(number)]

    def states(self, runs: Sequence[str]) -> Counter[str]:
        found = self.api("POST", "/flow_runs/filter", {"flow_runs": {"id": {"any_": list(runs)}}})
        return Counter(run["state_type"] for run in found)

    def wait_for_states(self, runs: Sequence[str], states: set[str], seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while True:
            found = self.states(runs)
            if found.keys() <= states and found.total() == len(runs):
                return
            assert time.monotonic() < deadline, f"{found} after {seconds:.0f} s instead of {states}"
            time.sleep(1)

    def times_run(self, run: str) -> Counter[str]:
        """Return how many times a run has been in each state."""
        return Counter(state["type"] for state in self.api("GET", f"/flow_run_states/?flow_run_id={run}"))
