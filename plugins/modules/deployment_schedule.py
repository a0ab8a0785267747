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
  - Create, change or delete a schedule of a deployment. Other schedules of the deployment are left alone; to state all
    that it has, use O(selfhosted.prefect.deployment#module:schedules).
  - A schedule is changed in place, so that it keeps its id and stays paused. Only to clear O(max_scheduled_runs) is it
    made anew, because the server cannot do it otherwise.
  - With every change the server plans the runs anew that are due from the deployment's schedules.
options:
  deployment:
    description: The deployment, as V(flow/deployment).
    type: str
    required: true
  slug:
    description: Name of the schedule, unique for its deployment.
    type: str
    required: true
  cron:
    description:
      - When runs start, as a cron expression.
      - One of O(cron), O(interval) and O(rrule) is needed to create a schedule. Another than the present replaces it.
      - Null of all three is refused.
    type: str
  interval:
    description: Seconds between two runs, or an ISO 8601 duration such as V(PT15M). For null see O(cron).
    type: raw
  rrule:
    description:
      - When runs start, as a recurrence rule of RFC 5545, with C(DTSTART) on a line of its own before it.
      - A rule without C(DTSTART) leaves the present one. Newer servers add one to a new rule. For null see O(cron).
    type: str
  timezone:
    description: Time zone in which the schedule is meant, for example V(Europe/Berlin). Null means V(UTC).
    type: str
  anchor_date:
    description:
      - A moment from which an O(interval) counts, as V(2026-01-31T03:00:00Z). It cannot be null.
      - The server takes the moment of the creation when it is omitted.
    type: str
  day_or:
    description:
      - Whether a O(cron) that states both a day of the month and a day of the week means either of them; V(false) means
        days that are both.
      - Null means V(true).
    type: bool
  paused:
    description: Whether it creates no runs. Null means V(false).
    type: bool
  max_scheduled_runs:
    description: The most runs that are planned ahead, V(1) or more, and no more than the server allows (50 by default).
      Null clears it.
    type: int
  parameters:
    description: Parameters of its runs on top of those of the deployment; the whole set. Null clears them.
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
- name: A flow whose file lies on the workers
  selfhosted.prefect.deployment:
    api_url: http://127.0.0.1:4200/api
    flow: monthly-invoices
    name: production
    path: /opt/flows
    entrypoint: invoices.py:monthly_invoices

- name: On the first of the month, if it is a Monday
  selfhosted.prefect.deployment_schedule:
    api_url: http://127.0.0.1:4200/api
    deployment: monthly-invoices/production
    slug: first-monday
    cron: 0 3 1 * 1
    day_or: false
    timezone: Europe/Berlin
    parameters:
      dry_run: false

- name: Every quarter of an hour
  selfhosted.prefect.deployment_schedule:
    api_url: http://127.0.0.1:4200/api
    deployment: monthly-invoices/production
    slug: corrections
    interval: 900
    anchor_date: "2026-01-01T00:00:00Z"

- name: Pause it
  selfhosted.prefect.deployment_schedule:
    api_url: http://127.0.0.1:4200/api
    deployment: monthly-invoices/production
    slug: corrections
    paused: true

- name: No such schedule
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
    cron: {description: Cron expression; null in another schedule., type: str, returned: always}
    interval: {description: Seconds between two runs; null in another schedule., type: raw, returned: always}
    rrule: {description: Recurrence rule; null in another schedule., type: str, returned: always}
    timezone: {description: Time zone., type: str, returned: always}
    anchor_date: {description: From when an interval counts., type: str, returned: always}
    day_or: {description: How days of month and week go together in cron., type: bool, returned: always}
    paused: {description: Whether it creates no runs., type: bool, returned: always}
    max_scheduled_runs: {description: The most runs planned ahead., type: int, returned: always}
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
