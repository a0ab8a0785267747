#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: global_concurrency_limit_info
short_description: Read global concurrency limits
version_added: 1.0.0
description:
  - Return global concurrency limits, each in the format that M(selfhosted.prefect.global_concurrency_limit) returns.
  - Return all of them unless an option selects some.
options:
  name:
    description: Name of the limit to read. By default, all limits except those of tags and deployments.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.global_concurrency_limit
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all global concurrency limits
  selfhosted.prefect.global_concurrency_limit_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one global concurrency limit
  selfhosted.prefect.global_concurrency_limit_info:
    api_url: http://127.0.0.1:4200/api
    name: external-api
  register: result
"""

RETURN = r"""
global_concurrency_limits:
  description: The limits found, each in the format of M(selfhosted.prefect.global_concurrency_limit).
  returned: success
  type: list
  elements: dict
global_concurrency_limit:
  description: The global concurrency limit that the options identify, or null if it does not exist.
  returned: when O(name) is given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.global_concurrency_limit import (
    GLOBAL_CONCURRENCY_LIMIT,
)


def main() -> None:
    run_info(GLOBAL_CONCURRENCY_LIMIT)


if __name__ == "__main__":
    main()
