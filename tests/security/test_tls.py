# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two hosts with TLS: which connections are accepted, what the network discloses, and what a renewal restarts."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from defaults import API_PORT, DATABASE_PORT, GATEWAY_PORT, PGBOUNCER_PORT, REDIS_PORT, VENV
from e2e.conftest import MakeMachine
from e2e.machine import MACHINE, Machine, Played, run

# Each component has a client on the other host.
GROUPS = {
    "postgres": ["db"],
    "redis": ["db"],
    "pgbouncer": ["app"],
    "services": ["app"],
    "gateway": ["app"],
    "api": ["app", "db"],
    "workers": ["db"],
}
PLANTED = {
    "prefect_database_password": "planted-in-the-database",
    "prefect_pgbouncer_stats_password": "planted-in-the-statistics",
    "prefect_redis_password": "planted-in-redis",
}
PORTS = {
    "postgres": ("db", DATABASE_PORT),
    "redis": ("db", REDIS_PORT),
    "pgbouncer": ("app", PGBOUNCER_PORT),
    "gateway": ("app", GATEWAY_PORT),
    "api-1": ("app", API_PORT),  # API processes are distributed in the order of the group
    "api-2": ("db", API_PORT + 1),
}
# Connects to a port unencrypted, with trust in the deployment's CA only, and with the CA certificates of the system.
KNOCK = """
import asyncio, json, ssl, sys
import asyncpg

async def database(host, port, context, password):
    connection = await asyncpg.connect(
        host=host, port=port, user="prefect", database="prefect", password=password, ssl=context, statement_cache_size=0
    )
    await connection.close()

async def other(host, port, context, line):
    reader, writer = await asyncio.open_connection(host, port, ssl=context or None)
    writer.write(line)
    answer = await asyncio.wait_for(reader.read(200), 10)
    if not answer or b"400 Bad Request" in answer:
        raise ConnectionError("closed")

async def knock(kind, host, port, context, password):
    if kind in ("postgres", "pgbouncer"):
        return await database(host, port, context, password)
    line = b"PING" if kind == "redis" else b"GET /api/health HTTP/1.0\\r\\n"
    return await other(host, port, context, line + b"\\r\\n")

def main(kind, host, port, password, authority):
    trusting = ssl.create_default_context(cadata=authority)
    answers = {}
    for mode, context in (("clear", False), ("authority", trusting), ("system", ssl.create_default_context())):
        try:
            asyncio.run(knock(kind, host, port, context, password))
            answers[mode] = "in"
        except Exception as error:
            answers[mode] = f"{type(error).__name__}: {error}"
    print(json.dumps(answers))

main(**json.load(sys.stdin))
"""


