#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: automation
short_description: Manage an automation
version_added: 1.0.0
description:
  - Create, update or delete an automation. An automation runs actions when events occur, or when they do not occur.
  - The server allows several automations with the same name. This module treats O(name) as the key and never creates a
    second automation with the same name. If several exist, the task fails unless O(id) selects one.
  - The server silently drops unknown fields. If this module does not know a field, it looks the field up in the
    server's C(openapi.json) and rejects it if it is not there.
  - An update writes the whole automation, which resets the server's event counts. An update of O(enabled) alone does
    not reset them.
options:
  name:
    description: Name of the automation.
    type: str
    required: true
  id:
    description: The server's id. Use it to select one of several automations with the same name, or to rename one.
      Null selects none.
    type: str
  description:
    description: Description. Null clears it.
    type: str
  enabled:
    description: Whether the automation is enabled. Null means V(true).
    type: bool
  tags:
    description: Tags, in any order. Null clears them.
    type: list
    elements: str
  trigger:
    description:
      - The condition on which the automation acts. Required to create an automation.
      - Replaces the existing trigger and is not merged with it. Keys are those of the API. A key that is omitted or
        null has the default given here.
      - "C(type) is V(event), V(compound) or V(sequence), and is optional."
      - "An C(event) trigger has these keys. C(posture) is V(Reactive) to act on events, or V(Proactive) to act if they
        do not occur. C(expect) lists the names of these events (default: any event). C(after) lists the names of events
        after which the server waits for them."
      - "C(match) has labels of the resource of the event, and C(match_related) labels of its related resources. A value
        may be a list of alternatives and may end in C(*). C(match_related) may be a list of mappings that must all
        match."
      - "C(for_each) lists labels. Events are counted separately for each of their values. C(threshold) is the number of
        events (default V(1)). C(within) is the period in seconds (default V(0)). With V(Proactive), the default and the
        minimum of C(within) are V(10)."
      - "A C(compound) trigger has C(triggers), of any type and depth; C(require), which is V(any), V(all) or a number
        of triggers; and C(within) in seconds, where null means no limit."
      - "A C(sequence) trigger has C(triggers), in their order, and C(within)."
      - To match deployments, flows, work pools and other objects by name, set C(prefect.resource.role) and
        C(prefect.resource.name) in C(match_related).
    type: dict
  actions:
    description:
      - The actions that run each time. Required to create an automation. Replaces the existing list. It cannot be null.
      - Keys are those of the API, with names instead of ids.
      - V(run-deployment) with C(deployment) as V(flow/deployment), C(parameters), C(job_variables) and
        C(schedule_after) in seconds.
      - V(pause-deployment) and V(resume-deployment) with C(deployment). V(pause-work-pool) and V(resume-work-pool) with
        C(work_pool). V(pause-work-queue) and V(resume-work-queue) with C(work_queue) as V(pool/queue).
        V(pause-automation) and V(resume-automation) with C(automation), which may be this one.
      - Without the reference, each action applies to the object of the event.
      - "V(send-notification) with C(block) as V(type/name), C(subject) and C(body); V(call-webhook) with C(block) and
        C(payload). Texts are templates of the server: mark them as C(!unsafe), so that Ansible does not evaluate them."
      - "V(change-flow-run-state) with C(state), C(name), C(message) and, if the server supports it, C(force);
        V(cancel-flow-run), V(suspend-flow-run), V(resume-flow-run), V(delete-flow-run) and V(do-nothing)."
    type: list
    elements: dict
  actions_on_trigger:
    description: Actions that run when the automation is triggered. Null clears them.
    type: list
    elements: dict
  actions_on_resolve:
    description: Actions that run when the condition no longer holds. Null clears them.
    type: list
    elements: dict
  state:
    description: Whether the automation exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.block_document
  - module: selfhosted.prefect.deployment
"""

EXAMPLES = r"""
- name: Crash flow runs without a heartbeat
  selfhosted.prefect.automation:
    api_url: http://127.0.0.1:4200/api
    name: crash-zombie-runs
    trigger:
      posture: Proactive
      match:
        prefect.resource.id: prefect.flow-run.*
      for_each: [prefect.resource.id]
      after: [prefect.flow-run.heartbeat]
      expect:
        - prefect.flow-run.heartbeat
        - prefect.flow-run.Completed
        - prefect.flow-run.Failed
        - prefect.flow-run.Cancelled
        - prefect.flow-run.Crashed
      within: 90
    actions:
      - type: change-flow-run-state
        state: CRASHED
        message: No heartbeat for 90 seconds

- name: Pause a work pool when three runs of a deployment fail within ten minutes
  selfhosted.prefect.automation:
    api_url: http://127.0.0.1:4200/api
    name: stop-when-it-keeps-failing
    trigger:
      posture: Reactive
      expect: [prefect.flow-run.Failed]
      match_related:
        - prefect.resource.role: flow
          prefect.resource.name: nightly-report
        - prefect.resource.role: deployment
          prefect.resource.name: production
      threshold: 3
      within: 600
    actions:
      - type: pause-work-pool
        work_pool: fast

- name: Disable the automation
  selfhosted.prefect.automation:
    api_url: http://127.0.0.1:4200/api
    name: stop-when-it-keeps-failing
    enabled: false

- name: Delete the automation
  selfhosted.prefect.automation:
    api_url: http://127.0.0.1:4200/api
    name: stop-when-it-keeps-failing
    state: absent
"""

RETURN = r"""
automation:
  description: The automation in terms of the options, with the runtime fields of the server. Null if it does not exist.
    Keys of triggers and actions that have their default value are omitted.
  returned: success
  type: dict
  contains:
    name: {description: Name., type: str, returned: always}
    description: {description: Description., type: str, returned: always}
    enabled: {description: Whether the automation is enabled., type: bool, returned: always}
    tags: {description: Tags., type: list, elements: str, returned: always}
    trigger: {description: The condition on which it acts., type: dict, returned: always}
    actions: {description: The actions that run each time., type: list, elements: dict, returned: always}
    actions_on_trigger: {description: Actions when it triggers., type: list, elements: dict, returned: always}
    actions_on_resolve: {description: Actions when it resolves., type: list, elements: dict, returned: always}
    id: {description: The server's id., type: str, returned: when it exists}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.automation import AUTOMATION


def main() -> None:
    run_module(AUTOMATION)


if __name__ == "__main__":
    main()
