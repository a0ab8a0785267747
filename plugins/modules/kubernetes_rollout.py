#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several components of an instance become ready side by side."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_rollout
short_description: Wait until components in a Kubernetes cluster are ready
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Waits for the pods of components that M(selfhosted.prefect.kubernetes_objects) has applied with
    O(selfhosted.prefect.kubernetes_objects#module:wait_timeout=0), so that they start at the same time.
  - What is scaled has to have as many pods as its autoscaler makes at least.
  - A late component is reported with what its pods complain about and the end of their logs.
extends_documentation_fragment: [selfhosted.prefect.kubernetes]
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: Does not wait in check mode, because nothing was applied.
  diff_mode:
    description: Changes nothing, so there is nothing to show.
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
    description: Seconds until they have to be ready.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Wait for what was applied before
  selfhosted.prefect.kubernetes_rollout:
    groups: [pgbouncer, redis]
    namespace: default
"""

RETURN = r"""
workloads:
  description: What was waited for.
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
