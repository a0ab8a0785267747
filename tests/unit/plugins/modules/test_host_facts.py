# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts that host_facts reads from the kernel and from files, also on this host."""

from __future__ import annotations

import os
import platform
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import listeners
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.render import MANAGED
from ansible_collections.selfhosted.prefect.plugins.modules import host_facts

DEBIAN = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
VERSION_ID="12"
ID=debian

# a comment
VERSION='12 (bookworm)'
EMPTY=
"""
HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
TCP = (
    HEADER
    + "   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 1 1 0 100 0 0 10 0\n"
    + "   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2 1 0 100 0 0 10 0\n"
    + "   2: 0100007F:8AE4 0100007F:1538 01 00000000:00000000 00:00000000 00000000     0        0 3 1 0 100 0 0 10 0\n"
)
TCP6 = (
    HEADER
    + "   0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 00000000:00000000 0 0 0\n"
    + "   1: 00000000000000000000000001000000:1068 00000000000000000000000000000000:0000 0A 00000000:00000000 0 0 0\n"
)


def test_os_release() -> None:
    assert host_facts.os_release(DEBIAN) == {
        "PRETTY_NAME": "Debian GNU/Linux 12 (bookworm)",
        "VERSION_ID": "12",
        "ID": "debian",
        "VERSION": "12 (bookworm)",
        "EMPTY": "",
    }
    assert host_facts.os_release("") == {}


def test_name_servers() -> None:
    text = "# nameserver 192.0.2.1\nsearch x\nnameserver 10.0.0.2\n nameserver\tfe80::1%eth0\nnameserver 127.0.0.53 #\n"
    assert host_facts.name_servers(text) == ["10.0.0.2", "fe80::1", "127.0.0.53"]
    assert host_facts.name_servers("") == []


@pytest.mark.parametrize(
    ("tables", "ports"),
    [((), []), (("", ""), []), ((HEADER,), []), ((TCP,), [22, 5432]), ((TCP, TCP6), [22, 4200, 5432])],
)
def test_listening_ports(tables: tuple[str, ...], ports: list[int]) -> None:
    assert listeners.listening_ports(*tables) == ports


def test_facts_of_this_machine(tmp_path: Path) -> None:
    for name in ("redis.json", "api-1.json", "api-1.json.tmp", "lock"):
        (tmp_path / name).touch()
    missing = str(tmp_path / "missing")
    with socket.socket(socket.AF_INET6) as ipv6, socket.socket() as ipv4, socket.socket() as idle:
        ipv6.bind(("::1", 0))
        ipv4.bind(("127.0.0.1", 0))
        idle.bind(("127.0.0.1", 0))
        ipv6.listen()
        ipv4.listen()
        found = host_facts.facts(
            ["base-files", "no-such-package"], ["root", "nobody-else"], ["/", missing], str(tmp_path), ["/", missing]
        )
        listening = [one.getsockname()[1] in found["listening_ports"] for one in (ipv6, ipv4, idle)]
    assert listening == [True, True, False]
    assert found["processes"] == ["api-1", "redis"]
    assert found["missing_packages"] == ["no-such-package"]
    assert found["missing_users"] == ["nobody-else"]
    assert found["missing_paths"] == [missing]
    assert found["paths"] == {"/": "directory", missing: "missing"}
    assert found["ipv6"] is True
    assert found["python"] == platform.python_version()
    assert 0 < found["cpus"] <= (os.cpu_count() or 0)
    assert found["memory_mb"] * 2**20 <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert found["memory_mb"] > 100
    first, last = found["ephemeral_ports"]
    assert 0 < first < last < 65536
    assert found["overcommit_memory"] in (0, 1, 2)
    assert found["service_manager"] == ("systemd" if Path("/run/systemd/system").is_dir() else "supervisord")
    assert f"ID={found['distribution']}" in Path("/etc/os-release").read_text()


def test_a_machine_without_state_has_no_processes(tmp_path: Path) -> None:
    found = host_facts.facts([], [], [], str(tmp_path / "none"), [])
    assert found["processes"] == found["missing_packages"] == found["missing_users"] == found["missing_paths"] == []


def test_units_and_accounts_of_instances(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("ours", f"# {MANAGED}\n[Unit]\n"), ("other", "[Unit]\n")):
        (tmp_path / f"{name}.service").write_text(text)
    (tmp_path / "masked.service").symlink_to("/dev/null")
    assert host_facts._units(f"{tmp_path}/*.service") == ["ours"]
    home = str(tmp_path / "data" / "account")
    monkeypatch.setattr(host_facts.pwd, "getpwnam", lambda name: {"account": SimpleNamespace(pw_dir=home)}[name])
    assert (host_facts._data_of("account"), host_facts._data_of("nobody-else")) == ("", "")
    (tmp_path / "data" / "processes").mkdir(parents=True)
    assert host_facts._data_of("account") == str(tmp_path / "data")
