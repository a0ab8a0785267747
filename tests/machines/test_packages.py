# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Package installation on a host whose own upgrade is still active: it waits for the lock."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
MACHINE = Path(__file__).with_name("machine")
LOCKS = {
    "package lists": "/var/lib/apt/lists/lock",
    "dpkg": "/var/lib/dpkg/lock-frontend",
    "downloads": "/var/cache/apt/archives/lock",
}
# Holds a lock of fcntl, as apt does, until stdin is closed or the given seconds have passed.
HOLD = """
import fcntl, select, sys
with open(sys.argv[1], "w") as file:
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("held", flush=True)
    select.select([sys.stdin], [], [], float(sys.argv[2]))
"""
NEW = "netcat-openbsd"


class Box(NamedTuple):
    run: str
    config: str
    inventory: str

    def start(self, command: str) -> subprocess.Popen[str]:
        words = ["ssh", "-F", self.config, "root@box", command]
        pipe = subprocess.PIPE
        return subprocess.Popen(words, text=True, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT)

    def sh(self, command: str) -> tuple[int, str]:
        process = self.start(command)
        output = process.communicate()[0]
        return process.returncode, output

    def hold(self, lock: str, seconds: float) -> subprocess.Popen[str]:
        holder = self.start(f"mkdir -p $(dirname {lock}); python3 -uc '{HOLD}' {lock} {seconds}")
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        return holder


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    run = f"packages-{secrets.token_hex(3)}"
    command: list[str | Path] = [MACHINE, "--run", run]
    try:
        options = ["--init", "none", "--share-cache", f"--bind-ro={ROOT}:/srv/checkout"]
        subprocess.run([*command, "up", "box", *options], check=True)
        config = subprocess.check_output([*command, "ssh-config"], text=True).strip()
        inventory = tmp_path_factory.mktemp("packages") / "hosts.json"
        inventory.write_text(subprocess.check_output([*command, "inventory"], text=True))
        yield Box(run, config, str(inventory))
    finally:
        subprocess.run([*command, "down", "--all"], check=True)


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_scripts_wait_for_a_lock(box: Box, lock: str) -> None:
    box.sh(f"apt-get -qq -y purge {NEW}")
    holder = box.hold(lock, 60)
    installation = box.start(f"/srv/checkout/scripts/apt-install.sh {NEW}")
    assert installation.stdout
    assert installation.stdout.readline() == "apt-install: waiting for another installation to end\n"
    assert installation.poll() is None
    assert holder.stdin
    holder.stdin.close()  # the holder waits for this
    assert installation.wait(300) == 0, installation.stdout.read()
    assert box.sh(f"dpkg-query -Wf '${{db:Status-Status}}' {NEW}") == (0, "installed")


def test_scripts_do_not_wait_for_ever(box: Box) -> None:
    holder = box.hold(LOCKS["package lists"], 20)
    code, output = box.sh(f"APT_WAIT_SECONDS=2 /srv/checkout/scripts/apt-install.sh {NEW}")
    assert code == 1
    assert "Could not get lock /var/lib/apt/lists/lock" in output
    assert holder.poll() is None
    holder.wait()


def test_scripts_do_not_wait_for_what_does_not_come(box: Box) -> None:
    code, output = box.sh("/srv/checkout/scripts/apt-install.sh no-such-package-at-all")
    assert code == 1
    assert "Unable to locate package no-such-package-at-all" in output
    assert "waiting" not in output


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_the_roles_wait_for_a_lock(box: Box, lock: str, tmp_path: Path) -> None:
    """This includes python3-apt, which Ansible installs for itself."""
    box.sh("apt-get -qq -y purge python3-apt python3-venv")
    holder = box.hold(lock, 20)
    began = time.monotonic()
    playbook = tmp_path / "play.yml"
    playbook.write_text(
        json.dumps([{"hosts": "box", "gather_facts": False, "roles": [{"role": "selfhosted.prefect.prefect_host"}]}])
    )
    played = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-i", box.inventory, playbook],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_SSH_CONTROL_PATH_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert played.returncode == 0, played.stdout + played.stderr
    assert holder.wait() == 0
    assert time.monotonic() - began > 15
    assert box.sh("dpkg-query -Wf '${db:Status-Status}' python3-venv") == (0, "installed")
