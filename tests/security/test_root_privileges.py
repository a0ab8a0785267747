# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only root controls what root reads, executes, follows or owns. The tests run with each process manager."""

from __future__ import annotations

import errno
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from defaults import DATABASE_PORT, GATEWAY_PORT, PGBOUNCER_PORT, REDIS_PORT, ROOT, VENV
from e2e.conftest import Converged
from e2e.machine import API_PORTS, Machine, wait_for
from e2e.runs import Flows

from security import escape

HERE = Path(__file__).parent
SERVER_PORTS = (DATABASE_PORT, PGBOUNCER_PORT, REDIS_PORT, GATEWAY_PORT, *API_PORTS.values())
ESCAPE = (HERE / "escape.py").read_text().replace("] = ()", f"] = {SERVER_PORTS}", 1)
FLOW = f"""
from prefect import flow
{ESCAPE.partition("from __future__ import annotations")[2]}

@flow
def escapes():
    flow_that_escapes()
"""
DIRECTORIES = {
    "prefect_config_dir": "/etc/prefect",
    "prefect_install_dir": "/opt/prefect",
    "prefect_venv": VENV,
    "prefect_data_dir": "/var/lib/prefect",
    "prefect_state_dir": "/var/lib/prefect/processes",
    "prefect_log_dir": "/var/log/prefect",
    "prefect_run_dir": "/run/prefect",
    "prefect_postgres_socket_dir": "/run/prefect/postgres",
    "prefect_gateway_socket": "/run/prefect/gateway/admin.sock",
    "prefect_system_ca": "/etc/ssl/certs/ca-certificates.crt",
}
# Directories that root creates for an account. Root writes nothing into the first three.
GIVEN_AWAY = [
    "/var/lib/prefect/server",
    # Prefect creates this directory; root only configures its path.
    "/var/lib/prefect/server/ui",
    "/var/lib/prefect/worker",
    "/var/lib/prefect/redis",
    # Clients of this socket, such as root, send no secret through it.
    "/run/prefect/postgres",
]


def paths_of_tasks() -> list[str]:
    """Return the paths in tasks and templates for hosts that contain a variable of a directory."""
    texts = [
        path.read_text()
        for pattern in ("*/tasks/*.yml", "*/templates/*.yml.j2", "*/vars/main.yml")
        for path in (ROOT / "roles").glob(pattern)
        if "kubernetes" not in path.name
    ]
    found = set()
    for name, directory in DIRECTORIES.items():
        for rest in re.findall(r"\{\{ " + name + r" \}\}((?:/[\w.-]+)*)", "\n".join(texts)):
            found.add(directory + rest)
    assert len(found) > 10
    return sorted(found)


@pytest.fixture(scope="module", params=["systemd", "supervisord"])
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """The shared test host with systemd, and one without an init system, like a container."""
    if request.param == "systemd":
        converged: Converged = request.getfixturevalue("converged")
        machine = converged.machine
        yield machine
        machine.restore()
        return
    yield request.getfixturevalue("boxed")


def weaknesses(machine: Machine) -> dict[str, Any]:
    arguments = shlex.quote(json.dumps([paths_of_tasks(), GIVEN_AWAY]))
    found: dict[str, Any] = json.loads(machine.sh(f"python3 - {arguments}", input=(HERE / "trusted.py").read_text()))
    return found


def test_root_reads_and_executes_what_root_alone_can_change(machine: Machine) -> None:
    found = weaknesses(machine)
    assert found["problems"] == []
    assert found["counts"]["units"] + found["counts"]["programs"] > 30
    assert found["counts"]["checks"] > 3
    for path in ("/etc/prefect/worker.env", "/etc/prefect/api.env", f"{VENV}/bin/prefect"):
        assert path in found["paths"], "what has to be looked at was not"


def test_no_shell_reads_an_environment_file() -> None:
    """This applies to all accounts: the content of an environment file is data."""
    sources = [*(ROOT / "roles").rglob("*"), *(ROOT / "plugins").rglob("*.py"), *(ROOT / "playbooks").rglob("*")]
    sourced = re.compile(r"""set -a|^\s*(?:\.|source) ["']?[$/{]""", re.M)
    found = [str(path) for path in sources if path.is_file() and sourced.search(path.read_text(errors="replace"))]
    assert found == []


