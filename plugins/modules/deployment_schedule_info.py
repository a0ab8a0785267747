#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_schedule_info
short_description: Read schedules of deployments
version_added: 1.0.0
description:
  - Return schedules of deployments, each in the format that M(selfhosted.prefect.deployment_schedule) returns.
  - Return all of them unless an option selects some.
options:
  deployment:
    description: Only schedules of this deployment, as V(flow/deployment).
    type: str
  slug:
    description: Only schedules with this name.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.deployment_schedule
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all schedules of deployments
  selfhosted.prefect.deployment_schedule_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one schedule of a deployment
  selfhosted.prefect.deployment_schedule_info:
    api_url: http://127.0.0.1:4200/api
    deployment: nightly-report/production
    slug: nightly
  register: result
"""

RETURN = r"""
deployment_schedules:
  description: The schedules of deployments found, each in the format of M(selfhosted.prefect.deployment_schedule).
  returned: success
  type: list
  elements: dict
deployment_schedule:
  description: The schedule of a deployment that the options identify, or null if it does not exist.
  returned: when O(deployment) and O(slug) are given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment_schedule import (
    DEPLOYMENT_SCHEDULE,
)


def main() -> None:
    run_info(DEPLOYMENT_SCHEDULE)


if __name__ == "__main__":
    main()
