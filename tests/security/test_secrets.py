# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API clients, other accounts and flow runs can read no secret of the deployment.

Every secret of the inventory contains a unique word, see planted.py.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import api_routes
import pytest
from api_routes import (
    Answer,
    assert_most_were_answered,
    assert_nearly_all_need_credentials,
    objects,
    reading_routes,
)
from defaults import GATEWAY_PORT, REDIS_PORT
from e2e.conftest import Converged
from e2e.machine import API_PORTS, Machine, wait_for
from e2e.planted import SECRETS, needles

PORTS = {"gateway": GATEWAY_PORT, **API_PORTS}
# The worker and its runs have the API's login, and may: they are clients of it. Settings of the worker are for them.
OF_THE_WORKER = ("prefect_api_auth_string", "prefect_worker_settings.PLANTED_TOKEN")
OF_THE_SERVER = {name: value for name, value in SECRETS.items() if name not in OF_THE_WORKER}


def leaked(text: str, secrets: dict[str, str] | None = None) -> list[str]:
    return [needle for needle in needles(SECRETS if secrets is None else secrets) if needle in text]


def ask(
    machine: Machine, method: str, path: str, port: int, login: str = "", body: Any = None, **headers: str
) -> Answer:
    return api_routes.ask(f"http://{machine.ip}:{port}", method, path, login, body, **headers)


@pytest.fixture(scope="module")
def routes(converged: Converged) -> list[tuple[str, str]]:
    machine = converged.machine
    text = ask(machine, "GET", "/openapi.json", API_PORTS["api-1"], machine.login).text
    found = reading_routes(json.loads(text[text.index("{") :]), objects(machine))
    assert len(found) >= 90
    return found


@pytest.mark.parametrize("name", PORTS)
def test_no_route_shows_a_secret_to_a_client(converged: Converged, routes: list[tuple[str, str]], name: str) -> None:
    machine = converged.machine
    answers = [ask(machine, method, path, PORTS[name], machine.login) for method, path in routes]
    assert {answer.route: leaked(answer.text) for answer in answers if leaked(answer.text)} == {}
    assert_most_were_answered(answers)


@pytest.mark.parametrize("name", PORTS)
def test_no_route_shows_a_secret_without_login(converged: Converged, routes: list[tuple[str, str]], name: str) -> None:
    machine = converged.machine
    answers = [ask(machine, method, path, PORTS[name]) for method, path in routes]
    assert {answer.route: leaked(answer.text) for answer in answers if leaked(answer.text)} == {}
    assert_nearly_all_need_credentials(answers)


@contextmanager
def stopped(machine: Machine, name: str) -> Iterator[None]:
    machine.sh(f"systemctl stop prefect-{name}")
    try:
        yield
    finally:
        machine.sh(f"systemctl start prefect-{name}")
        machine.wait_until_ready()


@pytest.mark.parametrize("name", ["redis", "postgres", "pgbouncer"])
def test_no_failure_shows_a_secret(converged: Converged, routes: list[tuple[str, str]], name: str) -> None:
    """Errors may describe connections with their credentials."""
    machine = converged.machine
    few = [route for route in routes if re.search("/filter$|/count$|/admin/|/ready$|/concurrency", route[1])]
    writes = [("POST", "/api/events"), ("POST", "/api/v2/concurrency_limits/increment"), ("POST", "/api/flows/")]
    with stopped(machine, name):
        # While a component is stopped, a connection may be closed without an answer. The request is then retried.
        answers = [
            wait_for(partial(ask, machine, method, path, port, machine.login), 120)
            for method, path in [*few[::4], *writes]
            for port in (GATEWAY_PORT, API_PORTS["api-1"])
        ]
    assert {answer.route: leaked(answer.text) for answer in answers if leaked(answer.text)} == {}
    journal = machine.sh("journalctl -o cat --all --no-pager -u 'prefect-*'")
    assert len(journal) > 1000
    assert not leaked(journal)


CONTROL = "/opt/prefect/supervisor/bin/supervisorctl -c /etc/prefect/supervisord.conf"


