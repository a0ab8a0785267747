#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage the Kubernetes objects of one component in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_objects
short_description: Manage the Kubernetes objects of a component
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Applies all objects of a component with server-side apply, several at the same time. Then waits until the rollouts
    of its workloads and its Jobs are complete, and prunes objects that are no longer listed.
  - Objects that an earlier task with the same O(group) has applied and that are no longer listed are deleted. The
    module finds them by their labels. Each task must list all objects of its group. Namespaces and
    ValidatingAdmissionPolicies remain until O(state=absent).
  - An existing namespace that this instance has not created does not change. The module rejects any other existing
    object that another instance or another tool has created. To hand over an object to the instance, set its label
    C(selfhosted.prefect/instance), and the label C(selfhosted.prefect/home) to O(namespace) if the object is not in
    this namespace.
  - A complete Job does not change, even if its definition differs. A Job that has failed, or that still runs with
    another pod template, is deleted and created again.
  - If an autoscaler is among the objects, its workload must reach the autoscaler's minimum number of pods.
  - If a workload fails or is not ready in time, the module reports the errors of its pods and the end of their logs.
  - A field that another field manager owns is a conflict. The module reports the conflict with the manager's name.
extends_documentation_fragment: [selfhosted.prefect.kubernetes]
attributes:
  check_mode:
    description: In check mode, the module returns the changed status and does not modify the target.
    support: full
    details: The API server computes the result in a server-side dry run.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
    details: For a Secret, the diff shows only the names of its values and which of them differ.
options:
  group:
    description: Name of the component. It is the value of the label C(selfhosted.prefect/component).
    type: str
    required: true
  instance:
    description: Name of the instance. It is the value of the label C(selfhosted.prefect/instance).
    type: str
    default: prefect
  namespace:
    description: Namespace of all objects that set none.
    type: str
    required: true
  objects:
    description:
      - Objects of the component. The module adds the labels of the group.
      - Two objects of one kind, name and namespace are rejected.
      - The objects are neither logged nor returned. The values of Secrets are removed from all messages.
    type: list
    elements: dict
    default: []
  namespaces:
    description:
      - Additional namespaces in which the module looks for objects of the group that are no longer listed.
      - If the credentials may list objects in all namespaces, the module also finds objects in namespaces of earlier
        tasks without this option.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) applies the objects of the group.
      - V(absent) deletes all objects of the group and waits until their pods have ended. Volumes remain. A namespace
        that another instance uses for its pods or Jobs remains, too. For a CloudNativePG database, see O(database).
    type: str
    choices: [present, absent]
    default: present
  database:
    description:
      - How to handle a CloudNativePG Cluster that is no longer listed, or with O(state=absent). The operator deletes
        the volumes of a deleted Cluster.
      - V(refuse) fails without a change.
      - V(keep) keeps the Cluster and, with O(state=absent), all other objects of its group.
      - V(delete) deletes the Cluster and all its data.
    type: str
    choices: [refuse, keep, delete]
    default: refuse
  force_conflicts:
    description: Whether to take over fields that another field manager owns.
    type: bool
    default: false
  wait_timeout:
    description: Maximum time to wait until workloads are ready, in seconds. V(0) does not wait.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: Apply a group with one ConfigMap
  selfhosted.prefect.kubernetes_objects:
    group: settings
    namespace: default
    objects:
      - apiVersion: v1
        kind: ConfigMap
        metadata:
          name: greeting
        data:
          text: hello

- name: Delete the group
  selfhosted.prefect.kubernetes_objects:
    group: settings
    namespace: default
    state: absent
"""

RETURN = r"""
changes:
  description: The changes that were made, or would be in check mode.
  returned: success
  type: list
  elements: dict
  contains:
    action:
      description: V(create), V(update), V(replace) or V(delete).
      type: str
      returned: always
    object:
      description: Kind, name and namespace.
      type: str
      returned: always
  sample:
    - action: update
      object: Deployment prefect-api in prefect
kept:
  description: Objects that O(database=keep) has kept.
  returned: success
  type: list
  elements: str
  sample: [Cluster prefect-postgres in prefect]
"""

from collections.abc import Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ACCESS_OPTIONS,
    KubernetesClient,
    KubernetesError,
    Manifest,
    access,
    has_yaml,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import (
    Change,
    presentable,
    secret_values,
    title,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.objects import ObjectSet


def hide_secrets(module: AnsibleModule) -> list[Manifest]:
    """Return the objects, and remove them from the options that Ansible shows.

    Because of no_log, Ansible would also mask every word of the objects in the result: the names of all objects, and
    the whole diff. Only the values of Secrets have to be masked.
    """
    manifests: list[Manifest] = module.params["objects"]
    module.params["objects"] = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # the text that Ansible shows
    options = (module.params[name] for name in ("group", "instance", "namespace"))
    module.no_log_values = secret_values(manifests, *options)
    return manifests


def object_set(module: AnsibleModule, client: KubernetesClient) -> ObjectSet:
    """Return the set of objects for the options."""
    options = module.params
    return ObjectSet(
        client,
        options["instance"],
        options["group"],
        options["namespace"],
        dry_run=module.check_mode,
        force=options["force_conflicts"],
        keep_databases=options["database"] == "keep",
    )


def run(module: AnsibleModule, objects: ObjectSet, manifests: Sequence[Manifest]) -> list[Change]:
    """Apply or remove the objects, and return the changes."""
    options = module.params
    absent = options["state"] == "absent"
    wanted = [] if absent else [objects.labelled(manifest) for manifest in manifests]
    objects.refuse_duplicates(wanted)
    if options["database"] == "refuse":
        objects.refuse_to_lose_databases(wanted, options["namespaces"])
    if absent:
        return objects.remove_all(options["namespaces"], options["wait_timeout"])
    changes = objects.apply_all(wanted)
    if options["wait_timeout"] and not module.check_mode:
        objects.wait(wanted, options["wait_timeout"])
    return changes + objects.prune(wanted, options["namespaces"])


def diff(change: Change) -> dict[str, Any]:
    """Return a change as an entry of Ansible's diff."""
    return {
        "before_header": change.title,
        "after_header": change.title,
        "before": presentable(change.before, change.after),
        "after": presentable(change.after, change.before),
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "group": {"type": "str", "required": True},
            "instance": {"type": "str", "default": "prefect"},
            "namespace": {"type": "str", "required": True},
            "objects": {"type": "list", "elements": "dict", "default": [], "no_log": True},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "database": {"type": "str", "choices": ["refuse", "keep", "delete"], "default": "refuse"},
            "force_conflicts": {"type": "bool", "default": False},
            "wait_timeout": {"type": "int", "default": 300},
            **ACCESS_OPTIONS,
        },
        supports_check_mode=True,
    )
    manifests = hide_secrets(module)
    if not has_yaml():
        module.fail_json(msg=missing_required_lib("PyYAML"))
    try:
        client = KubernetesClient(access(module.params["kubeconfig"], module.params["context"]))
        objects = object_set(module, client)
        changes = run(module, objects, manifests)
    except KubernetesError as error:
        module.fail_json(msg=str(error))
    for warning in sorted(client.warnings):
        module.warn(warning)
    module.exit_json(
        changed=bool(changes),
        changes=[{"action": change.action, "object": change.title} for change in changes],
        kept=[title(manifest) for manifest in objects.kept],
        diff=[diff(change) for change in changes],
    )


if __name__ == "__main__":
    main()
