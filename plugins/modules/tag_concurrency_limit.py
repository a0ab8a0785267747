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
  - Create, change or delete the limit of task runs that carry a tag.
  - Task runs that hold a slot keep it when the limit changes.
options:
  tag:
    description: The tag. C(/ % & < >) are refused.
    type: str
    required: true
  concurrency_limit:
    description: The most task runs with this tag at the same time. Needed to create a limit; it cannot be null.
    type: int
  state:
    description: Whether the limit is there.
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
- name: At most ten tasks talk to the database
  selfhosted.prefect.tag_concurrency_limit:
    api_url: http://127.0.0.1:4200/api
    tag: database
    concurrency_limit: 10

- name: No such limit
  selfhosted.prefect.tag_concurrency_limit:
    api_url: http://127.0.0.1:4200/api
    tag: database
    state: absent
"""

RETURN = r"""
tag_concurrency_limit:
  description: The limit in terms of the options, with the runtime fields of the server; null when it is absent.
  returned: success
  type: dict
  contains:
    tag: {description: The tag., type: str, returned: always}
    concurrency_limit: {description: Most task runs at the same time., type: int, returned: always}
    active_slots: {description: Slots that are held now., type: int, returned: when it exists}
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
