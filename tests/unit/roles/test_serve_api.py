# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and answers that serve_api.py rejects or changes, with small applications in place of Prefect."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

FILE = Path(__file__).resolve().parents[3] / "roles/prefect_server/files/serve_api.py"
spec = importlib.util.spec_from_file_location("serve_api", FILE)
assert spec
assert spec.loader
serve_api = importlib.util.module_from_spec(spec)
spec.loader.exec_module(serve_api)

PASSWORD = 'p@ss/"word\\ü of redis'
ENVIRONMENT = {
    "PREFECT_SERVER_DOCKET_URL": f"redis://prefect:{quote(PASSWORD, safe='')}@10.0.0.6:6379/1",
    "PREFECT_REDIS_MESSAGING_PASSWORD": PASSWORD,
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://prefect:prefect@10.0.0.5:5432/prefect",
    "PREFECT_REDIS_MESSAGING_URL": "redis+sentinel://a,b/m?sentinel_password=of-the-sentinels",
    "PREFECT_API_AUTH_STRING": "admin:known to every client",
}
NEEDLES = serve_api.needles_of(ENVIRONMENT)


class Sent(list[Any]):
    """The messages that an application has sent."""

    @property
    def status(self) -> int:
        return int(self[0]["status"])

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self[1:])


def asked(app: Any, path: str = "/api/x", method: str = "GET", kind: str = "http", **headers: str) -> Sent:
    sent = Sent()

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(app({"type": kind, "method": method, "path": path, "headers": raw}, receive, send))
    return sent


def answering(*parts: bytes, headers: Any = (), status: int = 200) -> Any:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            for part in parts:
                await send({"type": "websocket.send", "text": part.decode()})
            return
        length = (b"content-length", str(sum(map(len, parts))).encode())
        await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
        for number, part in enumerate(parts, 1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts)})

    return app


def around(app: Any, names: Any = ("localhost", "prefect.example.com", ".svc"), origins: Any = ()) -> Any:
    return serve_api.RequestGuard(app, NEEDLES, list(names), list(origins))


FORMS = [
    PASSWORD,
    quote(PASSWORD, safe=""),
    json.dumps(PASSWORD)[1:-1],
    json.dumps(PASSWORD, ensure_ascii=False)[1:-1],
    "of-the-sentinels",
    "postgresql+asyncpg://prefect:prefect@10.0.0.5",
]


@pytest.mark.parametrize("form", FORMS)
def test_no_answer_has_a_secret_in_it(form: str) -> None:
    body = f"before {form} after".encode()
    sent = asked(around(answering(body)), host="localhost")
    assert form.encode() not in sent.body
    assert b"****" in sent.body
    assert len(sent.body) == len(body)
    assert sent.body.startswith(b"before ")
    assert sent.body.endswith(b" after")


@given(st.integers(1, 60), st.sampled_from(FORMS))
def test_a_secret_across_parts_of_an_answer(size: int, form: str) -> None:
    body = f"{'x' * 40}{form}{'y' * 40}".encode()
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    sent = asked(around(answering(*parts)), host="localhost")
    assert form.encode() not in sent.body
    assert len(sent.body) == len(body)


def test_a_stream_goes_on() -> None:
    """The guard sends on everything that cannot be the beginning of a secret."""
    sent = asked(around(answering(b"data: 1\n", b"data: 2\n", b"")), host="localhost")
    assert [message["body"] for message in sent[1:]] == [b"data: 1\n", b"data: 2\n", b""]


def test_a_websocket_has_no_secret_in_it() -> None:
    sent = asked(around(answering(PASSWORD.encode())), kind="websocket", host="localhost")
    assert sent[0]["text"] == "*" * len(sent[0]["text"])


def test_what_clients_know_and_short_words_stay() -> None:
    """A pool's template may contain the API credentials. A password that is a common word is in many answers."""
    body = b'{"env": "admin:known to every client", "name": "prefect"}'
    assert asked(around(answering(body)), host="localhost").body == body


def test_what_was_compressed_before_it_was_looked_at_is_not_sent() -> None:
    with pytest.raises(RuntimeError, match="compressed"):
        asked(around(answering(b"...", headers=[(b"Content-Encoding", b"gzip")])), host="localhost")


def test_what_was_looked_at_may_be_compressed() -> None:
    inner = serve_api.AnswerGuard(answering(PASSWORD.encode()), NEEDLES, {})

    async def compressing(scope: Any, receive: Any, send: Any) -> None:
        async def compressed(message: Any) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"content-encoding", b"gzip")]}
            await send(message)

        await inner(scope, receive, compressed)

    again = serve_api.AnswerGuard(compressing, NEEDLES, {})  # as Prefect mounts one application in another
    sent = asked(around(again), path="/api/admin/settings", host="localhost")
    assert (b"content-encoding", b"gzip") in sent[0]["headers"]
    assert json.loads(sent.body) == "********"


SETTINGS = {
    "server": {"docket": {"url": "redis://10.0.0.6", "name": "prefect-server"}, "port": 4200, "loop": "PT5S"},
    "client": {"custom_headers": {"X-Token": "short"}, "codes": ["a"], "on": True, "none": None},
}
DEFAULTS = {"server": {"docket": {"url": "memory://", "name": "prefect-server"}}, "client": {"codes": []}}


