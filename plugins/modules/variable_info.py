#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: variable_info
short_description: Read variables
version_added: 1.0.0
description:
  - Return variables, each in the format that M(selfhosted.prefect.variable) returns.
  - Return all of them unless an option selects some.
options:
  name:
    description: Only the variable of this name.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.variable
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all variables
  selfhosted.prefect.variable_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one variable
  selfhosted.prefect.variable_info:
    api_url: http://127.0.0.1:4200/api
    name: report_targets
  register: result
"""

RETURN = r"""
variables:
  description: The variables found, each in the format of M(selfhosted.prefect.variable).
  returned: success
  type: list
  elements: dict
variable:
  description: The variable that the options identify, or null if it does not exist.
  returned: when O(name) is given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.variable import VARIABLE


def main() -> None:
    run_info(VARIABLE)


if __name__ == "__main__":
    main()
