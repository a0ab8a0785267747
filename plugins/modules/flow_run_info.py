#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: flow_run_info
short_description: Read flow runs
version_added: 1.0.0
description:
  - Read flow runs, the newest first.
options:
  id:
    description: Only the run with this id.
    type: str
  name:
    description: Only runs with this name.
    type: str
  deployment:
    description: Only runs of this deployment, as V(flow/deployment).
    type: str
  work_pool:
    description: Only runs of this work pool.
    type: str
  states:
    description: Only runs in one of these states. A state is a type, such as V(RUNNING), or a name, such as V(Late).
    type: list
    elements: str
  tags:
    description: Only runs that have all of these tags.
    type: list
    elements: str
  limit:
    description: Maximum number of runs to return.
    type: int
    default: 200
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.flow_run
  - module: selfhosted.prefect.flow_run_state
"""

EXAMPLES = r"""
- name: List failed and late runs of a work pool
  selfhosted.prefect.flow_run_info:
    api_url: http://127.0.0.1:4200/api
    work_pool: fast
    states: [FAILED, CRASHED, Late]
    limit: 20
  register: result
"""

RETURN = r"""
flow_runs:
  description: The flow runs found, each in the format of M(selfhosted.prefect.flow_run).
  returned: success
  type: list
  elements: dict
flow_run:
  description: The flow run with O(id), or null if it does not exist.
  returned: when O(id) is given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run import search


def main() -> None:
    module = PrefectModule(
        {
            "id": {"type": "str"},
            "name": {"type": "str"},
            "deployment": {"type": "str"},
            "work_pool": {"type": "str"},
            "states": {"type": "list", "elements": "str"},
            "tags": {"type": "list", "elements": "str"},
            "limit": {"type": "int", "default": 200},
        }
    )
    run(module, lambda client: search(client, module.params), read_only=True)


if __name__ == "__main__":
    main()
