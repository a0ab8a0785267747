#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: tag_concurrency_limit
short_description: Manage the concurrency limit of a task run tag
version_added: 1.0.0
description:
  - Create, update or delete the concurrency limit of task runs with a tag.
  - Task runs that occupy a slot keep it when the limit changes.
options:
  tag:
    description: The tag. The characters C(/ % & < >) are not allowed.
    type: str
    required: true
  concurrency_limit:
    description: Maximum of concurrent task runs with this tag. Required to create a limit. It cannot be null.
    type: int
  state:
    description: Whether the limit exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.concurrency_slots
  - module: selfhosted.prefect.global_concurrency_limit
"""

EXAMPLES = r"""
- name: Limit the tasks that use the database to ten
  selfhosted.prefect.tag_concurrency_limit:
    api_url: http://127.0.0.1:4200/api
    tag: database
    concurrency_limit: 10

- name: Delete the limit
  selfhosted.prefect.tag_concurrency_limit:
    api_url: http://127.0.0.1:4200/api
    tag: database
    state: absent
"""

RETURN = r"""
tag_concurrency_limit:
  description: The limit in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    tag: {description: The tag., type: str, returned: always}
    concurrency_limit: {description: Maximum of concurrent task runs., type: int, returned: always}
    active_slots: {description: Slots that are occupied now., type: int, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {tag: database, concurrency_limit: 10, active_slots: 3}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.tag_concurrency_limit import (
    TAG_CONCURRENCY_LIMIT,
)


def main() -> None:
    run_module(TAG_CONCURRENCY_LIMIT)


if __name__ == "__main__":
    main()
