# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watchdog of process_group with real sockets and real processes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import liveness


@contextlib.contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Start a server that answers every connection, and yield its URL."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _address = server.accept()
                    with contextlib.suppress(OSError), connection:
                        answer(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/api/health"
        server.shutdown(socket.SHUT_RDWR)


def replying(text: str) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(text.encode())

    return answer


def dripping(connection: socket.socket) -> None:
    for _number in range(100):
        connection.sendall(b"H")
        time.sleep(0.1)


class Check(liveness.Check):
    """A check that knows the pid without a process manager."""

    known_pid = 0

    def pid(self) -> int:
        return self.known_pid


@contextlib.contextmanager
def checking(what: str | list[str], pid: int, **more: float) -> Iterator[None]:
    asked = {"http": what, "command": None} if isinstance(what, str) else {"http": None, "command": what}
    settings = {"unit": "it-one", "socket": None, "what": "it", **asked, "interval": 0.05, "timeout": 1, "failures": 3}
    check = Check(json.dumps({**settings, "start_period": 0, **more}))
    check.known_pid = pid
    check.start()
    yield
    check.cancelled.set()
    check.join(5)
    assert not check.is_alive()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_status_is_read_from_whatever_answers() -> None:
    with listening(replying("HTTP/1.1 204 No Content\r\n\r\n")) as url:
        assert liveness.http_status(url, 5) == 204
    with listening(replying("HTTP/1.0 503\r\n\r\n")) as url:
        assert liveness.http_status(url, 5) == 503
    with listening(replying("SSH-2.0\r\n")) as url, pytest.raises(ConnectionError):
        liveness.http_status(url, 5)
    with listening(replying("")) as url, pytest.raises(ConnectionError):
        liveness.http_status(url, 5)
    with pytest.raises(ValueError, match="not an http:// or https:// URL"):
        liveness.http_status("ftp://localhost", 5)


def test_a_status_is_read_with_tls_whoever_has_signed(tmp_path: Path) -> None:
    certificate, key = tmp_path / "it.crt", tmp_path / "it.key"
    openssl = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=it"
    subprocess.run([*openssl.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as encrypted:
            replying("HTTP/1.1 204 No Content\r\n\r\n")(encrypted)

    with listening(answer) as url:
        assert liveness.http_status(url.replace("http:", "https:"), 5) == 204
        # An unencrypted answer where TLS is expected counts as no answer.
        with pytest.raises(ConnectionError, match=r"no HTTP response|reset by peer"):
            liveness.http_status(url, 2)
    with listening(replying("HTTP/1.1 204 No Content\r\n\r\n")) as url, pytest.raises(ssl.SSLError):
        liveness.http_status(url.replace("http:", "https:"), 5)


def test_an_answer_that_never_ends_is_none() -> None:
    with listening(dripping) as url:
        started = time.monotonic()
        with pytest.raises(OSError, match="timed out"):
            liveness.http_status(url, 0.5)
        assert time.monotonic() - started < 2


@pytest.mark.parametrize("text", ["HTTP/1.1 500 Oops\r\n\r\n", "HTTP/1.1 401 No\r\n\r\n", ""])
def test_one_that_answers_wrongly_is_killed(text: str, child: subprocess.Popen[bytes]) -> None:
    with listening(replying(text)) as url, checking(url, child.pid):
        assert child.wait(10) == -9


def test_one_that_answers_is_left_alone(child: subprocess.Popen[bytes]) -> None:
    asked = threading.Semaphore(0)

    def answer(connection: socket.socket) -> None:
        replying("HTTP/1.1 200 OK\r\n\r\n")(connection)
        asked.release()

    with listening(answer) as url, checking(url, child.pid, failures=1):
        for _number in range(5):
            assert asked.acquire(timeout=5)
        assert child.poll() is None


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("exit 0", None),
        ("exit 3", "exit status 3"),
        ("echo not well; exit 1", "not well"),
        ("echo first; echo last >&2; exit 1", "last"),
        ("echo I wait; exec sleep 60", "timed out"),
        ("kill -TERM $$", "signal 15"),
    ],
)
def test_a_command_says_what_is_wrong(script: str, problem: str | None) -> None:
    assert liveness.command_problem(["/bin/sh", "-c", script], 1) == problem


def test_one_whose_command_fails_is_killed(tmp_path: Path, child: subprocess.Popen[bytes]) -> None:
    asked = tmp_path / "asked"
    with checking(["/bin/sh", "-c", f"echo >> {asked}; [ $(wc -l < {asked}) -lt 6 ]"], child.pid):
        assert child.wait(10) == -9
    assert len(asked.read_text()) == 8  # five successful checks, and three failed ones


@pytest.mark.parametrize("answers_first", [False, True])
def test_failures_count_after_the_start_or_the_first_answer(
    answers_first: bool, child: subprocess.Popen[bytes]
) -> None:
    asked = threading.Semaphore(0)
    replies = ["HTTP/1.1 200 OK\r\n\r\n"] if answers_first else []

    def answer(connection: socket.socket) -> None:
        replying(replies.pop() if replies else "HTTP/1.1 500\r\n\r\n")(connection)
        asked.release()

    with listening(answer) as url, checking(url, child.pid, start_period=3600):
        if answers_first:
            assert child.wait(10) == -9
        else:
            for _number in range(8):
                assert asked.acquire(timeout=5)
            assert child.poll() is None


def test_the_age_of_a_process() -> None:
    assert 0 < liveness.age_of(os.getpid()) < 86400
    with subprocess.Popen(["/bin/sleep", "60"]) as process:
        assert liveness.age_of(process.pid) < 5
        process.kill()


def test_only_whole_checks_are_read(tmp_path: Path) -> None:
    for name in ("one.json", ".ansible-x", "two.conf"):
        (tmp_path / name).write_text(name)
    assert liveness.texts(str(tmp_path)) == {"one.json": "one.json"}
    assert liveness.texts(f"{tmp_path}/missing") == {}
