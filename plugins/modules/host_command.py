#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program on a host as an unprivileged account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_command
short_description: Run a program as another user, with secrets in its environment
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Runs a program as a user of the host and waits until it ends. Its environment contains only the variables that the
    options set.
  - The module uses no shell. It passes secrets only in the environment of the program, which no other user can read.
    Secrets are in no argument and no file. In RV(stdout), RV(stderr) and messages, C(********) replaces them.
  - The roles run Prefect's programs with this module, because they never run as root.
  - Requires root, to change to the user.
attributes:
  check_mode:
    description: In check mode, the module returns the changed status and does not modify the target.
    support: none
    details: The module is skipped in check mode. Set C(check_mode=false) for a program that only reads.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  argv:
    description: Absolute path of the program, and its arguments. The module expands nothing in them.
    type: list
    elements: str
    required: true
  user:
    description: User that runs the program.
    type: str
    required: true
  group:
    description: Group that runs the program. The default is the user's primary group.
    type: str
  stdin:
    description: Standard input of the program.
    type: str
    default: ""
  environment:
    description:
      - Environment variables, which take precedence over those of O(environment_file).
      - Booleans become C(true) and C(false). Null and empty values are omitted.
    type: dict
    default: {}
  environment_file:
    description:
      - File with one C(NAME="value") per line, see P(selfhosted.prefect.environment_file#filter).
      - Root reads the file, so only root may be able to write to it and to the directories above it.
    type: path
  chdir:
    description: Working directory. O(user) must have access to it.
    type: path
    default: /
  timeout:
    description: Timeout in seconds, after which the module ends the program and its child processes. V(0) disables
      the timeout.
    type: int
    default: 0
  lock:
    description:
      - Lock file. Only one program at a time holds it, and the next one waits. It is created if it does not exist.
      - Only root may be able to write to its directory.
      - A program that continues after an interrupted playbook holds the lock until it ends.
    type: path
seealso:
  - module: selfhosted.prefect.process_group
"""

EXAMPLES = r"""
- name: Run a program that needs a password
  selfhosted.prefect.host_command:
    argv: [/usr/bin/python3, -I, "-"]
    stdin: |
      import getpass, os
      print(getpass.getuser(), len(os.environ["PASSWORD"]))
    user: nobody
    environment:
      PASSWORD: correct horse battery staple
  register: result
  changed_when: false

- name: Show its output
  ansible.builtin.debug:
    msg: "{{ result.stdout }}"
"""

RETURN = r"""
rc:
  description: Exit code of the program. V(124) after O(timeout).
  returned: when the program ran
  type: int
  sample: 0
stdout:
  description: Standard output, with masked secrets.
  returned: when the program ran
  type: str
stdout_lines:
  description: The lines of RV(stdout).
  returned: when the program ran
  type: list
  elements: str
stderr:
  description: Standard error, with masked secrets.
  returned: when the program ran
  type: str
stderr_lines:
  description: The lines of RV(stderr).
  returned: when the program ran
  type: list
  elements: str
"""

import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import account, launch
from ansible_collections.selfhosted.prefect.plugins.module_utils._secrets import masked, secret_values

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def given_variables(environment: dict[str, Any]) -> dict[str, str]:
    """Return the variables as texts. A ValueError names the invalid one."""
    variables = {}
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name) or isinstance(value, (dict, list)):
            raise ValueError(f"environment: {name!r} must have a valid name and a scalar value")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if "\0" in text:
            raise ValueError(f"environment: the value of {name} contains a NUL character; remove it")
        if value is not None and text:
            variables[name] = text
    return variables


def description_of(params: dict[str, Any]) -> dict[str, Any]:
    """Return the launch description. A ValueError names the invalid option."""
    if not params["argv"] or not params["argv"][0].startswith("/"):
        raise ValueError("argv: the first element must be the absolute path of a program")
    if any("\0" in word for word in params["argv"]):
        raise ValueError("argv: an argument contains a NUL character; remove it")
    return {
        "command": params["argv"],
        "user": params["user"],
        "group": params["group"],
        "environment": {},
        "environment_file": params["environment_file"],
        "working_directory": params["chdir"],
    }


def last_line(text: str) -> str:
    """Return the last line that is not empty."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no output")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "argv": {"type": "list", "elements": "str", "required": True},
            "user": {"type": "str", "required": True},
            "group": {"type": "str"},
            "stdin": {"type": "str", "default": ""},
            "environment": {"type": "dict", "default": {}, "no_log": True},
            "environment_file": {"type": "path"},
            "chdir": {"type": "path", "default": "/"},
            "timeout": {"type": "int", "default": 0},
            "lock": {"type": "path"},
        },
        supports_check_mode=False,
    )
    params = module.params
    seconds = params["timeout"]
    try:
        if os.geteuid() != 0:
            raise ValueError("This module requires root; set `become: true`")
        description = description_of(params)
        own = given_variables(params["environment"])
        who = launch.account_of(params["user"], params["group"])
        variables = {**launch.variables_of(description, who), **own}
        usual = launch.environment_of(who)
        secrets = secret_values((name, value) for name, value in variables.items() if name not in usual)
        # Masking words such as `true` would make the output unreadable.
        module.no_log_values.intersection_update(secrets)
        ended = account.run_as(description, variables, params["stdin"], seconds or None, params["lock"])
    except (ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    stdout, stderr = (masked(text, secrets).rstrip("\r\n") for text in (ended.stdout, ended.stderr))
    told: dict[str, Any] = {
        "rc": ended.rc,
        "stdout": stdout,
        "stdout_lines": stdout.splitlines(),
        "stderr": stderr,
        "stderr_lines": stderr.splitlines(),
    }
    if ended.rc:
        what = f"`{params['argv'][0]}` as {params['user']}"
        how = f"was ended after {seconds} s" if ended.rc == account.TIMED_OUT and seconds else f"ends with {ended.rc}"
        module.fail_json(msg=f"{what} {how}: {last_line(stderr or stdout)}", **told)
    module.exit_json(changed=True, **told)


if __name__ == "__main__":
    main()
