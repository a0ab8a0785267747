#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pods of an instance have used, and what programs in them print."""

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_pod_info
short_description: Read CPU time and memory of an instance's pods, and run programs in them
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Returns every pod of an instance that runs, with the memory and the CPU time of its containers, as
    M(selfhosted.prefect.process_group_info) does for the processes of a plain host.
  - CPU time is a counter, so the difference of two readings is what was used in between. It is read from the cgroup of
    each container, by C(grep) in it, as C(kubectl exec) would. That needs neither the metrics API nor a look at nodes.
  - Runs programs in pods, all at the same time, and returns what they have printed.
  - Pods of a DaemonSet are left out. They only keep images on the nodes.
extends_documentation_fragment: [selfhosted.prefect.kubernetes]
attributes:
  check_mode:
    description: Only reads, so it does the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing, so there is nothing to show.
    support: N/A
options:
  namespace:
    description: Namespace of the pods.
    type: str
    required: true
  namespaces:
    description: Further namespaces in which pods of the instance may be.
    type: list
    elements: str
    default: []
  instance:
    description: Name of the instance.
    type: str
    default: prefect
  selectors:
    description: Further pods, each time those that have the labels of a selector.
    type: list
    elements: str
    default: []
  programs:
    description: What to run. The words of a command may end up in the audit log of the API server.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name under which RV(programs) has what it has printed.
        type: str
        required: true
      component:
        description: Component in whose pods it runs, in the first of their containers.
        type: str
        required: true
      command:
        description: The program and its arguments. No shell reads them. It should change nothing.
        type: list
        elements: str
        required: true
      each:
        description: Whether it runs in each ready pod of the component. Otherwise it runs in one.
        type: bool
        default: false
  counters:
    description:
      - Whether CPU time and memory are read before or after the programs have run. What these use counts as that of
        their pods, so V(last) is for the begin of what is to be measured, and V(first) for its end.
    type: str
    choices: [first, last]
    default: first
seealso:
  - module: selfhosted.prefect.process_group_info
  - module: selfhosted.prefect.kubernetes_facts
"""

EXAMPLES = r"""
- name: Look at the pods
  selfhosted.prefect.kubernetes_pod_info:
    namespace: default
  register: found

- name: Memory of all of them in MiB
  ansible.builtin.debug:
    msg: "{{ found.processes | map(attribute='memory_bytes') | sum // 1048576 }}"
"""

RETURN = r"""
moment:
  description: When CPU time and memory were read, in seconds since 1970.
  returned: success
  type: float
processes:
  description: The pods, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name., type: str, returned: always, sample: prefect-redis-0}
    group: {description: The component that it belongs to., type: str, returned: always, sample: redis}
    host: {description: Its node., type: str, returned: always}
    pid:
      description: How often its containers were restarted. When it is another one, the counters have begun anew.
      type: int
      returned: always
    memory_bytes:
      description: Memory of its containers, without the part of the page cache that could be dropped at once.
      type: int
      returned: always
    cpu_seconds: {description: CPU seconds so far of its containers., type: float, returned: always}
programs:
  description: For each of O(programs), by its name, a list of the pods in which it has run.
  returned: success
  type: dict
  contains:
    pod: {description: Name of the pod., type: str, returned: always}
    rc: {description: "Its exit code; -1 where it could not be started.", type: int, returned: always}
    stdout: {description: What it has printed., type: str, returned: always}
    stderr: {description: What it has complained about., type: str, returned: always}
unread:
  description: What could not be read or has failed, and why.
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