class Capture:
    """Records all frames on the network interface of a test host."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.seen = bytearray()
        self.over = threading.Event()

    def __enter__(self) -> Capture:
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((self.device, 0))
        self.socket.settimeout(0.5)
        self.thread = threading.Thread(target=self.read)
        self.thread.start()
        return self

    def read(self) -> None:
        while not self.over.is_set():
            try:
                frame = self.socket.recv(70000)
            except TimeoutError:
                continue
            self.seen += frame

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.over.set()
        self.thread.join()
        self.socket.close()


class Pair:
    """A deployment on two hosts. `app` has the inventory of both."""

    def __init__(self, make: MakeMachine) -> None:
        self.hosts = {name: make(f"tls-{name}", "--share-cache") for name in ("db", "app")}
        self.app = self.hosts["app"]
        groups = [f"prefect_{group}={','.join(self.name(host) for host in on)}" for group, on in GROUPS.items()]
        found = json.loads(run([MACHINE, "--run", self.app.run, "inventory", *groups]))
        mine = {machine.name for machine in self.hosts.values()}
        found["all"]["hosts"] = {name: host for name, host in found["all"]["hosts"].items() if name in mine}
        (self.app.inventory / "hosts.json").write_text(json.dumps(found))
        self.app.override("planted", {**PLANTED, "prefect_api_auth_string": "admin:planted-in-the-login"})
        self.app.override("tls", {"prefect_tls": "authority", "prefect_server_replicas": 2})
        self.first = self.app.playbook("site")

    def name(self, host: str) -> str:
        return self.hosts[host].name

    def pids(self) -> dict[str, dict[str, int]]:
        return {name: machine.pids() for name, machine in self.hosts.items()}

    @property
    def authority(self) -> str:
        return (self.app.inventory / "tls/authority.crt").read_text()

    def knock(self, component: str, source: str) -> dict[str, str]:
        host, port = PORTS[component]
        asked = {
            "kind": component,
            "host": self.hosts[host].name,
            "port": port,
            "password": PLANTED["prefect_database_password"],
            "authority": self.authority,
        }
        machine = self.hosts[source]
        machine.sh("cat > /srv/knock.py", input=KNOCK)
        answers: dict[str, str] = json.loads(machine.sh(f"{VENV}/bin/python /srv/knock.py", input=json.dumps(asked)))
        return answers

    def serial(self, component: str) -> str:
        """Return the serial number of the certificate that a port presents."""
        host, port = PORTS[component]
        kind = "-starttls postgres" if component in ("postgres", "pgbouncer") else ""
        command = (
            f"openssl s_client {kind} -connect {self.hosts[host].ip}:{port} </dev/null | openssl x509 -noout -serial"
        )
        return run(["sh", "-c", f"{command} 2>/dev/null"])


def recaps(played: Played) -> dict[str, int]:
    """Return the number of changed tasks by host."""
    return {name: int(count) for name, count in re.findall(r"^(\S+) +: ok=.*changed=(\d+)", played.output, re.M)}


@pytest.fixture(scope="module")
def pair(make_machine: MakeMachine) -> Pair:
    return Pair(make_machine)


def test_the_deployment_works_and_a_second_run_changes_nothing(pair: Pair) -> None:
    assert "COMPLETED" in pair.first.output
    assert set(recaps(pair.app.playbook("site")).values()) == {0}


# PostgreSQL accepts connections only from the hosts of PgBouncer and of the background services.
KNOCKS = [
    (component, source) for component in PORTS for source in ("db", "app") if (component, source) != ("postgres", "db")
]


@pytest.mark.parametrize(("component", "source"), KNOCKS)
def test_a_port_refuses_clear_text_and_shows_a_certificate_of_the_authority(
    pair: Pair, component: str, source: str
) -> None:
    answers = pair.knock(component, source)
    assert answers["authority"] == "in"
    assert answers["clear"] != "in"
    assert "CERTIFICATE_VERIFY_FAILED" in answers["system"], "who does not know the authority must not trust it"


def test_every_session_of_postgresql_is_encrypted(pair: Pair) -> None:
    sessions = pair.hosts["db"].sql(
        "SELECT application_name, ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'prefect'"
    )
    assert len(sessions) > 2
    assert [session for session in sessions if session[1] != "t"] == []


def device_of(machine: Machine) -> str:
    """Return the interface on this host that is connected to the test host."""
    last, bridge = machine.ip.rpartition(".")[2], bridge_of(machine)
    links = json.loads(run(["ip", "-j", "link"]))
    return next(str(link["ifname"]) for link in links if link["ifname"] == f"{bridge}.{last}")


def bridge_of(machine: Machine) -> str:
    subnet = machine.ip.rpartition(".")[0]
    addresses = json.loads(run(["ip", "-j", "-4", "addr"]))
    return next(str(a["ifname"]) for a in addresses for i in a["addr_info"] if i["local"].startswith(f"{subnet}."))


def test_an_observer_of_the_network_sees_no_password_and_no_query(pair: Pair) -> None:
    app, db = pair.app, pair.hosts["db"]
    with Capture(device_of(app)) as capture:
        # Unencrypted data is visible in the capture.
        send = f"socket.create_connection(('{db.ip}', 22)).send(b'seen-in-clear')"
        app.sh(f'python3 -c "import socket; {send}"')
        # The restarts cause new connections to Redis, and queries from the API through PgBouncer to PostgreSQL.
        app.sh("systemctl restart prefect-services prefect-pgbouncer")
        app.playbook("verify", prefect_verify_flow_run_timeout_seconds=120)
    assert b"seen-in-clear" in capture.seen
    hidden = [*PLANTED.values(), "planted-in-the-login", "YWRtaW46cGxhbnRlZC", "flow_run_state", "XREADGROUP", "/api/"]
    assert [word for word in hidden if word.encode() in capture.seen] == []


def test_a_renewal_restarts_what_cannot_read_its_certificate_anew_and_nothing_else(pair: Pair) -> None:
    serials = {component: pair.serial(component) for component in PORTS}
    assert len(set(serials.values())) == 2, "each host has one"
    pids = pair.pids()
    pair.app.override("renewal", {"prefect_tls_renew_days": 100, "prefect_tls_days": 200})
    pair.app.playbook("site")
    pair.app.forget("renewal")
    renewed = {component: pair.serial(component) for component in PORTS}
    assert [component for component in PORTS if serials[component] == renewed[component]] == []
    restarted = {name: machine.restarted(pids[name]) for name, machine in pair.hosts.items()}
    # Their liveness check may restart the background services after the restart of Redis.
    assert restarted["db"] == {"redis", "api-2"}
    assert restarted["app"] - {"services"} == {"api-1"}
    assert set(recaps(pair.app.playbook("site")).values()) == {0}


def test_a_certificate_of_another_authority_is_refused_before_anything_is_touched(pair: Pair, tmp_path: Path) -> None:
    key, certificate = tmp_path / "other.key", tmp_path / "other.crt"
    openssl = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=other"
    run([*openssl.split(), "-keyout", key, "-out", certificate])
    pids = pair.pids()
    variables: dict[str, Any] = {"prefect_tls": "files", "prefect_tls_certificate": str(certificate)}
    failed = pair.app.playbook("site", "-e", json.dumps({**variables, "prefect_tls_key": str(key)}), fails=True)
    for words in (
        "prefect_tls_certificate: The content of the file does not contain the names",
        "prefect_tls_certificate: The content of the file is not issued by the CA",
    ):
        assert words in failed.output
    failed = pair.app.playbook("site", "-e", json.dumps({**variables, "prefect_tls_key": "/nowhere"}), fails=True)
    assert "prefect_tls_key: The file does not exist" in failed.output
    assert pair.pids() == pids


def search(machine: Machine, lines: list[str], account: str = "root") -> set[str]:
    """Files in which an account finds one of the lines. The search gets them by stdin: no argument has them."""
    everywhere = "grep -rlaF -f - --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev / 2>/dev/null"
    command = machine.ssh(f"setpriv --reuid={account} --regid=$(id -g {account}) --clear-groups {everywhere}")
    done = subprocess.run(command, input="\n".join(lines) + "\n", text=True, capture_output=True, check=False)
    assert done.returncode in (0, 1, 2), done.stderr
    return set(done.stdout.splitlines())


def test_no_key_is_seen_outside_of_its_files(pair: Pair) -> None:
    pair.app.override("renewal", {"prefect_tls_renew_days": 250, "prefect_tls_days": 300})
    played = pair.app.playbook("site", "-vvv", "--diff")
    pair.app.forget("renewal")
    directory = pair.app.inventory / "tls"
    # The first line of the base64 is the same in many keys.
    lines = {path.stem: path.read_text().splitlines()[2] for path in directory.glob("*.key")}
    assert lines.keys() == {"authority", *(machine.name for machine in pair.hosts.values())}
    assert len(set(lines.values())) == 3
    assert [name for name, line in lines.items() if line in pair.first.output + played.output] == []
    for machine in pair.hosts.values():
        own, others = lines[machine.name], [line for name, line in lines.items() if name != machine.name]
        found = search(machine, [own])
        assert found, "the search does not find what it looks for"
        assert {path for path in found if path.startswith(("/var/log/", "/tmp/", "/home/", "/root/"))} == set()
        assert search(machine, others) == set()
        assert search(machine, list(lines.values()), "nobody") == set()
        journal = machine.sh("journalctl -o cat --all --no-pager")
        assert [name for name, line in lines.items() if line in journal] == []


@pytest.fixture(scope="module")
def alone(make_machine: MakeMachine) -> Machine:
    """One host with all components, which communicate over the loopback interface."""
    machine = make_machine("tls-alone", "--share-cache")
    machine.override("planted", {**PLANTED, "prefect_api_auth_string": "admin:planted-in-the-login"})
    return machine


# Listens in place of Redis, and records what clients send.
IMPOSTOR = f"""
import selectors, socket, sys, time

