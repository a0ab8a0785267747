#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the managed processes of an instance with their resource usage."""

from __future__ import annotations

DOCUMENTATION = r"""
module: process_group_info
short_description: List the processes of an instance on a host
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Returns all processes that M(selfhosted.prefect.process_group) manages on the host, with their memory and CPU time.
  - Requires root.
extends_documentation_fragment:
  - selfhosted.prefect.attributes.info
options:
  instance:
    description: Name of the instance.
    type: str
    default: prefect
  manager:
    description: Service manager. V(auto) selects V(systemd) if it is PID 1, and otherwise V(supervisord).
    type: str
    choices: [auto, systemd, supervisord]
    default: auto
  state_dir:
    description: As in M(selfhosted.prefect.process_group). The default is V(/var/lib/<instance>/processes).
    type: path
  config_dir:
    description: As in M(selfhosted.prefect.process_group). The default is V(/etc/<instance>).
    type: path
  run_dir:
    description: As in M(selfhosted.prefect.process_group). The default is V(/run/<instance>/supervisor).
    type: path
  log_dir:
    description: As in M(selfhosted.prefect.process_group). The default is V(/var/log/<instance>).
    type: path
  supervisord:
    description:
      - As in M(selfhosted.prefect.process_group).
      - The default is V(/opt/<instance>/supervisor/bin/supervisord).
    type: path
seealso:
  - module: selfhosted.prefect.process_group
"""

EXAMPLES = r"""
- name: Read the processes
  selfhosted.prefect.process_group_info:
  register: found

- name: Show the memory of all processes in MiB
  ansible.builtin.debug:
    msg: "{{ found.processes | map(attribute='memory_bytes') | sum // 1048576 }}"
"""

RETURN = r"""
processes:
  description: The processes, sorted by name.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name., type: str, returned: always, sample: api-1}
    group: {description: Component of the process., type: str, returned: always, sample: api}
    unit: {description: Unit or program., type: str, returned: always, sample: prefect-api-1}
    running: {description: Whether the process runs., type: bool, returned: always}
    pid: {description: "Main process; 0 if it does not run.", type: int, returned: always}
    uptime_seconds: {description: Seconds since the start., type: int, returned: always}
    memory_bytes:
      description:
        - Memory of the main process and its child processes in bytes. Shared memory is divided among the processes that
          share it (PSS), so a sum over processes counts nothing twice.
      type: int
      returned: always
    cpu_seconds:
      description: CPU time of these processes in seconds, including child processes that have ended.
      type: float
      returned: always
"""

import glob
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import files
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.manager import (
    Launcher,
    ManagerError,
    Supervisord,
    Systemd,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.process_group import process_state
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.render import unit_name
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.user_processes import children, family


def memory(pid: int) -> int:
    """Return the proportional share of memory of a process in bytes."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            return next(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return 0


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and of its children that have ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # The name of the program, in parentheses, can contain any bytes.
            fields = stat.read().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def processes(manager: Systemd | Supervisord, instance: str, state_dir: str) -> list[dict[str, Any]]:
    """Return the recorded processes of C(instance), each with its state."""
    groups = {
        os.path.basename(path)[: -len(".json")]: files.read_json(path).get("group", "")
        for path in glob.glob(glob.escape(state_dir) + "/*.json")
    }
    units = {name: unit_name(instance, name) for name in groups}
    pids = manager.status(list(units.values()))
    tree = children()
    found = []
    for name in sorted(groups):
        pid = pids.get(units[name], 0)
        state = process_state(pid)
        del state["rss_bytes"]
        members = family([pid], tree) if pid else []
        state["memory_bytes"] = sum(memory(one) for one in members)
        state["cpu_seconds"] = round(sum(cpu_seconds(one) for one in members), 2)
        found.append({"name": name, "group": groups[name], "unit": units[name], **state})
    return found


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "instance": {"type": "str", "default": "prefect"},
            "manager": {"type": "str", "choices": ["auto", "systemd", "supervisord"], "default": "auto"},
            "state_dir": {"type": "path"},
            "config_dir": {"type": "path"},
            "run_dir": {"type": "path"},
            "log_dir": {"type": "path"},
            "supervisord": {"type": "path"},
        },
        supports_check_mode=True,
    )
    given = module.params
    instance = given["instance"]
    manager: Systemd | Supervisord
    if given["manager"] == "systemd" or (given["manager"] == "auto" and os.path.isdir("/run/systemd/system")):
        manager = Systemd(instance)
    else:
        manager = Supervisord(
            instance,
            given["supervisord"] or f"/opt/{instance}/supervisor/bin/supervisord",
            given["config_dir"] or f"/etc/{instance}",
            given["run_dir"] or f"/run/{instance}/supervisor",
            given["log_dir"] or f"/var/log/{instance}",
            Launcher("", ""),  # it starts nothing
        )
    try:
        found = processes(manager, instance, given["state_dir"] or f"/var/lib/{instance}/processes")
    except (ManagerError, OSError) as error:
        module.fail_json(msg=f"the processes of {instance} cannot be listed: {error}")
    module.exit_json(processes=found)


if __name__ == "__main__":
    main()
