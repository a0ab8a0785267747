# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test hosts, one with systemd as PID 1 and one that needs supervisord, on which Ansible runs the module."""

from __future__ import annotations

import copy
import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ansible
import pytest

ROOT = Path(__file__).resolve().parents[3]
MACHINE = ROOT / "tests" / "machines" / "machine"
SERVER = (Path(__file__).parent / "server.py").read_text()
RELEASE = os.environ.get("HOST_TEST_RELEASE", "bookworm")
MODULE = "selfhosted.prefect.process_group"


def wait_for(condition: Callable[[], Any], seconds: float = 30) -> Any:
    """Wait for the first true value of the condition, and return it. An exception counts as false."""
    deadline = time.monotonic() + seconds
    while True:
        problem: object = None
        try:
            value = condition()
            if value:
                return value
        except (OSError, AssertionError, ValueError) as error:
            problem = error
        assert time.monotonic() < deadline, f"did not become true in {seconds} s ({problem})"
        time.sleep(0.2)


class Host:
    """A test host. Most calls run the module without Ansible's controller, which would take a second per call."""

    def __init__(self, run: str, manager: str, inventory: Path, ssh: list[str]) -> None:
        self.run = run
        self.manager = manager
        self.inventory = inventory
        self.ssh = ssh

    def start(self, command: str, data: str = "") -> subprocess.Popen[str]:
        with tempfile.TemporaryFile("w+") as stdin:
            stdin.write(data)
            stdin.seek(0)
            pipe = subprocess.PIPE
            return subprocess.Popen(
                [*self.ssh, command], text=True, errors="replace", stdin=stdin, stdout=pipe, stderr=pipe
            )

    def sh(self, command: str, check: bool = True) -> str:
        with self.start(command) as process:
            output, error = process.communicate()
        assert not check or process.returncode == 0, f"{command}: {output}{error}"
        return output

    def reboot(self) -> None:
        subprocess.run([*self.ssh, "-O", "exit"], check=False, stderr=subprocess.DEVNULL)
        subprocess.run([MACHINE, "--run", self.run, "reboot", self.manager], check=True)

    def options(self, group: dict[str, Any]) -> dict[str, Any]:
        # The options are the same on all test hosts, because the module detects the process manager.
        return {"instance": "it", "supervisord": "/opt/supervisor/supervisord", **group}

    def ansible(self, group: dict[str, Any], *options: str) -> str:
        """Return the output of the `ansible` command."""
        environment = {
            **os.environ,
            "ANSIBLE_NOCOLOR": "1",
            # Another run has test hosts of the same names, and its connections may still be open.
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.inventory.parent),
        }
        arguments = json.dumps(self.options(group))
        return subprocess.run(
            [ROOT / ".venv/bin/ansible", self.manager, "-i", self.inventory, "-m", MODULE, "-a", arguments, *options],
            cwd=ROOT,
            env=environment,
            text=True,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ).stdout

    def start_applying(self, group: dict[str, Any], check: bool = False) -> subprocess.Popen[str]:
        arguments = {**self.options(group), "_ansible_check_mode": check}
        return self.start("/usr/bin/python3 /opt/checkout/tests/integration/host/run_module.py", json.dumps(arguments))

    def apply(self, group: dict[str, Any], check: bool = False, fails: bool = False, **more: Any) -> dict[str, Any]:
        output, error = self.start_applying({**group, **more}, check).communicate()
        assert output, error
        result: dict[str, Any] = json.loads(output)
        assert result.get("failed", False) == fails, result
        return result

    def applied(self, group: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Apply a group. Check mode has to predict the result, except the states of the processes."""
        forecast = self.apply(group, check=True, **more)
        result = self.apply(group, **more)
        for key in set(result) - {"processes"}:
            assert result[key] == forecast[key], key
        return result

    def get(self, port: int) -> dict[str, Any]:
        return json.loads(self.sh(f"python3 -c {shell_get(port)}"))


def shell_get(port: int) -> str:
    return f"'import urllib.request as r; print(r.urlopen(\"http://127.0.0.1:{port}/\", timeout=5).read().decode())'"


def server(name: str, port: int, *read: str, **more: Any) -> dict[str, Any]:
    """Return a process that answers with its environment, its arguments and the files that it read at its start."""
    return {
        "name": name,
        "command": ["/usr/bin/python3", "/srv/it/server.py", str(port), *read],
        "user": "nobody",
        "restart_on": list(read),
        "ready": {"http": f"http://127.0.0.1:{port}/", "timeout": 30},
        **more,
    }


def group_of(*processes: dict[str, Any], name: str = "web", **files: str) -> dict[str, Any]:
    """Return a group with files /srv/it/<name> of the given contents."""
    return copy.deepcopy(
        {
            "group": name,
            "directories": [{"path": "/srv/it"}],
            "files": [
                {"path": "/srv/it/server.py", "content": SERVER, "mode": "0644"},
                *({"path": f"/srv/it/{key}", "content": text, "mode": "0644"} for key, text in files.items()),
            ],
            "processes": processes,
        }
    )


@pytest.fixture(scope="session")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The supervisor that the roles install. It is pure Python, and works with the Python of every test host."""
    directory = tmp_path_factory.mktemp("supervisor")
    pinned = ROOT / "roles/prefect_host/files/supervisor.txt"
    locked = ["--require-hashes", "--only-binary", ":all:"]
    subprocess.run(
        [ROOT / ".venv/bin/uv", "pip", "install", "-q", "--target", directory, *locked, "-r", pinned],
        check=True,
    )
    for name in ("supervisord", "supervisorctl"):
        program = directory / name
        program.write_text(
            "#!/usr/bin/python3\nimport sys\nsys.path.insert(0, '/opt/supervisor')\n"
            f"from supervisor.{name} import main\nmain()\n"
        )
        program.chmod(0o755)
    return directory


@pytest.fixture(scope="session", params=["systemd", "supervisord"])
def machine(
    request: pytest.FixtureRequest, supervisor: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    run = f"host-{secrets.token_hex(4)}"
    command: list[str | Path] = [MACHINE, "--run", run]
    init = "systemd" if request.param == "systemd" else "none"
    mounts = {
        supervisor: "/opt/supervisor",
        ROOT: "/opt/checkout",
        Path(ansible.__file__).parent: "/opt/python/ansible",
    }
    binds = [f"--bind-ro={source}:{target}" for source, target in mounts.items()]
    directory = tmp_path_factory.mktemp("machine")
    try:
        subprocess.run([*command, "up", request.param, "--init", init, "--release", RELEASE, *binds], check=True)
        inventory = directory / "hosts.yml"
        inventory.write_text(subprocess.check_output([*command, "inventory"], text=True))
        config = subprocess.check_output([*command, "ssh-config"], text=True).strip()
        shared = ["-o", "ControlMaster=auto", "-o", f"ControlPath={directory}/ssh", "-o", "ControlPersist=yes"]
        yield Host(run, request.param, inventory, ["ssh", "-F", config, *shared, request.param])
    finally:
        subprocess.run([*command, "down", "--all"], check=True)


@pytest.fixture
def host(machine: Host) -> Iterator[Host]:
    """Yield the test host, and verify afterwards that nothing of the test is left on it."""
    yield machine
    groups = machine.sh("ls /var/lib/it/processes/groups 2>/dev/null", check=False).split()
    for name in groups:
        if name != "liveness.json":
            machine.apply({"group": name.removesuffix(".json"), "state": "absent"})
    left = machine.sh(
        "ls -d /etc/systemd/system/it-* /etc/it/supervisor.d/* /etc/it/liveness.d/* /etc/it/supervisord.conf "
        "/var/lib/it/processes/*.json /var/lib/it/processes/*.py /run/it/supervisor/* /srv/it/* 2>/dev/null",
        check=False,
    )
    running = machine.sh("grep -lsaE 'super[v]isord|/srv/[i]t' /proc/[0-9]*/cmdline", check=False)
    assert not left + running
