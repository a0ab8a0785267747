# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API clients, other accounts and flow runs can read no secret of the deployment.

Every secret of the inventory contains a unique word, see planted.py.
"""

from __future__ import annotations

import base64
import json
import re
import shlex
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from defaults import GATEWAY_PORT, REDIS_PORT
from e2e.conftest import Converged
from e2e.machine import API_PORTS, Machine, wait_for
from e2e.planted import SECRETS, needles

PORTS = {"gateway": GATEWAY_PORT, **API_PORTS}
READING_POSTS = ("/filter", "/count", "/paginate", "/history", "/lateness", "/count-by")
NOBODY = "00000000-0000-4000-8000-000000000000"
JSON = {"Content-Type": "application/json"}
# The worker and its runs have the API credentials legitimately, because they are API clients.
OF_THE_SERVER = {name: value for name, value in SECRETS.items() if name != "prefect_api_auth_string"}


class Answer(NamedTuple):
    route: str
    status: int
    text: str


def leaked(text: str, secrets: dict[str, str] | None = None) -> list[str]:
    return [needle for needle in needles(SECRETS if secrets is None else secrets) if needle in text]


def ask(
    machine: Machine, method: str, path: str, port: int, login: str = "", body: Any = None, **headers: str
) -> Answer:
    sent = {**(JSON if method != "GET" else {}), **headers}
    if login:
        sent["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    data = json.dumps(body or {}).encode() if method != "GET" else None
    request = urllib.request.Request(f"http://{machine.ip}:{port}{path}", data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(
                f"{method} {path}", answer.status, f"{answer.headers}{answer.read().decode(errors='replace')}"
            )
    except urllib.error.HTTPError as error:
        return Answer(f"{method} {path}", error.code, f"{error.headers}{error.read().decode(errors='replace')}")


def listed(machine: Machine, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = machine.api("POST", f"/{what}/filter", {"limit": 5})
    return found


def objects(machine: Machine) -> dict[str, str]:
    """Return an existing object for each parameter in the paths of routes."""
    first = {
        what: (listed(machine, what) or [{"id": NOBODY, "name": "none"}])[0]
        for what in ("flows", "flow_runs", "deployments", "work_pools", "block_types", "block_documents", "work_queues")
    }
    run = first["flow_runs"]
    return {
        "flow_name": first["flows"]["name"],
        "work_pool_name": first["work_pools"]["name"],
        "name": first["work_queues"]["name"],
        "work_queue_name": first["work_queues"]["name"],
        "deployment_name": first["deployments"]["name"],
        "slug": first["block_types"].get("slug", "none"),
        "block_type_slug": first["block_types"].get("slug", "none"),
        "block_document_name": first["block_documents"]["name"],
        "id": run["id"],
        "flow_run_state_id": run.get("state_id") or NOBODY,
        **{f"{what[:-1]}_id": found["id"] for what, found in first.items()},
        "view": "aggregated-worker-metadata",
    }


def reading_routes(machine: Machine) -> list[tuple[str, str]]:
    """Return all read-only routes, with existing objects in their paths."""
    known = objects(machine)
    port = API_PORTS["api-1"]
    text = ask(machine, "GET", "/openapi.json", port, machine.login).text
    paths = json.loads(text[text.index("{") :])["paths"]
    found = []
    for path, methods in paths.items():
        # The type of "id" follows from the preceding part of the path.
        of_its_kind = known.get(path.partition("/{id}")[0].rpartition("/")[2].rstrip("s") + "_id", known["id"])
        filled = path
        for parameter in re.findall(r"{(\w+)}", path):
            value = {**known, "id": of_its_kind}.get(parameter, NOBODY)
            filled = filled.replace(f"{{{parameter}}}", quote(value, safe=""))
        reading = [
            method.upper()
            for method in methods
            if method == "get" or (method == "post" and path.rstrip("/").endswith(READING_POSTS))
        ]
        found += [(method, filled if filled.startswith("/api") else f"/api{filled}") for method in reading]
    more = ("/", "/ui-settings", "/openapi.json", "/docs", "/redoc", "/api/metrics", "/api/admin/settings/", "/api/x")
    return found + [("GET", path) for path in more]


@pytest.fixture(scope="module")
def routes(converged: Converged) -> list[tuple[str, str]]:
    machine = converged.machine
    found = reading_routes(machine)
    assert len(found) >= 90
    assert ("GET", "/api/admin/settings") in found
    return found


@pytest.mark.parametrize("name", PORTS)
def test_no_route_shows_a_secret_to_a_client(converged: Converged, routes: list[tuple[str, str]], name: str) -> None:
    machine = converged.machine
    answers = [ask(machine, method, path, PORTS[name], machine.login) for method, path in routes]
    assert {answer.route: leaked(answer.text) for answer in answers if leaked(answer.text)} == {}
    # Enough requests have to succeed, or the test would have no answers to search.
    good = [answer for answer in answers if answer.status == 200]
    assert len(good) > len(answers) * 0.5, sorted((answer.status, answer.route) for answer in answers)
    settings = next(answer for answer in good if answer.route == "GET /api/admin/settings")
    assert json.loads(settings.text[settings.text.index("{") :])["server"]["docket"]["name"] == "prefect-server"


@pytest.mark.parametrize("name", PORTS)
def test_no_route_shows_a_secret_without_login(converged: Converged, routes: list[tuple[str, str]], name: str) -> None:
    machine = converged.machine
    answers = [ask(machine, method, path, PORTS[name]) for method, path in routes]
    assert {answer.route: leaked(answer.text) for answer in answers if leaked(answer.text)} == {}
    open_ones = {answer.route for answer in answers if answer.status == 200 and answer.route.startswith("GET /api/")}
    # All other routes require credentials.
    assert open_ones <= {"GET /api/health", "GET /api/ready", "GET /api/openapi.json", "GET /api/docs"}


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
