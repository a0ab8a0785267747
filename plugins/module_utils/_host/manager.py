# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""systemd and supervisord with a common interface."""

from __future__ import annotations

import contextlib
import glob
import http.client
import inspect
import os
import signal
import socket
import subprocess
import time
import xmlrpc.client
from collections.abc import Iterator
from typing import Any, NamedTuple

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import files, launch, render, start
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.liveness import age_of

CLEAN_ENVIRONMENT = {"PATH": launch.SEARCH_PATH, "LC_ALL": "C.UTF-8"}

_UPDATE_RC = "/usr/sbin/update-rc.d"


class ManagerError(Exception):
    """An error of the manager."""


def run(*command: str, check: bool = True) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, check=False, env=CLEAN_ENVIRONMENT, close_fds=True
    )
    output = done.stdout.decode("utf-8", "replace")
    if check and done.returncode:
        error = done.stderr.decode("utf-8", "replace").strip() or output.strip()
        raise ManagerError(f"`{' '.join(command)}` failed with exit code {done.returncode}: {error}")
    return output


def definition_file(path: str, content: str, mode: int = 0o644) -> dict[str, Any]:
    return {
        "path": path,
        "content": content.encode(),
        "owner": "root",
        "group": "root",
        "mode": mode,
        "sensitive": False,
    }


class Launcher(NamedTuple):
    """The program that starts processes, and the Python that runs it."""

    python: str
    program: str

    def command(self, description: str) -> list[str]:
        return [self.python, "-I", "-S", self.program, description]

    def file(self) -> dict[str, Any]:
        # Not sensitive, but the diff of a whole program is not useful.
        return {**definition_file(self.program, inspect.getsource(launch), 0o600), "sensitive": True}


class Systemd:
    """Units in /etc/systemd/system, enabled so that they start at boot."""

    name = "systemd"
    unit_dir = "/etc/systemd/system"
    socket_path: str | None = None

    def __init__(self, instance: str) -> None:
        self.instance = instance
        self.stale = False
        self.enabled: dict[str, bool] = {}

    def files(self, unit: str, process: dict[str, Any]) -> list[dict[str, Any]]:
        return [definition_file(f"{self.unit_dir}/{unit}.service", render.render_unit(self.instance, process))]

    def definition(self, unit: str, process: dict[str, Any]) -> list[str]:
        return [render.render_service_section(process)]

    def shared_files(self) -> list[dict[str, Any]]:
        return []

    def status(self, units: list[str]) -> dict[str, int]:
        """Return the main pid of each unit, 0 if it does not run."""
        if not units:
            return {}
        output = run(
            "systemctl",
            "show",
            "--property=Id,ActiveState,MainPID,UnitFileState,NeedDaemonReload",
            *(unit + ".service" for unit in units),
        )
        pids = dict.fromkeys(units, 0)
        for block in output.strip().split("\n\n"):
            values = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
            unit = values["Id"][: -len(".service")]
            self.stale = self.stale or values["NeedDaemonReload"] == "yes"
            self.enabled[unit] = values["UnitFileState"] == "enabled"
            if values["ActiveState"] in ("active", "activating", "reloading"):
                pids[unit] = int(values["MainPID"])
        return pids

    def to_enable(self, units: list[str]) -> list[str]:
        return [unit for unit in units if not self.enabled[unit]]

    def prepare(self, units: list[str], written: bool) -> None:
        """Make the manager load the changed files."""
        enable = self.to_enable(units)
        if enable:
            run("systemctl", "enable", "--quiet", *(unit + ".service" for unit in enable))
        if written or self.stale:
            run("systemctl", "daemon-reload")

    def start(self, unit: str) -> None:
        run("systemctl", "start", unit + ".service")

    def restart(self, unit: str) -> None:
        run("systemctl", "restart", unit + ".service")

    def remove(self, unit: str) -> None:
        """Stop and disable a unit whose files are removed afterwards."""
        if os.path.exists(f"{self.unit_dir}/{unit}.service"):
            run("systemctl", "disable", "--quiet", unit + ".service")
        run("systemctl", "stop", unit + ".service", check=False)
        run("systemctl", "reset-failed", unit + ".service", check=False)

    def leftovers(self, removed: set[str]) -> list[str]:
        """Return the shared files that are unused after the removal of these files."""
        return []

    def finish(self) -> None:
        """Do nothing: after the removal of the last process, nothing of the instance remains in systemd."""

    def log(self, unit: str) -> str:
        return run("journalctl", "--unit", unit, "--lines=20", "--output=cat", "--no-pager", check=False)


