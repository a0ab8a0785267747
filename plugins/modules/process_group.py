#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manage the files and processes of one component of a host in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: process_group
short_description: Manage the files and services of a component on a host
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Writes the files of a component and defines its processes with systemd or supervisord. The module starts processes
    that do not run, restarts only processes with changed inputs, waits until each process is ready, and removes files
    and processes that are no longer listed.
  - The inputs of a process are its definition, the content of the files that it reads, and its
    O(processes[].restart_token). The module records their checksum after the process is ready. If a task is killed
    between writing a file and the restart, the next task restarts the process. Handlers are not required.
  - Files and processes that an earlier task with the same O(group) has created and that are no longer listed are
    removed. Each task must list all files and processes of its group, also with O(only).
  - As root, the module follows no symbolic link that another user could have created in the path of a file or
    directory, neither to write nor to read. The task fails and names the link.
  - Requires root.
attributes:
  check_mode:
    description: In check mode, the module returns the changed status and does not modify the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: full
    details: The diff never shows the content of files with O(files[].sensitive).
options:
  group:
    description:
      - Name of the component. Names of processes must be unique within an instance, across all groups.
      - The group V(liveness) is reserved for the module.
    type: str
    required: true
  instance:
    description: Name of the instance. Units and programs have the name C(<instance>-<process name>).
    type: str
    default: prefect
  state:
    description:
      - V(present) creates and updates the group.
      - V(absent) stops its processes, and removes their definitions and all files of the group. Directories remain.
        With the last process of an instance, the module also stops supervisord.
    type: str
    choices: [present, absent]
    default: present
  manager:
    description: Service manager. V(auto) selects V(systemd) if it is PID 1, and otherwise V(supervisord).
    type: str
    choices: [auto, systemd, supervisord]
    default: auto
  state_dir:
    description:
      - Directory of the recorded checksums and of the watchdog, with access only for root. The default is
        V(/var/lib/<instance>/processes).
      - The module rejects it, and the other directories and programs that root uses, if another account can change or
        create them or one of their parent directories.
    type: path
  config_dir:
    description:
      - Directory for C(supervisord.conf), C(supervisor.d) and C(liveness.d). The default is V(/etc/<instance>).
    type: path
  run_dir:
    description:
      - Directory for the socket and the PID files of supervisord, with access only for root.
      - The default is V(/run/<instance>/supervisor).
    type: path
  log_dir:
    description:
      - Directory for the logs of supervisord and its processes. supervisord rotates them at 10 MB and keeps five.
      - With systemd, the logs are in the journal. The default is V(/var/log/<instance>).
    type: path
  supervisord:
    description:
      - Path of the C(supervisord) program. The module starts it if it does not run.
      - The default is V(/opt/<instance>/supervisor/bin/supervisord).
    type: path
  python:
    description:
      - Python interpreter of the O(processes[].liveness) program.
      - The default is V(/usr/bin/python3) or, if it does not exist, the interpreter of the module.
    type: path
  directories:
    description: Directories to create, in this order, including missing parents. The module never removes them.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: Owner, by name or ID. Null does not change it.
        type: str
      group:
        description: Group, by name or ID. Null does not change it.
        type: str
      mode:
        description: Mode as octal digits.
        type: raw
        default: "0755"
  files:
    description: Files to write. Each file is replaced atomically.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: Complete content of the file, which is written unchanged.
        type: str
        required: true
      owner:
        description: Owner, by name or ID.
        type: str
        default: root
      group:
        description: Group, by name or ID.
        type: str
        default: root
      mode:
        description: Mode as octal digits.
        type: raw
        default: "0640"
      sensitive:
        description:
          - Whether to hide the content in the diff, the result and the log of the host.
          - The default is V(true) for a file that is not world-readable and for each O(processes[].environment_file).
            Otherwise it is V(false).
        type: bool
  processes:
    description: Long-running processes, started in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the process, unique within the instance. Lowercase letters, digits, C(.), C(_) and C(-) are
          allowed.
        type: str
        required: true
      command:
        description: Absolute path of the program, and its arguments. The module expands nothing in them.
        type: list
        elements: str
        required: true
      user:
        description: User that runs the process.
        type: str
        default: root
      group:
        description: Group that runs the process. The default is the user's primary group.
        type: str
      working_directory:
        description: Working directory. The default is V(/).
        type: path
      environment:
        description:
          - Environment variables without secrets. Use O(processes[].environment_file) for secrets.
          - Booleans become C(true) and C(false).
        type: dict
        default: {}
      environment_file:
        description:
          - File with one C(NAME="value") per line, see P(selfhosted.prefect.environment_file#filter).
          - Root reads the file, so root must own it, and only root may be able to write to the directories above it.
            The recommended mode is 0600.
          - The file takes precedence over O(processes[].environment).
          - The module parses the file as systemd does. No shell executes it.
        type: path
      stop_signal:
        description: Signal that stops the process, with or without C(SIG).
        type: str
        default: TERM
      stop_seconds:
        description: Time after the stop signal after which the process is killed, in seconds.
        type: int
        default: 30
      kill_mode:
        description:
          - V(control-group) sends the stop signal to the main process and all its child processes, and V(process) only
            to the main process. V(mixed) sends it only to the main process and then kills the remaining processes.
          - With supervisord, a control group is a process group. V(mixed) kills the remaining processes only if the
            main process had to be killed, too.
        type: str
        choices: [control-group, mixed, process]
        default: control-group
      limit_nofile:
        description: Soft and hard limit of open files. The default is the one of the service manager.
        type: int
      memory_limit:
        description:
          - Memory limit of the process and all its child processes together, in bytes or with a unit, such as V(2G).
          - It has no effect with supervisord, which does not use control groups.
        type: str
      oom_score_adjust:
        description:
          - OOM score adjustment, from -1000 (the kernel never kills the process) to 1000 (it kills the process first).
          - If root is not permitted to lower it, as in some containers, it does not change.
        type: int
      runtime_directory:
        description: Directory below C(/run) that is created for the user before each start.
        type: str
      runtime_directory_mode:
        description: Mode of the O(processes[].runtime_directory) as octal digits.
        type: raw
        default: "0755"
      hardening:
        description:
          - V(none) sets no restrictions.
          - V(basic) prevents the process from gaining privileges, for example with C(sudo). With systemd, C(/usr),
            C(/boot) and C(/etc) are also read-only. Use it for processes that run foreign code, such as workers.
          - V(strict) is for servers. With systemd, the file system is read-only except for
            O(processes[].writable_paths) and the runtime directory. Home directories, devices, C(/tmp), the processes
            of other users and kernel settings are not accessible. The process has only the O(processes[].capabilities),
            and only the system calls that a server needs.
          - With supervisord, V(strict) is the same as V(basic), because supervisord has none of these restrictions.
        type: str
        choices: [none, basic, strict]
        default: basic
      writable_paths:
        description: Directories that are writable with O(processes[].hardening=strict). They must exist.
        type: list
        elements: path
        default: []
      capabilities:
        description:
          - Capabilities that O(processes[].hardening=strict) allows, such as V(CAP_NET_BIND_SERVICE).
          - A process of another user than root does not get these capabilities automatically.
        type: list
        elements: str
        default: []
      service_settings:
        description:
          - Additional directives for the section C([Service]) of the unit, by name. Use a list to repeat a directive.
          - They take precedence over other options. They have no effect with supervisord.
        type: dict
        default: {}
      restart_on:
        description:
          - Paths of files that the process reads when it starts. A change of their content restarts the process.
          - The default is all O(files). The O(processes[].environment_file) is always included.
        type: list
        elements: path
      restart_token:
        description: Any text, for example a version. A change of the text restarts the process.
        type: str
        default: ""
      reload_on:
        description: Paths of files that the process can reload. A change of their content reloads the process and does
          not restart it.
        type: list
        elements: path
        default: []
      reload_signal:
        description: Signal that reloads O(processes[].reload_on).
        type: str
        default: HUP
      reload_command:
        description: Command that reloads O(processes[].reload_on) instead of a signal. Root runs it.
        type: list
        elements: str
      success_exit_status:
        description: Signals and exit codes that systemd treats as success, such as V(SIGTERM).
        type: list
        elements: str
        default: []
      start_seconds:
        description: Time that the process must run to count as started without O(processes[].ready), in seconds.
        type: int
        default: 1
      ready:
        description: Readiness check. If several of C(http), C(tcp) and C(command) are set, the first one is used.
        type: dict
        suboptions:
          http:
            description:
              - An C(http://) or C(https://) URL. The check passes if the response to a GET has a status below 400.
              - Certificates are not verified.
            type: str
          tcp:
            description: C(host:port) that must accept a connection.
            type: str
          command:
            description: Command that must exit with 0. The user of the process runs it in the process's environment.
            type: list
            elements: str
          timeout:
            description: Maximum time to wait until the process is ready, in seconds. Then the task fails.
            type: int
            default: 60
      liveness:
        description:
          - Liveness check, which restarts a process that hangs without ending.
          - The process V(liveness) of the instance requests the URL or runs the command. After the set number of
            consecutive failures, it kills the main process, and the service manager starts it again.
        type: dict
        suboptions:
          http:
            description:
              - An C(http://) or C(https://) URL. The check passes if the response to a GET has a status below 400.
              - Certificates are not verified.
            type: str
          command:
            description: Command that must exit with 0. The user of the process runs it in the process's environment.
            type: list
            elements: str
          interval:
            description: Time between two checks, in seconds.
            type: int
            default: 10
          timeout:
            description: Timeout of one check, in seconds.
            type: int
            default: 5
          failures:
            description: Number of consecutive failures after which the process is killed.
            type: int
            default: 3
          start_period:
            description: Time after the start in which failures do not count, in seconds. It ends with the first
              successful check.
            type: int
            default: 60
      after:
        description:
          - Names of processes, also of other groups, or of units that end in C(.service) or C(.target). systemd starts
            them before this process.
          - The module waits until processes of this task are ready before it starts this process.
        type: list
        elements: str
        default: []
      description:
        description: Description of the unit.
        type: str
        default: ""
  rolling:
    description:
      - Whether to restart processes one at a time, each after the previous one is ready, so that replicas remain
        available.
      - Processes that do not run are always started together.
    type: bool
    default: true
  only:
    description:
      - Names of the processes that may be started, restarted and reloaded. By default, all processes may.
      - Other processes that need it are listed in RV(pending_restart). Files are written and pruned in any case.
    type: list
    elements: str
  defer_restarts:
    description:
      - Whether to list running processes that need a restart in RV(pending_restart) instead of restarting them. A
        playbook can then remove one replica at a time from a load balancer and call this module again with O(only).
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Run a web server with one file
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

- name: Remove the web server
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
  description: Names of processes that were reloaded.
  returned: always
  type: list
  elements: str
removed:
  description: Names of processes that were stopped and removed.
  returned: always
  type: list
  elements: str
pending_restart:
  description: Names of processes that still need a start, restart or reload because of O(only) or O(defer_restarts).
  returned: always
  type: list
  elements: str
manager:
  description: V(systemd) or V(supervisord).
  returned: always
  type: str
processes:
  description: State of each listed process, by name.
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
      description: PID of the main process. 0 if it does not run.
      type: int
    uptime_seconds:
      description: Seconds since the start. 0 if it does not run.
      type: int
    rss_bytes:
      description: Resident memory of the main process in bytes. 0 if it does not run.
      type: int
"""

import copy
import os
import re
import signal
import sys
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.files import mode_of
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.module import NestedSecretsModule
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.process_group import Failed, Group, Site

_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
_DIRECTORY = re.compile(r"/[A-Za-z0-9_./@+-]+")  # characters that need no quotes in any syntax
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
                # no_log keeps the content out of the log of the host and out of messages about invalid options.
                # main() does not mask contents that are not sensitive, because the diff has to show them.
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
    """Return the parameters with derived values. A ValueError names the invalid option."""
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
                f"files[{index}]: {entry['path']} is an environment_file, which root reads: its owner must be root, "
                "and its mode must not allow others to write, for example '0600'"
            )
    for process in params["processes"]:
        check_process(process)
    return params


def check_names(params: dict[str, Any]) -> None:
    for option in ("group", "instance"):
        if not _NAME.fullmatch(params[option]):
            raise ValueError(f"{option}: {params[option]!r} must match {_NAME.pattern}")
    for option in ("state_dir", "config_dir", "run_dir", "log_dir"):
        if params[option] and not _DIRECTORY.fullmatch(params[option]):
            raise ValueError(f"{option}: {params[option]!r} must be absolute and match {_DIRECTORY.pattern}")
    if params["group"] == "liveness":
        raise ValueError("group: the module reserves the name `liveness`. Use another name.")
    paths = [entry["path"] for entry in params["directories"] + params["files"]]
    for path in paths:
        if not path.startswith("/") or "\n" in path:
            raise ValueError(f"path: {path!r} must be absolute")
    names = [process["name"] for process in params["processes"]]
    for what, values in (("files and directories", paths), ("processes", names)):
        double = sorted({value for value in values if values.count(value) > 1})
        if double:
            raise ValueError(f"{what}: listed more than once: {', '.join(double)}")
    unknown = sorted(set(params["only"] or []) - set(names))
    if unknown and params["state"] == "present":
        raise ValueError(
            f"only: the processes {', '.join(unknown)} do not exist. Processes of the group: {', '.join(names)}."
        )


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
            raise ValueError(f"{where}: service_settings: {name!r} must have a valid name and values of one line")
        process["service_settings"][name] = texts


def check_process(process: dict[str, Any]) -> None:
    where = f"process {process['name']}"
    if not _NAME.fullmatch(process["name"]) or process["name"] == "liveness":
        raise ValueError(f"{where}: the name must match {_NAME.pattern}, and must not be `liveness`")
    if not process["command"] or not process["command"][0].startswith("/"):
        raise ValueError(f"{where}: command must start with an absolute path")
    for option in ("stop_signal", "reload_signal"):
        name = process[option].upper()
        process[option] = name[3:] if name.startswith("SIG") else name
        if not hasattr(signal, "SIG" + process[option]):
            raise ValueError(f"{where}: {option}: there is no signal {process[option]!r}")
    for key, value in process["environment"].items():
        if not _VARIABLE.fullmatch(key) or value is None or isinstance(value, (dict, list)):
            raise ValueError(f"{where}: environment: {key!r} must have a valid name and a scalar value")
        process["environment"][key] = str(value).lower() if isinstance(value, bool) else str(value)
    check_settings(process, where)
    words = [*process["command"], *process["environment"].values(), process["description"]]
    if any(character in word for word in words for character in "\0\r"):
        raise ValueError(f"{where}: carriage returns and NUL characters are not allowed")
    if "\n" in process["description"]:
        raise ValueError(f"{where}: description must be one line")
    process["runtime_directory_mode"] = checked_mode(process["runtime_directory_mode"], f"{where}: runtime_directory")
    for option in ("ready", "liveness"):
        url = (process[option] or {}).get("http")
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError(f"{where}: {option}.http: {url!r} must start with http:// or https://")
    command = (process["liveness"] or {}).get("command")
    if command is not None and not (command and command[0].startswith("/")):
        raise ValueError(f"{where}: liveness.command must start with an absolute path")
    tcp = (process["ready"] or {}).get("tcp")
    if tcp is not None and not re.fullmatch(r".+:\d+", tcp):
        raise ValueError(f"{where}: ready.tcp: {tcp!r} must have the format host:port")


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
    module = NestedSecretsModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        params = normalized(module.params)
        for entry in params["files"]:
            if not entry["sensitive"]:
                module.no_log_values.discard(entry["content"].decode("utf-8", "surrogateescape"))
        if os.geteuid() != 0:
            raise ValueError("This module requires root; set `become: true`")
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
