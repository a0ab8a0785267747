#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather facts about a Kubernetes cluster for a deployment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_facts
short_description: Gather facts about a Kubernetes cluster for a deployment
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Reads the version of the API server, the permissions of the credentials, and the namespaces, storage classes, APIs,
    Secrets and nodes that a deployment needs, and an admission policy.
  - The module changes nothing.
extends_documentation_fragment: [selfhosted.prefect.kubernetes]
attributes:
  check_mode:
    description: The module only reads, so it has the same result in check mode.
    support: full
  diff_mode:
    description: The module changes nothing.
    support: N/A
options:
  namespaces:
    description: Namespaces to read.
    type: list
    elements: str
    required: true
  permissions:
    description: Required permissions of the credentials.
    type: dict
    suboptions:
      namespaced:
        description: Permissions in each of O(namespaces).
        type: list
        elements: dict
        default: []
        suboptions: &permission
          group:
            description: API group. Empty for the core group.
            type: str
            required: true
          resource:
            description: Resource, such as V(pods) or V(pods/log).
            type: str
            required: true
          verbs:
            description: Verbs on the resource.
            type: list
            elements: str
            default: [get, list, create, patch, delete]
          namespaces:
            description: Namespaces of the permission. By default, each of O(namespaces). It has no effect in
              O(permissions.cluster).
            type: list
            elements: str
      cluster:
        description: Permissions in the whole cluster.
        type: list
        elements: dict
        default: []
        suboptions: *permission
  secrets:
    description: Names of Secrets to check in each of O(namespaces).
    type: list
    elements: str
    default: []
  apis:
    description:
      - APIs to check, by group and version, such as V(metrics.k8s.io/v1beta1), or by a resource, such as
        V(policy/v1/poddisruptionbudgets).
    type: list
    elements: str
    default: []
  admission_policy:
    description: Name of a ValidatingAdmissionPolicy and of its binding to read.
    type: str
  instance:
    description: Name of an instance. If it is set, its pods in O(namespaces) are returned, too.
    type: str
"""

EXAMPLES = r"""
- name: Gather facts about the cluster
  selfhosted.prefect.kubernetes_facts:
    namespaces: [default]
    permissions:
      namespaced:
        - {group: apps, resource: deployments, verbs: [create]}
    apis: [metrics.k8s.io/v1beta1]
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: success
  type: dict
  contains:
    prefect_cluster:
      description: Facts about the cluster.
      type: dict
      returned: always
      contains:
        version:
          description: Version of the API server.
          type: str
          returned: always
          sample: v1.37.2
        namespaces:
          description:
            - For each namespace by name, its labels and quotas, the default limits and requests of containers, the
              missing Secrets, and the versions of the existing Secrets.
          type: dict
          returned: always
        denied:
          description: Missing permissions of the credentials, one text each.
          type: list
          elements: str
          returned: always
        storage_classes:
          description: Names of the storage classes. Null if the credentials do not allow to list them.
          type: list
          elements: str
          returned: always
        default_storage_class:
          description: Name of the default storage class. Empty if there is none.
          type: str
          returned: always
        apis:
          description: Items of O(apis) that the cluster has.
          type: list
          elements: str
          returned: always
        admission_policy:
          description:
            - The specs of O(admission_policy) as C(policy) and of its binding as C(binding), null for each that does
              not exist. C(readable) is false if the credentials do not allow to read one of them.
          type: dict
          returned: when O(admission_policy) is given
        nodes:
          description:
            - Number of schedulable nodes, the sums of their allocatable CPUs, memory in MiB and pods, and the maximum
              of one node.
          type: dict
          returned: always
        pods:
          description: The pods of O(instance).
          type: list
          elements: dict
          returned: when O(instance) is given
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ACCESS_OPTIONS,
    KubernetesClient,
    KubernetesError,
    access,
    has_yaml,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.facts import (
    admission_policy,
    facts,
    pods,
)

_PERMISSION = {
    "group": {"type": "str", "required": True},
    "resource": {"type": "str", "required": True},
    "verbs": {"type": "list", "elements": "str", "default": ["get", "list", "create", "patch", "delete"]},
    "namespaces": {"type": "list", "elements": "str"},
}


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "namespaces": {"type": "list", "elements": "str", "required": True},
            "permissions": {
                "type": "dict",
                "options": {
                    "namespaced": {"type": "list", "elements": "dict", "default": [], "options": _PERMISSION},
                    "cluster": {"type": "list", "elements": "dict", "default": [], "options": _PERMISSION},
                },
            },
            "secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "apis": {"type": "list", "elements": "str", "default": []},
            "admission_policy": {"type": "str"},
            "instance": {"type": "str"},
            **ACCESS_OPTIONS,
        },
        supports_check_mode=True,
    )
    if not has_yaml():
        module.fail_json(msg=missing_required_lib("PyYAML"))
    options = module.params
    try:
        client = KubernetesClient(access(options["kubeconfig"], options["context"]))
        found = facts(client, options["namespaces"], options["permissions"] or {}, options["secrets"], options["apis"])
        if options["admission_policy"]:
            found["admission_policy"] = admission_policy(client, options["admission_policy"])
        if options["instance"]:
            found["pods"] = pods(client, options["namespaces"], options["instance"])
    except KubernetesError as error:
        module.fail_json(msg=str(error))
    module.exit_json(ansible_facts={"prefect_cluster": found})


if __name__ == "__main__":
    main()
