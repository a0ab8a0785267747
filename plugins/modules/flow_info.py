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
  - Read one flow, or all of them, each in the shape that
    M(selfhosted.prefect.flow) returns.
options:
  name:
    description: Name of the one to read. All when omitted.
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
- name: Read all of them
  selfhosted.prefect.flow_info:
    api_url: http://127.0.0.1:4200/api
  register: all_of_them

- name: Read one
  selfhosted.prefect.flow_info:
    api_url: http://127.0.0.1:4200/api
    name: nightly-report
  register: this_one
"""

RETURN = r"""
flows:
  description: Those that were found, each like the result of M(selfhosted.prefect.flow).
  returned: success
  type: list
  elements: dict
flow:
  description: The one that was asked for by its whole natural key, or null when there is none.
  returned: when O(name) is given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow import FLOW


def main() -> None:
    run_info(FLOW)


if __name__ == "__main__":
    main()
