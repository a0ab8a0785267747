#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait for the flow runs of a host, or end them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_runs
short_description: Wait for the flow runs of a host, or end them
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Stops the workers that M(selfhosted.prefect.process_group) manages from picking up runs. Then waits for all other
    processes of their user, or ends them.
  - The workers continue until their runs have ended, so that the runs can report their state. Remove the process group
    of the workers afterwards.
attributes:
  check_mode:
    description: In check mode, the module returns the changed status and does not modify the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
options:
  instance:
    description: Name of the instance, which is the prefix of the unit names.
    type: str
    required: true
  manager:
    description: Service manager of the workers.
    type: str
    choices: [systemd, supervisord]
    required: true
  state_dir:
    description: Directory where M(selfhosted.prefect.process_group) records its processes.
    type: path
    required: true
  run_dir:
    description: Directory of supervisord's socket.
    type: path
    required: true
  group:
    description: Name of the workers' process group.
    type: str
    default: workers
  user:
    description: User that executes the flow runs.
    type: str
    required: true
  user_comment:
    description:
      - Comment that marks a user of this instance. If O(user) has this comment, it executes only workers and runs. Each
        of its other processes counts as a run, even if its worker was killed.
      - If O(user) has another comment, only child processes of the workers count as runs.
    type: str
    default: ""
  runs:
    description:
      - V(wait) waits until all runs have ended, and fails after O(seconds).
      - V(end) sends SIGTERM to the processes of the runs, and kills the remaining ones after O(seconds).
    type: str
    choices: [wait, end]
    default: wait
  seconds:
    description: Maximum time to wait, in seconds.
    type: int
    default: 300
"""

EXAMPLES = r"""
- name: End the flow runs
  selfhosted.prefect.host_runs:
    instance: prefect
    manager: systemd
    state_dir: /var/lib/prefect/processes
    run_dir: /run/prefect/supervisor
    user: prefect-worker
    user_comment: selfhosted.prefect prefect
    runs: end
    seconds: 30
"""

RETURN = r"""
processes:
  description: Number of processes of flow runs.
  returned: always
  type: int
killed:
  description: Number of these processes that were killed.
  returned: always
  type: int
