# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that define a process: a systemd unit, or a supervisord program with its launcher. Pure functions."""

from __future__ import annotations

import json
import shlex
from typing import Any

MANAGED = "Managed by Ansible (selfhosted.prefect.process_group). Changes made here are overwritten."
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def unit_name(instance: str, process: str) -> str:
    return f"{instance}-{process}"


def systemd_quote(word: str) -> str:
    """One word as systemd reads it back: C escapes inside double quotes, no specifier expanded."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + escaped.replace("%", "%%") + '"'


def systemd_command(command: list[str]) -> str:
    # `$` is doubled only here: ExecStart= substitutes variables, Environment= does not.
    return " ".join(systemd_quote(word.replace("$", "$$")) for word in command)


def after_units(instance: str, names: list[str]) -> list[str]:
    return [
        name if name.endswith((".service", ".target")) else unit_name(instance, name) + ".service" for name in names
    ]


def render_service_section(process: dict[str, Any]) -> str:
    """What a process runs with. Only a change in here makes systemd's copy of it stale, so only this is compared."""
    lines = ["[Service]", "Type=exec", f"User={process['user']}"]
    if process["group"]:
        lines.append(f"Group={process['group']}")
    if process["working_directory"]:
        lines.append("WorkingDirectory=" + process["working_directory"].replace("%", "%%"))
    if process["runtime_directory"]:
        # Preserved, because processes of one instance share it and it would vanish with the first that stops.
        lines += [
            f"RuntimeDirectory={process['runtime_directory']}",
            f"RuntimeDirectoryMode={process['runtime_directory_mode']:04o}",
            "RuntimeDirectoryPreserve=yes",
        ]
    lines += [f"Environment={systemd_quote(f'{key}={value}')}" for key, value in sorted(process["environment"].items())]
    if process["environment_file"]:
        lines.append("EnvironmentFile=" + process["environment_file"].replace("%", "%%"))
    lines += [
        "ExecStart=" + systemd_command(process["command"]),
        "Restart=always",
        "RestartSec=1",
        f"KillSignal=SIG{process['stop_signal']}",
        f"KillMode={process['kill_mode']}",
        f"TimeoutStopSec={process['stop_seconds']}",
    ]
    if process["success_exit_status"]:
        lines.append("SuccessExitStatus=" + " ".join(process["success_exit_status"]))
    for option, key in (
        ("LimitNOFILE", "limit_nofile"),
        ("MemoryMax", "memory_limit"),
        ("OOMScoreAdjust", "oom_score_adjust"),
    ):
        if process[key] is not None:
            lines.append(f"{option}={process[key]}")
    if process["hardening"]:
        lines += ["NoNewPrivileges=yes", "ProtectSystem=full"]
    return "\n".join(lines) + "\n"


def render_unit(instance: str, process: dict[str, Any]) -> str:
    after = " ".join(["network-online.target", *after_units(instance, process["after"])])
    description = (process["description"] or unit_name(instance, process["name"])).replace("%", "%%")
    return (
        f"# {MANAGED}\n"
        "[Unit]\n"
        f"Description={description}\n"
        f"After={after}\n"
        "Wants=network-online.target\n"
        # Never give up: what it depends on may be away for longer than any limit.
        "StartLimitIntervalSec=0\n"
        "\n"
        f"{render_service_section(process)}"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def render_launcher(process: dict[str, Any], pid_file: str) -> str:
    """The shell program that supervisord runs as root and that becomes the process.

    It does what systemd does from a unit: reads the environment file as root, so that the file can be root's and no
    value passes through an argument list or supervisord's own `%` expansion, sets limits, and gives up root.
    """
    quote = shlex.quote
    user = quote(process["user"])
    lines = [
        "#!/bin/sh",
        f"# {MANAGED}",
        "set -e",
        # For the case that supervisord itself is killed: its orphans are found and stopped by this file.
        f'echo "$$ {process["stop_signal"]} {process["stop_seconds"]}" >{quote(pid_file)}',
        "umask 0022",
        f"export PATH={SEARCH_PATH}",
        f"export USER={user} LOGNAME={user}",
        'HOME=$(getent passwd "$USER" | cut -d: -f6)',
        "export HOME",
        f"group={quote(process['group'])}" if process["group"] else 'group=$(id -g "$USER")',
    ]
    if process["runtime_directory"]:
        mode, directory = f"{process['runtime_directory_mode']:04o}", quote("/run/" + process["runtime_directory"])
        lines.append(f'install -d -m {mode} -o "$USER" -g "$group" {directory}')
    if process["limit_nofile"] is not None:
        # Where root may not raise the hard limit, as in some containers, as far as it goes.
        lines.append(f'ulimit -n {process["limit_nofile"]} 2>/dev/null || ulimit -n "$(ulimit -Hn)"')
    if process["oom_score_adjust"] is not None:
        lines.append(f"echo {process['oom_score_adjust']} >/proc/self/oom_score_adj")
    lines += [f"cd {quote(process['working_directory'] or '/')}", "unset OLDPWD"]
    # Decided before the environment file is read: what is in there is the process's, and not the launcher's.
    become = f'setpriv --reuid={user} --regid="$group" --init-groups'
    if process["hardening"]:
        become += " --no-new-privs"
    command = " ".join(quote(word) for word in process["command"])
    lines.append(f"set -- {become} -- {command}")
    lines += [f"export {key}={quote(value)}" for key, value in sorted(process["environment"].items())]
    if process["environment_file"]:
        lines += ["set -a", f". {quote(process['environment_file'])}", "set +a"]
    lines.append('exec "$@"')
    return "\n".join(lines) + "\n"


def render_program(unit: str, process: dict[str, Any], launcher: str, log_file: str) -> str:
    stop_group = process["kill_mode"] == "control-group"
    kill_group = process["kill_mode"] in ("control-group", "mixed")
    lines = [
        f"; {MANAGED}",
        f"[program:{unit}]",
        # An empty environment: nothing of whoever started supervisord reaches the process.
        f"command=/usr/bin/env -i /bin/sh {launcher}",
        "autostart=true",
        "autorestart=true",
        # Each retry waits one second longer than the last; a limit that is never reached means it never gives up.
        "startretries=1000000",
        f"startsecs={process['start_seconds']}",
        f"stopsignal={process['stop_signal']}",
        f"stopwaitsecs={process['stop_seconds']}",
        f"stopasgroup={str(stop_group).lower()}",
        f"killasgroup={str(kill_group).lower()}",
        "redirect_stderr=true",
        f"stdout_logfile={log_file}",
        "stdout_logfile_maxbytes=10MB",
        "stdout_logfile_backups=5",
    ]
    return "\n".join([lines[0], *(line.replace("%", "%%") for line in lines[1:])]) + "\n"


def render_supervisord(run_dir: str, log_dir: str, include: str) -> str:
    text = f"""; {MANAGED}
[supervisord]
user=root
umask=027
pidfile={run_dir}/supervisord.pid
logfile={log_dir}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=2
childlogdir={log_dir}

[unix_http_server]
file={run_dir}/supervisor.sock
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{run_dir}/supervisor.sock

[include]
files={include}
"""
    return text.replace("%", "%%")


def render_liveness(unit: str, check: dict[str, Any], socket_path: str | None) -> str:
    """One check for the watchdog; `socket` is supervisord's, null where systemd is the manager."""
    content = {"unit": unit, "socket": socket_path}
    content.update({key: check[key] for key in ("http", "command", "interval", "timeout", "failures", "start_period")})
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
