#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_info
short_description: Read deployments
version_added: 1.0.0
description:
  - Return deployments, each in the format that M(selfhosted.prefect.deployment) returns.
  - Return all of them unless an option selects some.
options:
  flow:
    description: Only deployments of this flow.
    type: str
  name:
    description: Only deployments with this name.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.deployment
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all deployments
  selfhosted.prefect.deployment_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one deployment
  selfhosted.prefect.deployment_info:
    api_url: http://127.0.0.1:4200/api
    flow: nightly-report
    name: production
  register: result
"""

RETURN = r"""
deployments:
  description: The deployments found, each in the format of M(selfhosted.prefect.deployment).
  returned: success
  type: list
  elements: dict
deployment:
  description: The deployment that the options identify, or null if it does not exist.
  returned: when O(flow) and O(name) are given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment import DEPLOYMENT


def main() -> None:
    run_info(DEPLOYMENT)


if __name__ == "__main__":
    main()
