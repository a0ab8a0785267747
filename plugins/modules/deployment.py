#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment
short_description: Manage a deployment of a flow
version_added: 1.0.0
description:
  - Create, change or delete a deployment, for flows whose code the workers find by O(path), O(entrypoint)
    and O(pull_steps).
  - Only options that are given are written. A deployment made by C(prefect deploy) keeps its schedules and all else.
  - The flow is registered when the server does not know it. Deleting a deployment leaves its flow.
options:
  flow:
    description: Name of the flow. The characters C(/ % & < >) are not allowed.
    type: str
    required: true
  name:
    description: Name of the deployment, unique for its flow. The characters C(/ % & < >) are not allowed.
    type: str
    required: true
  description:
    description: Description. Null clears it.
    type: str
  tags:
    description: Tags, in any order, that each of its runs gets. Null clears them.
    type: list
    elements: str
  labels:
    description:
      - Labels that it gets when created. Null means none.
      - The server cannot change them later, so other values are refused.
    type: dict
  paused:
    description: Whether its schedules create no runs. Null means V(false).
    type: bool
  work_pool:
    description: Name of the pool whose workers run it. Null clears it, and the queue with it.
    type: str
  work_queue:
    description:
      - Name of the queue in the pool. Null means V(default), and so does another O(work_pool) without a O(work_queue).
      - The server creates a queue that does not exist.
    type: str
  entrypoint:
    description: Where the flow is in its code, as V(file.py:function) or V(module.function). Null clears it.
    type: str
  path:
    description: Directory of the code. Null clears it.
    type: str
  pull_steps:
    description: Steps that fetch the code before a run, each a step's name mapped to its inputs. Null clears them.
    type: list
    elements: dict
  version:
    description: A version to show. Null clears it.
    type: str
  parameters:
    description: Parameters of its runs; the whole set, not merged with the present one. Null clears them.
    type: dict
  parameter_openapi_schema:
    description: JSON schema of the parameters. Null clears it.
    type: dict
  enforce_parameter_schema:
    description: Whether the server refuses parameters that do not fit the schema. Null means V(true).
    type: bool
  job_variables:
    description:
      - Values for variables of the pool's base job template; the whole set. Null clears them.
      - The server refuses values that do not fit the template.
    type: dict
  concurrency_limit:
    description:
      - The most runs of this deployment at the same time, V(1) or more. Null removes the deployment's own limit.
      - When it shares a limit, it leaves that one, which the other deployments keep.
    type: int
  global_concurrency_limit:
    description:
      - Name of a global concurrency limit that it shares with others, instead of a limit of its own. Null leaves it.
      - Deleting the deployment keeps the shared limit, which the server alone would delete.
    type: str
  concurrency_options:
    description: What happens with runs over the limit. Null means the server's default.
    type: dict
    suboptions:
      collision_strategy:
        description: Whether a run over the limit waits or is cancelled. Null means V(ENQUEUE).
        type: str
        choices: [ENQUEUE, CANCEL_NEW]
        default: ENQUEUE
      grace_period_seconds:
        description: Seconds that the infrastructure of a run has to start, 60 to 86400, before it loses its slot.
          Null means the server's default.
        type: int
  storage_document:
    description: Block with the code's storage, as V(type/name). Null clears it.
    type: str
  schedules:
    description:
      - All its schedules, each known by its C(slug). Others are removed, and so are all by null or an empty list. When
        omitted, the schedules are left alone.
      - A schedule without a slug, as C(prefect deploy) makes them, is known by all that it states.
      - What a schedule leaves out is left alone, so that one that was paused stays paused. Each is changed in place, as
        M(selfhosted.prefect.deployment_schedule) does, which manages single schedules and leaves the others alone.
    type: list
    elements: dict
    suboptions:
      slug:
        description: Name of the schedule, unique for its deployment. Null means none.
        type: str
      cron:
        description: When runs start, as a cron expression. A new schedule needs this, or C(interval), or C(rrule), of
          which the two others are null or left out.
        type: str
      interval:
        description: Seconds between two runs, or an ISO 8601 duration such as V(PT15M).
        type: raw
      rrule:
        description: When runs start, as a recurrence rule of RFC 5545, with C(DTSTART) on a line of its own before it.
        type: str
      timezone:
        description: Time zone in which the schedule is meant, for example V(Europe/Berlin). Null means V(UTC).
        type: str
      anchor_date:
        description: A moment from which an C(interval) counts, as V(2026-01-31T03:00:00Z). It cannot be null.
        type: str
      day_or:
        description: Whether a C(cron) that states both a day of the month and a day of the week means either of them.
          Null means V(true).
        type: bool
      paused:
        description: Whether it creates no runs. Null means V(false).
        type: bool
      max_scheduled_runs:
        description: The most runs that are planned ahead, V(1) or more, and no more than the server allows (50 by
          default). Null clears it.
        type: int
      parameters:
        description: Parameters of its runs on top of those of the deployment; the whole set. Null clears them.
        type: dict
  state:
    description: Whether the deployment exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.deployment_schedule
  - module: selfhosted.prefect.flow_run
"""

EXAMPLES = r"""
- name: A pool for processes
  selfhosted.prefect.work_pool:
    api_url: http://127.0.0.1:4200/api
    name: fast
    type: process

- name: A flow whose file lies on the workers
  selfhosted.prefect.deployment:
    api_url: http://127.0.0.1:4200/api
    flow: nightly-report
    name: production
    work_pool: fast
    path: /opt/flows
    entrypoint: report.py:nightly_report
    parameters:
      customer: all
    tags: [reporting]
    concurrency_limit: 1
    schedules:
      - slug: nightly
        cron: 0 3 * * *
        timezone: Europe/Berlin

- name: Pause its schedules
  selfhosted.prefect.deployment:
    api_url: http://127.0.0.1:4200/api
    flow: nightly-report
    name: production
    paused: true

- name: No such deployment
  selfhosted.prefect.deployment:
    api_url: http://127.0.0.1:4200/api
    flow: nightly-report
    name: production
    state: absent
"""

RETURN = r"""
deployment:
  description: The deployment in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    flow: {description: Name of the flow., type: str, returned: always}
    name: {description: Name., type: str, returned: always}
    paused: {description: Whether its schedules create no runs., type: bool, returned: always}
    work_pool: {description: Name of the pool., type: str, returned: always}
    work_queue: {description: Name of the queue., type: str, returned: always}
    parameters: {description: Parameters of its runs., type: dict, returned: always}
    job_variables: {description: Values for the base job template., type: dict, returned: always}
    schedules: {description: Its schedules by slug., type: list, elements: dict, returned: always}
    status: {description: READY once a worker polls., type: str, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {flow: nightly-report, name: production, work_pool: fast, work_queue: default, paused: false}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment import DEPLOYMENT


def main() -> None:
    run_module(DEPLOYMENT)


if __name__ == "__main__":
    main()
