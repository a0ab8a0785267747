#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the resource usage of an instance's pods, and run programs in them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_pod_info
short_description: Read CPU time and memory of pods, and run programs in them
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Returns the running pods of an instance, with the memory and the CPU time of their containers. For processes of a
    host, use M(selfhosted.prefect.process_group_info).
  - CPU time is a counter. The difference of two readings is the CPU time between them. The module runs C(grep) on the
    cgroup files inside each container, as C(kubectl exec) would. It requires neither the metrics API nor access to
    nodes.
  - Runs programs in pods, all at the same time, and returns their output.
  - Pods of DaemonSets are omitted, because they only keep images on the nodes.
extends_documentation_fragment: [selfhosted.prefect.kubernetes]
attributes:
  check_mode:
    description: The module only reads, so it has the same result in check mode.
    support: full
  diff_mode:
    description: The module changes nothing.
    support: N/A
options:
  namespace:
    description: Namespace of the pods.
    type: str
    required: true
  namespaces:
    description: Additional namespaces with pods of the instance.
    type: list
    elements: str
    default: []
  instance:
    description: Name of the instance.
    type: str
    default: prefect
  selectors:
    description: Label selectors of additional pods.
    type: list
    elements: str
    default: []
  programs:
    description: Programs to run. The API server can record the commands in its audit log.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the program in RV(programs).
        type: str
        required: true
      component:
        description: Component in whose pods the program runs. It runs in their first container.
        type: str
        required: true
      command:
        description: The program and its arguments. The module uses no shell. The program should only read.
        type: list
        elements: str
        required: true
      each:
        description: Whether the program runs in each ready pod of the component. By default, it runs in one of them.
        type: bool
        default: false
  counters:
    description:
      - Whether CPU time and memory are read before (V(first)) or after (V(last)) the programs run. The usage of the
        programs counts as usage of their pods. Use V(last) at the start of a measurement, and V(first) at its end.
    type: str
    choices: [first, last]
    default: first
seealso:
  - module: selfhosted.prefect.process_group_info
  - module: selfhosted.prefect.kubernetes_facts
"""

EXAMPLES = r"""
- name: Read the pods
  selfhosted.prefect.kubernetes_pod_info:
    namespace: default
  register: found

- name: Show the memory of all pods in MiB
  ansible.builtin.debug:
    msg: "{{ found.processes | map(attribute='memory_bytes') | sum // 1048576 }}"
"""

RETURN = r"""
moment:
  description: Time of the reading of CPU time and memory, in seconds since the epoch.
  returned: success
  type: float
processes:
  description: The pods, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name., type: str, returned: always, sample: prefect-redis-0}
    group: {description: Component of the pod., type: str, returned: always, sample: redis}
    host: {description: Node of the pod., type: str, returned: always}
    pid:
      description: Number of container restarts. If it differs, the counters have been reset.
      type: int
      returned: always
    memory_bytes:
      description: Memory of its containers in bytes, without the inactive page cache.
      type: int
      returned: always
    cpu_seconds: {description: CPU time of its containers in seconds., type: float, returned: always}
programs:
  description: For each of O(programs) by name, a list of the pods in which it ran.
  returned: success
  type: dict
  contains:
    pod: {description: Name of the pod., type: str, returned: always}
    rc: {description: "Exit code; -1 if it could not be started.", type: int, returned: always}
    stdout: {description: Standard output., type: str, returned: always}
    stderr: {description: Standard error., type: str, returned: always}
unread:
  description: Failed readings and programs, with the reasons.
  returned: success
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ACCESS_OPTIONS,
    KubernetesClient,
    KubernetesError,
    access,
    has_yaml,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.pods import Pods, Program
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import INSTANCE_LABEL


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "namespace": {"type": "str", "required": True},
            "namespaces": {"type": "list", "elements": "str", "default": []},
            "instance": {"type": "str", "default": "prefect"},
            "selectors": {"type": "list", "elements": "str", "default": []},
            "programs": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "component": {"type": "str", "required": True},
                    "command": {"type": "list", "elements": "str", "required": True},
                    "each": {"type": "bool", "default": False},
                },
            },
            "counters": {"type": "str", "choices": ["first", "last"], "default": "first"},
            **ACCESS_OPTIONS,
        },
        supports_check_mode=True,
    )
    if not has_yaml():
        module.fail_json(msg=missing_required_lib("PyYAML"))
    options = module.params
    selectors = [f"{INSTANCE_LABEL}={options['instance']}", *options["selectors"]]
    programs = [Program(**given) for given in options["programs"]]
    try:
        client = KubernetesClient(access(options["kubeconfig"], options["context"]))
        namespaces = [options["namespace"], *options["namespaces"]]
        found = Pods(client, namespaces, selectors).look(programs, options["counters"] == "first")
    except KubernetesError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
