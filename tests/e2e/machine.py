# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test host with the local inventory, which the tests reach over SSH, and the API behind its gateway."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from defaults import API_PORT, GATEWAY_PORT, ROOT
from rendering import host_processes

MACHINE = ROOT / "tests/machines/machine"
Done = subprocess.CompletedProcess[str]
API_PORTS = {f"api-{number + 1}": API_PORT + number for number in range(3)}  # one more than the inventory has
PROCESSES = host_processes(prefect_server_replicas=len(API_PORTS))
GROUPS = ("postgres", "pgbouncer", "redis", "api", "services", "gateway", "workers")


def run(command: list[Any], **options: Any) -> str:
    """Return the output of a command that must not fail. If it fails, the test shows its output."""
    words = [str(word) for word in command]
    done: Done = subprocess.run(words, text=True, capture_output=True, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def descendants(pid: int) -> list[int]:
    """Return all descendants of a process of this host."""
    listed = run(["ps", "-e", "-o", "pid=,ppid="]).split()
    parents = {int(child): int(parent) for child, parent in zip(listed[::2], listed[1::2], strict=True)}
    found = [pid]
    for parent in found:
        found += [child for child, its in parents.items() if its == parent]
    return found[1:]


def wait_for(condition: Callable[[], Any], seconds: float = 60, every: float = 0.3) -> Any:
    """Wait for the first true value of the condition, and return it. An exception counts as false."""
    deadline = time.monotonic() + seconds
    while True:
        problem: object = None
        try:
            value = condition()
            if value:
                return value
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            problem = error
        assert time.monotonic() < deadline, f"did not become true in {seconds} s ({problem})"
        time.sleep(every)


class Played(NamedTuple):
    """The result of a playbook run."""

    code: int
    output: str
    seconds: float

    @property
    def recap(self) -> dict[str, int]:
        """Return the counts of the only test host."""
        line = re.findall(r"^\S+ +: (ok=.*)$", self.output, re.M)[-1]
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line)}

    @property
    def changed(self) -> list[str]:
        """Return the names of the tasks that changed something, in order."""
        changed = []
        for task in re.split(r"^(?:TASK|RUNNING HANDLER) \[", self.output, flags=re.M)[1:]:
            if re.search(r"^changed: ", task, re.M):
                changed.append(task.partition("]")[0].rpartition(" : ")[2])
        return changed


