# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Invalid input is rejected with the name of its option and a remedy, before anything on the host changes.

Where the preflight reports several mistakes in one run, the tests share that run. Each mistake has to be on its own
line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from defaults import REDIS_PORT, ROOT, VERSION

from e2e.conftest import MakeMachine
from e2e.machine import Machine

POOL = {"name": "default", "type": "process", "workers": {"min": 2}}
# A Python that reports an old version: a supported system has no package of an unsupported Python.
OLD_PYTHON = """mkdir -p /srv/old
echo 'import platform; platform.python_version = lambda: "3.9.2"' > /srv/old/sitecustomize.py
printf '#!/bin/sh\\nPYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/srv/old exec /usr/bin/python3 "$@"\\n' > /srv/old/python
chmod +x /srv/old/python
"""
# A program outside the deployment listens on the port of Redis.
LISTENER = f"""setsid python3 -c '
import signal, socket
s = socket.create_server(("", {REDIS_PORT}))
signal.pause()
' > /dev/null 2>&1 < /dev/null & echo $!"""
# Directories in which an SSH session leaves files.
LOGINS = ("/run", "/var/log", "/root/.ansible", "/proc", "/sys", "/dev", "/tmp")


@pytest.fixture(scope="module")
def bare(make_machine: MakeMachine) -> Machine:
    machine = make_machine("bare", "--init", "none")
    machine.sh(OLD_PYTHON)
    machine.sh(
        "install -d -o nobody /srv/of-others && install -o nobody /dev/null /srv/of-others/gateway_tls_certificate"
    )
    return machine


@pytest.fixture
def untouched(bare: Machine) -> Iterator[Machine]:
    """Yield the test host, and verify afterwards that nothing on it has changed."""

    def processes() -> set[str]:
        return set(bare.sh("cat /proc/[0-9]*/comm", check=False).split()) - {"bash", "cat", "sh", "sleep", "sshd"}

    bare.sh("touch /srv/mark")
    before = processes()
    yield bare
    pruned = " -o ".join(f"-path {path}" for path in LOGINS)
    assert bare.sh(f"find / \\( {pruned} \\) -prune -o -newer /srv/mark -print") == ""
    assert processes() == before
    assert bare.sh("ls -d /run/prefect* /var/log/prefect* /tmp/* 2>/dev/null", check=False) == ""


def refusals(machine: Machine, playbook: str = "preflight", **variables: Any) -> dict[str, str]:
    """Return the reported problems by option. Only the preflight fails, and it changes nothing."""
    played = machine.playbook(playbook, fails=True, **variables)
    assert (played.recap["failed"], played.recap["changed"]) == (1, 0), played.output
    assert f"{machine.name} was not changed" in played.output, played.output
    return dict(re.findall(r"^ +- ([^: ]+(?: [^: ]+)*): (.+)$", played.output, re.M))


@pytest.fixture(scope="module")
def mistakes(bare: Machine) -> dict[str, str]:
    return refusals(
        bare,
        prefect_version="2.20.1",
        prefect_redis_hosts=[],
        prefect_postgres_version=13,
        prefect_database_max_connections=40,
        prefect_databse_port=5433,
        prefect_gateway_port=40000,
        prefect_api_auth_string="password-only",
        prefect_server_api_max_overflow=-1,
        prefect_work_pools=[
            {**POOL, "concurrency_limit": -2, "queues": [{"name": "slow", "concurrency_limit": -3}]},
            {"name": "Prefect-pool", "type": "process", "workers": {"min": -1}},
            *({"name": f"a{character}b", "type": "process"} for character in "/%&<>"),
        ],
        prefect_global_concurrency_limits=[{"name": "calls", "limit": -4, "slot_decay_per_second": -1}],
        prefect_tag_concurrency_limits=[{"tag": "calls", "concurrency_limit": -5}],
    )


