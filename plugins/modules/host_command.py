#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program of a plain host as an account that is not root."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_command
short_description: Run a program as an account, with secrets in its environment
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Runs a program to its end as an account of the host, with nothing in its environment but what is given here.
  - No shell is involved. Secrets reach the program in its environment only, where no other account sees them. They are
    in no argument and no file, and RV(stdout), RV(stderr) and messages have C(********) in their place.
  - The roles run the programs of Prefect with it, which never run as root.
  - Needs root, to become the account.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: none
    details: It does not run in check mode. Use C(check_mode=false) for a program that only reads.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  argv:
    description: Absolute path of the program and its arguments. Nothing in it is expanded.
    type: list
    elements: str
    required: true
  user:
    description: Account that runs it.
    type: str
    required: true
  group:
    description: Group that runs it. The default is the account's own.
    type: str
  stdin:
    description: What it reads from its standard input.
    type: str
    default: ""
  environment:
    description:
      - Variables of its environment, which win over those of O(environment_file).
      - Booleans become C(true) and C(false). One that is null or empty is left out.
    type: dict
    default: {}
  environment_file:
    description:
      - File with one C(NAME="value") per line, see P(selfhosted.prefect.environment_file#filter).
      - Root reads it, so nobody else may be able to write it or a directory above it.
    type: path
  chdir:
    description: Where it runs. The account has to be able to enter it.
    type: path
    default: /
  timeout:
    description: Seconds after which it is ended, with all that it has started. V(0) waits for as long as it takes.
    type: int
    default: 0
  lock:
    description:
      - File that one program at a time holds; the next one waits. It is made when it is missing.
      - Nobody but root may be able to write to its directory.
      - A program that outlives an interrupted playbook keeps it until it ends.
    type: path
seealso:
  - module: selfhosted.prefect.process_group
"""

EXAMPLES = r"""
- name: Ask a program that needs a password
  selfhosted.prefect.host_command:
    argv: [/usr/bin/python3, -I, "-"]
    stdin: |
      import getpass, os
      print(getpass.getuser(), len(os.environ["PASSWORD"]))
    user: nobody
    environment:
      PASSWORD: correct horse battery staple
  register: told
  changed_when: false

- name: Show what it has said
  ansible.builtin.debug:
    msg: "{{ told.stdout }}"
"""

RETURN = r"""
rc:
  description: How it has ended. V(124) after O(timeout).
  returned: when it was run
  type: int
  sample: 0
stdout:
  description: What it has written, without secrets.
  returned: when it was run
  type: str
stdout_lines:
  description: The lines of RV(stdout).
  returned: when it was run
  type: list
  elements: str
stderr:
  description: What it has written to standard error, without secrets.
  returned: when it was run
  type: str
stderr_lines:
  description: The lines of RV(stderr).
  returned: when it was run
  type: list
  elements: str
"""

import os
import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import account, launch

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def given_variables(environment: dict[str, Any]) -> dict[str, str]:
    """Return the variables as texts; ValueError names one that cannot be passed on."""
    variables = {}
    for name, value in environment.items():
        if not _VARIABLE.fullmatch(name) or isinstance(value, (dict, list)):
            raise ValueError(f"environment: {name!r} needs a valid name and a plain value")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if "\0" in text:
            raise ValueError(f"environment: the value of {name} has a NUL; take it out")
        if value is not None and text:
            variables[name] = text
    return variables


def description_of(params: dict[str, Any]) -> dict[str, Any]:
    """Return what to become; ValueError names the option that is wrong."""
    if not params["argv"] or not params["argv"][0].startswith("/"):
        raise ValueError("argv: it has to begin with the absolute path of a program")
    if any("\0" in word for word in params["argv"]):
        raise ValueError("argv: NULs cannot be passed on")
    return {
        "command": params["argv"],
        "user": params["user"],
        "group": params["group"],
        "environment": {},
        "environment_file": params["environment_file"],
        "working_directory": params["chdir"],
    }


def last_line(text: str) -> str:
    """Return the last line that has something in it."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it has written nothing")


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
            raise ValueError("needs root: set `become: true`")
        description = description_of(params)
        own = given_variables(params["environment"])
        who = launch.account_of(params["user"], params["group"])
        variables = {**launch.variables_of(description, who), **own}
        usual = launch.environment_of(who)
        secrets = account.secret_values({name: value for name, value in variables.items() if name not in usual})
        # Those that are words such as `true` would make what the program says illegible.
        module.no_log_values.intersection_update(secrets)
        ended = account.run_as(description, variables, params["stdin"], seconds or None, params["lock"])
    except (ValueError, OSError) as error:
        module.fail_json(msg=str(error))
    stdout, stderr = (account.masked(text, secrets).rstrip("\r\n") for text in (ended.stdout, ended.stderr))
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
