# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test hosts behave like real hosts, and leave nothing when they are removed."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

MACHINE = Path(__file__).with_name("machine")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "selfhosted-prefect" / "machines"


def machine(run: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run([MACHINE, "--run", run, *words], check=check, text=True, capture_output=True)


def inside(run: str, name: str, command: str) -> str:
    return machine(run, "exec", name, "--", command).stdout.strip()


def traces(run: str) -> str:
    """Return everything on this host that still contains the tag or path of the run."""
    path = CACHE / "runs" / run
    tag = "spm" + hashlib.sha256(str(path).encode()).hexdigest()[:6]
    commands = [
        ["ip", "-br", "link"],
        ["ip", "netns"],
        ["nft", "list", "tables"],
        ["cat", "/proc/self/mounts"],
        ["find", "/sys/fs/cgroup", "/run/systemd/nspawn", "/run/netns", "-name", f"{tag}*"],
        ["find", str(CACHE / "runs"), "-maxdepth", "1"],
        ["ps", "-eww", "-o", "pid,args"],
    ]
    lines = [line for command in commands for line in subprocess.check_output(command, text=True).splitlines()]
    mine = (tag, str(path))
    return "\n".join(line for line in lines if any(word in line for word in mine) and "find /" not in line)


@pytest.fixture
def run() -> Iterator[str]:
    name = f"test-{secrets.token_hex(3)}"
    yield name
    machine(name, "down", "--all")
    assert traces(name) == ""


def test_separate_machines_that_know_each_other(run: str, tmp_path: Path) -> None:
    machine(run, "up", "db", "--release", "bookworm", "--init", "systemd")
    machine(run, "up", "api", "--release", "trixie", "--init", "systemd")
    machine(run, "up", "box", "--release", "bookworm", "--init", "none")
    assert traces(run) != ""
    for name in ("db", "api"):
        assert inside(run, name, "cat /proc/1/comm; systemctl is-system-running") == "systemd\nrunning"
        assert "0% packet loss" in inside(run, name, "ping -c1 box")
    assert inside(run, "box", "cat /proc/1/comm") != "systemd"
    for what in ("cat /etc/machine-id", "hostname", "readlink /proc/self/ns/net", "readlink /proc/self/ns/pid"):
        host = subprocess.check_output(["sh", "-c", what], text=True).strip()
        assert len({host, *(inside(run, name, what) for name in ("db", "api", "box"))}) == 4

    inventory = tmp_path / "inventory.json"
    inventory.write_text(machine(run, "inventory", "prefect_postgres=db", "prefect_api=api,box").stdout)
    hosts = json.loads(inventory.read_text())["all"]["children"]
    assert hosts == {"prefect_postgres": {"hosts": {"db": None}}, "prefect_api": {"hosts": {"api": None, "box": None}}}
    ansible = str(Path(sys.executable).with_name("ansible"))
    ping = [ansible, "-i", str(inventory), "prefect_postgres:prefect_api", "-m", "ansible.builtin.ping", "-o"]
    environment = {**os.environ, "ANSIBLE_PIPELINING": "1"}
    answers = subprocess.run(ping, check=True, text=True, capture_output=True, env=environment).stdout
    assert answers.count("SUCCESS") == 3


def test_services_survive_a_reboot_and_a_power_cut(run: str) -> None:
    machine(run, "up", "db", "--init", "systemd", "--share-cache")
    # With systemd, apt's timers may be active.
    update = "until apt-get -qq update; do sleep 1; done"
    install = "DEBIAN_FRONTEND=noninteractive apt-get -qqy -o DPkg::Lock::Timeout=600 install redis-server"
    inside(run, "db", f"{update}; {install}")
    boots = {inside(run, "db", "cat /proc/sys/kernel/random/boot_id")}
    for how in ((), ("--hard",)):
        machine(run, "reboot", "db", *how)
        assert inside(run, "db", "systemctl is-active redis-server; redis-cli ping") == "active\nPONG"
        boots.add(inside(run, "db", "cat /proc/sys/kernel/random/boot_id"))
    assert len(boots) == 3
    inside(run, "db", "systemctl disable --now redis-server")
    machine(run, "reboot", "db")
    assert "inactive" in machine(run, "exec", "db", "--", "systemctl is-active redis-server", check=False).stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(run: str, number: signal.Signals) -> None:
    machine(run, "up", "first", "--init", "none")
    machine(run, "down", "--all")  # the signal interrupts the creation of a test host, not of a base root
    started = subprocess.Popen([MACHINE, "--run", run, "up", "box"], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 200
    while not (CACHE / "runs" / run / "box").exists():
        assert time.monotonic() < deadline
    started.send_signal(number)
    assert started.wait(60) == 128 + number
    assert traces(run) == ""


def test_a_session_takes_its_machines_with_it() -> None:
    script = f"echo $MACHINES_RUN; {MACHINE} up box --init none && {MACHINE} exec box -- true; exit 7"
    done = subprocess.run([MACHINE, "session", "--", "sh", "-c", script], check=False, text=True, capture_output=True)
    assert (done.returncode, traces(done.stdout.strip())) == (7, "")


def test_the_same_name_twice_is_refused_and_harms_nothing(run: str) -> None:
    machine(run, "up", "box", "--init", "none")
    second = machine(run, "up", "box", "--init", "none", check=False)
    assert second.returncode == 1
    assert "there already" in second.stderr
    assert inside(run, "box", "hostname") == "box"


def test_a_fresh_machine_clones_the_repository() -> None:
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], text=True, cwd=MACHINE.parent)
    command = "git clone -q /srv/repo.git work && cd work && git rev-parse HEAD && ! touch /srv/repo.git/x && exit 5"
    words = [str(MACHINE), "run-fresh", "--init", "none", "--user", "admin", "--", command]
    done = subprocess.run(words, check=False, text=True, capture_output=True)
    assert (done.returncode, done.stdout) == (5, head)
