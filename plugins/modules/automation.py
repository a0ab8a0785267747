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
  - Create, change or delete an automation, which acts when events happen, or when they stay away.
  - Automations have no unique name on the server. This module treats the name as the key, makes no second one, and
    fails when two share it, unless O(id) chooses one.
  - The server drops fields that it does not know without a word. So what this module does not know, either, is looked
    up in the server's C(openapi.json), and refused where it is not there.
  - A change writes the whole automation, so that the server starts to count events anew. A change of O(enabled) alone
    does not.
options:
  name:
    description: Name of the automation.
    type: str
    required: true
  id:
    description: The server's id, to choose one of several with the same name, or to rename one. Null is no choice.
    type: str
  description:
    description: Text for people. Null clears it.
    type: str
  enabled:
    description: Whether it acts. Null means V(true).
    type: bool
  tags:
    description: Tags, in any order. Null clears them.
    type: list
    elements: str
  trigger:
    description:
      - When it acts; needed to create one, and the whole trigger, not merged with the present one. Keys are those of
        the API. A key that is left out or null has the default given here.
      - "C(type) is V(event), V(compound) or V(sequence) and may be left out."
      - "An C(event) trigger has C(posture), V(Reactive) to act on events or V(Proactive) to act when they stay away;
        C(expect), the names of these events (any); C(after), the names of events that start to wait for them;
        C(match) and C(match_related), labels of the resource that an event is about and of those that it is related to,
        where a value may be a list of alternatives and end in C(*), and C(match_related) may be a list of mappings that
        must all match; C(for_each), labels by whose values it counts apart; C(threshold), how many events (V(1)); and
        C(within), the seconds in which (V(0); with V(Proactive) at least and by default V(10))."
      - "A C(compound) trigger has C(triggers), of any type and depth; C(require), V(any), V(all) or how many of them;
        and C(within), in seconds (null for no limit)."
      - "A C(sequence) trigger has C(triggers), in their order, and C(within)."
      - Deployments, flows, pools and so on can be matched by name, as C(prefect.resource.role) and
        C(prefect.resource.name) in C(match_related).
    type: dict
  actions:
    description:
      - What it does each time; needed to create one, and the whole list. It cannot be null.
      - Keys are those of the API, with names instead of ids.
      - "V(run-deployment) with C(deployment) as V(flow/deployment), C(parameters), C(job_variables) and
        C(schedule_after) in seconds; V(pause-deployment) and V(resume-deployment) with C(deployment);
        V(pause-work-pool) and V(resume-work-pool) with C(work_pool); V(pause-work-queue) and V(resume-work-queue) with
        C(work_queue) as V(pool/queue); V(pause-automation) and V(resume-automation) with C(automation), which may be
        this one. Without the reference each acts on what the event is about."
      - "V(send-notification) with C(block) as V(type/name), C(subject) and C(body); V(call-webhook) with C(block) and
        C(payload). Texts are templates of the server: mark them as C(!unsafe), so that Ansible leaves their braces."
      - "V(change-flow-run-state) with C(state), C(name), C(message) and, unless Prefect is old, C(force);
        V(cancel-flow-run), V(suspend-flow-run), V(resume-flow-run), V(delete-flow-run) and V(do-nothing)."
    type: list
    elements: dict
  actions_on_trigger:
    description: Actions for the moment when it is triggered. Null clears them.
    type: list
    elements: dict
  actions_on_resolve:
    description: Actions for the moment when its condition is over. Null clears them.
    type: list
    elements: dict
  state:
    description: Whether the automation is there.
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
- name: Crash runs whose heartbeats have stopped
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

- name: Pause a pool when three runs of a deployment fail within ten minutes
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

- name: Switch it off
  selfhosted.prefect.automation:
    api_url: http://127.0.0.1:4200/api
    name: stop-when-it-keeps-failing
    enabled: false

- name: No such automation
  selfhosted.prefect.automation:
    api_url: http://127.0.0.1:4200/api
    name: stop-when-it-keeps-failing
    state: absent
"""

RETURN = r"""
automation:
  description: The automation in terms of the options, with the runtime fields of the server; null when it is absent.
    Keys of triggers and actions that have their default value are left out.
  returned: success
  type: dict
  contains:
    name: {description: Name., type: str, returned: always}
    description: {description: Text for people., type: str, returned: always}
    enabled: {description: Whether it acts., type: bool, returned: always}
    tags: {description: Tags., type: list, elements: str, returned: always}
    trigger: {description: When it acts., type: dict, returned: always}
    actions: {description: What it does each time., type: list, elements: dict, returned: always}
    actions_on_trigger: {description: Actions when it is triggered., type: list, elements: dict, returned: always}
    actions_on_resolve: {description: Actions when its condition is over., type: list, elements: dict, returned: always}
    id: {description: The server's id., type: str, returned: when it exists}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.automation import AUTOMATION


def main() -> None:
    run_module(AUTOMATION)


if __name__ == "__main__":
    main()
