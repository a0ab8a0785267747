#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flow_run
short_description: Run a deployment
version_added: 1.0.0
description:
  - Create one or many runs of a deployment and, by default, wait until they have ended well.
  - Each call creates runs, so it is always changed, except with an O(idempotency_key) that the server already knows.
options:
  deployment:
    description: What to run, as V(flow/deployment).
    type: str
    required: true
  parameters:
    description: Parameters on top of those of the deployment.
    type: dict
  job_variables:
    description: Values for variables of the pool's base job template, on top of those of the deployment.
    type: dict
  work_queue:
    description: Name of another queue of the deployment's pool. The server creates a queue that does not exist.
    type: str
  tags:
    description: Tags on top of those of the deployment.
    type: list
    elements: str
  name:
    description: Name of the run. With O(count) greater than 1 it gets a suffix V(-1), V(-2) and so on. The server
      invents one when omitted.
    type: str
  count:
    description: How many runs to create.
    type: int
    default: 1
  idempotency_key:
    description: A run that was created with this key before is taken instead of a new one. With O(count) greater
      than 1 it gets the same suffixes as O(name).
    type: str
  wait:
    description: Whether to wait until all of them have ended.
    type: bool
    default: true
  wait_timeout:
    description: Seconds to wait at most. The runs go on when it is over.
    type: float
    default: 300
  fail_on_state:
    description: Whether the task fails when a run that was waited for ends in another state than COMPLETED.
    type: bool
    default: true
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
attributes:
  diff_mode:
    support: none
    details: A run has no state before.
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.deployment
"""

EXAMPLES = r"""
- name: Run a deployment and wait for it
  selfhosted.prefect.flow_run:
    api_url: http://127.0.0.1:4200/api
    deployment: nightly-report/production
    parameters:
      customer: acme
    wait_timeout: 120
  register: run

- name: Submit twenty runs and go on
  selfhosted.prefect.flow_run:
    api_url: http://127.0.0.1:4200/api
    deployment: nightly-report/production
    count: 20
    tags: [load]
    wait: false
"""

RETURN = r"""
flow_run:
  description: The first run, when the task fails the first that did not complete; null in check mode.
  returned: success
  type: dict
  contains:
    id: {description: The server's id., type: str, returned: always}
    name: {description: Name., type: str, returned: always}
    deployment: {description: The deployment., type: str, returned: always}
    state_type: {description: COMPLETED or FAILED for example., type: str, returned: always, sample: COMPLETED}
    state_name: {description: "The same, finer: Late or Retrying, for example.", type: str, returned: always}
    message: {description: What the server says about the state., type: str, returned: always}
    work_pool: {description: Name of the pool., type: str, returned: always}
    work_queue: {description: Name of the queue., type: str, returned: always}
    parameters: {description: Its parameters., type: dict, returned: always}
    tags: {description: Its tags., type: list, elements: str, returned: always}
    expected_start_time: {description: When it should have started., type: str, returned: always}
    start_time: {description: When it started., type: str, returned: always}
    end_time: {description: When it ended., type: str, returned: always}
    total_run_time: {description: Seconds it ran., type: float, returned: always}
flow_runs:
  description: All of them, in the order of creation; when the task fails, up to ten that did not complete.
  returned: success
  type: list
  elements: dict
states:
  description: How many runs are in which state.
  returned: success
  type: dict
  sample: {COMPLETED: 200}
logs:
  description: The last log lines of the first run that did not complete.
  returned: when a run did not complete
  type: list
  elements: str
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run import OPTIONS, execute


def main() -> None:
    module = PrefectModule(OPTIONS)
    run(module, lambda client: execute(client, module.params))


if __name__ == "__main__":
    main()