# Process: the unit of the Debian package that it replaces.
PACKAGED = {"redis": "redis-server", "gateway": "haproxy", "pgbouncer": "pgbouncer"}
CONFINES = re.compile(
    r"^(NoNewPrivileges|LockPersonality|MemoryDenyWriteExecute|CapabilityBoundingSet|RemoveIPC|UMask|NoExecPaths"
    r"|Protect\w+|Private\w+|Restrict\w+|SystemCallArchitectures)=(.*)$",
    re.M,
)
# The stricter value of a directive.
STRICTER = {("ProtectSystem", "true"): "full", ("ProtectSystem", "full"): "strict", ("UMask", "007"): "0077"}


@pytest.mark.parametrize("name", PACKAGED)
def test_units_are_confined_as_the_packages_own_and_more(converged: Converged, name: str) -> None:
    machine = converged.machine
    theirs = dict(CONFINES.findall(machine.sh(f"cat /lib/systemd/system/{PACKAGED[name]}.service")))
    ours = dict(CONFINES.findall(machine.sh(f"cat /etc/systemd/system/prefect-{name}.service")))
    lacking = {
        key: value
        for key, value in theirs.items()
        if ours.get(key, "").replace("yes", "true") not in (value.replace("yes", "true"), STRICTER.get((key, value)))
        and not (key == "RestrictAddressFamilies" and set(value.split()) <= set(ours[key].split()))
    }
    assert lacking == {}
    pid = machine.pids()[name]
    told = machine.sh(f"cat /proc/{pid}/status")
    assert re.search(r"^NoNewPrivs:\s*1$", told, re.M)
    assert re.search(r"^Seccomp:\s*2$", told, re.M)
    bounds = {"gateway": "CAP_DAC_READ_SEARCH CAP_KILL CAP_NET_BIND_SERVICE CAP_SETGID CAP_SETUID"}
    numbers = {"CAP_DAC_READ_SEARCH": 2, "CAP_KILL": 5, "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_NET_BIND_SERVICE": 10}
    bound = sum(1 << numbers[each] for each in bounds.get(name, "").split())
    assert re.search(rf"^CapBnd:\s*0*{bound or 0:x}$", told, re.M), told
    # The process can write only to its own directories, and has its own /tmp. The test looks through /proc, because the
    # mount namespace of Redis permits no shell.
    inside = f"/proc/{pid}/root"
    places = " ".join(f"{inside}{place}/x" for place in ("/etc", "/var/lib", "/opt", "/srv"))
    refused = machine.sh(f"touch {places} 2>&1; true")
    assert refused.count("Read-only file system") == 4, refused
    machine.sh(f"touch /tmp/seen-{name}")
    assert machine.sh(f"ls {inside}/tmp/seen-{name} 2>&1; true").count("No such file") == 1


def test_the_server_outlives_its_runs_when_memory_runs_out(machine: Machine) -> None:
    """The scores of the kernel: it kills flow runs first, and processes with data last."""
    flows = Flows(machine)
    run = flows.submit(1, seconds=60)
    flows.wait(run, {"RUNNING"}, 120)
    pids = machine.pids()
    adjusted = {
        int(pid): int(score)
        for pid, score in re.findall(
            r"/proc/(\d+)/oom_score_adj:(-?\d+)", machine.sh("grep -H . /proc/[0-9]*/oom_score_adj")
        )
    }
    engine = machine.sh("pgrep -f 'python -m prefect.engine'").split()
    assert engine, "no run to look at"
    runs = {adjusted[int(pid)] for pid in engine}
    of = {name: adjusted[pid] for name, pid in pids.items()}
    sessions = {adjusted[int(pid)] for pid in machine.sh(f"pgrep -P {pids['postgres']}").split()}
    # In some containers, root may not lower a score. Even there, the scores are below those of runs.
    may_lower = machine.sh("sh -c 'echo -1 >/proc/self/oom_score_adj' && echo yes", check=False).strip() == "yes"
    order = [of["postgres"], max(sessions), of["gateway"], of["services"], of["worker-default-1"], min(runs)]
    assert order == sorted(order)
    assert max(of["postgres"], of["redis"], of["pgbouncer"], *sessions) < min(runs) == of["worker-default-1"] == 500
    if may_lower:
        assert of["redis"] == of["postgres"] == -900
        assert sessions == {-700}
    flows.wait(run, {"COMPLETED"}, 180)


