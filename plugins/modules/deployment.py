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
  - Create, update or delete a deployment. Workers find the code of its flow by O(path), O(entrypoint) and
    O(pull_steps).
  - The module writes only the options that are set. A deployment that C(prefect deploy) has created keeps its schedules
    and all other fields.
  - If the flow does not exist, the module registers it. Deleting a deployment does not delete its flow.
options:
  flow:
    description: Name of the flow. The characters C(/ % & < >) are not allowed.
    type: str
    required: true
  name:
    description: Name of the deployment, unique within its flow. The characters C(/ % & < >) are not allowed.
    type: str
    required: true
  description:
    description: Description. Null clears it.
    type: str
  tags:
    description: Tags of the deployment and of each of its runs, in any order. Null clears them.
    type: list
    elements: str
  labels:
    description:
      - Labels that are set when the deployment is created. Null means none.
      - The server cannot change them later, so the module rejects other values.
    type: dict
  paused:
    description: Whether the deployment's schedules are paused and create no runs. Null means V(false).
    type: bool
  work_pool:
    description: Name of the work pool that executes the runs. Null clears it and the work queue.
    type: str
  work_queue:
    description:
      - Name of the queue in the work pool. Null means V(default). If only O(work_pool) changes, the queue becomes
        V(default), too.
      - The server creates a queue that does not exist.
    type: str
  entrypoint:
    description: Location of the flow in the code, as V(file.py:function) or V(module.function). Null clears it.
    type: str
  path:
    description: Directory of the code. Null clears it.
    type: str
  pull_steps:
    description: Steps that fetch the code before a run. Each maps the name of a step to its inputs. Null clears them.
    type: list
    elements: dict
  version:
    description: Version of the deployment, for information. Null clears it.
    type: str
  parameters:
    description: Default parameters of the runs. Replaces the existing parameters. Null clears them.
    type: dict
  parameter_openapi_schema:
    description: JSON schema of the parameters. Null clears it.
    type: dict
  enforce_parameter_schema:
    description: Whether the server rejects parameters that do not match the schema. Null means V(true).
    type: bool
  job_variables:
    description:
      - Values for variables of the work pool's base job template. Replaces the existing values. Null clears them.
      - The server rejects values that do not match the template.
    type: dict
  concurrency_limit:
    description:
      - Maximum of concurrent runs of this deployment, V(1) or more. Null removes the deployment's own limit.
      - If the deployment uses a shared limit, its own limit replaces it. Other deployments keep the shared limit.
    type: int
  global_concurrency_limit:
    description:
      - Name of a global concurrency limit to use instead of O(concurrency_limit). Other deployments and code can share
        it. Null detaches the deployment from it.
      - When the deployment is deleted, the module keeps the shared limit. The server on its own would delete it.
    type: str
  concurrency_options:
    description: How the server handles runs above the limit. Null means the server's default.
    type: dict
    suboptions:
      collision_strategy:
        description: Whether a run above the limit waits or is cancelled. Null means V(ENQUEUE).
        type: str
        choices: [ENQUEUE, CANCEL_NEW]
        default: ENQUEUE
      grace_period_seconds:
        description: Seconds within which the infrastructure of a run must start, 60 to 86400. Otherwise the run loses
          its slot. Null means the server's default.
        type: int
  storage_document:
    description: Storage block of the code, as V(type/name). Null clears it.
    type: str
  schedules:
    description:
      - All schedules of the deployment, identified by their C(slug). Schedules that are not listed are removed. Null or
        an empty list removes all. By default, the schedules do not change.
      - A schedule without a slug, as C(prefect deploy) creates it, is identified by all its values.
      - Omitted fields of a schedule do not change, so a paused schedule remains paused. Schedules are updated in place.
      - To manage single schedules without effect on the others, use M(selfhosted.prefect.deployment_schedule).
    type: list
    elements: dict
    suboptions:
      slug:
        description: Name of the schedule, unique within its deployment. Null means none.
        type: str
      cron:
        description: Cron expression for the start of runs. A new schedule needs exactly one of C(cron), C(interval) and
          C(rrule). The other two are null or omitted.
        type: str
      interval:
        description: Time between two runs, in seconds or as an ISO 8601 duration such as V(PT15M).
        type: raw
      rrule:
        description: Recurrence rule of RFC 5545 for the start of runs, with C(DTSTART) on a separate line before it.
        type: str
      timezone:
        description: Time zone of the schedule, for example V(Europe/Berlin). Null means V(UTC).
        type: str
      anchor_date:
        description: Start of the first C(interval), for example V(2026-01-31T03:00:00Z). It cannot be null.
        type: str
      day_or:
        description: Whether a C(cron) with a day of the month and a day of the week matches if either of them matches.
          V(false) requires both. Null means V(true).
        type: bool
      paused:
        description: Whether the schedule is paused. Null means V(false).
        type: bool
      max_scheduled_runs:
        description: Maximum of runs that the server schedules in advance, from V(1) to the server's limit (50 by
          default). Null clears it.
        type: int
      parameters:
        description: Parameters of the schedule's runs, which override those of the deployment. Replaces the existing
          parameters. Null clears them.
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
- name: Create a process work pool
  selfhosted.prefect.work_pool:
    api_url: http://127.0.0.1:4200/api
    name: fast
    type: process

- name: Create a deployment of a flow on the workers' file system
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

- name: Pause the schedules of the deployment
  selfhosted.prefect.deployment:
    api_url: http://127.0.0.1:4200/api
    flow: nightly-report
    name: production
    paused: true

- name: Delete the deployment
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
    paused: {description: Whether its schedules are paused., type: bool, returned: always}
    work_pool: {description: Name of the work pool., type: str, returned: always}
    work_queue: {description: Name of the work queue., type: str, returned: always}
    parameters: {description: Default parameters of its runs., type: dict, returned: always}
    job_variables: {description: Values for the base job template., type: dict, returned: always}
    schedules: {description: Its schedules., type: list, elements: dict, returned: always}
    status: {description: READY if a worker polls it., type: str, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {flow: nightly-report, name: production, work_pool: fast, work_queue: default, paused: false}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment import DEPLOYMENT


def main() -> None:
    run_module(DEPLOYMENT)


if __name__ == "__main__":
    main()
