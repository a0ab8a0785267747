#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for the flow runs of an instance in a cluster, or end them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_runs
short_description: Wait for the flow runs in a cluster, or end them
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Deletes the Deployments of the workers that M(selfhosted.prefect.kubernetes_objects) has applied, and their
    autoscalers, so that no new runs start. Then waits for the pods of the runs, or ends them.
  - The module finds runs by the label C(selfhosted.prefect/runs-of), and by the name of the worker, which every worker
    sets on its Jobs. A Job without a pod, for example because of a quota, counts as a run, too.
  - All objects that runs need to end and to report their state remain. Remove the group of the workers afterwards.
  - A worker of a process pool executes runs in its own pod. It stops as in every rollout.
extends_documentation_fragment: [selfhosted.prefect.kubernetes]
attributes:
  check_mode:
    description: In check mode, the module returns the changed status and does not modify the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  instance:
    description: Name of the instance.
    type: str
    default: prefect
  namespace:
    description: Namespace of the instance.
    type: str
    required: true
  namespaces:
    description: Additional namespaces with flow runs.
    type: list
    elements: str
    default: []
  runs:
    description:
      - V(wait) waits until all runs have ended, and fails after O(seconds).
      - V(end) deletes the Jobs and pods of the runs. Their processes get SIGTERM, and are killed after O(seconds).
    type: str
    choices: [wait, end]
    default: wait
  seconds:
    description: Maximum time to wait, in seconds.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: End the flow runs
  selfhosted.prefect.kubernetes_runs:
    namespace: default
    runs: end
    seconds: 30
"""

RETURN = r"""
pods:
  description: Number of pods with runs or workers, and of Jobs without a pod.
  returned: always
  type: int
killed:
  description: Number of these pods that were deleted without waiting for their processes.
  returned: always
  type: int
"""

import time

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ACCESS_OPTIONS,
    KubernetesClient,
    KubernetesError,
    Manifest,
    access,
    has_yaml,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.runs import RunningFlows, names

# After the grace period, a node needs some seconds to remove a pod. A lost node never removes it.
_NODE_SECONDS = 30


def until_gone(flows: RunningFlows, seconds: float) -> list[Manifest]:
    """Wait until no pods and Jobs are left, and return those that are left after C(seconds)."""
    deadline = time.monotonic() + seconds
    while (left := flows.active()) and time.monotonic() <= deadline:
        time.sleep(1)
    return left


def finished(flows: RunningFlows, runs: str, seconds: int) -> int:
    """Wait for all runs or end them, and return how many pods were force-deleted."""
    flows.stop_workers()
    if runs == "end":
        flows.end(seconds)
        return flows.delete_pods(0) if until_gone(flows, seconds + _NODE_SECONDS) else 0
    if left := until_gone(flows, seconds):
        raise KubernetesError(
            f"After {seconds} s, {len(left)} pods or Jobs of flow runs or workers have not ended: {names(left)}. The "
            "workers start no more runs, and nothing else was removed. Run the playbook again later, raise "
            "prefect_teardown_runs_seconds, or set prefect_teardown_runs: end."
        )
    return 0


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "instance": {"type": "str", "default": "prefect"},
            "namespace": {"type": "str", "required": True},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "runs": {"type": "str", "choices": ["wait", "end"], "default": "wait"},
            "seconds": {"type": "int", "default": 300},
            **ACCESS_OPTIONS,
        },
        supports_check_mode=True,
    )
    if not has_yaml():
        module.fail_json(msg=missing_required_lib("PyYAML"))
    options = module.params
    pods = killed = 0
    try:
        client = KubernetesClient(access(options["kubeconfig"], options["context"]))
        flows = RunningFlows(client, options["instance"], options["namespace"], options["namespaces"])
        pods = len(flows.active())
        if pods and not module.check_mode:
            killed = finished(flows, options["runs"], options["seconds"])
    except KubernetesError as error:
        module.fail_json(msg=str(error), pods=pods, killed=killed)
    module.exit_json(changed=bool(pods), pods=pods, killed=killed)


if __name__ == "__main__":
    main()