@pytest.fixture(scope="module")
def attacked(machine: Machine) -> Iterator[dict[str, Any]]:
    """Attack from a flow run and with the account of the server. Yield what succeeded, and the state before."""
    machine.sh(f"rm -rf {escape.CANARIES} {escape.PRECIOUS}; mkdir -p {escape.PRECIOUS}; chmod 700 {escape.PRECIOUS}")
    machine.sh(f"mkdir -m 1777 {escape.CANARIES}; echo root >{escape.PRECIOUS}/file; mkdir -p /srv/escape")
    machine.sh("cat >/srv/escape/escapes.py", input=FLOW)
    before = {"pids": machine.pids(), "precious": precious(machine)}
    # The account of the server, as if an attacker had taken it over through Prefect or Redis.
    attack = "setpriv --reuid=prefect --regid=prefect --clear-groups python3 -I -"
    server = machine.sh(attack, input=ESCAPE)
    flow = machine.api("POST", "/flows/", {"name": "escapes"})["id"]
    body = {
        "name": "escapes",
        "flow_id": flow,
        "work_pool_name": "default",
        "path": "/srv/escape",
        "entrypoint": "escapes.py:escapes",
        "job_variables": {"command": f"{VENV}/bin/python -m prefect.engine"},
    }
    deployment = machine.api("POST", "/deployments/", body)["id"]
    run = machine.api("POST", f"/deployments/{deployment}/create_flow_run", {"state": {"type": "SCHEDULED"}})["id"]
    flow_run = wait_for(lambda: machine.sh(f"cat {escape.CANARIES}/done", check=False), 120)
    yield {**before, "server": server, "flow_run": flow_run, "run": run}
    # The attackers have blocked their own directories. Other tests need them, so everything planted is removed.
    machine.sh("rm -rf /var/lib/prefect/server/* /var/lib/prefect/worker/*")
    traps = " -o ".join(f"-name {name}" for name in escape.TRAPS)
    machine.sh(f"find / -xdev \\( {traps} \\) \\( -user prefect -o -user prefect-worker \\) -delete", check=False)
    machine.sh(f"rm -rf {escape.CANARIES} {escape.PRECIOUS} /srv/escape")
    start_again(machine)


def precious(machine: Machine) -> str:
    return machine.sh(f"stat -c '%n %U %G %a' {escape.PRECIOUS} {escape.PRECIOUS}/*; cat {escape.PRECIOUS}/file")


def accounts_that_executed(machine: Machine) -> dict[str, set[str]]:
    """Return the accounts that have executed planted files, by the name of the trap."""
    found: dict[str, set[str]] = {}
    for trap, uid in re.findall(r"^(.+)-(\d+)$", machine.sh(f"ls {escape.CANARIES}"), re.M):
        found.setdefault(trap, set()).add(uid)
    return found


def start_again(machine: Machine) -> None:
    before = machine.pids()
    if machine.sh("cat /proc/1/comm").strip() == "systemd":
        machine.sh("systemctl restart 'prefect-*'")
    else:
        machine.sh("kill -9 $(cat /run/prefect/supervisor/supervisord.pid)")
        machine.playbook("site")
    wait_for(lambda: machine.pids().keys() == before.keys() and machine.restarted(before) == before.keys(), 120)
    machine.wait_until_ready()


def test_the_attack_can_succeed(machine: Machine, attacked: dict[str, Any]) -> None:
    """The attack has reached the worker, and an account that executes a trap is recorded."""
    assert "/var/lib/prefect/worker/.env" in attacked["flow_run"]
    assert "/var/lib/prefect/server/ui" in attacked["server"]
    machine.sh("cd /var/lib/prefect/worker && PYTHONPATH=. python3 -c pass; sh ./.profile")
    executed = accounts_that_executed(machine)
    assert executed["sitecustomize.py"] == executed["profile"] == {"0"}
    machine.sh(f"cd {escape.CANARIES}; rm -- *-0")


def test_files_of_roots_were_out_of_reach(attacked: dict[str, Any]) -> None:
    own = {"flow_run": "/var/lib/prefect/worker/", "server": "/var/lib/prefect/server/"}
    for who, directory in own.items():
        reached = [path for what in ("spoiled", "planted") for path in json.loads(attacked[who])[what]]
        assert [path for path in reached if not path.startswith((directory, "/tmp/"))] == []


