#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flow_run_state
short_description: Set the state of flow runs
version_added: 1.0.0
description:
  - Cancel flow runs, or set the state of orphaned flow runs. A filter selects the runs.
  - A run must match all filter options that are set. Runs that are already in O(state) do not change, so the module is
    idempotent.
options:
  state:
    description:
      - The new state.
      - V(CANCELLING) cancels a run. The worker stops a run that has started. A run that has not started is cancelled
        immediately.
      - V(CRASHED), V(FAILED), V(CANCELLED) and V(COMPLETED) end a run only in the database. V(SCHEDULED) runs it again.
    type: str
    choices: [CANCELLED, CANCELLING, COMPLETED, CRASHED, FAILED, SCHEDULED]
    required: true
  state_name:
    description: Name of the new state. By default, it is the name of the state's type.
    type: str
  state_message:
    description: Message of the new state, which the run shows.
    type: str
  force:
    description: Whether to bypass the server's rules for state changes, for example to leave a final state.
    type: bool
    default: false
  states:
    description: Only runs in one of these states. A state is a type, such as V(RUNNING), or a name, such as V(Late).
    type: list
    elements: str
    required: true
  older_than:
    description: Only runs that have been in their state for longer than this, in seconds. The module compares the
      state's time with the clock of the host where it runs.
    type: float
  ids:
    description: Only the runs with these ids.
    type: list
    elements: str
  names:
    description: Only runs with one of these names.
    type: list
    elements: str
  flow:
    description: Only runs of this flow.
    type: str
  deployment:
    description: Only runs of this deployment, as V(flow/deployment).
    type: str
  work_pool:
    description: Only runs of this work pool.
    type: str
  work_queue:
    description: Only runs of work queues with this name.
    type: str
  tags:
    description: Only runs that have all of these tags.
    type: list
    elements: str
  max_count:
    description: Maximum number of runs. If more runs match, the task fails without a change.
    type: int
    default: 50
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.flow_run_info
  - module: selfhosted.prefect.concurrency_slots
"""

EXAMPLES = r"""
- name: Mark runs that have not changed for a day as crashed
  selfhosted.prefect.flow_run_state:
    api_url: http://127.0.0.1:4200/api
    states: [RUNNING, PENDING, CANCELLING]
    older_than: 86400
    state: CRASHED
    state_message: No state change for a day
    max_count: 200

- name: Cancel the late runs of a work pool
  selfhosted.prefect.flow_run_state:
    api_url: http://127.0.0.1:4200/api
    work_pool: fast
    states: [Late]
    state: CANCELLING
"""

RETURN = r"""
flow_runs:
  description: The matching runs, each in the format of M(selfhosted.prefect.flow_run) and with C(previous_state).
  returned: success, or when the server rejected the state for some runs
  type: list
  elements: dict
states:
  description: Number of these runs in each state after the change.
  returned: success, or when the server rejected the state for some runs
  type: dict
  sample: {CRASHED: 12}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run_state import OPTIONS, set_states


def main() -> None:
    module = PrefectModule(OPTIONS)
    run(module, lambda client: set_states(client, module.params))


if __name__ == "__main__":
    main()
