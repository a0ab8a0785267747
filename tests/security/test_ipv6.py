# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host whose only address, besides those of loopback, is an IPv6 address.

Packages and Prefect are downloaded over IPv4, because test hosts have no other way to the outside. The deployment uses
IPv6 addresses from the start. After the first run, the IPv4 address is removed.
"""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest
from defaults import API_PORT, DATABASE_PORT, GATEWAY_PORT, PGBOUNCER_PORT, REDIS_PORT, WORKER_PORT
from e2e.machine import Machine, Played, run, wait_for
from e2e.planted import SECRETS, variables_of

from security.conftest import MakeMachine

PORTS = (
    GATEWAY_PORT,
    *(API_PORT + number for number in range(2)),
    *(WORKER_PORT + number for number in range(2)),
    DATABASE_PORT,
    REDIS_PORT,
    PGBOUNCER_PORT,
)


class Moved(NamedTuple):
    machine: Machine
    address: str
    first: Played


def network_of(machine: Machine) -> tuple[str, str]:
    """Return the bridge of the test host, and a network of unique local addresses for this bridge."""
    (route,) = json.loads(run(["ip", "-j", "route", "get", machine.ip]))
    bridge = str(route["dev"])
    digits = bridge.removeprefix("spm").rjust(8, "0")
    return bridge, str(ipaddress.ip_address(f"fd5e:{digits[:4]}:{digits[4:]}::"))


def reach_by(machine: Machine, address: str) -> None:
    """Make Ansible and ssh use this address, with the known host key of the test host."""
    path = machine.home / "ssh_config"
    alias = f"Host {machine.name} {address}\n  HostName {address}\n  HostKeyAlias {machine.name}\n"
    path.write_text(alias + Path(machine.ssh_config).read_text())
    machine.ssh_config = str(path)
    hosts = machine.inventory / "hosts.json"
    inventory = json.loads(hosts.read_text())
    inventory["all"]["hosts"][machine.name] |= {"ansible_host": address, "ansible_ssh_common_args": f"-F {path}"}
    hosts.write_text(json.dumps(inventory))
    machine.ip = f"[{address}]"


@pytest.fixture(scope="module")
def moved(make_machine: MakeMachine) -> Moved:
    machine = make_machine("six", "--share-cache")
    bridge, network = network_of(machine)
    address = f"{network}2"
    run(["ip", "-6", "addr", "replace", f"{network}1/64", "dev", bridge, "nodad"])
    # Processes on the test host have no permission to change its network.
    inside = ["ip", "-n", f"{bridge}-{machine.name}"]
    run([*inside, "-6", "addr", "replace", f"{address}/64", "dev", "eth0", "nodad"])
    reach_by(machine, address)
    machine.override("planted", variables_of(SECRETS))  # the same secrets in the next session, if the test host is kept
    first = machine.playbook("site")
    run([*inside, "-4", "addr", "flush", "dev", "eth0"])
    machine.sh(f"sed -i 's/^[0-9.]* {machine.name} /{address} {machine.name} /' /etc/hosts")
    machine.sh("systemctl restart 'prefect-*.service'")
    wait_for(lambda: {int(at.rpartition(":")[2]) for at in listening_on(machine)} >= set(PORTS), 180)
    return Moved(machine, address, first)


def test_the_first_run_needed_no_other_address(moved: Moved) -> None:
    assert re.search(rf"^ +UI +http://\[fd5e:[0-9a-f:]+\]:{GATEWAY_PORT}$", moved.first.output, re.MULTILINE)
    assert not re.search(r"^FAILED ", moved.first.output, re.MULTILINE)


def test_there_is_no_ipv4_address(moved: Moved) -> None:
    addresses = json.loads(moved.machine.sh("ip -j -4 addr"))
    assert [item["ifname"] for item in addresses if item["addr_info"]] == ["lo"]


def listening_on(machine: Machine) -> set[str]:
    return {line.split()[3] for line in machine.sh("ss -H -ltn").splitlines()}


def test_services_listen_on_the_ipv6_address(moved: Moved) -> None:
    listening = listening_on(moved.machine)
    for port in PORTS:
        of_port = {address for address in listening if address.endswith(f":{port}")}
        assert of_port
        assert of_port <= {f"[{moved.address}]:{port}", f"127.0.0.1:{port}"}
        # All clients of Redis are on this host. The administrator of PostgreSQL may connect through loopback.
        assert f"[{moved.address}]:{port}" in of_port or port == REDIS_PORT


def test_a_second_run_without_ipv4_changes_nothing_and_verifies(moved: Moved) -> None:
    wait_for(lambda: moved.machine.api("POST", "/flows/count", {}) is not None, 120)
    second = moved.machine.playbook("site")
    assert second.recap["changed"] == 0, second.changed
    assert re.search(r"^ +ok +A flow run gets through every pool: 1 run\(s\) COMPLETED", second.output, re.MULTILINE)


def test_flow_runs_end_as_they_should(moved: Moved) -> None:
    runs = moved.machine.api("POST", "/flow_runs/filter", {"limit": 50})
    states = {item["name"]: item["state_type"] for item in runs}
    assert len(states) >= 2, states  # one of each run of site.yml
    assert set(states.values()) == {"COMPLETED"}, states


def test_a_load_test_reaches_every_component(moved: Moved, tmp_path: Path) -> None:
    names = {"rate": 1, "seconds": 10, "directory": str(tmp_path)}
    moved.machine.override("loadtest", {f"prefect_loadtest_{name}": value for name, value in names.items()})
    moved.machine.playbook("loadtest")
    moved.machine.forget("loadtest")
    report = json.loads((tmp_path / "loadtest.json").read_text())
    assert (report["runs"]["completed"], report["unread"]) == (10, [])
