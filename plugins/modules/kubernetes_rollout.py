#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for the rollout of several components of an instance."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_rollout
short_description: Wait for the rollout of components in a Kubernetes cluster
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Waits for the pods of components that M(selfhosted.prefect.kubernetes_objects) has applied with
    O(selfhosted.prefect.kubernetes_objects#module:wait_timeout=0), so that they start at the same time.
  - A workload with an autoscaler must reach the autoscaler's minimum number of pods.
  - If a component is not ready in time, the module reports the errors of its pods and the end of their logs.
extends_documentation_fragment: [selfhosted.prefect.kubernetes]
attributes:
  check_mode:
    description: In check mode, the module returns the changed status and does not modify the target.
    support: full
    details: The module does not wait in check mode, because no objects are applied.
  diff_mode:
    description: The module changes nothing.
    support: N/A
options:
  groups:
    description: Names of the components.
    type: list
    elements: str
    required: true
  instance:
    description: Name of the instance.
    type: str
    default: prefect
  namespace:
    description: Namespace of the components.
    type: str
    required: true
  wait_timeout:
    description: Maximum time to wait until the components are ready, in seconds.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Wait for the rollout of two components
  selfhosted.prefect.kubernetes_rollout:
    groups: [pgbouncer, redis]
    namespace: default
"""

RETURN = r"""
workloads:
  description: The workloads that are ready.
  returned: success
  type: list
  elements: str
  sample: [Deployment prefect-pgbouncer in prefect]
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ACCESS_OPTIONS,
    KubernetesClient,
    KubernetesError,
    access,
    has_yaml,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import title
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.readiness import is_workload
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.rollout import Rollout


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "groups": {"type": "list", "elements": "str", "required": True},
            "instance": {"type": "str", "default": "prefect"},
            "namespace": {"type": "str", "required": True},
            "wait_timeout": {"type": "int", "default": 300},
            **ACCESS_OPTIONS,
        },
        supports_check_mode=True,
    )
    if not has_yaml():
        module.fail_json(msg=missing_required_lib("PyYAML"))
    options = module.params
    workloads = []
    try:
        if not module.check_mode:
            client = KubernetesClient(access(options["kubeconfig"], options["context"]))
            objects = Rollout(client, options["instance"], "", options["namespace"])
            workloads = objects.workloads(options["groups"])
            objects.wait(workloads, options["wait_timeout"])
    except KubernetesError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, workloads=[title(item) for item in workloads if is_workload(item)])


if __name__ == "__main__":
    main()
