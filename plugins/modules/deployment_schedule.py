#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_schedule
short_description: Manage one schedule of a deployment
version_added: 1.0.0
description:
  - Create, update or delete a schedule of a deployment. Other schedules of the deployment do not change. To manage all
    schedules of a deployment, use O(selfhosted.prefect.deployment#module:schedules).
  - The module updates a schedule in place, so it keeps its id and remains paused. It deletes and creates the schedule
    only to clear O(max_scheduled_runs), because the server has no other way.
  - After every change, the server replaces the scheduled runs of the deployment's schedules.
options:
  deployment:
    description: The deployment, as V(flow/deployment).
    type: str
    required: true
  slug:
    description: Name of the schedule, unique within its deployment.
    type: str
    required: true
  cron:
    description:
      - Cron expression for the start of runs.
      - One of O(cron), O(interval) and O(rrule) is required to create a schedule. If the existing schedule uses
        another of the three, the new one replaces it.
      - The three options cannot all be null.
    type: str
  interval:
    description: Time between two runs, in seconds or as an ISO 8601 duration such as V(PT15M). For null, see O(cron).
    type: raw
  rrule:
    description:
      - Recurrence rule of RFC 5545 for the start of runs, with C(DTSTART) on a separate line before it.
      - A rule without C(DTSTART) keeps the existing one. Newer servers add C(DTSTART) to a new rule. For null, see
        O(cron).
    type: str
  timezone:
    description: Time zone of the schedule, for example V(Europe/Berlin). Null means V(UTC).
    type: str
  anchor_date:
    description:
      - Start of the first O(interval), for example V(2026-01-31T03:00:00Z). It cannot be null.
      - By default, the server uses the time of the schedule's creation.
    type: str
  day_or:
    description:
      - Whether a O(cron) with a day of the month and a day of the week matches if either of them matches. V(false)
        requires both.
      - Null means V(true).
    type: bool
  paused:
    description: Whether the schedule is paused. Null means V(false).
    type: bool
  max_scheduled_runs:
    description: Maximum of runs that the server schedules in advance, from V(1) to the server's limit (50 by default).
      Null clears it.
    type: int
  parameters:
    description: Parameters of the schedule's runs, which override those of the deployment. Replaces the existing
      parameters. Null clears them.
    type: dict
  state:
    description: Whether the schedule exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.deployment
"""

EXAMPLES = r"""
- name: Create a deployment
  selfhosted.prefect.deployment:
    api_url: http://127.0.0.1:4200/api
    flow: monthly-invoices
    name: production
    path: /opt/flows
    entrypoint: invoices.py:monthly_invoices

- name: Create a schedule for the first of the month if it is a Monday
  selfhosted.prefect.deployment_schedule:
    api_url: http://127.0.0.1:4200/api
    deployment: monthly-invoices/production
    slug: first-monday
    cron: 0 3 1 * 1
    day_or: false
    timezone: Europe/Berlin
    parameters:
      dry_run: false

- name: Create a schedule for every 15 minutes
  selfhosted.prefect.deployment_schedule:
    api_url: http://127.0.0.1:4200/api
    deployment: monthly-invoices/production
    slug: corrections
    interval: 900
    anchor_date: "2026-01-01T00:00:00Z"

- name: Pause the schedule
  selfhosted.prefect.deployment_schedule:
    api_url: http://127.0.0.1:4200/api
    deployment: monthly-invoices/production
    slug: corrections
    paused: true

- name: Delete the schedule
  selfhosted.prefect.deployment_schedule:
    api_url: http://127.0.0.1:4200/api
    deployment: monthly-invoices/production
    slug: corrections
    state: absent
"""

RETURN = r"""
deployment_schedule:
  description: The schedule in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    deployment: {description: The deployment., type: str, returned: always}
    slug: {description: Name of the schedule., type: str, returned: always}
    cron: {description: Cron expression; null if not used., type: str, returned: always}
    interval: {description: Seconds between two runs; null if not used., type: raw, returned: always}
    rrule: {description: Recurrence rule; null if not used., type: str, returned: always}
    timezone: {description: Time zone., type: str, returned: always}
    anchor_date: {description: Start of the first interval., type: str, returned: always}
    day_or: {description: Whether cron matches either day., type: bool, returned: always}
    paused: {description: Whether the schedule is paused., type: bool, returned: always}
    max_scheduled_runs: {description: Maximum of runs scheduled in advance., type: int, returned: always}
    parameters: {description: Parameters of its runs., type: dict, returned: always}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {deployment: monthly-invoices/production, slug: first-monday, cron: 0 3 1 * 1, day_or: false, paused: false}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment_schedule import (
    DEPLOYMENT_SCHEDULE,
)


def main() -> None:
    run_module(DEPLOYMENT_SCHEDULE)


if __name__ == "__main__":
    main()
