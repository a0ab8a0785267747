"""Start a worker of a Kubernetes pool as `prefect worker start` does, with one rule more.

usage: start_worker.py worker start ARGUMENT...     what `prefect` is called with

A client of the API writes the job variables of deployments and flow runs. One of them, cluster_config, is a kubeconfig,
and a kubeconfig may name a command that gets a login. The worker would execute it in its own pod, which has a token of
the Kubernetes API. So the worker uses no cluster but the one that its own environment names.

What it cannot guard it does not run: it ends when Prefect's worker is not built as it expects.
"""

import sys
from typing import Any

from prefect.cli import app
from prefect_kubernetes.worker import KubernetesWorker, KubernetesWorkerJobConfiguration

CLIENT = "_get_configured_kubernetes_client"
FIELD = "cluster_config"


def guard_clusters() -> None:
    """Keep the worker from clusters that a job configuration names."""
    connect = vars(KubernetesWorker).get(CLIENT)
    if connect is None or FIELD not in KubernetesWorkerJobConfiguration.model_fields:
        raise SystemExit("start_worker: Prefect's Kubernetes worker does not connect to its cluster as expected")

    def connect_to_own(self: Any, configuration: Any) -> Any:
        if getattr(configuration, FIELD) is not None:
            raise ValueError(
                f"The job variable {FIELD} is not allowed: workers of this deployment start Jobs in their own cluster."
            )
        return connect(self, configuration)

    setattr(KubernetesWorker, CLIENT, connect_to_own)


def main() -> None:
    guard_clusters()
    sys.exit(app())


if __name__ == "__main__":
    main()