def reads_init_scripts() -> bool:
    """Whether the init system of the host reads /etc/init.d: sysvinit or systemd."""
    return os.path.isdir("/etc/init.d") and (os.path.exists("/etc/inittab") or os.path.isdir("/run/systemd/system"))


class UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__()
        self.path = path
        self.timeout = timeout

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(self.timeout)
        connection.sock.connect(self.path)
        return connection


class Supervisord:
    """One supervisord per instance, with one program per process. It is started if it does not run."""

    name = "supervisord"

    def __init__(
        self, instance: str, executable: str, config_dir: str, run_dir: str, log_dir: str, launcher: Launcher
    ) -> None:
        self.instance = instance
        self.launcher = launcher
        self.executable = executable
        self.config_dir = config_dir
        self.run_dir = run_dir
        self.log_dir = log_dir
        self.config = f"{config_dir}/supervisord.conf"
        self.socket_path = f"{run_dir}/supervisor.sock"
        self.init_script = f"/etc/init.d/{instance}-supervisord"

    def description(self, unit: str) -> str:
        return f"{self.config_dir}/supervisor.d/{unit}.json"

    def files(self, unit: str, process: dict[str, Any]) -> list[dict[str, Any]]:
        program, description = self.definition(unit, process)
        return [
            definition_file(f"{self.config_dir}/supervisor.d/{unit}.conf", program),
            definition_file(self.description(unit), description),
        ]

    def definition(self, unit: str, process: dict[str, Any]) -> list[str]:
        command = self.launcher.command(self.description(unit))
        return [
            render.render_program(unit, process, command, f"{self.log_dir}/{unit}.log"),
            render.render_description(process, self.pid_file(unit)),
        ]

    def shared_files(self) -> list[dict[str, Any]]:
        text = render.render_supervisord(self.run_dir, self.log_dir, f"{self.config_dir}/supervisor.d/*.conf")
        return [definition_file(self.config, text), self.launcher.file(), *self.start_files()]

    def start_files(self) -> list[dict[str, Any]]:
        """Return the files that start all processes again after a restart of the host or of the container."""
        site = {
            "instance": self.instance,
            "executable": self.executable,
            "config": self.config,
            "run_dir": self.run_dir,
            "log_dir": self.log_dir,
        }
        program = render.render_start(inspect.getsource(start), site)
        # Not sensitive, but the diff of a whole program is not useful.
        found = [{**definition_file(f"{self.config_dir}/start", program, 0o755), "sensitive": True}]
        if reads_init_scripts():
            script = render.render_init_script(self.instance, f"{self.config_dir}/start")
            found.append(definition_file(self.init_script, script, 0o755))
        return found

    def pid_file(self, unit: str) -> str:
        return f"{self.run_dir}/{unit}.pid"

    def server(self, timeout: float = 20) -> Any:
        transport = UnixTransport(self.socket_path, timeout)
        return xmlrpc.client.ServerProxy("http://localhost", transport=transport).supervisor

    def processes(self) -> dict[str, dict[str, Any]] | None:
        """Return the programs in supervisord, None if it does not run or does not respond."""
        try:
            return {process["name"]: process for process in self.server().getAllProcessInfo()}
        except OSError:
            return None

    def status(self, units: list[str]) -> dict[str, int]:
        known = self.processes() or {}
        running = {name for name, process in known.items() if process["statename"] in ("STARTING", "RUNNING")}
        return {unit: known[unit]["pid"] if unit in running else 0 for unit in units}

    def to_enable(self, units: list[str]) -> list[str]:
        return []

    def prepare(self, units: list[str], written: bool) -> None:
        if not units:
            return
        self.start_with_the_machine()
        if self.processes() is not None:
            with fault_explained(f"{self.config} or a file that it includes cannot be read"):
                self.server().reloadConfig()
            return
        self.end_former()
        files.make_private_directory(self.run_dir)
        if not files.is_directory(self.log_dir):
            files.make_private_directory(self.log_dir, 0o750)
        if not os.access(self.executable, os.X_OK):
            raise ManagerError(
                f"{self.executable} does not exist. Install supervisor, or set `supervisord` to its path."
            )
        # supervisord daemonizes itself in its own session. run() gives it a clean environment.
        run(self.executable, "-c", self.config)

    def start_with_the_machine(self) -> None:
        name = os.path.basename(self.init_script)
        if os.path.exists(self.init_script) and os.path.exists(_UPDATE_RC) and not glob.glob(f"/etc/rc3.d/S??{name}"):
            run(_UPDATE_RC, name, "defaults")

    def end_former(self) -> None:
        """Stop the processes of a killed supervisord before the same processes start again."""
        daemon = pid_in(f"{self.run_dir}/supervisord.pid")
        if daemon and self.config.encode() in files.read_of_kernel(f"/proc/{daemon[0]}/cmdline").split(b"\0"):
            end([(daemon[0], "TERM", 60)])
        end([entry for entry in map(pid_in, glob.glob(f"{glob.escape(self.run_dir)}/{self.instance}-*.pid")) if entry])

    def start(self, unit: str) -> None:
        process = (self.processes() or {}).get(unit, {})
        if process.get("statename") not in ("STARTING", "RUNNING"):
            self.restart(unit)

    def restart(self, unit: str) -> None:
        self.remove_definition(unit)
        with fault_explained(f"{unit}: supervisord rejects it"):
            self.server().addProcessGroup(unit)
        with contextlib.suppress(xmlrpc.client.Fault):  # supervisord already starts it, or waits for the next retry
            self.server().startProcess(unit, False)

    def remove_definition(self, unit: str) -> None:
        """Stop a process and remove its definition. A new definition can be added afterwards."""
        if unit in (self.processes() or {}):
            with contextlib.suppress(xmlrpc.client.Fault):  # it was not running
                self.server(3600).stopProcess(unit)
            with fault_explained(f"{unit}: supervisord cannot stop it"):
                self.server().removeProcessGroup(unit)

    def remove(self, unit: str) -> None:
        self.remove_definition(unit)
        former = pid_in(self.pid_file(unit))
        if former:
            end([former])
        files.remove(self.pid_file(unit))

    def leftovers(self, removed: set[str]) -> list[str]:
        last = set(glob.glob(glob.escape(self.config_dir) + "/supervisor.d/*.conf")) <= removed
        return [path for path in self.shared_paths() if os.path.exists(path)] if last else []

    def shared_paths(self) -> list[str]:
        return [self.config, self.launcher.program, f"{self.config_dir}/start", self.init_script]

    def finish(self) -> None:
        if self.processes() is not None:
            daemon = self.server().getPID()
            self.server().shutdown()
            # The program `start` would restart supervisord. It ends after the removal of the configuration.
            files.remove(self.config)
            wait_gone([daemon], 60)
        for path in self.shared_paths():
            files.remove(path)
        if os.path.exists(_UPDATE_RC):
            run(_UPDATE_RC, "-f", os.path.basename(self.init_script), "remove", check=False)

    def log(self, unit: str) -> str:
        lines = (files.read(f"{self.log_dir}/{unit}.log") or b"").decode("utf-8", "replace").splitlines()
        error = (self.processes() or {}).get(unit, {}).get("spawnerr")
        return "\n".join(lines[-20:] + ([f"supervisord: {error}"] if error else []))


