# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Run a program in a container of a pod, like `kubectl exec`, and return its output.

kubernetes.core.k8s_exec runs it in one container per task. This code runs it in many containers at the same time.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    KubernetesClient,
    KubernetesError,
    part,
)

PROTOCOL = "v4.channel.k8s.io"  # all supported versions use it; the first byte of a message is its channel
OUTPUT, ERRORS, STATUS = 1, 2, 3
CLOSE, PING, PONG = 8, 9, 10  # WebSocket opcodes


class Ended(NamedTuple):
    """A program that has ended."""

    code: int
    output: str
    errors: str


def run_in(client: KubernetesClient, namespace: str, pod: str, container: str, command: Sequence[str]) -> Ended:
    """Run a program and wait until it ends. The API server's audit log contains its arguments."""
    path = f"/api/v1/namespaces/{part(namespace)}/pods/{part(pod)}/exec"
    query = [("container", container), ("stdout", "true"), ("stderr", "true"), *(("command", word) for word in command)]
    connection, answer = client.websocket(path, query, PROTOCOL)
    told = {OUTPUT: b"", ERRORS: b"", STATUS: b""}
    try:
        for message in _messages(answer.fp, connection.sock.sendall):
            if message and message[0] in told:
                told[message[0]] += message[1:]
    except (http.client.HTTPException, OSError) as error:
        raise KubernetesError(f"{command[0]} in {pod}: {error or type(error).__name__}") from error
    finally:
        answer.close()
        connection.close()
    if not told[STATUS]:
        raise KubernetesError(f"{command[0]} in {pod}: the connection was closed before the program ended")
    status = json.loads(told[STATUS])
    code = _code(status)
    if code is None:
        raise KubernetesError(f"{command[0]} in {pod}: {status.get('message') or status}")
    return Ended(code, told[OUTPUT].decode(errors="replace"), told[ERRORS].decode(errors="replace"))


def _code(status: Mapping[str, Any]) -> int | None:
    """Return the exit code of the program, None if it could not be started."""
    if status.get("status") == "Success":
        return 0
    causes = (status.get("details") or {}).get("causes") or []
    return next((int(cause["message"]) for cause in causes if cause.get("reason") == "ExitCode"), None)


def _messages(reader: BinaryIO, send: Callable[[bytes], Any]) -> Iterator[bytes]:
    """Return the messages of a WebSocket until it is closed."""
    message = b""
    while True:
        head = reader.read(2)
        if not head:
            return
        size = head[-1] & 0x7F
        if size > 125:
            size = int.from_bytes(_exactly(reader, 2 if size == 126 else 8), "big")
        content = _exactly(reader, size)
        opcode = head[0] & 0x0F
        if opcode == CLOSE:
            return
        if opcode == PING:
            # A client must mask its frames. A mask of zeros does not change them.
            send(bytes((0x80 | PONG, 0x80 | size)) + b"\0\0\0\0" + content)
        elif opcode != PONG:
            message += content
            if head[0] & 0x80:  # the last fragment
                yield message
                message = b""


def _exactly(reader: BinaryIO, size: int) -> bytes:
    content = reader.read(size)
    if len(content) < size:
        raise ConnectionError("the connection was closed")
    return content