class Machine:
    def __init__(self, owner: str, name: str, directory: Path) -> None:
        self.run = owner
        self.name = name
        self.home = directory / name
        self.inventory = self.home / "inventory"
        shutil.copytree(ROOT / "inventories/local/group_vars", self.inventory / "group_vars", dirs_exist_ok=True)
        command = [MACHINE, "--run", owner, "inventory", *(f"prefect_{group}={name}" for group in GROUPS)]
        hosts = json.loads(run(command))
        hosts["all"]["hosts"] = {name: hosts["all"]["hosts"][name]}  # the run may contain others
        (self.inventory / "hosts.json").write_text(json.dumps(hosts))
        self.ssh_config = run([MACHINE, "--run", owner, "ssh-config"]).strip()
        config = Path(self.ssh_config).read_text()
        self.port = GATEWAY_PORT
        self.ip = re.findall(rf"^Host {name}\n  HostName (\S+)", config, re.M)[0]
        self.dirty = False
        # Many users have a fact cache. It must not make a playbook overlook that something has changed.
        self.environment = {
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.home / "cp"),
            "ANSIBLE_CACHE_PLUGIN": "jsonfile",
            "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(self.home / "facts"),
        }

    # --- Commands on the test host ---

    def ssh(self, command: str, user: str = "root") -> list[str]:
        return ["ssh", "-F", self.ssh_config, f"{user}@{self.name}", command]

    def sh(self, command: str, check: bool = True, **options: Any) -> str:
        done: Done = subprocess.run(self.ssh(command), text=True, capture_output=True, check=False, **options)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def sql(self, query: str) -> list[list[str]]:
        """Return the result of a query as the administrator of the database."""
        psql = "psql -h /run/prefect/postgres -U postgres -d prefect -v ON_ERROR_STOP=1 -AtF '|' -f -"
        return [line.split("|") for line in self.sh(psql, input=query).splitlines()]

    # --- Playbooks ---

    def override(self, name: str, variables: dict[str, Any]) -> None:
        """Set variables in the inventory, as a user does, instead of on the command line."""
        path = self.inventory / f"group_vars/all/zz-{name}.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(variables))

    def forget(self, name: str) -> None:
        """Undo `override`."""
        (self.inventory / f"group_vars/all/zz-{name}.json").unlink()

    def start(self, playbook: str, *options: str, **variables: Any) -> subprocess.Popen[str]:
        self.dirty = self.dirty or (bool(variables) and "--check" not in options)
        more = ["-e", json.dumps(variables)] if variables else []
        program = str(ROOT / ".venv/bin/ansible-playbook")
        command = [program, "-i", str(self.inventory), str(ROOT / f"playbooks/{playbook}.yml")]
        return subprocess.Popen(
            [*command, *options, *more],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def playbook(self, name: str, *options: str, fails: bool = False, **variables: Any) -> Played:
        """Run a playbook to its end. It has to succeed or, with `fails`, to fail."""
        started = time.monotonic()
        process = self.start(name, *options, **variables)
        try:
            output = process.communicate(timeout=600)[0]
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
        assert (process.returncode != 0) == fails, output
        return Played(process.returncode, output, time.monotonic() - started)

    def interrupt(self, name: str, task: str, seconds: float, *options: str) -> None:
        """Kill a playbook, with all of its processes on this host, some seconds after a task has started."""
        # Without this setting, Ansible prints the name of a task only when it has a result.
        self.environment["ANSIBLE_DISPLAY_SKIPPED_HOSTS"] = "1"
        process = self.start(name, *options)
        del self.environment["ANSIBLE_DISPLAY_SKIPPED_HOSTS"]
        lines = []
        try:
            assert process.stdout
            for line in process.stdout:
                lines.append(line)
                if line.startswith("TASK [") and line.partition("]")[0].endswith(task):
                    time.sleep(seconds)
                    break
            assert process.poll() is None, f"it ended before it was killed in {task!r}: {''.join(lines)}"
        finally:
            # The workers of Ansible are in sessions of their own. What they have started on the test host continues.
            for pid in [process.pid, *descendants(process.pid)]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.communicate()

    def restore(self) -> None:
        """Undo the changes by extra variables of earlier runs."""
        if self.dirty:
            self.playbook("site")
            self.dirty = False

    # --- Processes ---

    def pids(self) -> dict[str, int]:
        """Return the main process of every systemd unit or supervisord program, by its name in the roles."""
        if self.sh("cat /proc/1/comm").strip() == "systemd":
            shown = self.sh("systemctl show --property=Id,MainPID 'prefect-*.service'")
            found = re.findall(r"MainPID=(\d+)\nId=prefect-(\S+)\.service", shown)
        else:
            control = "/opt/prefect/supervisor/bin/supervisorctl -c /etc/prefect/supervisord.conf status"
            found = [
                (pid, name) for name, pid in re.findall(r"^\S*prefect-(\S+) .* pid (\d+),", self.sh(control), re.M)
            ]
        return {name: int(pid) for pid, name in found}

    def restarted(self, before: dict[str, int]) -> set[str]:
        """Return the names of the processes whose pid has changed."""
        after = self.pids()
        return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}

    # --- The API behind its gateway ---

    def api(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        login: str | None = None,
        timeout: float = 30,
        port: int = GATEWAY_PORT,
    ) -> Any:
        headers = {"Content-Type": "application/json"}
        login = self.login if login is None else login
        if login:
            headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.ip}:{port}/api{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    @property
    def login(self) -> str:
        """Return the API credentials of the inventory: those of `override`, or those generated on first use."""
        made = self.inventory / ".secrets/api"
        default = f"admin:{made.read_text().strip()}" if made.exists() else ""
        return str(self.variables().get("prefect_api_auth_string", default))

    def wait_until_ready(self) -> None:
        """Wait until the gateway and every API process answer from the database.

        /api/ready is not enough: it connects to PgBouncer, which accepts clients even if there is no database.
        """
        processes = [port for name, port in API_PORTS.items() if name in self.pids()]
        for port in (*processes, GATEWAY_PORT):

            def answers(port: int = port) -> bool:
                return self.api("POST", "/flows/count", {}, port=port, timeout=5) is not None

            wait_for(answers, 120)

    def variables(self) -> dict[str, Any]:
        """Return the variables that `override` has set."""
        merged: dict[str, Any] = {}
        for path in sorted(self.inventory.glob("group_vars/all/zz-*.json")):
            merged |= json.loads(path.read_text())
        return merged