@pytest.mark.parametrize(
    ("option", "problem", "remedy"),
    [
        ("prefect_version", "Prefect 2.20.1 is older than", "Set it to 3.6.0 or newer"),
        (
            "prefect_redis_url",
            " API processes and separate background services need Redis",
            "Add a host to the inventory group prefect_redis",
        ),
        ("prefect_postgres_version", "PostgreSQL 13 is too old", "Set it to 14 or newer"),
        ("prefect_database_max_connections", "but PostgreSQL allows 40", "Raise it to"),
        ("prefect_databse_port", "", "prefect_database_port"),
        ("prefect_gateway_port", "Port 40000 for gateway is in the ephemeral port range", "Use a port below"),
        ("prefect_api_auth_string", "not of the form user:password", "Use a user name, a colon and a password"),
        ("prefect_server_api_max_overflow", "-1 is less than 0", "Set it to 0 or more"),
        ("prefect_work_pools[default].concurrency_limit", "-2 is negative", "Use 0 or more"),
        ("prefect_work_pools[default].queues[slow].concurrency_limit", "-3 is negative", "Use 0 or more"),
        ("prefect_work_pools[Prefect-pool].name", "starts with 'prefect'", "Rename the pool"),
        ("prefect_work_pools[Prefect-pool].workers.min", "-1 is negative", "Use 0 or more"),
        *((f"prefect_work_pools[a{c}b].name", f"contains {c}", "Use a name without any of") for c in "/%&<>"),
        ("prefect_global_concurrency_limits[calls].limit", "-4 is negative", "Use 0 or more"),
        ("prefect_global_concurrency_limits[calls].slot_decay_per_second", "negative", "Use 0 or more"),
        ("prefect_tag_concurrency_limits[calls].concurrency_limit", "-5 is negative", "Use 0 or more"),
    ],
)
def test_a_mistake(mistakes: dict[str, str], option: str, problem: str, remedy: str) -> None:
    assert problem in mistakes[option]
    assert remedy in mistakes[option]


def test_mistakes_change_nothing(untouched: Machine, mistakes: dict[str, str]) -> None:
    assert refusals(untouched, prefect_version="3.0.0").keys() == {"prefect_version"}


def test_redis_cluster(untouched: Machine) -> None:
    found = refusals(untouched, prefect_redis_url=f"redis+cluster://10.0.0.5:{REDIS_PORT}/0")
    assert found.keys() == {"prefect_redis_url"}
    assert "redis+sentinel://" in found["prefect_redis_url"]


def test_site_yml_stops_there(untouched: Machine) -> None:
    found = refusals(untouched, "site", prefect_work_pools=[{**POOL, "concurrency_limit": -1}])
    assert found.keys() == {"prefect_work_pools[default].concurrency_limit"}


@pytest.mark.parametrize(
    ("option", "remedy", "variables"),
    [
        (
            "concurency_limit",
            "is not an option. Supported options: ",
            {"prefect_work_pools": [{**POOL, "concurency_limit": 5}]},
        ),
        (
            "piority",
            "is not an option. Supported options: ",
            {"prefect_work_pools": [{**POOL, "queues": [{"name": "a", "piority": 1}]}]},
        ),
        ("mins", "is not an option. Supported options: ", {"prefect_work_pools": [{**POOL, "workers": {"mins": 1}}]}),
        (
            "slot_decay",
            "is not an option. Supported options: ",
            {"prefect_global_concurrency_limits": [{"name": "a", "limit": 1, "slot_decay": 1}]},
        ),
        (
            "limit",
            "is not an option. Supported options: ",
            {"prefect_tag_concurrency_limits": [{"tag": "a", "limit": 1}]},
        ),
        (
            "service",
            "is not an option. Supported options: ",
            {"prefect_services_groups": [{"name": "a", "service": ["scheduler"]}]},
        ),
        ("schedular", "scheduler, late_runs", {"prefect_services_groups": [{"name": "a", "services": ["schedular"]}]}),
    ],
)
def test_a_typo_inside_an_option(untouched: Machine, option: str, remedy: str, variables: dict[str, Any]) -> None:
    played = untouched.playbook("preflight", fails=True, **variables)
    (name,) = variables
    (line,) = set(re.findall(rf"^ *- (.*\b{option}\b.*)", played.output, re.M))
    assert name in line
    assert remedy in line
    assert f"{untouched.name} was not changed" in played.output
    assert len(played.output.splitlines()) < 100, "the message is hard to find"


