#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock the packages of a version of Prefect."""

from __future__ import annotations

DOCUMENTATION = r"""
module: lock_file
short_description: Lock the packages of a version of Prefect
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Resolves a version of Prefect and the packages beside it with uv, and writes every package with its version and its
    hashes to a lock file, from which the roles install it. The lock file is valid for all supported platforms.
  - Installs the packages into a temporary virtual environment and asks this Prefect for the names of its settings. They
    are written to a second file, from which the preflight knows which settings the version has.
  - The requirements of Prefect do not exclude incompatible packages that are newer. Therefore, only packages are
    considered that are not newer than the version of Prefect.
  - If both files exist, the module does nothing, unless O(force) is set.
attributes:
  check_mode:
    description: In check mode, the module returns the changed status and does not modify the target.
    support: full
    details: The packages are resolved and installed into the temporary environment in check mode, too.
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
requirements:
  - A package index, and Python with the modules C(venv) and C(pip) if uv is not installed.
options:
  version:
    description: Version of Prefect, 3.6.0 or newer.
    type: str
    required: true
  path:
    description: Path of the lock file. The second file has the same name with the extension C(.json).
    type: path
    required: true
  packages:
    description: Packages to install beside Prefect, as requirements such as V(prefect-redis) or V(prefect-aws>=0.5).
    type: list
    elements: str
    default: [prefect-kubernetes, prefect-redis]
  python:
    description:
      - Oldest version of Python to which the lock file applies, for example V(3.12).
      - By default, the oldest version that this version of Prefect supports.
    type: str
    default: ""
  before:
    description:
      - Newest day of the packages, as V(2026-10-31). V(none) means no limit.
      - By default, the day after the release of this version of Prefect.
    type: str
    default: ""
  force:
    description:
      - Whether to resolve the packages again if the files exist. Packages keep their locked versions where possible.
    type: bool
    default: false
  uv:
    description: Content of a lock file of uv, which is installed for this task if the control host does not have it.
    type: str
    required: true
  program:
    description: Content of the program that prints the names of the settings.
    type: str
    required: true
  environment:
    description: Additional environment variables, for example C(UV_DEFAULT_INDEX) and C(PIP_INDEX_URL) for a mirror.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Lock Prefect 3.8.8
  selfhosted.prefect.lock_file:
    version: 3.8.8
    path: locks/prefect-3.8.8.txt
    uv: "{{ lookup('ansible.builtin.file', 'uv.txt') }}"
    program: "{{ lookup('ansible.builtin.file', 'list_settings.py') }}"
"""

RETURN = r"""
path:
  description: Path of the lock file.
  returned: always
  type: str
packages:
  description: The locked packages, as V(name==version).
  returned: when the packages were resolved
  type: list
  elements: str
"""

import json
import os
import re
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.paths import text_of
from ansible_collections.selfhosted.prefect.plugins.module_utils._lock import resolution
from ansible_collections.selfhosted.prefect.plugins.module_utils._lock.mirror import credentials


def made(module: AnsibleModule, former: str) -> tuple[str, str]:
    """Return the text of the lock file and of the file with the facts."""
    params = module.params
    environment = {str(name): str(value) for name, value in params["environment"].items()}
    for value in environment.values():
        module.no_log_values |= credentials(value)
    known = {**os.environ, **environment}
    found = resolution.release(params["version"], known)
    before = params["before"] or resolution.last_day(found)
    python = params["python"] or found.python
    with tempfile.TemporaryDirectory(dir=module.tmpdir) as directory:
        uv = resolution.Uv(Path(directory), params["uv"], environment)
        packages = resolution.requirements(params["version"], params["packages"])
        lock = uv.resolve(packages, python, "" if before == "none" else before, former)
        settings = uv.settings(lock, params["program"])
    limit = "any day" if before == "none" else f"{before} and before"
    lock = f"# Prefect {params['version']} for Python {python} and newer, with packages of {limit}.\n{lock}"
    return lock, json.dumps({"python": python, "settings": settings}, indent=0) + "\n"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "version": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "packages": {"type": "list", "elements": "str", "default": ["prefect-kubernetes", "prefect-redis"]},
            "python": {"type": "str", "default": ""},
            "before": {"type": "str", "default": ""},
            "force": {"type": "bool", "default": False},
            "uv": {"type": "str", "required": True},
            "program": {"type": "str", "required": True},
            "environment": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    lock, facts = Path(module.params["path"]), Path(module.params["path"]).with_suffix(".json")
    former = {path: text_of(str(path)) for path in (facts, lock)}
    if all(former.values()) and not module.params["force"]:
        module.exit_json(changed=False, path=str(lock))
    try:
        resolution.parsed(module.params["version"])
        texts = dict(zip((lock, facts), made(module, former[lock])))
    except resolution.LockError as error:
        module.fail_json(msg=f"Prefect {module.params['version']} cannot be locked. {error}")
    changed = texts != former
    if changed and not module.check_mode:
        lock.parent.mkdir(parents=True, exist_ok=True)
        for path in (facts, lock):  # the lock file last: without it, the version does not count as locked
            path.with_name(path.name + ".new").write_text(texts[path], encoding="utf-8")
            path.with_name(path.name + ".new").replace(path)
    module.exit_json(
        changed=changed,
        path=str(lock),
        packages=re.findall(r"^[\w.-]+==[^ \\]+", texts[lock], re.MULTILINE),
        diff=[
            {"before_header": str(path), "after_header": str(path), "before": former[path], "after": texts[path]}
            for path in (lock, facts)
        ],
    )


if __name__ == "__main__":
    main()
