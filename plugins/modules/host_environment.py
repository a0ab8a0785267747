#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install Python programs on a host from a lock file."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_environment
short_description: Install Python programs from a lock file
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Runs a script that builds a virtual environment, unless the environment is already complete.
  - Only the script gets the environment variables of the installation. They are in no command line, file or output,
    because the URL of a package mirror can contain a password.
attributes:
  check_mode:
    description: In check mode, the module returns the changed status and does not modify the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  script:
    description:
      - Path of the script. Its arguments are O(list) and O(marker).
      - Only root may be able to change the three files and their parent directories.
    type: path
    required: true
  list:
    description: Name of the lock file in the directory of the script.
    type: str
    required: true
  marker:
    description: File that the script creates in the virtual environment when it is complete.
    type: path
    required: true
  environment:
    description: Additional environment variables of the script, for example C(UV_DEFAULT_INDEX) and C(PIP_INDEX_URL).
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Install supervisord
  selfhosted.prefect.host_environment:
    script: /opt/prefect/pinned/install.sh
    list: supervisor.txt
    marker: /opt/prefect/supervisor/complete
    environment:
      UV_DEFAULT_INDEX: "https://me:{{ mirror_password }}@pypi.example.com/simple"
"""

RETURN = r"""
stdout:
  description: Standard output of the script.
  returned: when the script ran
  type: str
stderr:
  description: Standard error of the script.
  returned: when the script ran
  type: str
"""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.trust import first_weakness
from ansible_collections.selfhosted.prefect.plugins.module_utils._lock.mirror import credentials


def refusals(params: Mapping[str, Any]) -> Iterator[str]:
    """Return why root does not run the script, which executes and writes the files next to it and to the marker."""
    script = params["script"]
    for option, path in (
        ("script", script),
        ("list", os.path.join(os.path.dirname(script), params["list"])),
        ("marker", params["marker"]),
    ):
        problem = first_weakness(path)
        if problem:
            yield (
                f"{option}: {path}: {problem}, so root does not use it. Make root the owner of the file and its parent "
                "directories, with a mode that does not allow others to write."
            )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "script": {"type": "path", "required": True},
            "list": {"type": "str", "required": True},
            "marker": {"type": "path", "required": True},
            "environment": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    for refusal in refusals(module.params):
        module.fail_json(msg=refusal)
    if os.path.exists(module.params["marker"]):
        module.exit_json(changed=False)
    if module.check_mode:
        module.exit_json(changed=True)
    environment = {str(name): str(value) for name, value in module.params["environment"].items()}
    for value in environment.values():
        module.no_log_values |= credentials(value)
    code, stdout, stderr = module.run_command(
        ["/bin/sh", module.params["script"], module.params["list"], module.params["marker"]],
        environ_update=environment,
    )
    if code:
        module.fail_json(
            msg=f"The installation of {module.params['list']} failed: {stderr.strip() or stdout.strip()}",
            rc=code,
            stdout=stdout,
            stderr=stderr,
        )
    module.exit_json(changed=True, stdout=stdout, stderr=stderr)


if __name__ == "__main__":
    main()
