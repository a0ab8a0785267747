#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flow_info
short_description: Read flows
version_added: 1.0.0
description:
  - Return flows, each in the format that M(selfhosted.prefect.flow) returns.
  - Return all of them unless an option selects some.
options:
  name:
    description: Name of the flow to read. By default, all are read.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.flow
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all flows
  selfhosted.prefect.flow_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one flow
  selfhosted.prefect.flow_info:
    api_url: http://127.0.0.1:4200/api
    name: nightly-report
  register: result
"""

RETURN = r"""
flows:
  description: The flows found, each in the format of M(selfhosted.prefect.flow).
  returned: success
  type: list
  elements: dict
flow:
  description: The flow that the options identify, or null if it does not exist.
  returned: when O(name) is given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow import FLOW


def main() -> None:
    run_info(FLOW)


if __name__ == "__main__":
    main()
