#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: automation_info
short_description: Read automations
version_added: 1.0.0
description:
  - Return automations, each in the format that M(selfhosted.prefect.automation) returns.
  - Return all of them unless an option selects some.
options:
  name:
    description: Name of the automation to read. By default, all are read.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.automation
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all automations
  selfhosted.prefect.automation_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one automation
  selfhosted.prefect.automation_info:
    api_url: http://127.0.0.1:4200/api
    name: crash-zombie-runs
  register: result
"""

RETURN = r"""
automations:
  description: The automations found, each in the format of M(selfhosted.prefect.automation). Several may have the
    same name.
  returned: success
  type: list
  elements: dict
automation:
  description: The automation named O(name), or null if none or several have this name.
  returned: when O(name) is given
  type: dict
"""

from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.automation import AUTOMATION


def read(client: Client, name: str | None) -> dict[str, Any]:
    found = AUTOMATION.list_all(client) if name is None else AUTOMATION.readable(client, AUTOMATION.named(client, name))
    results = [AUTOMATION.result(one) for one in found]
    one = {} if name is None else {"automation": results[0] if len(results) == 1 else None}
    return {"changed": False, "automations": results, **one}


def main() -> None:
    module = PrefectModule({"name": {"type": "str"}})
    run(module, lambda client: read(client, module.params["name"]), read_only=True)


if __name__ == "__main__":
    main()
