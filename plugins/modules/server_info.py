#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: server_info
short_description: Read health, version and settings of a Prefect server
version_added: 1.0.0
description:
  - Return the health, readiness and version of a server and, with O(settings), its settings.
  - The module masks every setting that can be a password, also in URLs. The server itself does not mask all of them.
options:
  settings:
    description: Whether to return the settings, too.
    type: bool
    default: false
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Wait until the server is ready
  selfhosted.prefect.server_info:
    api_url: http://127.0.0.1:4200/api
    retry_timeout: 60
  register: prefect
  failed_when: not prefect.server.ready

- name: Read the effective settings
  selfhosted.prefect.server_info:
    api_url: http://127.0.0.1:4200/api
    settings: true
"""

RETURN = r"""
server:
  description: The server.
  returned: success
  type: dict
  contains:
    version: {description: Version of Prefect., type: str, returned: always, sample: 3.9.1}
    api_version: {description: Version of its REST API., type: str, returned: always}
    healthy: {description: Whether the server answers., type: bool, returned: always}
    ready:
      description: Whether the server reaches its database. False if it is still not ready after O(retry_timeout).
      type: bool
      returned: always
    settings: {description: The effective settings., type: dict, returned: when O(settings=true)}
"""

import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import PrefectModule, run

MASK = "********"
SECRET_NAME = re.compile(r"password|secret|auth_string|api_key|^key$|token$|custom_headers|connection_url")
SECRET_PART = re.compile(r"(?<=://)[^\s]*(?=@)|(?<=password=)[^&\s]+")


def masked(value: Any, name: str = "") -> Any:
    if value and not isinstance(value, bool) and SECRET_NAME.search(name):
        return MASK
    if isinstance(value, Mapping):
        return {key: masked(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [masked(one, name) for one in value]
    return SECRET_PART.sub(MASK, value) if isinstance(value, str) else value


def ready(client: Client) -> bool:
    try:
        client.get("ready")
    except PrefectError as error:
        if error.status == 503:
            return False
        raise
    return True


def read(client: Client, settings: bool) -> dict[str, Any]:
    server = {"healthy": client.get("health"), "ready": ready(client)}
    server.update(version=client.get("admin", "version"), api_version=client.get("version"))
    if settings:
        server["settings"] = masked(client.get("admin", "settings"))
    return {"changed": False, "server": server}


def main() -> None:
    module = PrefectModule({"settings": {"type": "bool", "default": False}})
    run(module, lambda client: read(client, module.params["settings"]), read_only=True)


if __name__ == "__main__":
    main()
