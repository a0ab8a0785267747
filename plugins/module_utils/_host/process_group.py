# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Apply the state of one group of files and processes: read, plan, and change unless in check mode."""

from __future__ import annotations

import contextlib
import glob
import http.client
import inspect
import os
import signal
import socket
import ssl
import subprocess
import time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import (
    account,
    files,
    launch,
    listeners,
    liveness,
    render,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._host import process_plan as plan
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.manager import (
    Launcher,
    ManagerError,
    Supervisord,
    Systemd,
    alive,
    definition_file,
    run,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.trust import first_weakness, log_groups
from ansible_collections.selfhosted.prefect.plugins.module_utils._secrets import masked, secret_values, settings_in

# Number of starts of a process after which the module no longer waits for it.
LIVES = 5
DONE = {plan.START: "started", plan.RESTART: "restarted", plan.RELOAD: "reloaded", plan.PENDING: "pending_restart"}


class Failed(Exception):
    """The group does not have the desired state. `result` contains the changes made so far."""

    def __init__(self, message: str, result: dict[str, Any]) -> None:
        super().__init__(message)
        self.result = result


class Site(NamedTuple):
    """The paths of an instance on this host."""

    instance: str
    manager: str
    state_dir: str
    config_dir: str
    run_dir: str
    log_dir: str
    supervisord: str
    python: str

    def trusted(self) -> dict[str, str]:
        """Return the option of each path that root reads, executes or writes.

        The module replaces the files in these directories if they differ, but not the directories.
        """
        found = {
            f"{self.state_dir}/groups": "state_dir",
            f"{self.config_dir}/liveness.d": "config_dir",
            self.python: "python",
        }
        if self.manager == "supervisord":
            found |= {
                f"{self.config_dir}/supervisor.d": "config_dir",
                self.run_dir: "run_dir",
                self.log_dir: "log_dir",
                self.supervisord: "supervisord",
            }
        return found


class Group:
    def __init__(self, site: Site, params: dict[str, Any]) -> None:
        self.site = site
        self.params = params
        self.name: str = params["group"]
        present = params["state"] == "present"
        self.launcher = Launcher(site.python, f"{site.state_dir}/launch.py")
        self.manager: Systemd | Supervisord = (
            Systemd(site.instance)
            if site.manager == "systemd"
            else Supervisord(
                site.instance, site.supervisord, site.config_dir, site.run_dir, site.log_dir, self.launcher
            )
        )
        self.processes: dict[str, dict[str, Any]] = (
            {process["name"]: process for process in params["processes"]} if present else {}
        )
        self.given = [entry["path"] for entry in params["files"]]
        self.directories: list[dict[str, Any]] = params["directories"] if present else []
        self.wanted = {entry["path"]: entry for entry in self._wanted_files()} if present else {}
        if self.processes:
            self.wanted.update((entry["path"], entry) for entry in self.manager.shared_files())
        self.result: dict[str, Any] = {
            "changed": False,
            "files_changed": [],
            "started": [],
            "restarted": [],
            "reloaded": [],
            "removed": [],
            "pending_restart": [],
            "manager": self.manager.name,
            "processes": {},
        }
        self.diff: list[dict[str, str]] = []
        self._refuse_what_others_can_change()
        self._look()
        self._plan()

    # Desired state -------------------------------------------------------------------------------------------------

    def unit(self, process: str) -> str:
        return render.unit_name(self.site.instance, process)

    def _wanted_files(self) -> list[dict[str, Any]]:
        wanted = list(self.params["files"])
        for name, process in self.processes.items():
            wanted += self.manager.files(self.unit(name), process)
            if process["liveness"]:
                wanted += self._liveness_files(name, process)
        return wanted

    def _liveness_files(self, name: str, process: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the files of a liveness check. Its command runs with the account and environment of the process."""
        base = f"{self.site.config_dir}/liveness.d/{name}"
        check, described, command = process["liveness"], [], None
        if not check["http"]:
            text = render.render_description({**process, "command": check["command"]}, None)
            described = [definition_file(f"{base}.launch", text)]
            command = self.launcher.command(f"{base}.launch")
        text = render.render_liveness(self.unit(name), check, self.manager.socket_path, command)
        return [*described, definition_file(f"{base}.json", text)]

    def owned(self) -> set[str]:
        """Return the files to remove with the group."""
        return set(self.wanted) - {entry["path"] for entry in self.manager.shared_files()}

    # Actual state --------------------------------------------------------------------------------------------------

    def record_path(self, process: str) -> str:
        return f"{self.site.state_dir}/{process}.json"

    def group_path(self, group: str) -> str:
        return f"{self.site.state_dir}/groups/{group}.json"

    def _look(self) -> None:
        self.records: dict[str, dict[str, Any]] = {}
        for path in glob.glob(glob.escape(self.site.state_dir) + "/*.json"):
            self.records[os.path.basename(path)[: -len(".json")]] = files.read_json(path)
        recorded: set[str] = set()
        elsewhere: set[str] = set()
        for path in glob.glob(glob.escape(self.site.state_dir) + "/groups/*.json"):
            owned = files.read_json(path).get("files", [])
            (recorded if path == self.group_path(self.name) else elsewhere).update(owned)
        self.recorded_files = recorded
        if self.params["state"] == "absent":
            recorded = recorded | set(self.given)
        self.stale_files = sorted(
            path for path in recorded - set(self.wanted) - elsewhere if files.status(path, follow=False)
        )
        # If a process has moved to another group, its record names that group.
        self.stale = sorted(
            name
            for name, record in self.records.items()
            if record.get("group") == self.name and name not in self.processes
        )
        self.pids = self.manager.status([self.unit(name) for name in self.processes])

    def _refuse_what_others_can_change(self) -> None:
        """Check that root owns the files that it reads or executes, and their parent directories."""
        for path, option in self.site.trusted().items():
            problem = first_weakness(path, log_groups() if option == "log_dir" else ())
            if problem:
                raise ValueError(
                    f"{option}: {path}: {problem}, so root does not use it. Set another path, or make root the owner "
                    "of the path and its parent directories, with a mode that does not allow others to write."
                )
        for name, process in self.processes.items():
            file, program = process["environment_file"], process["command"][0]
            problem = None
            if file:
                # The module replaces files of this task if they differ.
                problem = first_weakness(os.path.dirname(file) if file in self.given else file)
                if problem:
                    raise ValueError(
                        f"process {name}: environment_file: {file}: {problem}, so root does not read it. Make root the "
                        "owner of the file and its parent directories, with a mode that does not allow others to write."
                    )
            if process["user"] in ("root", "0"):
                problem = first_weakness(program)
                if problem:
                    raise ValueError(f"process {name}: command: {program}: {problem}, so root does not execute it.")

    # Plan ----------------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        for entry in self.directories:
            changes = files.attributes(entry)
            if not files.is_directory(entry["path"]):
                self._differs({"before": "", "after": "directory\n"}, entry["path"])
            elif changes:
                before, after = zip(*(change.split(" -> ") for change in changes.values()))
                self._differs({"before": " ".join(before) + "\n", "after": " ".join(after) + "\n"}, entry["path"])
        for entry in self.wanted.values():
            difference = files.difference(entry)
            if difference:
                self.diff.append(difference)
                self.result["files_changed"].append(entry["path"])
        for path in self.stale_files:
            self._differs({"before": files.HIDDEN + "\n", "after": ""}, path)
        digests = {path: files.digest(entry["content"]) for path, entry in self.wanted.items()}
        for process in self.processes.values():
            for path in plan.restart_paths(process, self.given) + process["reload_on"]:
                if path not in digests:
                    digests[path] = files.digest(files.read(path))
        given = self.wanted.keys() & set(self.given)  # empty if the group is to be removed
        self._drop_records({path for path in given if files.digest(files.read(path)) not in (None, digests[path])})
        self.inputs = {
            name: plan.inputs(process, self.manager.definition(self.unit(name), process), self.given, digests)
            for name, process in self.processes.items()
        }
        only = self.params["only"]
        self.actions: dict[str, str] = {}
        for name in self.processes:
            action = plan.action(
                self.pids[self.unit(name)] > 0,
                self.records.get(name, {}),
                self.inputs[name],
                only is None or name in only,
                self.params["defer_restarts"],
            )
            if action:
                self.actions[name] = action
                self.result[DONE[action]].append(name)
        self.to_enable = self.manager.to_enable([self.unit(name) for name in self.processes])
        self.result["removed"] = self.stale
        acting = [f"{name}: {DONE[action]}\n" for name, action in self.actions.items() if action != plan.PENDING]
        acting += [f"{name}: removed\n" for name in self.stale]
        acting += [f"{unit}: enabled\n" for unit in self.to_enable]
        if acting:
            self.diff.append(
                {"before_header": "processes", "after_header": "processes", "before": "", "after": "".join(acting)}
            )
        self.result["changed"] = bool(self.result["files_changed"] or acting)

    def _drop_records(self, altered: set[str]) -> None:
        """Drop the records of processes that started after a file was changed outside the collection."""
        for name, process in self.processes.items():
            pid = self.pids[self.unit(name)]
            if not pid or name not in self.records:
                continue
            with contextlib.suppress(OSError):  # the process has ended
                started = time.time() - liveness.age_of(pid)
                found = {path: files.status(path) for path in altered}
                read = {path for path, status in found.items() if status and status.st_mtime < started}
                for key in plan.outdated(process, self.given, read):
                    self.records[name].pop(key, None)

    def _differs(self, difference: dict[str, str], path: str) -> None:
        self.diff.append({"before_header": path, "after_header": path, **difference})
        self.result["files_changed"].append(path)

    def watchdog(self) -> Group | None:
        """Return the group of the process that executes the `liveness` checks, in the state after this group."""
        if self.name == "liveness":
            return None
        directory = f"{self.site.config_dir}/liveness.d"
        checks = set(glob.glob(glob.escape(directory) + "/*.json")) - set(self.stale_files)
        checks.update(path for path in self.wanted if os.path.dirname(path) == directory and path.endswith(".json"))
        program = f"{self.site.state_dir}/liveness.py"
        if not checks and not os.path.exists(self.group_path("liveness")):
            return None
        process = {
            "name": "liveness",
            "command": [self.site.python, "-I", "-S", program, directory],
            "user": "root",
            "environment": {},
            "success_exit_status": ["SIGTERM"],
            "stop_signal": "TERM",
            "stop_seconds": 10,
            "kill_mode": "control-group",
            "hardening": "basic",
            "writable_paths": [],
            "capabilities": [],
            "service_settings": {},
            "restart_token": "",
            "reload_on": [],
            "after": [],
            "start_seconds": 1,
            "description": f"Kills processes of {self.site.instance} that do not respond",
        }
        for option in (
            "group",
            "working_directory",
            "environment_file",
            "limit_nofile",
            "memory_limit",
            "oom_score_adjust",
            "runtime_directory",
            "runtime_directory_mode",
            "restart_on",
            "ready",
            "liveness",
            "reload_command",
        ):
            process[option] = None
        return Group(
            self.site,
            {
                "group": "liveness",
                "state": "present" if checks else "absent",
                "directories": [],
                # Not sensitive, but the diff of a whole program is not useful.
                "files": [
                    {**definition_file(program, inspect.getsource(liveness), 0o600), "sensitive": True},
                    # With supervisord, the shared files already contain the launcher.
                    *([self.launcher.file()] if isinstance(self.manager, Systemd) else []),
                ],
                "processes": [process],
                "rolling": True,
                "only": None,
                "defer_restarts": False,
            },
        )

    # Change --------------------------------------------------------------------------------------------------------

    def run(self, check_mode: bool) -> dict[str, Any]:
        watchdog = self.watchdog()
        stale_files = set(self.stale_files + (watchdog.stale_files if watchdog else []))
        leftovers = [] if self.processes else self.manager.leftovers(stale_files)
        for path in leftovers:
            self._differs({"before": files.HIDDEN + "\n", "after": ""}, path)
        self.result["changed"] = self.result["changed"] or bool(leftovers)
        try:
            if not check_mode:
                self.act()
                if watchdog:
                    watchdog.act()
                if leftovers:
                    self.manager.finish()
        except (ManagerError, OSError, ValueError) as error:
            raise Failed(f"group {self.name}: {error}", {"processes": self.process_states()}) from error
        return self.outcome(watchdog)

    def outcome(self, watchdog: Group | None) -> dict[str, Any]:
        result = dict(self.result)
        diff = list(self.diff)
        if watchdog:
            result["changed"] = result["changed"] or watchdog.result["changed"]
            for key in ("files_changed", "started", "restarted", "removed"):
                result[key] = result[key] + [name for name in watchdog.result[key] if name not in result[key]]
            diff += [entry for entry in watchdog.diff if entry not in diff]
        result["processes"] = self.process_states()
        result["diff"] = diff
        return result

    def process_states(self) -> dict[str, Any]:
        try:
            pids = self.manager.status([self.unit(name) for name in self.processes])
        except (ManagerError, OSError):
            pids = {}
        return {
            name: {"unit": self.unit(name), **process_state(pids.get(self.unit(name), 0))} for name in self.processes
        }

    def _check_accounts(self) -> None:
        for name, process in self.processes.items():
            for kind, found in (("user", files.user_id), ("group", files.group_id)):
                if found(process[kind]) is None:
                    raise ValueError(f"process {name}: the {kind} {process[kind]!r} does not exist on this host")

    def act(self) -> None:
        """Apply the changes in an order that allows the next run to finish an interrupted one."""
        self._check_accounts()
        if self.processes or self.wanted:  # a group to remove may have no objects left
            files.make_private_directory(self.site.state_dir)
        if self.result["changed"]:
            # First, so that the next run can prune all objects that this run creates.
            files.write_json(self.group_path(self.name), {"files": sorted(self.owned() | self.recorded_files)})
        for name in self.processes:
            files.write_json(self.record_path(name), {**self.records.get(name, {}), "group": self.name})
        for entry in self.directories:
            files.make_directory(entry)
        written = [entry["path"] for entry in self.wanted.values() if files.difference(entry)]
        for path in written:
            files.write(self.wanted[path])
        for name in self.stale:
            self.manager.remove(self.unit(name))
        for path in self.stale_files:
            files.remove(path)
        definitions = any(
            entry["path"] in written + self.stale_files
            for name, process in self.processes.items()
            for entry in self.manager.files(self.unit(name), process)
        )
        self.manager.prepare([self.unit(name) for name in self.processes], definitions or bool(self.stale))
        for name in self.stale:
            files.remove(self.record_path(name))
        self._start()
        self._restart()
        self._wait_for_started_by_others()
        if not self.processes and not self.wanted:
            files.remove(self.group_path(self.name))
        elif self.recorded_files - self.owned():
            files.write_json(self.group_path(self.name), {"files": sorted(self.owned())})

    def _start(self) -> None:
        waiting: list[str] = []
        for name, process in self.processes.items():
            if self.actions.get(name) != plan.START:
                continue
            for other in [other for other in waiting if other in process["after"]]:
                self._wait_ready(other)
                waiting.remove(other)
            self._manage(name, self.manager.start)
            waiting.append(name)
        for name in waiting:
            self._wait_ready(name)

    def _restart(self) -> None:
        waiting: list[str] = []
        for name, process in self.processes.items():
            action = self.actions.get(name)
            if action == plan.RESTART:
                self._manage(name, self.manager.restart)
            elif action == plan.RELOAD and process["reload_command"]:
                self._manage(name, lambda unit, command=process["reload_command"]: run(*command))
            elif action == plan.RELOAD:
                pid = self.pids[self.unit(name)]
                os.kill(pid, signal.Signals["SIG" + process["reload_signal"]])
            else:
                continue
            if self.params["rolling"]:
                self._wait_ready(name)
            else:
                waiting.append(name)
        for name in waiting:
            self._wait_ready(name)

    def _wait_for_started_by_others(self) -> None:
        """Wait for processes that a boot or a restarted supervisord has started. The next tasks use them."""
        for name, process in self.processes.items():
            pid = self.pids.get(self.unit(name), 0)
            if name not in self.actions and pid and is_young(pid, process):
                self._wait_ready(name)

    def _manage(self, name: str, function: Any) -> None:
        try:
            function(self.unit(name))
        except ManagerError as error:
            raise ManagerError(f"process {name}: {error}\n{self._log(name)}") from error

    def _wait_ready(self, name: str) -> None:
        process, unit = self.processes[name], self.unit(name)
        seconds = process["ready"]["timeout"] if process["ready"] else 60
        deadline = time.monotonic() + seconds
        lives: list[int] = []
        problem: str | None = "it does not run"
        while True:
            pid = self.manager.status([unit])[unit]
            if pid and pid not in lives:
                lives.append(pid)
            problem = unready(process, pid)
            if not problem:
                # Another process may have responded. The response counts only if this process ran before and after it.
                if self.manager.status([unit])[unit] == pid:
                    break
                continue
            if time.monotonic() > deadline:
                raise ManagerError(f"process {name} is not ready after {seconds} s: {problem}.\n{self._log(name)}")
            if len(lives) >= LIVES:
                raise ManagerError(f"process {name} exits repeatedly: {problem}.\n{self._log(name)}")
            time.sleep(0.1)
        files.write_json(self.record_path(name), {"group": self.name, **self.inputs[name]})

    def _log(self, name: str) -> str:
        texts = [entry["content"].decode("utf-8", "replace") for entry in self.params["files"] if entry["sensitive"]]
        environment_file = self.processes[name]["environment_file"]
        if environment_file:
            texts.append((files.read(environment_file) or b"").decode("utf-8", "replace"))
        secrets = secret_values(setting for text in texts for setting in settings_in(text))
        log = masked(self.manager.log(self.unit(name)), secrets).strip()
        if isinstance(self.manager, Systemd):
            where = f"journalctl -u {self.unit(name)}"
        else:
            where = f"{self.site.log_dir}/{self.unit(name)}.log"
        return (
            f"Correct the problem in its log ({where}), and run the playbook again. The last lines:\n{log or '(none)'}"
        )


def is_young(pid: int, process: dict[str, Any]) -> bool:
    """Whether a process is still in its start period."""
    seconds: float = process["ready"]["timeout"] if process["ready"] else process["start_seconds"]
    try:
        return liveness.age_of(pid) < seconds
    except OSError:
        return True  # the process has ended, and starts again


def unready(process: dict[str, Any], pid: int) -> str | None:
    """Return why a process is not ready, None if it is ready."""
    ready = process["ready"]
    if not pid or not alive(pid):
        return (taken_port(process, *port_of(ready)) if ready else None) or "it does not run"
    try:
        if not ready:
            return None if liveness.age_of(pid) >= process["start_seconds"] else "it has only just started"
        if ready["http"] or ready["tcp"]:
            return no_answer(process, ready)
        # Run the command with the account of the process, not as root.
        description = {**process, "command": ready["command"], "working_directory": None}
        variables = launch.variables_of(process, launch.account_of(process["user"], process["group"]))
        ended = account.run_as(description, variables, timeout=30)
    except (OSError, subprocess.SubprocessError, launch.Refused) as error:
        return f"{ready['http'] or ready['tcp'] or ready['command'][0]}: {error}" if ready else "it has ended"
    return None if ended.rc == 0 else f"`{ready['command'][0]}` fails with exit code {ended.rc}"


def no_answer(process: dict[str, Any], ready: dict[str, Any]) -> str | None:
    """Return why a port does not respond, or who else listens on it, None if the process responds."""
    if ready["http"]:
        status = http_status(ready["http"])
        if status >= 400:
            return f"{ready['http']} returns HTTP status {status}"
    else:
        socket.create_connection(port_of(ready), 5).close()
    return taken_port(process, *port_of(ready))


def port_of(ready: dict[str, Any]) -> tuple[str, int]:
    """Return the address and the port of the readiness check, empty if the check is a command."""
    if ready["http"]:
        parts = urlsplit(ready["http"])
        return parts.hostname or "", parts.port or 0
    host, _colon, port = (ready["tcp"] or "").rpartition(":")
    return host.strip("[]"), int(port or 0)


def taken_port(process: dict[str, Any], host: str, port: int) -> str | None:
    """Return which other account listens on the port of a process, None if none does."""
    others = listeners.strangers(host, port, process["user"])
    return f"another process, of the account {others}, listens on port {port}. Stop that process." if others else None


def http_status(url: str) -> int:
    """Return the status like the watchdog, also with TLS. Readiness does not depend on a valid certificate."""
    if url.startswith("http://"):
        return liveness.http_status(url, 5)
    parts = urlsplit(url)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=5, context=context)
    try:
        connection.request("GET", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))
        return connection.getresponse().status
    except http.client.HTTPException as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
    finally:
        connection.close()


def process_state(pid: int) -> dict[str, Any]:
    state = {"running": False, "pid": 0, "uptime_seconds": 0, "rss_bytes": 0}
    if not pid:
        return state
    try:
        with open(f"/proc/{pid}/statm") as statm:
            pages = int(statm.read().split()[1])
        age = int(liveness.age_of(pid))
    except (OSError, IndexError):
        return state
    return {"running": True, "pid": pid, "uptime_seconds": age, "rss_bytes": pages * os.sysconf("SC_PAGE_SIZE")}
