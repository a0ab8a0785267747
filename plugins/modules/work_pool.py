#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: work_pool
short_description: Manage a work pool and its queues
version_added: 1.0.0
description:
  - Create, update or delete a work pool together with its queues.
  - The module builds the base job template from the server's default template of the pool's type, so it includes fields
    that a newer Prefect adds. You set only the differences from the defaults.
options:
  name:
    description:
      - Name of the pool, which identifies it.
      - The characters C(/ % & < >) are not allowed. The server rejects new names that start with C(prefect).
    type: str
    required: true
  type:
    description:
      - Type of the pool's workers, such as V(process), V(kubernetes) or V(docker).
      - Required to create a pool. The server cannot change the type, so the module rejects another type than the
        existing one. It cannot be null.
    type: str
  description:
    description: Description. Null clears it.
    type: str
  paused:
    description: Whether the pool is paused and hands out no runs. Null means V(false).
    type: bool
  concurrency_limit:
    description: Maximum of concurrent flow runs of this pool. V(0) stops the pool. Null removes the limit.
    type: int
  job:
    description:
      - Default values of the template's variables, for example C(image) or C(finished_job_ttl) of a Kubernetes pool.
      - The module rejects variables that the template does not declare, before it writes anything.
      - Omitted variables keep the template's own default. Null or V({}) means no changes to the template.
    type: dict
  job_manifest_patch:
    description:
      - Patch of the template's C(job_configuration), for fields without a variable.
      - Mappings are merged. Null removes a key. Lists of mappings with a C(name) (containers, volumes, environment) are
        merged by that name. Other lists are replaced.
      - Mark Prefect's own C({{ variable }}) placeholders as C(!unsafe), so that Ansible does not evaluate them.
    type: dict
  base_job_template:
    description:
      - Complete template, with C(job_configuration) and C(variables), that replaces the server's default template.
        O(job) and O(job_manifest_patch) are applied to it. Null means the server's default.
      - If O(job), O(job_manifest_patch) and O(base_job_template) are all omitted, the template of an existing pool does
        not change, and a new pool gets the default template.
    type: dict
  storage_configuration:
    description: Storage of the bundles and results of this pool's flow runs. Omitted suboptions do not change. Null
      clears all.
    type: dict
    suboptions:
      bundle_upload_step:
        description: The step that uploads a bundle. Null clears it.
        type: dict
      bundle_execution_step:
        description: The step that executes a bundle. Null clears it.
        type: dict
      default_result_storage_block:
        description: The block for results, as V(type/name), for example V(s3-bucket/results). Null clears it.
        type: str
  queues:
    description:
      - Queues of the pool, including the queue V(default) that every pool has. Queues that are not listed keep their
        settings. Only their priority changes if the server assigns it to a listed queue.
      - Set C(priority) for all listed queues, or for none. In the latter case, the order of the list sets the
        priorities. It cannot be null.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the queue. The characters C(/ % & < >) are not allowed.
        type: str
        required: true
      priority:
        description:
          - Priority of the queue, unique within a pool. V(1) is the highest.
          - If another queue has this priority, the server moves that queue down by one, and also any queue that then
            has the same priority.
        type: int
      concurrency_limit:
        description: Maximum of concurrent flow runs of this queue. V(0) stops the queue. Null removes the limit.
        type: int
      description:
        description: Description. Null clears it.
        type: str
      paused:
        description: Whether the queue is paused and hands out no runs. Null means V(false).
        type: bool
  state:
    description: Whether the pool exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Create a process work pool with two queues
  selfhosted.prefect.work_pool:
    api_url: http://127.0.0.1:4200/api
    name: fast
    type: process
    concurrency_limit: 50
    queues:
      - name: external-api
        concurrency_limit: 40
      - name: default

- name: Create a Kubernetes work pool with a TTL of five minutes and a short grace period
  selfhosted.prefect.work_pool:
    api_url: http://127.0.0.1:4200/api
    name: kubernetes-fast
    type: kubernetes
    concurrency_limit: 300
    job:
      namespace: prefect-jobs
      image: registry.example.com/flows:1.4.2
      image_pull_policy: IfNotPresent
      finished_job_ttl: 300
    job_manifest_patch:
      job_manifest:
        spec:
          template:
            spec:
              terminationGracePeriodSeconds: 10
              containers:
                - name: prefect-job
                  # Newer templates have variables for these: cpu_request and memory_request in job.
                  resources:
                    requests: {cpu: 100m, memory: 256Mi}
                  securityContext:
                    allowPrivilegeEscalation: false

- name: Remove the concurrency limit of the work pool
  selfhosted.prefect.work_pool:
    api_url: http://127.0.0.1:4200/api
    name: fast
    concurrency_limit: null

- name: Delete the work pool
  selfhosted.prefect.work_pool:
    api_url: http://127.0.0.1:4200/api
    name: fast
    state: absent
"""

RETURN = r"""
work_pool:
  description: The pool in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    name: {description: Name., type: str, returned: always}
    type: {description: Type of its workers., type: str, returned: always}
    description: {description: Description., type: str, returned: always}
    paused: {description: Whether the pool is paused., type: bool, returned: always}
    concurrency_limit: {description: Maximum of concurrent runs; null for no limit., type: int, returned: always}
    base_job_template: {description: The whole template., type: dict, returned: always}
    storage_configuration: {description: Storage of bundles and results., type: dict, returned: always}
    queues: {description: All queues ordered by priority., type: list, elements: dict, returned: always}
    status: {description: READY if a worker polls it., type: str, returned: when it exists}
    active_slots: {description: Slots that are occupied now., type: int, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {name: fast, type: process, concurrency_limit: 50, paused: false}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_pool import WORK_POOL


def main() -> None:
    run_module(WORK_POOL)


if __name__ == "__main__":
    main()
