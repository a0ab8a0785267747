# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that define a process: a systemd unit, or a supervisord program with its description. Pure functions."""

from __future__ import annotations

import json
import shlex
from typing import Any

MANAGED = "Managed by Ansible (selfhosted.prefect.process_group). Changes made here are overwritten."


# No server needs these. Programs read the addresses of the host by netlink.
STRICT = (
    "LockPersonality=yes",
    "PrivateDevices=yes",
    "PrivateTmp=yes",
    "ProtectClock=yes",
    "ProtectControlGroups=yes",
    "ProtectHostname=yes",
    "ProtectKernelLogs=yes",
    "ProtectKernelModules=yes",
    "ProtectKernelTunables=yes",
    "ProtectProc=invisible",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallArchitectures=native",
    "SystemCallErrorNumber=EPERM",
    "SystemCallFilter=@system-service",
)


def unit_name(instance: str, process: str) -> str:
    return f"{instance}-{process}"


def systemd_quote(word: str) -> str:
    """Quote one word for systemd: C escapes in double quotes, without expansion of specifiers."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return '"' + escaped.replace("%", "%%") + '"'


def systemd_command(command: list[str]) -> str:
    # Only ExecStart= substitutes variables, so `$` is doubled only here.
    return " ".join(systemd_quote(word.replace("$", "$$")) for word in command)


def after_units(instance: str, names: list[str]) -> list[str]:
    return [
        name if name.endswith((".service", ".target")) else unit_name(instance, name) + ".service" for name in names
    ]


def render_service_section(process: dict[str, Any]) -> str:
    """Return the settings that apply to a running process. Only their changes require a restart."""
    lines = ["[Service]", "Type=exec"]
    # systemd 257 takes CAP_SETUID from a unit with User=root and NoNewPrivileges=yes, and HAProxy could not change its
    # user. Without the setting, root is the user, too.
    if process["user"] not in ("root", "0"):
        lines.append(f"User={process['user']}")
    if process["group"]:
        lines.append(f"Group={process['group']}")
    if process["working_directory"]:
        lines.append("WorkingDirectory=" + process["working_directory"].replace("%", "%%"))
    if process["runtime_directory"]:
        # Preserved, because the processes of an instance share it and the first one that stops would remove it.
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
    # If the kernel kills one process for its memory, the others keep running: a worker survives its run.
    lines.append("OOMPolicy=continue")
    lines += render_hardening(process)
    for name, value in sorted(process["service_settings"].items()):
        lines += [f"{name}={each}" for each in value]
    return "\n".join(lines) + "\n"


def render_hardening(process: dict[str, Any]) -> list[str]:
    if process["hardening"] == "none":
        return []
    if process["hardening"] == "basic":
        return ["NoNewPrivileges=yes", "ProtectSystem=full"]
    # Programs and their files may be in home directories.
    at_home = any(
        path.startswith(("/home/", "/root/"))
        for path in [*process["command"], process["working_directory"] or "", *process["writable_paths"]]
    )
    return [
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        *(f"ReadWritePaths={systemd_quote(path)}" for path in process["writable_paths"]),
        f"ProtectHome={'read-only' if at_home else 'yes'}",
        f"CapabilityBoundingSet={' '.join(process['capabilities'])}",
        *STRICT,
    ]


def render_unit(instance: str, process: dict[str, Any]) -> str:
    after = " ".join(["network-online.target", *after_units(instance, process["after"])])
    description = (process["description"] or unit_name(instance, process["name"])).replace("%", "%%")
    return (
        f"# {MANAGED}\n"
        "[Unit]\n"
        f"Description={description}\n"
        f"After={after}\n"
        "Wants=network-online.target\n"
        # No start limit: dependencies may be unavailable indefinitely.
        "StartLimitIntervalSec=0\n"
        "\n"
        f"{render_service_section(process)}"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target\n"
    )


def render_description(process: dict[str, Any], pid_file: str | None) -> str:
    """Return the description for the launcher (see `launch`), the equivalent of a systemd unit."""
    content = {key: process[key] for key in ("command", "user", "group", "environment", "environment_file")}
    content["hardening"] = process["hardening"] != "none"
    if pid_file:
        content["pid_file"] = pid_file
        for key in (
            "working_directory",
            "runtime_directory",
            "runtime_directory_mode",
            "limit_nofile",
            "oom_score_adjust",
            "stop_signal",
            "stop_seconds",
        ):
            content[key] = process[key]
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def render_program(unit: str, process: dict[str, Any], launcher: list[str], log_file: str) -> str:
    stop_group = process["kill_mode"] == "control-group"
    kill_group = process["kill_mode"] in ("control-group", "mixed")
    lines = [
        f"; {MANAGED}",
        f"[program:{unit}]",
        # An empty environment, so that the process does not inherit that of supervisord.
        f"command=/usr/bin/env -i {shlex.join(launcher)}",
        "autostart=true",
        "autorestart=true",
        # supervisord waits one second longer before each retry. With this limit, it never stops retrying.
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


def render_start(source: str, site: dict[str, str]) -> str:
    """Return the program that runs supervisord in the foreground."""
    return f"#!/usr/bin/python3 -IS\n# {MANAGED}\n{source}\n\nmain({json.dumps(site, sort_keys=True)})\n"


def render_init_script(instance: str, program: str) -> str:
    name = f"{instance}-supervisord"
    daemon = f"start-stop-daemon --oknodo --pidfile /run/{name}.pid"
    return f"""#!/bin/sh
# {MANAGED}
### BEGIN INIT INFO
# Provides:          {name}
# Required-Start:    $local_fs $remote_fs $network
# Required-Stop:     $local_fs $remote_fs $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: All processes of {instance}
### END INIT INFO
start() {{ {daemon} --start --background --make-pidfile --startas {shlex.quote(program)}; }}
stop() {{ {daemon} --stop --remove-pidfile --retry TERM/120/KILL/5; }}
case "$1" in
    start) start ;;
    stop) stop ;;
    restart | force-reload) stop && start ;;
    status) {daemon} --status ;;
    *) echo "usage: $0 start|stop|restart|status" >&2 && exit 2 ;;
esac
"""


def render_liveness(unit: str, check: dict[str, Any], socket_path: str | None, command: list[str] | None) -> str:
    """Return one check for the watchdog. `socket` is the socket of supervisord, null with systemd.

    The command launches the check with the account of the process.
    """
    content = {"unit": unit, "socket": socket_path, "http": check["http"], "command": command}
    content["what"] = check["http"] or shlex.join(check["command"])
    content.update({key: check[key] for key in ("interval", "timeout", "failures", "start_period")})
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
