"""Start a worker like `prefect worker start`, with an additional rule for each type of pool.

usage: start_worker.py worker start ARGUMENT...     the arguments of `prefect`, including --type=TYPE

kubernetes: API clients write the job variables of deployments and flow runs. The variable cluster_config is a
kubeconfig, and a kubeconfig can contain a command that returns credentials. The worker would execute this command in
its own pod, which has a token of the Kubernetes API. The worker therefore uses only the cluster of its own environment.

process: Prefect 3.9 ends a worker at its first SIGINT or SIGTERM, and kills its flow runs with it. Here, the worker
accepts no more runs and ends after its last run. A second signal ends it immediately.

If the code of Prefect's worker is not as expected, the program cannot enforce these rules, and ends with an error.
"""

import importlib
import os
import signal
import sys
import threading
import time
from typing import Any

CLIENT = "_get_configured_kubernetes_client"
FIELD = "cluster_config"
HANDLERS = "setup_signal_handlers_worker"
POLL = "get_and_submit_flow_runs"
STARTING = "_submitting_flow_run_ids"


def guard_clusters() -> None:
    """Reject job configurations that name another cluster."""
    module = importlib.import_module("prefect_kubernetes.worker")
    connect = vars(module.KubernetesWorker).get(CLIENT)
    if connect is None or FIELD not in module.KubernetesWorkerJobConfiguration.model_fields:
        raise SystemExit(
            "start_worker: this version of Prefect's Kubernetes worker connects to its cluster in an unexpected way"
        )

    def connect_to_own(self: Any, configuration: Any) -> Any:
        if getattr(configuration, FIELD) is not None:
            raise ValueError(
                f"The job variable {FIELD} is not allowed: workers of this deployment start Jobs in their own cluster."
            )
        return connect(self, configuration)

    setattr(module.KubernetesWorker, CLIENT, connect_to_own)


def children() -> set[int]:
    """Return the child processes of this one: the runs of the worker, and programs that the shell has started."""
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat", "rb") as stat:
                state, parent = stat.read().rpartition(b")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == os.getpid() and state != b"Z":
            found.add(int(name))
    return found


class Drain:
    """Lets the worker of a process pool end after its last run."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.workers: list[Any] = []
        self.stop: Any = None  # the previous handler of SIGINT
        self.beside = children()  # in a pod, the shell has started lost_runs.py before the worker

    def install(self) -> None:
        base = importlib.import_module("prefect.workers.base")
        utilities = importlib.import_module("prefect.utilities.processutils")
        commands = importlib.import_module("prefect.cli.worker")
        poll = vars(base.BaseWorker).get(POLL)
        if poll is None or not hasattr(utilities, HANDLERS):
            raise SystemExit(
                "start_worker: this version of Prefect's worker polls for runs or handles signals in an unexpected way"
            )

        async def poll_unless_asked(worker: Any) -> Any:
            if worker not in self.workers:
                self.workers.append(worker)
            if not self.asked.is_set():
                return await poll(worker)
            # The worker continues to answer its health check.
            worker._last_polled_time = importlib.import_module("prefect.types._datetime").now("UTC")
            return []

        setattr(base.BaseWorker, POLL, poll_unless_asked)
        for module in (utilities, commands):
            setattr(module, HANDLERS, self.handle_signals)

    def handle_signals(self, _pid: int, process_name: str, print_fn: Any) -> None:
        """Replace Prefect's function setup_signal_handlers_worker."""
        self.stop = signal.getsignal(signal.SIGINT)

        def handler(number: int, frame: Any) -> None:
            if self.asked.is_set():
                signal.signal(signal.SIGINT, self.stop)
                os.kill(os.getpid(), signal.SIGINT)
                return
            self.asked.set()
            name = signal.Signals(number).name
            print_fn(f"Received {name}: {process_name} accepts no more runs and ends after its last run.")
            threading.Thread(target=self.wait, daemon=True).start()

        signal.signal(signal.SIGINT, handler)
        signal.signal(signal.SIGTERM, handler)

    def wait(self) -> None:
        idle = 0
        # Checked several times, because the process of an accepted run starts a short time later.
        while idle < 4:
            busy = children() - self.beside or any(getattr(worker, STARTING, ()) for worker in self.workers)
            idle = 0 if busy else idle + 1
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    if "--type=kubernetes" in sys.argv:
        guard_clusters()
    elif "--type=process" in sys.argv:
        Drain().install()
    sys.exit(importlib.import_module("prefect.cli").app())


if __name__ == "__main__":
    main()