server = socket.create_server(("127.0.0.1", {REDIS_PORT}))
waiting, seen, end = selectors.DefaultSelector(), bytearray(), time.monotonic() + 10
waiting.register(server, selectors.EVENT_READ)
while time.monotonic() < end:
    for key, _events in waiting.select(1):
        if key.fileobj is server:
            waiting.register(server.accept()[0], selectors.EVENT_READ)
            continue
        try:
            received = key.fileobj.recv(4096)
        except OSError:
            received = b""
        if received:
            seen += received
        else:
            waiting.unregister(key.fileobj)
            key.fileobj.close()
sys.stdout.write(seen.decode("latin-1"))
"""


@pytest.mark.parametrize("tls", ["none", "authority"])
def test_an_account_that_listens_in_place_of_redis_gets_its_password_without_tls_only(alone: Machine, tls: str) -> None:
    alone.override("tls", {"prefect_tls": tls})
    alone.playbook("site")
    assert set(recaps(alone.playbook("site")).values()) == {0}
    alone.sh("systemctl stop prefect-redis")
    try:
        seen = alone.sh("setpriv --reuid=nobody --clear-groups python3 -I -", input=IMPOSTOR)
    finally:
        alone.sh("systemctl start prefect-redis")
    assert seen, "clients connect again at once"
    assert (PLANTED["prefect_redis_password"] in seen) == (tls == "none")
    assert "COMPLETED" in alone.playbook("verify").output


def test_a_port_that_another_account_holds_is_named(alone: Machine) -> None:
    alone.sh("systemctl stop prefect-redis")
    alone.sh(
        "setpriv --reuid=nobody --clear-groups python3 -c "
        f"'import socket, time; s = socket.create_server((\"127.0.0.1\", {REDIS_PORT})); time.sleep(300)'"
        " >/dev/null 2>&1 &"
    )
    try:
        refused = alone.playbook("site", fails=True)
        assert "nobody" in refused.output
        assert str(REDIS_PORT) in refused.output
    finally:
        alone.sh("pkill -u nobody python3", check=False)
    assert "COMPLETED" in alone.playbook("site").output
