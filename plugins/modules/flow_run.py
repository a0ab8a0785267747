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
  - Create one or more flow runs of a deployment and, by default, wait until they complete.
  - The module creates runs each time and always reports a change, unless the server already knows O(idempotency_key).
options:
  deployment:
    description: The deployment to run, as V(flow/deployment).
    type: str
    required: true
  parameters:
    description: Parameters, which override those of the deployment.
    type: dict
  job_variables:
    description: Values for variables of the work pool's base job template, which override those of the deployment.
    type: dict
  work_queue:
    description: Name of a queue of the deployment's work pool. By default, the deployment's own queue is used. The
      server creates a queue that does not exist.
    type: str
  tags:
    description: Tags in addition to those of the deployment.
    type: list
    elements: str
  name:
    description: Name of the run. With O(count) greater than 1, the names get the suffixes V(-1), V(-2) and so on. By
      default, the server generates a name.
    type: str
  count:
    description: Number of runs to create.
    type: int
    default: 1
  idempotency_key:
    description: Idempotency key. If a run with this key exists, it is used and no new run is created. With O(count)
      greater than 1, the keys get the same suffixes as O(name).
    type: str
  wait:
    description: Whether to wait until all runs have ended.
    type: bool
    default: true
  wait_timeout:
    description: Maximum time to wait, in seconds. The runs continue after a timeout.
    type: float
    default: 300
  fail_on_state:
    description: Whether the task fails if a run ends in another state than COMPLETED while the module waits.
    type: bool
    default: true
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
attributes:
  diff_mode:
    support: none
    details: A new run has no previous state.
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

- name: Submit 20 runs without waiting
  selfhosted.prefect.flow_run:
    api_url: http://127.0.0.1:4200/api
    deployment: nightly-report/production
    count: 20
    tags: [load]
    wait: false
"""

RETURN = r"""
flow_run:
  description: The first run. If the task fails, the first run that did not complete. Null in check mode.
  returned: success
  type: dict
  contains:
    id: {description: The server's id., type: str, returned: always}
    name: {description: Name., type: str, returned: always}
    deployment: {description: The deployment., type: str, returned: always}
    state_type: {description: Type of the state., type: str, returned: always, sample: COMPLETED}
    state_name: {description: "Name of the state, for example Late or Retrying.", type: str, returned: always}
    message: {description: Message of the state., type: str, returned: always}
    work_pool: {description: Name of the work pool., type: str, returned: always}
    work_queue: {description: Name of the work queue., type: str, returned: always}
    parameters: {description: Parameters., type: dict, returned: always}
    tags: {description: Tags., type: list, elements: str, returned: always}
    expected_start_time: {description: Expected start., type: str, returned: always}
    start_time: {description: Actual start., type: str, returned: always}
    end_time: {description: End., type: str, returned: always}
    total_run_time: {description: Run time in seconds., type: float, returned: always}
flow_runs:
  description: All runs, in the order of creation. If the task fails, up to ten runs that did not complete.
  returned: success
  type: list
  elements: dict
states:
  description: Number of runs in each state.
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
