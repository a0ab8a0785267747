# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Waiting for workloads, with the problems of their pods."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ApiError,
    KubernetesError,
    Manifest,
    part,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.group import INTERVAL, ObjectGroup
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import (
    CLUSTER,
    KINDS,
    place_of,
    title,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.readiness import (
    AUTOSCALERS,
    fewest_pods,
    is_workload,
    pod_trouble,
    unfinished,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import GROUP_LABEL, INSTANCE_LABEL

_LOG_LINES = 15


class Rollout(ObjectGroup):
    """Waits for workloads."""

    def workloads(self, groups: Iterable[str]) -> list[Manifest]:
        """Return the workloads of some components of the instance, and their autoscalers."""
        selector = f"{INSTANCE_LABEL}={self.instance},{GROUP_LABEL} in ({','.join(groups)})"

        def read(kind: tuple[str, str]) -> list[Manifest]:
            path = self.path(*kind, None)
            return self._listed(path, kind, selector) if path else []

        self.discover()
        kinds = [kind for kind in KINDS if kind[0] == "apps/v1" or kind == CLUSTER or kind[1] in AUTOSCALERS]
        return [item for items in self.client.together(read, kinds) for item in items]

    def wait(self, manifests: Sequence[Manifest], timeout: float) -> None:
        """Wait until the workloads are up to date and ready, and Jobs complete."""
        deadline = time.monotonic() + timeout
        waiting = [manifest for manifest in manifests if is_workload(manifest)]
        fewest = fewest_pods(manifests)
        while waiting:
            states = self.client.together(lambda manifest: self.client.json("GET", self.path_of(manifest)), waiting)
            lacking = []
            for manifest, answer in zip(waiting, states):
                state = {**manifest, **answer}
                try:
                    problem = unfinished(state, fewest.get(place_of(manifest), 0))
                except KubernetesError as error:
                    raise KubernetesError(f"{error}{self._evidence(state)}") from error
                if problem:
                    lacking.append((manifest, state, problem))
            waiting = [manifest for manifest, _state, _problem in lacking]
            if waiting and time.monotonic() > deadline:
                texts = [f"{title(state)}: {problem}{self._evidence(state)}" for _m, state, problem in lacking]
                raise KubernetesError(f"Not ready after {timeout:.0f} s:\n" + "\n".join(texts))
            if waiting:
                time.sleep(INTERVAL)

    def _evidence(self, workload: Manifest) -> str:
        """Return the problems of the pods of a workload, with the last lines of their logs."""
        labels = ((workload["spec"].get("selector") or {}).get("matchLabels") or {}).items()
        if workload["kind"] == "Cluster":
            labels = {"cnpg.io/cluster": workload["metadata"]["name"]}.items()
        selector = ",".join(f"{name}={value}" for name, value in labels)
        path = self.path("v1", "Pod", workload["metadata"].get("namespace") or None)
        lines = []
        for pod in self.client.json("GET", path or "", {"labelSelector": selector})["items"][:20]:
            name = pod["metadata"]["name"]
            for container, trouble in pod_trouble(pod):
                lines.append(f"  pod {name}{', container ' if container else ''}{container} {trouble}".rstrip())
                lines += [f"    {line}" for line in self._log(f"{path}/{part(name)}/log", container)]
        return "".join(f"\n{line}" for line in lines)

    def _log(self, path: str, container: str) -> list[str]:
        """Return the last lines of the log of a container, of its previous instance if it was restarted."""
        for previous in ("true", "false"):
            query = {"container": container, "tailLines": _LOG_LINES, "previous": previous}
            try:
                return self.client.text("GET", path, query).splitlines() if container else []
            except ApiError:
                continue
        return []
