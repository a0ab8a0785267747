#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: global_concurrency_limit
short_description: Manage a global concurrency limit
version_added: 1.0.0
description:
  - Create, update or delete a limit. Code occupies slots of a limit with C(prefect.concurrency) or C(rate_limit).
  - Occupied slots remain occupied when the limit changes.
options:
  name:
    description:
      - Name of the limit. The characters C(/ % & < >) are not allowed.
      - Names that start with C(tag:) or C(deployment:) belong to limits of tags and deployments and are rejected.
    type: str
    required: true
  limit:
    description: Number of slots, V(0) or more. Required to create a limit. It cannot be null.
    type: int
  active:
    description: Whether the limit is enabled. Null means V(true).
    type: bool
  slot_decay_per_second:
    description:
      - Number of slots that the server frees each second. A value above V(0) makes the limit a rate limit.
      - Null means V(0), which frees none.
    type: float
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
  - module: selfhosted.prefect.tag_concurrency_limit
"""

EXAMPLES = r"""
- name: Limit an external API to 40 concurrent calls
  selfhosted.prefect.global_concurrency_limit:
    api_url: http://127.0.0.1:4200/api
    name: external-api
    limit: 40

- name: Limit batch jobs to five calls per second
  selfhosted.prefect.global_concurrency_limit:
    api_url: http://127.0.0.1:4200/api
    name: external-api-batch
    limit: 5
    slot_decay_per_second: 5

- name: Delete the limit
  selfhosted.prefect.global_concurrency_limit:
    api_url: http://127.0.0.1:4200/api
    name: external-api-batch
    state: absent
"""

RETURN = r"""
global_concurrency_limit:
  description: The limit in terms of the options, with the runtime fields of the server. Null if it does not exist.
  returned: success
  type: dict
  contains:
    name: {description: Name., type: str, returned: always}
    limit: {description: Number of slots., type: int, returned: always}
    active: {description: Whether the limit is enabled., type: bool, returned: always}
    slot_decay_per_second: {description: Slots that the server frees each second., type: float, returned: always}
    active_slots: {description: Slots that are occupied now., type: int, returned: when it exists}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {name: external-api, limit: 40, active: true, slot_decay_per_second: 0.0, active_slots: 3}
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import run_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.global_concurrency_limit import (
    GLOBAL_CONCURRENCY_LIMIT,
)


def main() -> None:
    run_module(GLOBAL_CONCURRENCY_LIMIT)


if __name__ == "__main__":
    main()
