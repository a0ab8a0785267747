#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flow_run_state
short_description: Set the state of flow runs, many at a time
version_added: 1.0.0
description:
  - Cancel runs, or set the state of runs that nobody looks after any more, chosen by a filter.
  - All options of the filter that are given must fit. Runs that are already in O(state) are left alone, so a second run
    of the task finds nothing to do.
options:
  state:
    description:
      - The new state.
      - V(CANCELLING) is how to cancel. The worker ends what it has started, and a run that has not started is cancelled
        at once.
      - V(CRASHED), V(FAILED), V(CANCELLED) and V(COMPLETED) end a run in the database only. V(SCHEDULED) runs it again.
    type: str
    choices: [CANCELLED, CANCELLING, COMPLETED, CRASHED, FAILED, SCHEDULED]
    required: true
  state_name:
    description: Name of the new state. The name of its type when omitted.
    type: str
  state_message:
    description: Why, for those who look at the run.
    type: str
  force:
    description: Whether to set the state past the server's rules, such as the one against leaving a final state.
    type: bool
    default: false
  states:
    description: Runs in one of these states, such as V(RUNNING) and V(PENDING) (types) or V(Late) (a name).
    type: list
    elements: str
    required: true
  older_than:
    description: Only runs that have been in their state for longer than this many seconds, by this machine's clock.
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
    description: Only runs of this pool.
    type: str
  work_queue:
    description: Only runs of queues with this name.
    type: str
  tags:
    description: Only runs that have all of these tags.
    type: list
    elements: str
  max_count:
    description: The task fails without a change when more runs than this fit.
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
- name: Declare runs dead that have been running for a day
  selfhosted.prefect.flow_run_state:
    api_url: http://127.0.0.1:4200/api
    states: [RUNNING, PENDING, CANCELLING]
    older_than: 86400
    state: CRASHED
    state_message: Nothing was heard of it for a day
    max_count: 200

- name: Cancel what waits in this pool
  selfhosted.prefect.flow_run_state:
    api_url: http://127.0.0.1:4200/api
    work_pool: fast
    states: [Late]
    state: CANCELLING
"""

RETURN = r"""
flow_runs:
  description: The runs that fit, each like the result of M(selfhosted.prefect.flow_run) and with C(previous_state).
  returned: success or when some did not take the state
  type: list
  elements: dict
states:
  description: How many of them are in which state now.
  returned: success or when some did not take the state
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