def test_a_workload_that_cannot_be(untouched: Machine) -> None:
    found = refusals(untouched, prefect_workload={"runs_per_hour": -1, "run_second": 30})
    assert found.keys() == {f"prefect_workload.{name}" for name in ("runs_per_hour", "run_second", "run_seconds")}
    assert "Did you mean run_seconds?" in found["prefect_workload.run_second"]


def test_sums_that_do_not_fit(untouched: Machine) -> None:
    """Values that are derived from the workload are checked like written ones: memory and connections."""
    workload = {"runs_per_hour": 25000, "run_seconds": 30}
    found = refusals(
        untouched, prefect_workload=workload, prefect_postgres_memory_mb=10_000_000, prefect_database_max_connections=20
    )
    assert found.keys() == {"prefect_postgres_memory_mb", "prefect_database_max_connections"}
    assert "shared_buffers 2500000" in found["prefect_postgres_memory_mb"]


def test_a_port_in_use(untouched: Machine) -> None:
    pid = untouched.sh(LISTENER).strip()
    try:
        found = refusals(untouched)
    finally:
        untouched.sh(f"kill {pid}; while [ -d /proc/{pid} ]; do sleep 0.1; done")
    assert found.keys() == {"prefect_redis_port"}
    assert "in use by another program" in found["prefect_redis_port"]
    assert "use another port" in found["prefect_redis_port"]


@pytest.mark.parametrize(
    ("option", "problem", "remedy", "value"),
    [
        (
            "prefect_gateway_tls_certificate",
            "The file /etc/no.pem does not exist on bare",
            "Create it",
            "/etc/no.pem",
        ),
        ("prefect_gateway_tls_certificate", "/etc on bare", "Set a file", "/etc"),
        ("prefect_config_dir", "/etc/passwd on bare", "Set a directory", "/etc/passwd"),
        ("prefect_run_dir", "one of its parent directories is a file", "Set another path", "/etc/passwd/run"),
        ("prefect_data_dir", "a system directory", "a separate directory", "/var/lib"),
        ("prefect_log_dir", "'/srv/my logs' is not a path", "Use an absolute path", "/srv/my logs"),
        ("prefect_configuration_files", "no-such.yml does not exist", "on the control host", ["no-such.yml"]),
        ("prefect_database_ca", "It is not PEM text", "lookup('ansible.builtin.file'", "/etc/ssl/certs/database.crt"),
    ],
)
def test_a_file_that_cannot_be_used(untouched: Machine, option: str, problem: str, remedy: str, value: Any) -> None:
    found = refusals(untouched, **{option: value})
    assert found.keys() == {option}
    assert problem in found[option]
    assert remedy in found[option]


# Every option with a path that root uses on a host, below a directory of another account.
OF_OTHERS = {
    f"prefect_{name}": f"/srv/of-others/{name}"
    for name in ("install_dir", "config_dir", "data_dir", "log_dir", "run_dir", "gateway_tls_certificate")
}


def test_paths_that_others_can_change(untouched: Machine) -> None:
    found = refusals(untouched, **OF_OTHERS)
    for option, path in OF_OTHERS.items():
        assert f"Root uses {path} on bare" in found[option]
        assert "/srv/of-others belongs to the account nobody" in found[option]
        assert "make root the owner" in found[option]
    assert found.keys() == OF_OTHERS.keys()


def test_an_old_python(untouched: Machine) -> None:
    found = refusals(untouched, ansible_python_interpreter="/srv/old/python")
    assert found.keys() == {"ansible_python_interpreter"}
    assert "Python 3.9.2 is too old" in found["ansible_python_interpreter"]
    facts = json.loads((ROOT / f"roles/prefect_host/files/prefect-{VERSION}.json").read_text())
    assert f"{facts['python']} or newer" in found["ansible_python_interpreter"]


def test_an_unsupported_system(untouched: Machine) -> None:
    untouched.sh("sed 's/^VERSION_ID=.*/VERSION_ID=\"11\"/' /usr/lib/os-release > /tmp/old-release")
    untouched.sh("mount --bind /tmp/old-release /usr/lib/os-release")
    try:
        found = refusals(untouched)
    finally:
        untouched.sh("umount /usr/lib/os-release; rm /tmp/old-release")
    assert "debian 11 is not supported" in found["ansible_host"]
    assert "debian 12" in found["ansible_host"]
