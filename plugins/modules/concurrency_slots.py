#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: concurrency_slots
short_description: Release the occupied slots of a concurrency limit
version_added: 1.0.0
description:
  - Set the number of occupied slots of a limit to zero. Use this if runs have ended without releasing their slots.
  - A run that still holds a slot continues and releases the slot a second time later. Make sure first that no active
    run holds a slot.
  - No other module changes occupied slots.
options:
  global_concurrency_limit:
    description: Name of a global concurrency limit. Set exactly one of this option, O(tag) and O(deployment).
    type: str
  tag:
    description: Task run tag with a concurrency limit.
    type: str
  deployment:
    description: Deployment with its own concurrency limit, as V(flow/deployment).
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.global_concurrency_limit
  - module: selfhosted.prefect.tag_concurrency_limit
  - module: selfhosted.prefect.flow_run_state
"""

EXAMPLES = r"""
- name: Create a concurrency limit
  selfhosted.prefect.tag_concurrency_limit:
    api_url: http://127.0.0.1:4200/api
    tag: warehouse
    concurrency_limit: 10

- name: Release its slots after the loss of a host
  selfhosted.prefect.concurrency_slots:
    api_url: http://127.0.0.1:4200/api
    tag: warehouse
"""

RETURN = r"""
released_slots:
  description: Number of slots that were released, or would be in check mode.
  returned: success
  type: int
  sample: 3
"""

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.concurrency_slots import (
    SLOT_OPTIONS,
    release,
)


def main() -> None:
    one_of = [list(SLOT_OPTIONS)]
    module = PrefectModule(SLOT_OPTIONS, mutually_exclusive=one_of, required_one_of=one_of)
    run(module, lambda client: release(client, module.params))


if __name__ == "__main__":
    main()
