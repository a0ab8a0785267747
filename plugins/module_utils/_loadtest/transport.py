# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""HTTP and WebSockets for thousands of connections of one process, with asyncio and only the necessary features.

The client of the modules would need a thread for each connection. This client is only for the load test. It sends the
same requests as Prefect's clients, with the same retries, and measures every request.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import os
import random
import time
import uuid
from typing import Any, NamedTuple

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Address, detail_of

REPEATED = frozenset((408, 429, 502, 503))  # status codes after which every client of Prefect retries a request
TRIES = 6
REQUEST_SECONDS = 60
SOCKET_PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds between the attempts to open a WebSocket
# Limits of one client of Prefect: concurrent connections, idle connections, and seconds of an idle connection.
AT_ONCE, KEPT, KEPT_SECONDS = 16, 8, 25
DETAIL = 500  # maximum number of characters of an error message
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10  # WebSocket opcodes


class LoadError(Exception):
    """A request that failed after all retries."""


class CannotConnect(OSError):
    """The connection could not be opened."""


class Endpoint(NamedTuple):
    """The address and the credentials of a server."""

    at: Address
    token: str | None  # for the authentication of WebSockets
    csrf: bool = True  # whether clients request a CSRF token before the first write
    retry_codes: frozenset[int] = frozenset()  # status codes of further retries, in addition to REPEATED

    @property
    def host(self) -> str:
        """Return the Host header, without the default port, because some gateways require that."""
        name = f"[{self.at.host}]" if ":" in self.at.host else self.at.host
        return name if self.at.port == (443 if self.at.tls else 80) else f"{name}:{self.at.port}"


class Meter:
    """The durations and the errors of all requests, by method and path without ids."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}
        self.statuses: dict[str, int] = {}  # number of errors and error responses, by their text
        self.retried = 0
        self.failed = 0
        self.open = 0
        self.most_open = 0

    def note(self, request: str, seconds: float) -> None:
        self.seconds.setdefault(request, []).append(seconds)

    def trouble(self, what: str) -> None:
        self.statuses[what] = self.statuses.get(what, 0) + 1

    def opened(self) -> None:
        self.open += 1
        self.most_open = max(self.most_open, self.open)


class Connection:
    """One connection for one request at a time."""

    def __init__(self, endpoint: Endpoint, meter: Meter) -> None:
        self._endpoint, self._meter = endpoint, meter
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        at = self._endpoint.at
        try:
            self._reader, self._writer = await asyncio.open_connection(at.host, at.port, ssl=at.tls, limit=2**20)
        except OSError as error:
            raise CannotConnect(str(error)) from error
        self._meter.opened()

    @property
    def usable(self) -> bool:
        return self._writer is not None and not self._reader.at_eof() and not self._writer.is_closing()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self._meter.open -= 1

    def send(self, data: bytes) -> None:
        if self._writer is None:
            raise ConnectionError("not connected")
        self._writer.write(data)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Return the status and the headers of a response."""
        try:
            lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("connection closed") from error
        headers = {}
        for line in lines[1:]:
            name, _colon, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return int(lines[0].split(" ", 2)[1]), headers

    async def read(self, size: int) -> bytes:
        try:
            return await self._reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("connection closed") from error

    async def body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding") != "chunked":
            return await self.read(int(headers.get("content-length") or 0))
        parts = []
        while True:
            size = await self._chunk_size()
            parts.append((await self.read(size + 2))[:-2])
            if not size:
                return b"".join(parts)

    async def _chunk_size(self) -> int:
        try:
            return int((await self._reader.readline()).split(b";")[0], 16)
        except ValueError as error:  # an empty line means that the connection was closed
            raise ConnectionError("connection closed") from error


