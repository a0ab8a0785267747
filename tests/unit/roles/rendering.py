# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles make of an inventory, without a machine or a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.name for path in (ROOT / "roles").iterdir())


def _variables(kind: str) -> dict[str, Any]:
    """Of all roles; no two have one of the same name."""
    paths = [ROOT / "roles" / role / kind / "main.yml" for role in ROLES]
    return {name: value for path in paths if path.exists() for name, value in yaml.safe_load(path.read_text()).items()}


def _link(directory: Path, role: str) -> None:
    """Templates and files that a role names without a path are looked for beside the playbook."""
    for kind in ("templates", "files"):
        (directory / kind).mkdir(exist_ok=True)
        for path in (ROOT / "roles" / role / kind).glob("*"):
            if not (directory / kind / path.name).is_symlink():
                (directory / kind / path.name).symlink_to(path)


def played(
    directory: Path, inventory: str, role: str, tasks: list[dict[str, Any]], *words: str, **variables: Any
) -> subprocess.CompletedProcess[str]:
    """Execute tasks as in a role, with the variables of all roles and an inventory."""
    _link(directory, role)
    defaults = directory / "defaults"
    (defaults / "group_vars").mkdir(parents=True, exist_ok=True)
    (defaults / "hosts.yml").write_text("all: {}\n")
    (defaults / "group_vars" / "all.yml").write_text(yaml.safe_dump(_variables("defaults")))
    play = {"hosts": "all", "gather_facts": False, "vars": _variables("vars"), "tasks": tasks}
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    extra = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "role_path": str(ROOT / "roles" / role),
        **variables,
    }
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("-i", str(defaults), "-i", str(ROOT / "inventories" / inventory)),
            *("-e", json.dumps(extra), *words, str(directory / "play.yml")),
        ],
        cwd=directory,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def evaluated(
    directory: Path, inventory: str, role: str, expressions: Mapping[str, str], **variables: Any
) -> dict[str, Any]:
    """Return the values of expressions in a role, with the variables of all roles and an inventory."""
    found = directory / "found.json"
    content = {name: f"{{{{ {expression} }}}}" for name, expression in expressions.items()}
    copy = {"content": "{{ found | to_json }}", "dest": str(found), "mode": "0600"}
    task = {"name": "Write them", "ansible.builtin.copy": copy, "vars": {"found": content}}
    ended = played(directory, inventory, role, [task], **variables)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return dict(json.loads(found.read_text()))


def template(name: str) -> str:
    """Return the expression for the documents of a template of the role."""
    return f"lookup('ansible.builtin.template', '{name}') | from_yaml_all | select | list"