"""

import contextlib
import json
import os
import pwd
import signal
import time
import xmlrpc.client
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.manager import UnixTransport, run
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.user_processes import (
    descendants,
    frozen_account,
    signal_all,
    stopped,
    user_processes,
)

_KILLED_WITHIN = 30  # seconds in which the kernel removes killed processes


class Workers:
    """The workers of an instance. They are stopped without waiting for them."""

    def __init__(self, params: dict[str, Any], account: pwd.struct_passwd) -> None:
        self.uid = account.pw_uid
        self.exclusive = bool(account.pw_uid) and account.pw_gecos == params["user_comment"]
        self.known: set[int] = set()
        self.systemd = params["manager"] == "systemd"
        self.units = [f"{params['instance']}-{name}" for name in recorded(params["state_dir"], params["group"])]
        self.socket = f"{params['run_dir']}/supervisor.sock"

    def pids(self) -> set[int]:
        if not self.units:
            return set()
        if not self.systemd:
            return {process["pid"] for process in self.programs()} - {0}
        shown = run("systemctl", "show", "--property=MainPID", "--value", *(unit + ".service" for unit in self.units))
        return {int(word) for word in shown.split()} - {0}

    def runs(self) -> set[int]:
        """Return the processes of runs that one scan of /proc finds."""
        workers = self.pids()
        of_user = user_processes(self.uid) - workers
        if self.exclusive:
            return of_user
        # This also finds the child processes of a run that has ended.
        self.known = of_user & (self.known | descendants(workers | self.known))
        return self.known

    def all_runs(self) -> set[int]:
        """Return the processes of runs, even if they start each other faster than one scan of /proc takes."""
        found = self.runs()
        if found or not self.exclusive:
            return found
        with frozen_account(self.uid):
            return self.runs()

    def ask_runs(self, found: set[int]) -> None:
        """Send SIGTERM to the runs."""
        # Find all processes before the first one ends.
        found = found if self.exclusive else stopped(self.runs)
        signal_all(found, signal.SIGTERM)
        signal_all(found, signal.SIGCONT)

    def kill_runs(self) -> set[int]:
        """Kill the runs and return their processes. The workers keep running and report the end of the runs."""
        if not self.exclusive:
            # Other processes of the account keep running.
            left = stopped(self.runs)
            signal_all(left, signal.SIGKILL)
            return left
        with frozen_account(self.uid):
            left = self.runs()
            signal_all(left, signal.SIGKILL)
        return left

    def stop(self) -> None:
        if self.units and self.systemd:
            run("systemctl", "stop", "--no-block", *(unit + ".service" for unit in self.units), check=False)
        elif self.units:
            for program in self.programs():
                with contextlib.suppress(xmlrpc.client.Fault):  # it does not run
                    self.server().stopProcess(program["name"], False)

    def server(self) -> Any:
        """Return the XML-RPC interface of supervisord."""
        transport = UnixTransport(self.socket, 20)
        return xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor

    def programs(self) -> list[dict[str, Any]]:
        """Return the workers in supervisord, none if it does not run."""
        try:
            known = self.server().getAllProcessInfo()
        except OSError:
            return []
        return [program for program in known if program["name"] in self.units]


def recorded(state_dir: str, group: str) -> list[str]:
    """Return the names of the processes of a group."""
    names = []
    try:
        found = sorted(name for name in os.listdir(state_dir) if name.endswith(".json"))
    except OSError:
        return []
    for name in found:
        with contextlib.suppress(OSError, ValueError):
            with open(f"{state_dir}/{name}", encoding="utf-8") as file:
                record = json.load(file)
            if record.get("group") == group:
                names.append(name[: -len(".json")])
    return names


def ended(workers: Workers, seconds: float) -> set[int]:
    """Wait until the runs have ended, and return those that have not."""
    deadline = time.monotonic() + seconds
    while left := workers.all_runs():
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return left


def kill(workers: Workers, seconds: float) -> tuple[set[int], set[int]]:
    """Kill the runs until none are left. Return the killed and the remaining processes."""
    deadline = time.monotonic() + seconds
    killed: set[int] = set()
    while True:
        killed |= workers.kill_runs()
        left = workers.all_runs()
        if not left or time.monotonic() > deadline:
            return killed, left
        time.sleep(0.05)


def message(params: dict[str, Any], left: set[int]) -> str:
    """Return the error message about runs that still run."""
    if params["runs"] == "end":
        return (
            f"{len(left)} processes of flow runs of the account {params['user']} still exist after SIGKILL: "
            f"{', '.join(map(str, sorted(left)[:5]))}. Check what they wait for, for example a network file system "
            "that does not respond, and run the playbook again."
        )
    return (
        f"After {params['seconds']} s, {len(left)} processes of flow runs of the account {params['user']} still run. "
        "The workers start no more runs, and nothing else was removed. Run the playbook again later, raise "
        "prefect_teardown_runs_seconds, or set prefect_teardown_runs: end."
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "instance": {"type": "str", "required": True},
            "manager": {"type": "str", "choices": ["systemd", "supervisord"], "required": True},
            "state_dir": {"type": "path", "required": True},
            "run_dir": {"type": "path", "required": True},
            "group": {"type": "str", "default": "workers"},
            "user": {"type": "str", "required": True},
            "user_comment": {"type": "str", "default": ""},
            "runs": {"type": "str", "choices": ["wait", "end"], "default": "wait"},
            "seconds": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    try:
        account = pwd.getpwnam(module.params["user"])
    except KeyError:
        module.exit_json(changed=False, processes=0, killed=0)
    workers = Workers(module.params, account)
    # Check mode does not stop processes, not even temporarily.
    found = workers.runs() if module.check_mode else workers.all_runs()
    if not found or module.check_mode:
        module.exit_json(changed=bool(found), processes=len(found), killed=0)
    workers.stop()
    ending = module.params["runs"] == "end"
    if ending:
        workers.ask_runs(found)
    left = ended(workers, module.params["seconds"])
    killed: set[int] = set()
    if left and ending:
        killed, left = kill(workers, _KILLED_WITHIN)
    if left:
        module.fail_json(msg=message(module.params, left), processes=len(found), killed=len(killed))
    module.exit_json(changed=True, processes=len(found), killed=len(killed))


if __name__ == "__main__":
    main()
