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
  - Read one variable, or all of them, each in the shape that
    M(selfhosted.prefect.variable) returns.
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
- name: Read all of them
  selfhosted.prefect.variable_info:
    api_url: http://127.0.0.1:4200/api
  register: all_of_them

- name: Read one
  selfhosted.prefect.variable_info:
    api_url: http://127.0.0.1:4200/api
    name: report_targets
  register: this_one
"""

RETURN = r"""
variables:
  description: Those that were found, each like the result of M(selfhosted.prefect.variable).
  returned: success
  type: list
  elements: dict
variable:
  description: The one that was asked for by its whole natural key, or null when there is none.
  returned: when O(name) is given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.variable import VARIABLE


def main() -> None:
    run_info(VARIABLE)


if __name__ == "__main__":
    main()
