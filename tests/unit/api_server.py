# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The part of a Kubernetes API server that lists pods and runs programs in them. The tests define its answers."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

OUTPUT, ERRORS, STATUS = b"\1", b"\2", b"\3"
# Arguments: the pod, the container and the command. Result: the data to send, or the status and text of an error.
Program = Callable[[str, str, list[str]], "bytes | tuple[int, str]"]


def frame(content: bytes, opcode: int = 2, last: bool = True) -> bytes:
    size = len(content)
    if size < 126:
        length = bytes((size,))
    else:
        wide = size > 0xFFFF
        length = bytes((127 if wide else 126,)) + size.to_bytes(8 if wide else 2, "big")
    return bytes((opcode | (0x80 if last else 0),)) + length + content


def output(text: str) -> bytes:
    return frame(OUTPUT + text.encode())


def errors(text: str) -> bytes:
    return frame(ERRORS + text.encode())


def ended(code: int = 0) -> bytes:
    causes = [{"reason": "ExitCode", "message": str(code)}]
    status = {"status": "Failure", "details": {"causes": causes}} if code else {"status": "Success"}
    return frame(STATUS + json.dumps(status).encode())


def pod(name: str, component: str, *containers: str, **metadata: Any) -> dict[str, Any]:
    names = containers or (component,)
    return {
        "metadata": {
            "name": name,
            "namespace": "prefect",
            "labels": {"selfhosted.prefect/instance": "prefect", "selfhosted.prefect/component": component},
            **metadata,
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": container} for container in names]},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": each, "restartCount": 0, "state": {"running": {}}} for each in names],
        },
    }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    pods: list[dict[str, Any]]
    program: Program
    asked: list[tuple[str, list[str]]]

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        words, query = parts.path.split("/"), parse_qs(parts.query)
        if words[-1] == "exec":
            self._exec(words[-2], query)
        else:
            label, _equals, value = query["labelSelector"][0].partition("=")
            found = [each for each in self.pods if each["metadata"]["labels"].get(label) == value]
            self._answer(200, {"items": found})

    def _answer(self, status: int, document: Any) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _exec(self, name: str, query: dict[str, list[str]]) -> None:
        assert self.headers["Sec-WebSocket-Protocol"] == "v4.channel.k8s.io"
        assert query["stdout"] == query["stderr"] == ["true"]
        self.asked.append((name, query["command"]))
        told = type(self).program(name, query["container"][0], query["command"])
        if isinstance(told, tuple):
            self._answer(told[0], {"message": told[1]})
            return
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        # Empty messages come first, as from a real API server.
        self.wfile.write(b"".join(map(frame, (OUTPUT, ERRORS, STATUS))) + told)
        self.close_connection = True


@contextlib.contextmanager
def api_server(
    directory: Path, pods: list[dict[str, Any]], program: Program
) -> Iterator[tuple[str, list[tuple[str, list[str]]]]]:
    """Start the server. Yield the path of a kubeconfig for it, and the list of commands that it was asked to run."""
    asked: list[tuple[str, list[str]]] = []
    handler = type("Handler", (_Handler,), {"pods": pods, "program": staticmethod(program), "asked": asked})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.02], daemon=True)
    thread.start()
    config = {
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
        "users": [{"name": "one", "user": {"token": "abc"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one"}}],
    }
    path = directory / "kubeconfig"
    path.write_text(json.dumps(config))
    try:
        yield str(path), asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
