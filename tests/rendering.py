# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The results that roles calculate from an inventory, without a host or a cluster.

`evaluated` uses Ansible's own inventory, variables and templates in this process. This takes a tenth of a second, while
`ansible-playbook` takes seconds to start. `played` starts `ansible-playbook`, for tests of tasks.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ansible.template
import yaml
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.plugins.loader import init_plugin_loader
from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager
from defaults import ROOT, variables_of_roles

if AnsibleCollectionConfig.collection_finder is None:  # only outside of pytest, see conftest.py
    init_plugin_loader([str(ROOT / ".collections")])


def _given(role: str) -> dict[str, str]:
    """Return the variables that Ansible sets for the host and the role."""
    return {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "role_path": str(ROOT / "roles" / role),
    }


def _link(directory: Path, role: str) -> None:
    """Link templates and files of a role beside the playbook, where Ansible searches for names without a path."""
    for kind in ("templates", "files"):
        (directory / kind).mkdir(exist_ok=True)
        for path in (ROOT / "roles" / role / kind).glob("*"):
            if not (directory / kind / path.name).is_symlink():
                (directory / kind / path.name).symlink_to(path)


def played(
    directory: Path, inventory: str, role: str, tasks: list[dict[str, Any]], *words: str, **variables: Any
) -> subprocess.CompletedProcess[str]:
    """Execute tasks as in a role, with the variables of all roles and of an inventory."""
    _link(directory, role)
    defaults = directory / "defaults"
    (defaults / "group_vars").mkdir(parents=True, exist_ok=True)
    (defaults / "hosts.yml").write_text("all: {}\n")
    (defaults / "group_vars" / "all.yml").write_text(yaml.safe_dump(variables_of_roles("defaults")))
    play = {"hosts": "all", "gather_facts": False, "vars": variables_of_roles("vars"), "tasks": tasks}
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *("-i", str(defaults), "-i", str(ROOT / "inventories" / inventory)),
            *("-e", json.dumps({**_given(role), **variables}), *words, str(directory / "play.yml")),
        ],
        cwd=directory,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def _trusted(value: Any) -> Any:
    """Return the value with each string in it marked as a possible template."""
    if not hasattr(ansible.template, "trust_as_template"):
        return value  # before ansible-core 2.19, every string can be a template
    if isinstance(value, str):
        return ansible.template.trust_as_template(value)
    if isinstance(value, Mapping):
        return {name: _trusted(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_trusted(item) for item in value]
    return value


@functools.cache
def _inventory(name: str) -> tuple[DataLoader, InventoryManager]:
    """Return an inventory. Its variables have precedence over the defaults of all roles."""
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=[str(ROOT / "inventories" / name)])
    for variable, value in _trusted(variables_of_roles("defaults")).items():
        inventory.groups["all"].set_variable(variable, value)
    return loader, inventory


def evaluated(inventory: str, role: str, expressions: Mapping[str, str], **variables: Any) -> dict[str, Any]:
    """Return the values of expressions in a role, with the variables of all roles and of an inventory."""
    content = {name: f"{{{{ {expression} }}}}" for name, expression in expressions.items()}
    return dict(templated(inventory, role, content, **variables))


def templated(inventory: str, role: str, value: Any, own: Mapping[str, Any] | None = None, **variables: Any) -> Any:
    """Return a value with everything in it templated, as for a task of the role. `own` are variables of the task."""
    loader, hosts = _inventory(inventory)
    loader.set_basedir(str(ROOT / "roles" / role))  # where lookups search for files
    manager = VariableManager(loader, hosts)
    # The variables go through JSON, as on the command line.
    manager._extra_vars = _trusted(json.loads(json.dumps({**_given(role), **variables})))
    HostVars(hosts, manager, loader)  # registers itself with the manager
    names = {**variables_of_roles("vars"), **(own or {}), "found": value}
    play = Play.load({"hosts": "all", "vars": _trusted(names)}, variable_manager=manager, loader=loader)
    (host,) = hosts.get_hosts()
    templar = ansible.template.Templar(loader, manager.get_vars(play=play, host=host))
    return json.loads(templar.template(_trusted("{{ found | to_json }}")))


def template(name: str) -> str:
    """Return an expression for the documents in a template of the role."""
    return f"lookup('ansible.builtin.template', '{name}') | from_yaml_all | select | list"


def host_processes(**variables: Any) -> set[str]:
    """Return the names of all processes that the local inventory creates on its host."""
    given = {"prefect_address": "127.0.0.1", "prefect_venv_marker": "/marker", **variables}
    templates = {
        "prefect_server": ["api_processes.yml.j2", "services_processes.yml.j2"],
        "prefect_worker": ["processes.yml.j2"],
    }
    found = {"postgres", "pgbouncer", "redis", "gateway", "liveness"}
    for role, names in templates.items():
        expressions = {name: f"lookup('ansible.builtin.template', '{name}') | from_yaml" for name in names}
        for processes in evaluated("local", role, expressions, **given).values():
            found |= {process["name"] for process in processes}
    return found