@contextlib.contextmanager
def fault_explained(message: str) -> Iterator[None]:
    try:
        yield
    except xmlrpc.client.Fault as fault:
        raise ManagerError(f"{message}: {fault.faultString}") from fault


def pid_in(path: str) -> tuple[int, str, int] | None:
    """Return the process of a pid file with its stop signal and seconds, None if the pid was reused."""
    words = (files.read(path) or b"").decode("ascii", "replace").split()
    if not words or not words[0].isdigit():
        return None
    pid = int(words[0])
    try:
        started, written = time.time() - age_of(pid), os.stat(path).st_mtime
    except (OSError, ValueError, IndexError):
        return None
    if started > written + 2:
        return None
    return pid, words[1] if len(words) > 1 else "TERM", int(words[2]) if len(words) > 2 else 30


def wait_gone(pids: list[int], seconds: float) -> list[int]:
    deadline = time.monotonic() + seconds
    while True:
        pids = [pid for pid in pids if alive(pid)]
        if not pids or time.monotonic() > deadline:
            return pids
        time.sleep(0.05)


def alive(pid: int) -> bool:
    state = files.read_of_kernel(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    return bool(state) and state[0] != b"Z"


def end(processes: list[tuple[int, str, int]]) -> None:
    for pid, name, _seconds in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.Signals["SIG" + name])
    for pid in wait_gone([pid for pid, _n, _s in processes], max((s for _p, _n, s in processes), default=0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            wait_gone([pid], 5)