class Http:
    """A client like that of Prefect: keep-alive connections, and a request for a CSRF token before the first write."""

    def __init__(self, endpoint: Endpoint, meter: Meter) -> None:
        self._endpoint, self._meter = endpoint, meter
        self._places = asyncio.Semaphore(AT_ONCE)
        self._idle: list[tuple[float, Connection]] = []  # each with the time since which it is idle
        self._every: set[Connection] = set()
        self._csrf: dict[str, str] | None = None
        self._has_connected = False
        self._repeated_statuses = REPEATED | endpoint.retry_codes
        shared = {
            "Host": endpoint.host,
            "Accept": "*/*",
            "Accept-Encoding": "gzip, deflate",
            "Connection": "keep-alive",
            **endpoint.at.headers,
        }
        self._head = "".join(f"{name}: {value}\r\n" for name, value in shared.items())

    async def call(self, method: str, path: str, value: str = "", body: Any = None) -> Any:
        """Send a request, and return the content of the response. The value replaces {} in the path."""
        if method != "GET" and self._endpoint.csrf and self._csrf is None:
            await self._look_for_csrf()
        name = f"{method} {path}"
        target = self._endpoint.at.base + path.replace("{}", value)
        status, answer = await self._repeated(name, method, target, body)
        if 200 <= status < 300:
            return json.loads(answer) if answer else None
        raise self._failure(name, status, answer)

    async def _repeated(self, name: str, method: str, target: str, body: Any) -> tuple[int, bytes]:
        """Return the response, with the same retries as Prefect's client. Without a response, the status is 0."""
        for attempt in range(1, TRIES + 1):
            try:
                async with self._places:
                    status, answer = await self._once(name, method, target, body)
            except (OSError, asyncio.TimeoutError) as error:
                status, answer = 0, (str(error) or type(error).__name__).encode()
                if isinstance(error, CannotConnect) and not self._has_connected:
                    break  # Prefect's client treats this as a wrong address
            if (status and status not in self._repeated_statuses) or attempt == TRIES:
                break
            self._meter.trouble(f"{name}: {status or answer.decode()}")
            self._meter.retried += 1
            await asyncio.sleep(2**attempt * random.uniform(0.8, 1.2))
        return status, answer

    def _failure(self, name: str, status: int, answer: bytes) -> LoadError:
        self._meter.trouble(f"{name}: {status or answer.decode()}")
        self._meter.failed += 1
        return LoadError(f"{name}: {status} {detail_of(answer)[:DETAIL]}")

    async def _look_for_csrf(self) -> None:
        name, client = "GET /csrf-token", str(uuid.uuid4())
        target = f"{self._endpoint.at.base}/csrf-token?client={client}"
        status, answer = await self._repeated(name, "GET", target, None)
        if not status or status in self._repeated_statuses:
            raise self._failure(name, status, answer)
        # Any other response means that the server requires no token.
        found = json.loads(answer).get("token") if status == 200 else None
        self._csrf = {"Prefect-Csrf-Token": found, "Prefect-Csrf-Client": client} if found else {}

    async def _once(self, name: str, method: str, target: str, body: Any) -> tuple[int, bytes]:
        data = b"" if body is None else json.dumps(body).encode()
        head = f"{method} {target} HTTP/1.1\r\n{self._head}"
        if body is not None:
            head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        if method != "GET":
            head += "".join(f"{header}: {value}\r\n" for header, value in (self._csrf or {}).items())
        begun = time.perf_counter()
        connection = self._kept(begun) or Connection(self._endpoint, self._meter)
        try:
            status, headers, answer = await asyncio.wait_for(
                self._ask(connection, head.encode("latin-1") + b"\r\n" + data), REQUEST_SECONDS
            )
        except BaseException:
            self._drop(connection)
            raise
        self._has_connected = True
        self._meter.note(name, time.perf_counter() - begun)
        if headers.get("connection") == "close" or len(self._idle) >= KEPT:
            self._drop(connection)
        else:
            self._idle.append((time.perf_counter(), connection))
        return status, gzip.decompress(answer) if headers.get("content-encoding") == "gzip" else answer

    def _kept(self, now: float) -> Connection | None:
        """Return an idle connection that is still open, None if there is none."""
        while self._idle:
            since, connection = self._idle.pop()
            if connection.usable and now - since < KEPT_SECONDS:
                return connection
            self._drop(connection)
        return None

    async def _ask(self, connection: Connection, data: bytes) -> tuple[int, dict[str, str], bytes]:
        if not connection.usable:
            await connection.open()
            self._every.add(connection)
        connection.send(data)
        status, headers = await connection.head()
        return status, headers, b"" if status == 204 else await connection.body(headers)

    def _drop(self, connection: Connection) -> None:
        connection.close()
        self._every.discard(connection)

    def close(self) -> None:
        for connection in self._every:
            connection.close()
        self._every.clear()
        self._idle.clear()