@pytest.mark.parametrize(
    "path", ["/api/admin/settings", "/api/admin/settings/", "/admin/settings", "/api/Admin/new", "/base/api/admin/x/y"]
)
def test_settings_show_what_cannot_be_a_secret(path: str) -> None:
    body = json.dumps(SETTINGS).encode()
    app = serve_api.AnswerGuard(answering(body[:20], body[20:]), NEEDLES, DEFAULTS)
    sent = asked(around(app), path=path, host="localhost")
    assert json.loads(sent.body) == {
        "server": {"docket": {"url": "********", "name": "prefect-server"}, "port": 4200, "loop": "PT5S"},
        "client": {"custom_headers": {"X-Token": "********"}, "codes": ["********"], "on": True, "none": None},
    }
    assert dict(sent[0]["headers"])[b"content-length"] == str(len(sent.body)).encode()


def test_settings_that_are_not_json_are_not_shown() -> None:
    app = serve_api.AnswerGuard(answering(b"url=redis://"), NEEDLES, DEFAULTS)
    assert json.loads(asked(around(app), path="/api/admin/settings", host="localhost").body) == "********"


@pytest.mark.parametrize("path", ["/api/admin/version", "/api/admin/storage", "/api/flows/administration"])
def test_other_routes_are_as_prefect_made_them(path: str) -> None:
    app = serve_api.AnswerGuard(answering(b'"3.9.1"'), NEEDLES, DEFAULTS)
    assert asked(around(app), path=path, host="localhost").body == b'"3.9.1"'


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:p@h:6379/1", "redis://h:6379/1"),
        ("rediss://u:p@h:6379/1?ssl_ca_certs=/etc/ca", "rediss://h:6379/1"),
        ("redis+sentinel://u:p@a:1,[::1]:2/m/1?sentinel_password=x", "redis+sentinel://a:1,[::1]:2/m/1"),
        ("memory://", "memory://"),
    ],
)
def test_the_docket_url_without_a_login(url: str, expected: str) -> None:
    assert serve_api.without_login(url) == expected


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:4200", 200),
        ("LOCALHOST.", 200),
        ("prefect.example.com", 200),
        ("prefect-api.prefect.svc:4200", 200),
        ("127.0.0.1:4211", 200),
        ("[::1]:4200", 200),
        ("::1", 200),
        ("", 200),  # browsers always send it
        ("evil.example:4200", 421),
        ("prefect.example.com.evil.example", 421),
        ("127.0.0.1.evil.example:4200", 421),
        ("notlocalhost", 421),
        ("xsvc", 421),
        ("localhost:4200/health?", 421),
        ("localhost:x", 421),
        ("127.0.0.1:123456", 421),
        ("[::1]:4200#", 421),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_names(host: str, status: int, kind: str) -> None:
    sent = asked(around(answering(b"ok")), kind=kind, **({"host": host} if host else {}))
    refused = sent[0]["type"] == "websocket.close" if kind == "websocket" else sent.status == 421
    assert refused == (status == 421)


def test_probes_are_answered_under_every_name() -> None:
    for path in ("/api/health", "/api/ready"):
        assert asked(around(answering(b"ok")), path=path, host="pod-7").status == 200
        assert asked(around(answering(b"ok")), path=path, method="POST", host="pod-7").status == 421


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("http://127.0.0.1:4200", "127.0.0.1:4200", True),
        ("https://prefect.example.com", "prefect.example.com", True),  # a proxy terminates TLS
        ("https://prefect.example.com", "prefect.example.com:443", True),
        ("http://[::1]:4200", "[::1]:4200", True),
        ("https://ui.example.com", "prefect.example.com", True),  # in the list of allowed origins
        ("http://127.0.0.1:8000", "127.0.0.1:4200", False),
        ("https://evil.example", "127.0.0.1:4200", False),
        ("http://localhost:4200", "127.0.0.1:4200", False),
        ("null", "127.0.0.1:4200", False),
        ("", "127.0.0.1:4200", False),
        ("http://", "127.0.0.1:4200", False),
    ],
)
def test_origins(origin: str, host: str, allowed: bool) -> None:
    app = around(answering(b"ok"), origins=["https://ui.example.com"])
    assert (asked(app, method="POST", host=host, origin=origin).status == 200) == allowed
    assert asked(app, method="GET", host=host, origin=origin).status == 200, "CORS decides who reads"
    closed = asked(app, kind="websocket", host=host, origin=origin)[0]["type"] == "websocket.close"
    assert closed != allowed


def test_clients_that_are_no_browsers_send_no_origin() -> None:
    assert asked(around(answering(b"ok")), method="POST", host="localhost").status == 200


def test_a_framework_without_the_place_for_a_guard_is_not_served() -> None:
    class Changed:
        routes: list[Any] = []

    with pytest.raises(AttributeError):
        serve_api.guarded(Changed(), NEEDLES, [], [], {})


def test_templates_reach_nothing() -> None:
    class Environment:
        def is_safe_attribute(self, obj: Any, attribute: str, value: Any) -> bool:
            return True

    serve_api.close_templates(Environment)
    assert not Environment().is_safe_attribute("text", "upper", "text".upper)
    with pytest.raises(SystemExit, match="outside a sandbox"):
        serve_api.close_templates(object)