def test_no_log_of_supervisord_shows_a_secret(boxed: Machine) -> None:
    """Without systemd, the output of the processes is in files. Errors describe connections there, too."""
    names = [line.split()[0] for line in boxed.sh(f"{CONTROL} status", check=False).splitlines()]
    away = [name for name in names if name.endswith(("redis", "postgres"))]
    assert len(away) == 2
    boxed.sh(f"{CONTROL} stop {' '.join(away)}")
    try:
        for path in ("/api/flows/filter", "/api/flow_runs/count", "/api/events", "/api/flows/"):
            wait_for(partial(ask, boxed, "POST", path, GATEWAY_PORT, boxed.login), 120)
        boxed.playbook("verify", "-vvv", fails=True)
    finally:
        boxed.sh(f"{CONTROL} start {' '.join(reversed(away))}")
        boxed.wait_until_ready()
    written = boxed.sh("find /var/log/prefect -type f -size +0").split()
    assert len(written) > 5, "there was nothing to look at"
    # It gets what to search for by stdin: no argument has it.
    found = subprocess.run(
        boxed.ssh("grep -rlaF -f - /var/log/prefect"),
        input="\n".join(needles(SECRETS)) + "\n",
        text=True,
        capture_output=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (1, ""), found.stderr
    # That the search finds what it looks for.
    assert boxed.sh("grep -lF planted /etc/prefect/*.env")


# --- Other accounts on the host, such as that of flow runs ---


def as_account(machine: Machine, account: str, command: str) -> str:
    """Return the output of a command that runs as an account. It gets the words on stdin, not as an argument."""
    whole = f"setpriv --reuid={account} --regid=$(id -g {account}) --clear-groups sh -c {shlex.quote(command)}"
    secrets = OF_THE_SERVER if account == "prefect-worker" else SECRETS
    done = subprocess.run(
        machine.ssh(whole), input="\n".join(needles(secrets)) + "\n", text=True, capture_output=True, check=False
    )
    assert done.returncode in (0, 1, 2, 123), done.stderr
    return done.stdout


@pytest.mark.parametrize("account", ["prefect-worker", "nobody"])
def test_other_accounts_see_no_secret(converged: Converged, account: str) -> None:
    machine = converged.machine
    processes = "cat > /dev/shm/needles-$$; grep -laF -f /dev/shm/needles-$$ /proc/[0-9]*/environ /proc/[0-9]*/cmdline"
    assert as_account(machine, account, f"{processes} 2>/dev/null; rm /dev/shm/needles-$$") == ""
    everywhere = "grep -rlaF -f - --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev / 2>/dev/null"
    assert as_account(machine, account, everywhere) == ""
    # The same search finds the words as root.
    assert machine.sh("grep -lF planted /etc/prefect/*.env")


# --- Redis ---


def redis(machine: Machine, account: str, command: str, password: str = "", user: str = "prefect") -> str:
    """Return the answer of Redis to a program of an account."""
    login = f"REDISCLI_AUTH=$(cat) redis-cli --user {user}" if password else "redis-cli"
    whole = f"setpriv --reuid={account} --regid=$(id -g {account}) --clear-groups sh -c "
    return machine.sh(whole + shlex.quote(f"{login} --no-auth-warning {command} 2>&1"), input=password).strip()


def test_redis_lets_in_nobody_but_the_server(converged: Converged) -> None:
    machine = converged.machine
    known = machine.sh("cat /etc/prefect/worker.env")
    assert "NOAUTH" in redis(machine, "prefect-worker", "ping")
    # All words in the environment of a run, as passwords.
    words = {value for value in re.findall(r'="(.*)"', known) if value} | {
        "prefect",
        SECRETS["prefect_api_auth_string"],
    }
    for word in words:
        for user in ("prefect", "default"):
            answer = redis(machine, "prefect-worker", "set prefect:stream x", password=word, user=user)
            assert "NOAUTH" in answer or "WRONGPASS" in answer, answer
    # Only the account of Redis can read its file, only root can write it, and it contains a hash.
    assert machine.sh("stat -c '%U %G %a' /etc/prefect/redis.conf").strip() == "root redis 640"
    assert not leaked(machine.sh("cat /etc/prefect/redis.conf"))


def test_redis_is_reached_from_its_machine_only(converged: Converged) -> None:
    """All clients of Redis are on the same host."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((converged.machine.ip, REDIS_PORT), timeout=10)


def test_the_server_may_not_do_more_than_it_needs(converged: Converged) -> None:
    machine, password = converged.machine, SECRETS["prefect_redis_password"]
    assert redis(machine, "prefect", "ping", password) == "PONG"
    for command in (
        "config get dir",
        "flushall",
        "keys '*'",
        "acl list",
        "debug sleep 0",
        "shutdown nosave",
        "monitor",
    ):
        answer = redis(machine, "prefect", command, password)
        # Redis 7 rejects DEBUG for all users before it checks permissions.
        assert "NOPERM" in answer or answer.startswith("ERR DEBUG command not allowed"), command
    assert "NOPERM" in redis(machine, "prefect", "set elsewhere x", password)
    assert "NOPERM" in redis(machine, "prefect", "publish elsewhere x", password)


def verified(machine: Machine) -> bool:
    process = machine.start("verify")
    process.communicate()
    return process.returncode == 0


def test_the_server_needs_no_more_than_it_may(converged: Converged) -> None:
    """After runs, restarts and outages, Redis has rejected no command of Prefect."""
    machine, password = converged.machine, SECRETS["prefect_redis_password"]
    # A restart resets the counters of Redis. The verification then covers a flow run and all periodic services.
    with stopped(machine, "redis"):
        pass
    # On a busy host, periodic services are late for a minute or two after the outage.
    wait_for(lambda: verified(machine), 240, 5)
    counted = redis(machine, "prefect", "info commandstats", password) + redis(
        machine, "prefect", "info errorstats", password
    )
    assert "cmdstat_xreadgroup" in counted
    assert "cmdstat_evalsha" in counted
    assert "errorstat_NOPERM" not in counted, re.findall(r"cmdstat_.*rejected_calls=[1-9].*", counted)


# --- Pages in a browser ---


@pytest.mark.parametrize("name", PORTS)
def test_pages_of_other_origins_change_nothing(converged: Converged, name: str) -> None:
    """The requests that a browser sends for such pages, with saved credentials."""
    machine, port = converged.machine, PORTS[name]
    before = machine.api("POST", "/flows/count", {})
    own = f"{machine.ip}:{port}"
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"http://{machine.ip}:{port + 1}"},
        {"Origin": "https://evil.example", "Content-Type": "text/plain"},
    ):
        answer = ask(machine, "POST", "/api/flows/", port, machine.login, {"name": "of-a-page"}, Host=own, **headers)
        assert answer.status == 403, (headers, answer)
    # DNS rebinding: the name of the page resolves to this address.
    rebound = {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"}
    for method, path in (("POST", "/api/flows/"), ("GET", "/api/admin/version"), ("GET", "/")):
        answer = ask(machine, method, path, port, machine.login, {"name": "of-a-page"}, **rebound)
        assert answer.status == 421, answer
    assert machine.api("POST", "/flows/count", {}) == before
    for origin, allowed in (("https://evil.example", False), (f"http://{machine.name}:{GATEWAY_PORT}", True)):
        reading = ask(machine, "GET", "/api/admin/version", port, machine.login, Origin=origin)
        assert (f"access-control-allow-origin: {origin}" in reading.text.lower()) == allowed
        assert "access-control-allow-origin: *" not in reading.text.lower()
    same = ask(machine, "POST", "/api/flows/count", port, machine.login, Origin=f"http://{own}")
    assert same.status == 200


def test_a_websocket_of_another_origin_is_refused(converged: Converged) -> None:
    machine = converged.machine
    for name, port in PORTS.items():
        for origin, status in (("https://evil.example", b" 403 "), (f"http://{machine.ip}:{port}", b" 101 ")):
            lines = (
                "GET /api/events/in HTTP/1.1",
                f"Host: {machine.ip}:{port}",
                f"Origin: {origin}",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyEhIQ==",
                "Sec-WebSocket-Protocol: prefect",
            )
            with socket.create_connection((machine.ip, port), timeout=30) as connection:
                connection.sendall("\r\n".join([*lines, "", ""]).encode())
                line = connection.recv(4096).partition(b"\r\n")[0]
            assert status in line, (name, origin, line)
