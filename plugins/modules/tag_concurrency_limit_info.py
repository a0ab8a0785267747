#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tag_concurrency_limit_info
short_description: Read tag concurrency limits
version_added: 1.0.0
description:
  - Return tag concurrency limits, each in the format that M(selfhosted.prefect.tag_concurrency_limit) returns.
  - Return all of them unless an option selects some.
options:
  tag:
    description: Tag whose limit is read. By default, all limits are read.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.tag_concurrency_limit
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all tag concurrency limits
  selfhosted.prefect.tag_concurrency_limit_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one tag concurrency limit
  selfhosted.prefect.tag_concurrency_limit_info:
    api_url: http://127.0.0.1:4200/api
    tag: database
  register: result
"""

RETURN = r"""
tag_concurrency_limits:
  description: The tag concurrency limits found, each in the format of M(selfhosted.prefect.tag_concurrency_limit).
  returned: success
  type: list
  elements: dict
tag_concurrency_limit:
  description: The tag concurrency limit that the options identify, or null if it does not exist.
  returned: when O(tag) is given
  type: dict
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_info
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.tag_concurrency_limit import (
    TAG_CONCURRENCY_LIMIT,
)


def main() -> None:
    run_info(TAG_CONCURRENCY_LIMIT)


if __name__ == "__main__":
    main()
