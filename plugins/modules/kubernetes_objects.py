#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes objects of one component, in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_objects
short_description: Keep one component's Kubernetes objects as described
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Applies all objects of a component with server-side apply, several at a time, waits until its workloads are rolled
    out and its Jobs complete, and deletes what is no longer listed.
  - What an earlier run of the same O(group) has applied and that is no longer listed is deleted, by its labels. Each
    task has to list all of its group. Namespaces and ValidatingAdmissionPolicies stay until O(state=absent).
  - A namespace that is there already, and that another instance or somebody else has made, stays as it is. Any other
    object that another instance has made is refused.
  - A Job that is complete stays as it is, whatever else is described for its name. One that has failed, or that still
    runs with other pods than described, is deleted and made anew.
  - What an autoscaler among the objects scales has to have as many pods as that makes at least.
  - A failed or late workload is reported with what its pods complain about and the end of their logs.
  - Fields that something else manages are a conflict, which is reported with the other manager's name.
extends_documentation_fragment: [selfhosted.prefect.kubernetes]
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
    details: The API server itself predicts, by a dry run.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
    details: Of a Secret, only the names of its values are shown, and which of them differ.
options:
  group:
    description: Name of the component, which becomes the label C(selfhosted.prefect/component).
    type: str
    required: true
  instance:
    description: Name of the instance, which becomes the label C(selfhosted.prefect/instance).
    type: str
    default: prefect
  namespace:
    description: Namespace of all objects that state none.
    type: str
    required: true
  objects:
    description:
      - The objects. They get the labels of their group.
      - Neither the log nor the result of the task has them, and what Secrets among them hold is taken out of all
        messages.
    type: list
    elements: dict
    default: []
  namespaces:
    description:
      - Further namespaces in which objects of the group that are no longer listed may be.
      - A login that may list objects in all namespaces finds them without, too, in those that an earlier run has used.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) for the group as described.
      - V(absent) to delete all objects of the group and to wait until their pods have ended. Volumes stay, and so does
        a namespace in which another instance runs or has its Jobs. For a database of CloudNativePG see O(database).
    type: str
    choices: [present, absent]
    default: present
  database:
    description:
      - What happens to a Cluster of CloudNativePG that is no longer listed, or whose group is to be V(absent). The
        operator deletes the volumes of one that is deleted.
      - V(refuse) fails before anything is changed.
      - V(keep) leaves it; with O(state=absent), everything else of its group, too.
      - V(delete) deletes it, with all data.
    type: str
    choices: [refuse, keep, delete]
    default: refuse
  force_conflicts:
    description: Take over fields that something else manages.
    type: bool
    default: false
  wait_timeout:
    description: Seconds until workloads have to be ready. V(0) does not wait.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: A setting, and nothing else in its group
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

- name: Remove it
  selfhosted.prefect.kubernetes_objects:
    group: settings
    namespace: default
    state: absent
"""

RETURN = r"""
changes:
  description: What was, or would be, done.
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
  description: What O(database=keep) has saved.
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
    """Take the objects out of what Ansible shows of the options, and return them.

    Because they have no_log, Ansible would take each of their words out of the result, too: the names of all objects,
    and the whole diff. Only what Secrets hold has to be.
    """
    manifests: list[Manifest] = module.params["objects"]
    module.params["objects"] = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # as Ansible puts it
    options = (module.params[name] for name in ("group", "instance", "namespace"))
    module.no_log_values = secret_values(manifests, *options)
    return manifests


def object_set(module: AnsibleModule, client: KubernetesClient) -> ObjectSet:
    """Return the objects that the options name."""
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
    """Do what the options say."""
    options = module.params
    absent = options["state"] == "absent"
    wanted = [] if absent else [objects.labelled(manifest) for manifest in manifests]
    if options["database"] == "refuse":
        objects.refuse_to_lose_databases(wanted, options["namespaces"])
    if absent:
        return objects.remove_all(options["namespaces"], options["wait_timeout"])
    changes = objects.apply_all(wanted)
    if options["wait_timeout"] and not module.check_mode:
        objects.wait(wanted, options["wait_timeout"])
    return changes + objects.prune(wanted, options["namespaces"])


def diff(change: Change) -> dict[str, Any]:
    """Return a change as Ansible shows it."""
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