class Socket:
    """A WebSocket that sends messages. After the first responses, it discards the messages of the server."""

    def __init__(self, endpoint: Endpoint, meter: Meter) -> None:
        self._endpoint, self._meter = endpoint, meter
        self._connection = Connection(endpoint, meter)
        self._listening: asyncio.Task[None] | None = None

    async def open(self, path: str, label: str = "") -> None:
        """Connect and authenticate like Prefect's clients, with their retries."""
        label = f"websocket {label or path}"
        for pause in (*SOCKET_PAUSES, None):
            begun = time.perf_counter()
            try:
                await asyncio.wait_for(self._open(path), REQUEST_SECONDS)
            except (OSError, asyncio.TimeoutError, ValueError) as error:
                self._connection.close()
                trouble = f"{label}: {error or type(error).__name__}"
                self._meter.trouble(trouble)
                if pause is None:
                    self._meter.failed += 1
                    raise LoadError(trouble) from error
                await asyncio.sleep(pause)
            else:
                self._meter.note(label, time.perf_counter() - begun)
                return

    async def _open(self, path: str) -> None:
        at = self._endpoint.at
        await self._connection.open()
        headers = {
            "Host": self._endpoint.host,
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "prefect",
            **at.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._connection.send(f"GET {at.base}{path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        status, _headers = await self._connection.head()
        if status != 101:
            raise ValueError(f"HTTP {status}")
        self._send(PING, b"")
        self.say({"type": "auth", "token": self._endpoint.token})
        answer = await self.hear()
        if answer.get("type") != "auth_success":
            raise ValueError(f"the server rejected the authentication: {answer}")

    def say(self, message: Any) -> None:
        """Send a message without waiting. It is lost if the connection is closed."""
        if self.usable:
            self._send(TEXT, json.dumps(message).encode())

    async def hear(self) -> Any:
        """Return the next message."""
        while True:
            opcode, content = await self._frame()
            if opcode == TEXT:
                return json.loads(content)
            self._respond(opcode, content)

    def listen(self) -> None:
        """Discard all further messages, and answer pings."""
        self._listening = asyncio.ensure_future(self._listen())

    async def _listen(self) -> None:
        try:
            while True:
                self._respond(*await self._frame())
        except (OSError, asyncio.CancelledError):
            pass

    def _respond(self, opcode: int, content: bytes) -> None:
        if opcode == PING:
            self._send(PONG, content)
        elif opcode == CLOSE:
            reason = f"{int.from_bytes(content[:2], 'big')} {content[2:].decode(errors='replace')}".strip()
            raise ConnectionError(f"closed by the server: {reason}")

    async def _frame(self) -> tuple[int, bytes]:
        first, length = await self._connection.read(2)
        if length > 125:
            length = int.from_bytes(await self._connection.read(2 if length == 126 else 8), "big")
        return first & 0x0F, await self._connection.read(length)

    def _send(self, opcode: int, content: bytes) -> None:
        size = len(content)
        if size < 126:
            head = bytes((0x80 | opcode, 0x80 | size))
        else:
            wide = size > 0xFFFF
            head = bytes((0x80 | opcode, 0x80 | (127 if wide else 126))) + size.to_bytes(8 if wide else 2, "big")
        # A client must mask its frames. A mask of zeros does not change them.
        self._connection.send(head + b"\0\0\0\0" + content)

    @property
    def usable(self) -> bool:
        return self._connection.usable

    def close(self) -> None:
        if self._connection.usable:
            self._send(CLOSE, (1000).to_bytes(2, "big"))
        if self._listening is not None:
            self._listening.cancel()
        self._connection.close()
