# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy that forwards everything, including websockets, and records the requests of real workers and real runs."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, NamedTuple

from .support import free_port

TEXT = 1  # opcode of a websocket frame


class Recorded(NamedTuple):
    """A request, or a message on a websocket with the method SEND. The request that opened the websocket is a GET."""

    time: float
    connection: int  # port of the client
    method: str
    path: str
    body: Any
    status: int


class Recorder:
    """A proxy between one client and a server on this host."""

    def __init__(self, port: int) -> None:
        self.recorded: list[Recorded] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def _pass_on(self) -> None:
                arrived = time.time()
                if self.headers.get("Upgrade", "").lower() == "websocket":
                    recorder.recorded.append(Recorded(arrived, self.client_address[1], "GET", self.path, None, 101))
                    self.close_connection = True
                    return self._join()
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                dropped = ("host", "connection", "accept-encoding")
                headers = {name: text for name, text in self.headers.items() if name.lower() not in dropped}
                connection.request(self.command, self.path, body, headers)
                response = connection.getresponse()
                answer = response.read()
                connection.close()
                content = json.loads(body) if body else None
                recorder.recorded.append(
                    Recorded(arrived, self.client_address[1], self.command, self.path, content, response.status)
                )
                self.send_response(response.status)
                self.send_header("Content-Type", response.headers.get("Content-Type", "application/json"))
                if response.status != 204:
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                return None

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on

            def _join(self) -> None:
                """Connect both ends of a websocket, and record what the client sends."""
                with socket.create_connection(("127.0.0.1", port)) as server:
                    # The websocket gets no extensions, such as compression.
                    kept = [line for line in str(self.headers).splitlines() if "extensions" not in line.lower()]
                    head = "\r\n".join([self.requestline, *(line for line in kept if line), "", ""])
                    server.sendall(head.encode())
                    back = threading.Thread(target=_pour, args=(server, self.connection), daemon=True)
                    back.start()
                    with contextlib.suppress(OSError):
                        for opcode, payload, raw in frames(self.rfile):
                            if opcode == TEXT:
                                message = json.loads(payload)
                                recorder.recorded.append(
                                    Recorded(time.time(), self.client_address[1], "SEND", self.path, message, 101)
                                )
                            server.sendall(raw)
                        server.shutdown(socket.SHUT_WR)
                    back.join()

            def log_message(self, *args: Any) -> None:
                """Log nothing: `recorded` contains every request."""

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/api"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def frames(stream: BinaryIO) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield opcode, content and raw bytes of each frame that a client sends."""
    while len(head := stream.read(2)) == 2:
        length = head[1] & 0x7F
        more = stream.read({126: 2, 127: 8}.get(length, 0))
        if more:
            (length,) = struct.unpack("!H" if len(more) == 2 else "!Q", more)
        mask, masked = stream.read(4), stream.read(length)
        content = bytes(byte ^ mask[position % 4] for position, byte in enumerate(masked))
        yield head[0] & 0x0F, content, head + more + mask + masked
