# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work pools of a cluster, with the job template that suits it."""

from __future__ import annotations

DOCUMENTATION = r"""
name: kubernetes_pools
short_description: Give Kubernetes work pools the job defaults of a production cluster
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Prefect's own template puts Jobs into the namespace C(default), where the worker has no permission, keeps them for
    ever, and requests no resources, so that a node takes more runs than it can carry.
  - What a pool states in C(job) or C(job_manifest_patch) wins. Pools of another type stay as they are.
  - A default limit is raised to a larger request that the pool states, and a default request lowered to a smaller
    limit, because Kubernetes refuses a pod whose request is above its limit.
positional: namespace, image
options:
  _input:
    description: The pools, as in C(prefect_work_pools).
    type: list
    elements: dict
    required: true
  namespace:
    description: Namespace of the Jobs.
    type: str
    required: true
  image:
    description: Image of the Jobs.
    type: str
    required: true
  environment:
    description: Environment variables of every run. Null and empty values are left out.
    type: dict
    default: {}
  image_pull_policy:
    description: When a node pulls the image.
    type: str
    default: IfNotPresent
  image_pull_secrets:
    description: Names of the Secrets that the image is pulled with.
    type: list
    elements: str
    default: []
  labels:
    description:
      - Labels of every pod of a Job, by which a NetworkPolicy knows it. A pool with C(base_job_template) states them
        itself.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: The namespace of the runs
  ansible.builtin.debug:
    msg: "{{ pools | selfhosted.prefect.kubernetes_pools('flows', 'example/flows:1') }}"
  vars:
    pools:
      - {name: jobs, type: kubernetes}
"""

RETURN = r"""
_value:
  description: The pools.
  type: list
  elements: dict
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.filter.workers_of import plain_name
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import POOL_LABEL
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import merge
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._jobs import with_defaults

# A run that is stopped has nothing to finish: Prefect has marked it already.
_GRACE_SECONDS = 10
_CONTAINER_SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
_POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 1001,
    "runAsGroup": 1001,
    "fsGroup": 1001,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def _manifest(labels: Mapping[str, str], pull_secrets: Sequence[str]) -> dict[str, Any]:
    pod: dict[str, Any] = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _GRACE_SECONDS,
        "securityContext": _POD_SECURITY,
        "containers": [{"name": "prefect-job", "securityContext": _CONTAINER_SECURITY}],
    }
    if pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in pull_secrets]
    # An autoscaler that takes a node away would interrupt the runs on it.
    annotations = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
    template = {"metadata": {"annotations": annotations, "labels": dict(labels)}, "spec": pod}
    return {"job_manifest": {"spec": {"template": template}}}


def kubernetes_pools(
    pools: Iterable[Mapping[str, Any]],
    namespace: str,
    image: str,
    environment: Mapping[str, Any] | None = None,
    image_pull_policy: str = "IfNotPresent",
    image_pull_secrets: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Return C(pools) with the job defaults of a cluster."""
    texts = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in (environment or {}).items()
        if value not in (None, "")
    }
    defaults = {"namespace": namespace, "image": image, "image_pull_policy": image_pull_policy}
    result = []
    for pool in pools:
        if pool.get("type") != "kubernetes" or pool.get("state") == "absent" or pool.get("base_job_template"):
            result.append(dict(pool))
            continue
        job = dict(pool.get("job") or {})
        job["env"] = {**texts, **(job.get("env") or {})}
        own = {**(labels or {}), POOL_LABEL: plain_name(pool["name"])}
        patch = merge(_manifest(own, image_pull_secrets), pool.get("job_manifest_patch") or {})
        result.append({**pool, "job": with_defaults({**defaults, **job}), "job_manifest_patch": patch})
    return result


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"kubernetes_pools": kubernetes_pools}
