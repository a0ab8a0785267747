#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and processes of one component of a plain host, in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: process_group
short_description: Keep one component's files and long-lived processes as described
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Writes the files of a component, defines its processes with systemd or supervisord, starts those that do not run,
    restarts exactly those whose inputs have changed, waits until each is ready, and removes what is no longer listed.
  - What a process runs with (its definition, the content of the files it reads, its O(processes[].restart_token)) is
    recorded as a checksum after it became ready. A run that is killed between writing a file and the restart is
    therefore finished by the next run, and no handlers are needed.
  - Files and processes that an earlier run of the same O(group) has put in place and that are no longer listed are
    removed. Each task has to list all of its group, also when O(only) is used.
  - Root follows no symbolic link that others than root can have put on the way to a file or directory, neither to
    write it nor to read it; the task fails and names the link.
  - Needs root.
attributes:
  check_mode:
    description: Can run in check mode and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
    details: The content of files with O(files[].sensitive) is never shown.
options:
  group:
    description:
      - Name of the component. The names of all of an instance's processes, of whichever group, are different.
      - The group V(liveness) is the module's own.
    type: str
    required: true
  instance:
    description: Prefix of every unit or program, which is called C(<instance>-<process name>).
    type: str
    default: prefect
  state:
    description:
      - V(present) for the group as described.
      - V(absent) to stop its processes and to remove their definitions and all files of the group. Directories stay.
        The last process of an instance takes supervisord with it.
    type: str
    choices: [present, absent]
    default: present
  manager:
    description: V(auto) is V(systemd) where it is PID 1, and V(supervisord) otherwise.
    type: str
    choices: [auto, systemd, supervisord]
    default: auto
  state_dir:
    description: Where the checksums are recorded; for root only. The default is V(/var/lib/<instance>/processes).
    type: path
  config_dir:
    description:
      - Directory for C(supervisord.conf), C(supervisor.d) and C(liveness.d). The default is V(/etc/<instance>).
    type: path
  run_dir:
    description:
      - Directory for the socket and the pid files of supervisord; for root only.
      - The default is V(/run/<instance>/supervisor).
    type: path
  log_dir:
    description:
      - Directory for the logs of supervisord and of its processes, which it rotates at 10 MB and keeps five of.
      - Under systemd the journal has the logs. The default is V(/var/log/<instance>).
    type: path
  supervisord:
    description:
      - Path of the C(supervisord) program. It is started when it does not run.
      - The default is V(/opt/<instance>/supervisor/bin/supervisord).
    type: path
  python:
    description:
      - Interpreter for the program behind O(processes[].liveness).
      - The default is V(/usr/bin/python3) or, where there is none, the one that runs the module.
    type: path
  directories:
    description: Directories to create, in this order, missing parents included. They are never removed.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: User, by name or number. Null leaves it as it is.
        type: str
      group:
        description: Group, by name or number. Null leaves it as it is.
        type: str
      mode:
        description: Mode in octal digits.
        type: raw
        default: "0755"
  files:
    description: Files to write. Each is replaced in one step.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The whole content, as it is.
        type: str
        required: true
      owner:
        description: User, by name or number.
        type: str
        default: root
      group:
        description: Group, by name or number.
        type: str
        default: root
      mode:
        description: Mode in octal digits.
        type: raw
        default: "0640"
      sensitive:
        description:
          - Whether the content is kept out of the diff, the result and the log of the target.
          - The default is V(true) for a file that not everybody may read and for each
            O(processes[].environment_file), and V(false) otherwise.
        type: bool
  processes:
    description: Long-lived processes, started in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the process, unique within the instance; lower case letters, digits, C(.), C(_) and C(-).
        type: str
        required: true
      command:
        description: Absolute path of the program and its arguments. Nothing in it is expanded.
        type: list
        elements: str
        required: true
      user:
        description: User to run as.
        type: str
        default: root
      group:
        description: Group to run as. The default is the user's own.
        type: str
      working_directory:
        description: Where it runs. The default is V(/).
        type: path
      environment:
        description:
          - Variables that are no secrets; those belong into the O(processes[].environment_file).
          - Booleans become C(true) and C(false).
        type: dict
        default: {}
      environment_file:
        description:
          - File with one C(NAME="value") per line, see P(selfhosted.prefect.environment_file#filter).
          - Root reads it, so it has to be root's, best with mode 0600, and nobody else may be able to write to a
            directory above it. It wins over O(processes[].environment).
          - It is parsed, as systemd parses it, and never executed by a shell.
        type: path
      stop_signal:
        description: Signal that asks it to end, with or without C(SIG).
        type: str
        default: TERM
      stop_seconds:
        description: Seconds after which it is killed if it has not ended.
        type: int
        default: 30
      kill_mode:
        description:
          - Whether the stop signal goes to all of its processes (V(control-group)) or to the main one only
            (V(process)); with V(mixed) to the main one only, and what is left is killed.
          - Under supervisord a control group is a process group, and V(mixed) kills what is left only when the main
            process had to be killed too.
        type: str
        choices: [control-group, mixed, process]
        default: control-group
      limit_nofile:
        description: Open files allowed, soft and hard. The default is the manager's.
        type: int
      memory_limit:
        description:
          - Bytes of memory that it and all that it starts may use together, such as V(2G).
          - It has no effect under supervisord, which has no control groups.
        type: str
      oom_score_adjust:
        description:
          - From -1000 (never killed when memory runs out) to 1000 (killed first).
          - Where root may not lower it, as in some containers, it stays as it is.
        type: int
      runtime_directory:
        description: Directory below C(/run) that is made for the user before each start.
        type: str
      runtime_directory_mode:
        description: Mode of the O(processes[].runtime_directory) in octal digits.
        type: raw
        default: "0755"
      hardening:
        description:
          - V(none) for a process that may do all that its account may.
          - V(basic) runs it without the ability to gain privileges (such as by C(sudo)), and under systemd with
            C(/usr), C(/boot) and C(/etc) read-only. It is for processes that run code of others, such as workers.
          - V(strict) is for servers. Under systemd, it has the whole machine read-only but for
            O(processes[].writable_paths) and its runtime directory, home directories, devices, C(/tmp), other accounts'
            processes and the kernel's settings out of sight, the O(processes[].capabilities) only, and no system call
            that a server does not need. Under supervisord, which can do nothing of that, it is V(basic).
        type: str
        choices: [none, basic, strict]
        default: basic
      writable_paths:
        description: Directories that it may write to, with O(processes[].hardening=strict). They have to be there.
        type: list
        elements: path
        default: []
      capabilities:
        description:
          - Capabilities that it may have, such as V(CAP_NET_BIND_SERVICE), with O(processes[].hardening=strict).
          - A process whose user is not root has none of them by itself.
        type: list
        elements: str
        default: []
      service_settings:
        description:
          - Further lines for the section C([Service]) of its unit, by name; a list for one that is set several times.
          - They win over what other options say. They have no effect under supervisord.
        type: dict
        default: {}
      restart_on:
        description:
          - Paths of files whose content it reads when it starts, whoever writes them.
          - The default is all O(files). The O(processes[].environment_file) is always one.
        type: list
        elements: path
      restart_token:
        description: Any text, such as a version; another text restarts the process.
        type: str
        default: ""
      reload_on:
        description: Paths of files that it reads anew when asked to, so that a change only reloads it.
        type: list
        elements: path
        default: []
      reload_signal:
        description: Signal that asks it to read O(processes[].reload_on) anew.
        type: str
        default: HUP
      reload_command:
        description: Command that asks it to read O(processes[].reload_on) anew, run by root, instead of a signal.
        type: list
        elements: str
      success_exit_status:
        description: Signals and exit codes that systemd counts as a clean end, such as V(SIGTERM).
        type: list
        elements: str
        default: []
      start_seconds:
        description: Seconds that it has to stay up to count as started, where O(processes[].ready) says nothing.
        type: int
        default: 1
      ready:
        description: How to tell that it is ready. The first of the three that is given is used.
        type: dict
        suboptions:
          http:
            description:
              - An C(http://) or C(https://) URL that answers a GET with a status below 400.
              - Certificates are not verified.
            type: str
          tcp:
            description: C(host:port) that accepts a connection.
            type: str
          command:
            description: Command that ends with 0, run by the account of the process in its environment.
            type: list
            elements: str
          timeout:
            description: Seconds until the task fails.
            type: int
            default: 60
      liveness:
        description:
          - Restart the process when it no longer answers, for a process can hang without ending.
          - A small program, itself the process V(liveness) of the instance, GETs the URL or runs the command and kills
            the main process after so many failures in a row; the manager starts it again.
        type: dict
        suboptions:
          http:
            description:
              - An C(http://) or C(https://) URL that answers a GET with a status below 400.
              - Certificates are not verified.
            type: str
          command:
            description: Command that ends with 0, run by the account of the process in its environment.
            type: list
            elements: str
          interval:
            description: Seconds between two checks.
            type: int
            default: 10
          timeout:
            description: Seconds within which it has to answer.
            type: int
            default: 5
          failures:
            description: Failures in a row after which it is killed.
            type: int
            default: 3
          start_period:
            description: Seconds after its start in which failures do not count, unless it has answered before.
            type: int
            default: 60
      after:
        description:
          - Names of processes, also of other groups, or of units that end in C(.service) or C(.target), which systemd
            starts before this one.
          - Those of this task are waited for before this one is started.
        type: list
        elements: str
        default: []
      description:
        description: Description of the unit.
        type: str
        default: ""
  rolling:
    description:
      - Restart one process after the other, each when the one before is ready, so that replicas keep serving.
      - Processes that do not run are always started together.
    type: bool
    default: true
  only:
    description:
      - Names of the processes that may be started, restarted and reloaded. The default is all.
      - Others that would need it are named in RV(pending_restart). Files are written and pruned all the same.
    type: list
    elements: str
  defer_restarts:
    description:
      - Do not restart what runs, and name it in RV(pending_restart), so that a playbook can take one replica after the
        other out of a load balancer and then call this module again with O(only).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: A web server with a file of its own
  selfhosted.prefect.process_group:
    group: web
    directories:
      - path: /srv/web
    files:
      - path: /srv/web/index.html
        content: "hello\n"
        mode: "0644"
    processes:
      - name: web
        command: [/usr/bin/python3, -m, http.server, "8123", --bind, 127.0.0.1]
        user: nobody
        working_directory: /srv/web
        restart_on: []
        ready:
          http: http://127.0.0.1:8123/
        liveness:
          http: http://127.0.0.1:8123/

- name: Take it away again
  selfhosted.prefect.process_group:
    group: web
    state: absent
"""

RETURN = r"""
files_changed:
  description: Paths of files and directories that were written, changed or removed.
  returned: always
  type: list
  elements: str
started:
  description: Names of processes that did not run and were started.
  returned: always
  type: list
  elements: str
restarted:
  description: Names of processes that were restarted because their inputs had changed.
  returned: always
  type: list
  elements: str
reloaded:
  description: Names of processes that were asked to read their files anew.
  returned: always
  type: list
  elements: str
removed:
  description: Names of processes that were stopped and removed.
  returned: always
  type: list
  elements: str
pending_restart:
  description: Names of processes that need a start, restart or reload which O(only) or O(defer_restarts) has put off.
  returned: always
  type: list
  elements: str
manager:
  description: V(systemd) or V(supervisord).
  returned: always
  type: str
processes:
  description: How each listed process stands, by its name.
  returned: always
  type: dict
  contains:
    unit:
      description: Name of the unit or program.
      type: str
    running:
      description: Whether it runs.
      type: bool
    pid:
      description: Its main process, 0 where it does not run.
      type: int
    uptime_seconds:
      description: Seconds since it was started, 0 where it does not run.
      type: int
    rss_bytes:
      description: Resident memory of its main process, 0 where it does not run.
      type: int
"""

import copy
import os
import re
import signal
import sys
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.files import mode_of
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.process_group import Failed, Group, Site

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_DIRECTORY = re.compile(r"/[A-Za-z0-9_./@+-]+")  # what needs no quotes anywhere
_SETTING = re.compile(r"[A-Z][A-Za-z]*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def argument_spec() -> dict[str, Any]:
    owned = {"owner": {"type": "str"}, "group": {"type": "str"}, "mode": {"type": "raw", "default": "0755"}}
    return {
        "group": {"type": "str", "required": True},
        "instance": {"type": "str", "default": "prefect"},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "manager": {"type": "str", "choices": ["auto", "systemd", "supervisord"], "default": "auto"},
        "state_dir": {"type": "path"},
        "config_dir": {"type": "path"},
        "run_dir": {"type": "path"},
        "log_dir": {"type": "path"},
        "supervisord": {"type": "path"},
        "python": {"type": "path"},
        "directories": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {"path": {"type": "path", "required": True}, **owned},
        },
        "files": {
            "type": "list",
            "elements": "dict",
            "default": [],
            "options": {
                "path": {"type": "path", "required": True},
                # Kept out of the log of the target and of messages about wrong options; main() lets go of those
                # that are no secret, for a diff has to show them.
                "content": {"type": "str", "required": True, "no_log": True},
                "owner": {"type": "str", "default": "root"},
                "group": {"type": "str", "default": "root"},
                "mode": {"type": "raw", "default": "0640"},
                "sensitive": {"type": "bool"},
            },
        },
        "processes": {"type": "list", "elements": "dict", "default": [], "options": process_spec()},
        "rolling": {"type": "bool", "default": True},
        "only": {"type": "list", "elements": "str"},
        "defer_restarts": {"type": "bool", "default": False},
    }


def process_spec() -> dict[str, Any]:
    return {
        "name": {"type": "str", "required": True},
        "command": {"type": "list", "elements": "str", "required": True},
        "user": {"type": "str", "default": "root"},
        "group": {"type": "str"},
        "working_directory": {"type": "path"},
        "environment": {"type": "dict", "default": {}},
        "environment_file": {"type": "path"},
        "stop_signal": {"type": "str", "default": "TERM"},
        "stop_seconds": {"type": "int", "default": 30},
        "kill_mode": {"type": "str", "choices": ["control-group", "mixed", "process"], "default": "control-group"},
        "limit_nofile": {"type": "int"},
        "memory_limit": {"type": "str"},
        "oom_score_adjust": {"type": "int"},
        "runtime_directory": {"type": "str"},
        "runtime_directory_mode": {"type": "raw", "default": "0755"},
        "hardening": {"type": "str", "choices": ["none", "basic", "strict"], "default": "basic"},
        "writable_paths": {"type": "list", "elements": "path", "default": []},
        "capabilities": {"type": "list", "elements": "str", "default": []},
        "service_settings": {"type": "dict", "default": {}},
        "restart_on": {"type": "list", "elements": "path"},
        "restart_token": {"type": "str", "default": "", "no_log": False},
        "reload_on": {"type": "list", "elements": "path", "default": []},
        "reload_signal": {"type": "str", "default": "HUP"},
        "reload_command": {"type": "list", "elements": "str"},
        "success_exit_status": {"type": "list", "elements": "str", "default": []},
        "start_seconds": {"type": "int", "default": 1},
        "ready": {
            "type": "dict",
            "options": {
                "http": {"type": "str"},
                "tcp": {"type": "str"},
                "command": {"type": "list", "elements": "str"},
                "timeout": {"type": "int", "default": 60},
            },
            "required_one_of": [("http", "tcp", "command")],
        },
        "liveness": {
            "type": "dict",
            "options": {
                "http": {"type": "str"},
                "command": {"type": "list", "elements": "str"},
                "interval": {"type": "int", "default": 10},
                "timeout": {"type": "int", "default": 5},
                "failures": {"type": "int", "default": 3},
                "start_period": {"type": "int", "default": 60},
            },
            "required_one_of": [("http", "command")],
            "mutually_exclusive": [("http", "command")],
        },
        "after": {"type": "list", "elements": "str", "default": []},
        "description": {"type": "str", "default": ""},
    }


def normalized(params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with derived values filled in; ValueError names the option that is wrong."""
    params = copy.deepcopy(params)
    check_names(params)
    for index, entry in enumerate(params["directories"]):
        entry["mode"] = checked_mode(entry["mode"], f"directories[{index}]")
    env_files = {process["environment_file"] for process in params["processes"]}
    for index, entry in enumerate(params["files"]):
        entry["mode"] = checked_mode(entry["mode"], f"files[{index}]")
        entry["content"] = entry["content"].encode("utf-8", "surrogateescape")
        if entry["sensitive"] is None:
            entry["sensitive"] = not entry["mode"] & 0o004 or entry["path"] in env_files
        if entry["path"] in env_files and (entry["owner"] not in ("root", "0") or entry["mode"] & 0o022):
            raise ValueError(
                f"files[{index}]: {entry['path']} is an environment_file, which root reads: its owner has to be root, "
                "and its mode may let nobody else write, such as '0600'"
            )
    for process in params["processes"]:
        check_process(process)
    return params


def check_names(params: dict[str, Any]) -> None:
    for option in ("group", "instance"):
        if not _NAME.fullmatch(params[option]):
            raise ValueError(f"{option}: {params[option]!r} has to match {_NAME.pattern}")
    for option in ("state_dir", "config_dir", "run_dir", "log_dir"):
        if params[option] and not _DIRECTORY.fullmatch(params[option]):
            raise ValueError(f"{option}: {params[option]!r} has to be absolute and to match {_DIRECTORY.pattern}")
    if params["group"] == "liveness":
        raise ValueError("group: `liveness` is the module's own; choose another name")
    paths = [entry["path"] for entry in params["directories"] + params["files"]]
    for path in paths:
        if not path.startswith("/") or "\n" in path:
            raise ValueError(f"path: {path!r} has to be absolute")
    names = [process["name"] for process in params["processes"]]
    for what, values in (("files and directories", paths), ("processes", names)):
        double = sorted({value for value in values if values.count(value) > 1})
        if double:
            raise ValueError(f"{what}: listed more than once: {', '.join(double)}")
    unknown = sorted(set(params["only"] or []) - set(names))
    if unknown and params["state"] == "present":
        raise ValueError(f"only: no such process: {', '.join(unknown)}; there are {', '.join(names)}")


def checked_mode(value: Any, where: str) -> int:
    try:
        return mode_of(value)
    except ValueError:
        raise ValueError(f"{where}.mode: {value!r} is not a mode in octal digits such as '0640'") from None


def check_settings(process: dict[str, Any], where: str) -> None:
    for name, value in process["service_settings"].items():
        values = value if isinstance(value, list) else [value]
        texts = [str(each).lower() if isinstance(each, bool) else str(each) for each in values]
        if not _SETTING.fullmatch(name) or any("\n" in text for text in texts):
            raise ValueError(f"{where}: service_settings: {name!r} needs a valid name and values of one line")
        process["service_settings"][name] = texts


def check_process(process: dict[str, Any]) -> None:
    where = f"process {process['name']}"
    if not _NAME.fullmatch(process["name"]) or process["name"] == "liveness":
        raise ValueError(f"{where}: a name has to match {_NAME.pattern}, and `liveness` is taken")
    if not process["command"] or not process["command"][0].startswith("/"):
        raise ValueError(f"{where}: command has to begin with an absolute path")
    for option in ("stop_signal", "reload_signal"):
        name = process[option].upper()
        process[option] = name[3:] if name.startswith("SIG") else name
        if not hasattr(signal, "SIG" + process[option]):
            raise ValueError(f"{where}: {option}: there is no signal {process[option]!r}")
    for key, value in process["environment"].items():
        if not _VARIABLE.fullmatch(key) or value is None or isinstance(value, (dict, list)):
            raise ValueError(f"{where}: environment: {key!r} needs a valid name and a plain value")
        process["environment"][key] = str(value).lower() if isinstance(value, bool) else str(value)
    check_settings(process, where)
    words = [*process["command"], *process["environment"].values(), process["description"]]
    if any(character in word for word in words for character in "\0\r"):
        raise ValueError(f"{where}: carriage returns and NULs cannot be passed on")
    if "\n" in process["description"]:
        raise ValueError(f"{where}: description has to be one line")
    process["runtime_directory_mode"] = checked_mode(process["runtime_directory_mode"], f"{where}: runtime_directory")
    for option in ("ready", "liveness"):
        url = (process[option] or {}).get("http")
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError(f"{where}: {option}.http: {url!r} has to begin with http:// or https://")
    command = (process["liveness"] or {}).get("command")
    if command is not None and not (command and command[0].startswith("/")):
        raise ValueError(f"{where}: liveness.command has to begin with an absolute path")
    tcp = (process["ready"] or {}).get("tcp")
    if tcp is not None and not re.fullmatch(r".+:\d+", tcp):
        raise ValueError(f"{where}: ready.tcp: {tcp!r} has to be host:port")


def site_of(params: dict[str, Any]) -> Site:
    instance = params["instance"]
    manager = params["manager"]
    if manager == "auto":
        manager = "systemd" if os.path.isdir("/run/systemd/system") else "supervisord"
    python = params["python"] or ("/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable)
    return Site(
        instance=instance,
        manager=manager,
        state_dir=params["state_dir"] or f"/var/lib/{instance}/processes",
        config_dir=params["config_dir"] or f"/etc/{instance}",
        run_dir=params["run_dir"] or f"/run/{instance}/supervisor",
        log_dir=params["log_dir"] or f"/var/log/{instance}",
        supervisord=params["supervisord"] or f"/opt/{instance}/supervisor/bin/supervisord",
        python=python,
    )


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        params = normalized(module.params)
        for entry in params["files"]:
            if not entry["sensitive"]:
                module.no_log_values.discard(entry["content"].decode("utf-8", "surrogateescape"))
        if os.geteuid() != 0:
            raise ValueError("needs root: set `become: true`")
        group = Group(site_of(params), params)
        result = group.run(module.check_mode)
    except ValueError as error:
        module.fail_json(msg=str(error))
    except Failed as error:
        module.fail_json(msg=str(error), **error.result)
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
