# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests of load test clients, and their retries after closed connections."""

from __future__ import annotations

import asyncio

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest import transport
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Address, Client

REFUSAL = b"HTTP/1.1 422 Unprocessable\r\nContent-Length: 2\r\n\r\n{}"
CREATED = b'HTTP/1.1 201 Created\r\nContent-Length: 8\r\n\r\n{"id":1}'


async def post(hang_ups: int) -> tuple[object, list[str], transport.Meter]:
    """Send a POST. Return its answer, the received requests, and the meter. The first requests get no answer."""
    arrived: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
            except asyncio.IncompleteReadError:
                break
            arrived.append(head.split("?")[0].split(" HTTP")[0])
            if len(arrived) <= hang_ups:
                break
            if head.startswith("POST"):
                await reader.readexactly(2)
            writer.write(REFUSAL if head.startswith("GET") else CREATED)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    meter = transport.Meter()
    http = transport.Http(transport.Endpoint(Address("127.0.0.1", port, "/api", None, {}), None), meter)
    try:
        return await http.call("POST", "/flows/", "", {}), arrived, meter
    finally:
        http.close()
        server.close()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport.random, "uniform", lambda _least, _most: 0)


def test_the_look_for_a_csrf_token_is_repeated_as_any_request() -> None:
    answer, arrived, meter = asyncio.run(post(2))
    assert answer == {"id": 1}
    assert arrived == ["GET /api/csrf-token"] * 3 + ["POST /api/flows/"]
    assert (meter.retried, meter.failed) == (2, 0)
    assert meter.statuses == {"GET /csrf-token: connection closed": 2}


def test_a_server_that_is_away_for_good_is_a_failure() -> None:
    with pytest.raises(transport.LoadError, match="GET /csrf-token: 0 connection closed"):
        asyncio.run(post(transport.TRIES))


def test_a_refused_connection_is_tried_once() -> None:
    meter = transport.Meter()
    http = transport.Http(transport.Endpoint(Address("127.0.0.1", 9, "/api", None, {}), None, csrf=False), meter)
    with pytest.raises(transport.LoadError, match="GET /flows/1: 0"):
        asyncio.run(http.call("GET", "/flows/1"))
    assert (meter.retried, meter.failed) == (0, 1)


async def answered(
    retry_codes: frozenset[int], first: bytes = b"HTTP/1.1 500 Internal\r\nContent-Length: 0\r\n\r\n"
) -> tuple[object, transport.Meter]:
    """Return the answer of a server that fails once, and closes each connection after one answer."""
    answers = iter([first, CREATED])

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(answers))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    at = Address("127.0.0.1", server.sockets[0].getsockname()[1], "/api", None, {})
    meter = transport.Meter()
    http = transport.Http(transport.Endpoint(at, None, csrf=False, retry_codes=retry_codes), meter)
    try:
        return await http.call("GET", "/flows/{}", "1"), meter
    finally:
        http.close()
        server.close()


def test_more_answers_are_repeated_on_request() -> None:
    with pytest.raises(transport.LoadError, match="500"):
        asyncio.run(answered(frozenset()))
    answer, meter = asyncio.run(answered(frozenset({500})))
    assert answer == {"id": 1}
    assert (meter.retried, meter.failed) == (1, 0)


@pytest.mark.parametrize("body", [b"", b"8", b"8\r\n", b'8\r\n{"id"', b'8\r\n{"id":1}\r\n', b'8\r\n{"id":1}\r\n0\r\n'])
def test_an_answer_that_ends_inside_its_chunks_is_a_connection_that_ended(body: bytes) -> None:
    cut = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    answer, meter = asyncio.run(answered(frozenset(), cut))
    assert answer == {"id": 1}
    assert (meter.retried, meter.failed) == (1, 0)
    assert meter.statuses == {"GET /flows/{}: connection closed": 1}


def test_an_answer_in_chunks_is_put_together() -> None:
    whole = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\n{"id\r\n4\r\n":1}\r\n0\r\n\r\n'
    answer, meter = asyncio.run(answered(frozenset(), whole))
    assert answer == {"id": 1}
    assert meter.retried == 0


UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
WELCOME = b'\x81\x17{"type":"auth_success"}'
GOODBYE = b"\x88\x0b\x03\xf4try again"


async def join(answers: list[bytes]) -> tuple[bool, transport.Meter]:
    """Open a websocket. Return whether it is usable, and the meter. Each connection gets one answer, then its end."""
    left = iter(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(left))
        if writer.can_write_eof():
            writer.write_eof()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    meter = transport.Meter()
    socket = transport.Socket(transport.Endpoint(Address("127.0.0.1", port, "/api", None, {}), None), meter)
    try:
        await socket.open("/events/in")
        return socket.usable, meter
    except transport.LoadError:
        return False, meter
    finally:
        socket.close()
        server.close()


def test_a_websocket_that_is_closed_at_once_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "SOCKET_PAUSES", (0.0, 0.0))
    broken = [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", UPGRADED + GOODBYE]
    _usable, meter = asyncio.run(join([*broken, UPGRADED + WELCOME]))
    assert meter.failed == 0
    assert meter.statuses == {
        "websocket /events/in: HTTP 503": 1,
        "websocket /events/in: closed by the server: 1012 try again": 1,
    }
    assert list(meter.seconds) == ["websocket /events/in"]
    usable, meter = asyncio.run(join([*broken, broken[0]]))
    assert (usable, meter.failed, meter.seconds) == (False, 1, {})


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://prefect.example.com/api", "prefect.example.com"),
        ("https://prefect.example.com:8443/api", "prefect.example.com:8443"),
        ("https://prefect.example.com:80/api", "prefect.example.com:80"),
        ("http://10.0.0.1:4200/api", "10.0.0.1:4200"),
        ("http://10.0.0.1/api", "10.0.0.1"),
        ("http://[::1]:4200/api", "[::1]:4200"),
    ],
)
def test_a_gateway_finds_its_name_without_a_port_that_goes_without_saying(url: str, host: str) -> None:
    assert transport.Endpoint(Client(url).address, None).host == host
