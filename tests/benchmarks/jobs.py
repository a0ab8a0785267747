# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the load of one Job per flow run on a Kubernetes control plane, without running any container.

usage, as root, on an otherwise idle host:
    scripts/bootstrap.sh test
    PYTHONPATH=tests:.collections .venv/bin/python tests/benchmarks/jobs.py [--rates 3.5 7 10] [--seconds 60]

The program starts the cluster of tests/cluster, whose fake nodes (kwok) simulate pods. At each rate, it creates Jobs
like those of a Kubernetes work pool for a while. Their simulated pods run for --run-seconds, and are removed --ttl
seconds later. A second connection watches the pods, as the observer of a worker does. The output is a Markdown table.
It shows the latency of the API server for a new Job, how long a Job waited for its pod, and how long a pod waited for
its node. It also shows the growth of etcd, and the cores that each part of the control plane used. These two are
measured for --seconds in which as many Jobs are removed as are created. All parts of the cluster and this program share
the processors of the host.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    KubernetesClient,
    access_from_kubeconfig,
)

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "tests" / "cluster" / "cluster"
NAMESPACE = "jobs-benchmark"
JOBS, PODS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", f"/api/v1/namespaces/{NAMESPACE}/pods"
PARTS = ("kube-apiserver", "etcd", "kube-controller-manager", "kube-scheduler", "kwok")
CREATORS = 8
STEADY_SECONDS = 10.0  # after the first Job should have been removed
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Pods:
    """When each Job was created, and when the watch has reported its pod and the node of the pod. All by one clock."""

    created: dict[str, float] = field(default_factory=dict)
    seen: dict[str, float] = field(default_factory=dict)
    bound: dict[str, float] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)

    def take(self, event: dict[str, Any]) -> None:
        pod, now = event["object"], time.monotonic()
        job = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
        self.seen.setdefault(job, now)
        if pod["spec"].get("nodeName"):
            self.bound.setdefault(job, now)
        if (pod.get("status") or {}).get("phase") == "Succeeded":
            self.ended.add(job)


@dataclass
class Step:
    """The figures of one rate."""

    rate: float
    created: int
    ended: int
    late: float  # delay of the last Job in seconds
    request: list[float]
    pod: list[float]
    node: list[float]
    stored: int  # number of objects at the end
    etcd_mb: float  # growth of etcd
    cores: dict[str, float]


class Cluster:
    """The test cluster, and one namespace in it."""

    def __init__(self) -> None:
        subprocess.run([PROGRAM, "up"], check=True, stdout=sys.stderr)
        words = [str(PROGRAM), "kubeconfig"]
        kubeconfig = subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()
        self.access = access_from_kubeconfig(kubeconfig, "")
        self.client = KubernetesClient(self.access)

    def watch(self, pods: Pods, over: threading.Event) -> None:
        server = urlsplit(self.access.server)
        connection = http.client.HTTPSConnection(server.hostname or "", server.port, context=self.access.tls)
        connection.request("GET", f"{PODS}?watch=true", headers=self.access.headers)
        with connection.getresponse() as answer:
            while not over.is_set():
                line = answer.readline()
                if line:
                    pods.take(json.loads(line))

    def figures(self) -> dict[str, float]:
        """Return the metrics of the API server, by name and labels, in the format of Prometheus."""
        text = self.client.text("GET", "/metrics", accept="text/plain")
        lines = [line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, _space, value in lines}


def processor_seconds() -> dict[str, float]:
    """Return the CPU seconds of each part of the control plane, from /proc."""
    found = dict.fromkeys(PARTS, 0.0)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _bracket, after = stat.read_text().rpartition(")")
            name = Path(os.readlink(stat.with_name("exe"))).name
        except OSError:  # the process has ended, or is a kernel thread
            continue
        if name in found and before:
            words = after.split()
            found[name] += (int(words[11]) + int(words[12])) / TICKS
    return found