def denies_ports(machine: Machine) -> bool:
    """Return whether systemd can deny ports: it starts the workers, and the kernel has the required BPF programs."""
    if machine.sh("cat /proc/1/comm").strip() != "systemd":
        return False
    listen = "import socket; socket.create_server(('127.0.0.3', 5999))"
    return "Operation not permitted" in machine.sh(
        f'systemd-run --quiet --wait --pipe -p SocketBindDeny=tcp:5999 python3 -c "{listen}" 2>&1', check=False
    )


def test_a_run_takes_no_port_of_the_server_where_systemd_can_deny_it(
    machine: Machine, attacked: dict[str, Any]
) -> None:
    """Otherwise a run could listen in place of a server, and clients would send it their passwords."""
    everyone = {str(port) for port in SERVER_PORTS}
    taken = {who: set(json.loads(attacked[who])["ports"]) for who in ("flow_run", "server")}
    assert taken["server"] == everyone, "the ports can be taken"
    assert taken["flow_run"] == (set() if denies_ports(machine) else everyone)
    if machine.sh("cat /proc/1/comm").strip() == "systemd":
        unit = machine.sh("systemctl cat prefect-worker-default-1")
        assert set(re.findall(r"^SocketBindDeny=tcp:(\d+)$", unit, re.M)) == everyone


METADATA = "169.254.169.254"
# Prints the number of the error with which a connection fails. The test host has no such service.
CONNECT = f"import socket; s = socket.socket(); s.settimeout(3); print(s.connect_ex(('{METADATA}', 80)))"


def is_denied(answer: str) -> bool:
    return answer.strip() == str(errno.EPERM)


def denies_addresses(machine: Machine) -> bool:
    """Return whether systemd starts the services, and the kernel has the required BPF programs for control groups."""
    if machine.sh("cat /proc/1/comm").strip() != "systemd":
        return False
    run = f"systemd-run --quiet --wait --pipe -p IPAddressDeny={METADATA}"
    return is_denied(machine.sh(f'{run} python3 -c "{CONNECT}"', check=False))


def connected_by(machine: Machine, pid: int) -> str:
    """Return what a program prints that is in the control group of a process, like its child processes."""
    group = f"/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/{pid}/cgroup)"
    return machine.sh(f"sh -c 'echo $$ >{group}/cgroup.procs; exec python3 -c \"{CONNECT}\"'", check=False)


def test_services_reach_no_metadata_service_where_systemd_can_deny_it(machine: Machine) -> None:
    """Otherwise a webhook would show an API client what it reads there."""
    pids = machine.pids()
    denied = {name: is_denied(connected_by(machine, pids[name])) for name in ("services", "worker-default-1")}
    # Flow code may need the permissions of its host.
    assert denied == {"services": denies_addresses(machine), "worker-default-1": False}
    if machine.sh("cat /proc/1/comm").strip() == "systemd":
        assert f"IPAddressDeny={METADATA.rsplit('.', 2)[0]}.0.0/16" in machine.sh("systemctl cat prefect-services")


@pytest.mark.parametrize("playbook", ["site", "verify"])
def test_root_executes_nothing_and_gives_nothing_away(
    machine: Machine, attacked: dict[str, Any], playbook: str
) -> None:
    machine.playbook(playbook)
    unharmed(machine, attacked)


def test_nor_when_everything_is_started_again(machine: Machine, attacked: dict[str, Any]) -> None:
    # Its own links prevent the account of the server from starting, but no other account.
    machine.sh(f"find /var/lib/prefect/server -type l -lname {escape.PRECIOUS} -delete")
    start_again(machine)
    machine.playbook("verify")
    unharmed(machine, attacked)


def unharmed(machine: Machine, attacked: dict[str, Any]) -> None:
    worker = machine.sh("id -u prefect-worker").strip()
    server = machine.sh("id -u prefect").strip()
    executed = accounts_that_executed(machine)
    assert "0" not in set().union(*executed.values()), executed
    # Both accounts have attacked. Each has executed only its own files, and not those of the other one.
    assert set().union(*executed.values()) <= {worker, server}, executed
    assert precious(machine) == attacked["precious"]
    assert weaknesses(machine)["problems"] == []
