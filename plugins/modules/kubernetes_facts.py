#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a deployment has to know about a Kubernetes cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_facts
short_description: Look at a Kubernetes cluster before a deployment
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Asks for the server's version, for what the login is allowed to do, and for the namespaces, storage classes, APIs,
    Secrets and nodes that a deployment needs. Changes nothing.
extends_documentation_fragment: [selfhosted.prefect.kubernetes]
attributes:
  check_mode:
    description: Only reads, so it does the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: N/A
options:
  namespaces:
    description: Namespaces to look at.
    type: list
    elements: str
    required: true
  permissions:
    description: What the login has to be allowed.
    type: dict
    suboptions:
      namespaced:
        description: In each of O(namespaces).
        type: list
        elements: dict
        default: []
        suboptions: &permission
          group:
            description: API group; empty for the core one.
            type: str
            required: true
          resource:
            description: Resource, such as V(pods) or V(pods/log).
            type: str
            required: true
          verbs:
            description: What to do with it.
            type: list
            elements: str
            default: [get, list, create, patch, delete]
          namespaces:
            description: Where, by default in each of O(namespaces). Of no meaning for the whole cluster.
            type: list
            elements: str
      cluster:
        description: For the whole cluster.
        type: list
        elements: dict
        default: []
        suboptions: *permission
  secrets:
    description: Names of Secrets to look for in each of O(namespaces).
    type: list
    elements: str
    default: []
  apis:
    description:
      - Group and version of APIs that may be there, such as V(metrics.k8s.io/v1beta1), or one of their resources, such
        as V(policy/v1/poddisruptionbudgets).
    type: list
    elements: str
    default: []
  instance:
    description: Also list the pods of this instance in O(namespaces).
    type: str
"""

EXAMPLES = r"""
- name: Look at the cluster
  selfhosted.prefect.kubernetes_facts:
    namespaces: [default]
    permissions:
      namespaced:
        - {group: apps, resource: deployments, verbs: [create]}
    apis: [metrics.k8s.io/v1beta1]
"""

RETURN = r"""
ansible_facts:
  description: What was found.
  returned: success
  type: dict
  contains:
    prefect_cluster:
      description: What was found.
      type: dict
      returned: always
      contains:
        version:
          description: Version of the server.
          type: str
          returned: always
          sample: v1.37.2
        namespaces:
          description:
            - Of each namespace by name, its labels and quotas, the limits and requests that containers get by default,
              missing Secrets, and the versions of the others.
          type: dict
          returned: always
        denied:
          description: What the login is not allowed, one text each.
          type: list
          elements: str
          returned: always
        storage_classes:
          description: Names of the storage classes.
          type: list
          elements: str
          returned: always
        default_storage_class:
          description: Name of the default one, empty without one.
          type: str
          returned: always
        apis:
          description: Those of O(apis) that are there.
          type: list
          elements: str
          returned: always
        nodes:
          description:
            - How many nodes take pods, their allocatable CPUs, memory in MiB and pods in all, and the most that one of
              them has.
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
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.facts import facts, pods

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
        if options["instance"]:
            found["pods"] = pods(client, options["namespaces"], options["instance"])
    except KubernetesError as error:
        module.fail_json(msg=str(error))
    module.exit_json(ansible_facts={"prefect_cluster": found})


if __name__ == "__main__":
    main()