def job(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Return a Job like that of a work pool of this collection, with the annotations that tell kwok its duration."""
    stage = "pod-complete.stage.kwok.x-k8s.io"
    seconds = f"{options.run_seconds:g}s"
    environment = [{"name": f"PREFECT__SETTING_{number}", "value": "x" * 60} for number in range(12)]
    container = {
        "name": "prefect-job",
        "image": "prefecthq/prefect:3-latest",
        "env": environment,
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
    }
    template = {
        "metadata": {"annotations": {f"{stage}/delay": seconds, f"{stage}/jitter-delay": seconds}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 10,
            "nodeSelector": {"selfhosted.prefect/node": "fake"},
            "tolerations": [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}],
            "containers": [container],
        },
    }
    spec = {"backoffLimit": 0, "ttlSecondsAfterFinished": options.ttl, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def create(
    cluster: Cluster, rate: float, seconds: float, options: argparse.Namespace, pods: Pods
) -> tuple[list[float], float]:
    """Create Jobs at the rate, even if answers are slow. Return how long each took, and the delay of the last one."""
    begun = time.monotonic()
    number = int(rate * seconds)

    def one(index: int) -> tuple[float, float]:
        due = begun + index / rate
        time.sleep(max(0.0, due - time.monotonic()))
        name = f"run-{rate:g}-{index}"
        started = time.monotonic()
        cluster.client.json("POST", JOBS, body=job(name, options))
        ended = time.monotonic()
        pods.created[name] = ended
        return ended - started, started - due

    with ThreadPoolExecutor(CREATORS) as pool:
        done = list(pool.map(one, range(number)))
    return [taken for taken, _late in done], max(late for _taken, late in done[-CREATORS:])


def measure(cluster: Cluster, rate: float, options: argparse.Namespace) -> Step:
    pods, over = Pods(), threading.Event()
    threading.Thread(target=cluster.watch, args=(pods, over), daemon=True).start()
    time.sleep(1)
    steady = options.run_seconds + options.ttl + STEADY_SECONDS
    with ThreadPoolExecutor(1) as pool:
        creating = pool.submit(create, cluster, rate, steady + options.seconds, options, pods)
        time.sleep(steady)
        before, figures, begun = processor_seconds(), cluster.figures(), time.monotonic()
        request, late = creating.result()
    now, spent = cluster.figures(), time.monotonic() - begun
    cores = {name: (seconds - before[name]) / spent for name, seconds in processor_seconds().items()}
    deadline = time.monotonic() + 2 * options.run_seconds + 60
    while len(pods.ended) < len(request) and time.monotonic() < deadline:
        time.sleep(1)
    over.set()
    return Step(
        rate,
        len(request),
        len(pods.ended),
        late,
        request,
        [seen - pods.created[name] for name, seen in pods.seen.items() if name in pods.created],
        [bound - pods.seen[name] for name, bound in pods.bound.items()],
        int(sum(value for name, value in now.items() if name.startswith("apiserver_resource_objects"))),
        (stored(now) - stored(figures)) / 2**20,
        cores,
    )


def stored(figures: dict[str, float]) -> float:
    return sum(value for name, value in figures.items() if name.startswith("apiserver_storage_size_bytes"))


def share(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else 0.0


def milliseconds(values: list[float]) -> str:
    """Return percentiles. A pod that is seen before the creation of its Job is answered counts as no wait."""
    waited = [max(0.0, value) * 1000 for value in values]
    return " / ".join(f"{share(waited, percent):.0f}" for percent in (50, 95, 99))


HEADER = (
    "| Jobs/s | created | ended | last one late by, s | new Job, ms p50 / p95 / p99 | until its pod | until its node "
    f"| objects at the end | etcd, MiB more | {' | '.join(PARTS)} |\n|{' --- |' * (9 + len(PARTS))}"
)


def row(step: Step) -> str:
    cells = [f"{step.rate:g}", step.created, step.ended, f"{max(0.0, step.late):.1f}"]
    cells += [milliseconds(step.request), milliseconds(step.pod), milliseconds(step.node)]
    cells += [step.stored, f"{step.etcd_mb:.1f}", *(f"{cores:.2f}" for cores in step.cores.values())]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


@contextlib.contextmanager
def namespace(cluster: Cluster) -> Iterator[None]:
    """Create a namespace for one rate, so that the Jobs of the previous rate do not disturb the measurement."""
    path = f"/api/v1/namespaces/{NAMESPACE}"
    cluster.client.json("POST", "/api/v1/namespaces", body={"metadata": {"name": NAMESPACE}})
    try:
        yield
    finally:
        cluster.client.json("DELETE", path)
        while cluster.client.found(path):
            time.sleep(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[3.5, 7, 10])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--run-seconds", type=float, default=30)
    parser.add_argument("--ttl", type=int, default=30)
    options = parser.parse_args()
    cluster = Cluster()
    steps = []
    for rate in options.rates:
        with namespace(cluster):
            steps.append(measure(cluster, rate, options))
        print(row(steps[-1]), file=sys.stderr, flush=True)
    print(HEADER)
    print("\n".join(row(step) for step in steps))


if __name__ == "__main__":
    main()
