from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect import client as client_module
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import given


class Recorder(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []
        self.connections = 0
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                recorder.connections += 1

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(length) or b"null")
                recorder.seen.append((self.command, self.path, body))
                left = 450 - body["offset"] if body and "offset" in body else 0
                data = json.dumps(list(range(max(0, min(200, left))))).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *args: Any) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/base/api/"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("write", [
    ("POST", "work_pools", ""), ("PATCH", "work_pools", "filter"), ("DELETE", "x", "count"), ("POST", "filter", "x"),
])  # fmt: skip
def test_a_reading_client_refuses_to_write(recorder: Recorder, write: tuple[str, ...]) -> None:
    client = Client(recorder.url, read_only=True)
    with pytest.raises(RuntimeError, match="a write while only reading is allowed"):
        client.call(*write, body={})
    assert recorder.seen == []
    client.get("work_pools", "x")
    client.call("POST", "work_pools", "filter", body={})
    client.call("POST", "work_pools", "count", body={})
    assert len(recorder.seen) == 3


def test_pages_go_to_the_end_over_one_connection(recorder: Recorder) -> None:
    client = Client(recorder.url)
    assert len(list(client.pages("flows", "filter", sort="NAME_ASC"))) == 450
    assert [body["offset"] for _method, _path, body in recorder.seen] == [0, 200, 400]
    assert all(body["limit"] == 200 and body["sort"] == "NAME_ASC" for _method, _path, body in recorder.seen)
    assert recorder.connections == 1


def test_path_parts_are_encoded(recorder: Recorder) -> None:
    Client(recorder.url).get("a/b", "c?d#e", "ü%", "", "x")
    assert recorder.seen[0][1] == "/base/api/a%2Fb/c%3Fd%23e/%C3%BC%25//x"


def test_retry_after_in_seconds_or_as_a_date() -> None:
    assert client_module._seconds("1.5") == 1.5
    assert 8 < (client_module._seconds(formatdate(time.time() + 10, usegmt=True)) or 0) <= 10
    assert client_module._seconds(formatdate(0, usegmt=True)) == 0
    assert client_module._seconds("soon") is None
    assert client_module._seconds(None) is None


@pytest.mark.parametrize(("answer", "detail"), [
    (b'{"detail": "gone"}', "gone"),
    (b'{"exception_message": "Internal Server Error"}', "Internal Server Error"),
    (
        b'{"exception_message": "Invalid", "exception_detail": ['
        b'{"loc": ["body", "name"], "msg": "bad", "input": "SECRET"},'
        b' {"loc": [], "msg": "worse"}], "request_body": {"token": "SECRET"}}',
        "name: bad; worse",
    ),
    (b"<html>oops</html>", "<html>oops</html>"),
    (b"", "no details"),
    (b"[1]", "[1]"),
    (b"{}", "no details"),
])  # fmt: skip
def test_details_hold_nothing_of_the_request(answer: bytes, detail: str) -> None:
    assert client_module.detail_of(answer) == detail


def test_a_login_in_a_url_is_never_shown() -> None:
    with pytest.raises(PrefectError) as error:
        Client("ftp://user:p@ss@host/api")
    assert "p@ss" not in str(error.value)
    assert "ftp://***@host/api" in str(error.value)


def test_null_is_told_from_omitted_at_any_depth() -> None:
    checked = {"a": None, "b": None, "c": "x", "list": [{"x": None, "y": None}, {"x": 1, "y": None}], "d": {"e": None}}
    written = {"a": None, "c": "x", "list": [{"x": None}, {"x": "1"}], "d": {}}
    assert given(checked, written) == {"a": None, "c": "x", "list": [{"x": None}, {"x": 1}], "d": {}}
