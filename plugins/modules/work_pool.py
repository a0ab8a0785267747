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
  - Create, change or delete a work pool together with its queues.
  - The base job template is made from the server's own default template of the pool's type, so that fields which a
    newer Prefect adds stay in it. Only what differs from the defaults is stated.
options:
  name:
    description:
      - Name of the pool, which is also its identity.
      - The server refuses C(/ % & < >), and new names that start with C(prefect).
    type: str
    required: true
  type:
    description:
      - Type of the workers that serve the pool, such as V(process), V(kubernetes) or V(docker).
      - Needed to create a pool. The server cannot change it, so another type than the existing one is refused, and
        so is null.
    type: str
  description:
    description: Description. Null clears it.
    type: str
  paused:
    description: Whether the pool hands out no work. Null means V(false).
    type: bool
  concurrency_limit:
    description: The most flow runs of this pool that run at the same time. V(0) stops it, null removes the limit.
    type: int
  job:
    description:
      - Defaults of the template's variables, for example C(image) or C(finished_job_ttl) of a Kubernetes pool.
      - Variables that the template does not declare are refused before anything is written.
      - Variables that are not named have the template's own default. Null or V({}) means no changes to the template.
    type: dict
  job_manifest_patch:
    description:
      - Merged into the template's C(job_configuration), for what has no variable.
      - Mappings are merged, null removes a key, lists of mappings with a C(name) (containers, volumes, environment) are
        merged by that name, other lists are replaced.
      - Prefect's own C({{ variable }}) placeholders need C(!unsafe) in YAML, so that Ansible leaves them alone.
    type: dict
  base_job_template:
    description:
      - The whole template, with C(job_configuration) and C(variables), to use instead of the server's default one.
        O(job) and O(job_manifest_patch) are applied on top of it. Null means the server's default.
      - When none of O(job), O(job_manifest_patch) and O(base_job_template) is given, an existing pool's template is
        left alone and a new pool gets the default one.
    type: dict
  storage_configuration:
    description: Where bundles and results of this pool's flow runs are kept. Parts that are omitted are left alone.
      Null clears all.
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
      - Queues of the pool, including the queue V(default) that every pool has. Queues that are not listed keep all but
        their priority, which the server moves when a listed queue needs it.
      - Either every queue states its priority, or none does and the order of the list decides. It cannot be null.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name of the queue. The characters C(/ % & < >) are not allowed.
        type: str
        required: true
      priority:
        description:
          - The place in the order of service; V(1) is served first. Unique within a pool.
          - When another queue has this priority, the server moves that one (and those it meets) one further.
        type: int
      concurrency_limit:
        description: The most flow runs of this queue that run at the same time. V(0) stops it, null removes the limit.
        type: int
      description:
        description: Description. Null clears it.
        type: str
      paused:
        description: Whether the queue hands out no work. Null means V(false).
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
- name: A pool for processes with two queues, the external API's first
  selfhosted.prefect.work_pool:
    api_url: http://127.0.0.1:4200/api
    name: fast
    type: process
    concurrency_limit: 50
    queues:
      - name: external-api
        concurrency_limit: 40
      - name: default

- name: A pool for Kubernetes jobs that are cleaned up after five minutes and end quickly
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

- name: Remove the pool's concurrency limit
  selfhosted.prefect.work_pool:
    api_url: http://127.0.0.1:4200/api
    name: fast
    concurrency_limit: null

- name: No such pool
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
    concurrency_limit: {description: Most runs at the same time; null is no limit., type: int, returned: always}
    base_job_template: {description: The whole template., type: dict, returned: always}
    storage_configuration: {description: Where bundles and results are kept., type: dict, returned: always}
    queues: {description: All queues in the order they are served., type: list, elements: dict, returned: always}
    status: {description: READY once a worker polls., type: str, returned: when it exists}
    active_slots: {description: Slots of the limit in use., type: int, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {name: fast, type: process, concurrency_limit: 50, paused: false}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.work_pool import WORK_POOL


def main() -> None:
    run_module(WORK_POOL)


if __name__ == "__main__":
    main()
