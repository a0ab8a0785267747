"""Serve Prefect's API and UI as `prefect server start --no-services` does, with four rules more.

usage: serve_api.py --host ADDRESS --port PORT [--certificate FILE --key FILE] [--name HOST_NAME]...

1. No answer has a secret of the deployment in it. Redis' login is taken out of the settings, and handed to Docket
   alone. Of all other settings only those are shown that cannot be a secret: numbers, switches, durations, and what
   Prefect sets itself. As a net below, the passwords in this process' environment are masked in every answer.
2. It answers for its own names only. A page in a browser can have its name resolved to this address (DNS rebinding),
   but then it sends that name. Addresses, localhost and the name of this machine are always its own.
3. Pages of other origins change nothing, and open no websocket, unless PREFECT_SERVER_CORS_ALLOWED_ORIGINS lists them.
4. Templates of automations reach no attribute of anything: it checks their syntax, and never renders them.

What it cannot guard it does not serve: it ends when Prefect's application is not built as it expects.
"""

import argparse
import importlib
import inspect
import ipaddress
import json
import os
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

DOCKET_URL = "PREFECT_SERVER_DOCKET_URL"
ORIGINS = "PREFECT_SERVER_CORS_ALLOWED_ORIGINS"
# Not the API's login: whoever gets an answer has it, and may keep it in a variable or in a pool's template.
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|CREDENTIAL|ENCRYPTION|_KEY$")
# A shorter password is a word that may stand in any answer. It is masked together with its user name only.
SHORTEST_SECRET = 12
LOGIN = re.compile(r"://([^/?#\s]+)@")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Asked by probes, under whatever name.
PROBES = ("/api/health", "/api/ready")
# Below /admin, these are known to hold no setting. What a newer Prefect adds there is masked.
HARMLESS = ("/admin/version", "/admin/storage")
PORT = re.compile(r"[0-9]{1,5}")
DURATION = re.compile(r"-?P[0-9DTHMSWY.]+")
MASK = "********"
STATE = "selfhosted.prefect"  # what the guards tell each other in a request's scope


# --- secrets -----------------------------------------------------------------------------------------------------


def without_login(url: str) -> str:
    """Return a URL without user, password and parameters, which may hold the login of Sentinels."""
    scheme, mark, rest = url.partition("?")[0].partition("://")
    hosts, slash, path = rest.partition("/")
    return f"{scheme}{mark}{hosts.rpartition('@')[2]}{slash}{path}"


def secrets_in(environment: Mapping[str, str]) -> Iterator[str]:
    """What must not be in an answer: passwords, and logins as they stand in URLs."""
    for name, value in environment.items():
        if SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET:
            yield value
        for login in LOGIN.findall(value):
            if ":" not in login:
                continue
            yield f"://{login}@"
            password = login.partition(":")[2]
            yield from (found for found in (password, unquote(password)) if len(found) >= SHORTEST_SECRET)
        if "://" in value:
            for parameter, found in parse_qsl(value.partition("?")[2]):
                if "password" in parameter and len(found) >= SHORTEST_SECRET:
                    yield found


def forms(secret: str) -> Iterator[str]:
    """How a secret can be written in an answer."""
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]


def needles_of(environment: Mapping[str, str]) -> list[bytes]:
    """Return what to mask, the longest first."""
    found = {form.encode() for secret in secrets_in(environment) for form in forms(secret)}
    return sorted(found, key=lambda needle: (-len(needle), needle))


def masked(body: bytes, needles: Iterable[bytes]) -> bytes:
    """Replace secrets by asterisks. The length stays, because it has been announced."""
    for needle in needles:
        if needle in body:
            body = body.replace(needle, b"*" * len(needle))
    return body


def masked_settings(value: Any, default: Any) -> Any:
    """Return settings as JSON with all text masked that is neither a duration nor what Prefect sets itself."""
    if isinstance(value, dict):
        known = default if isinstance(default, dict) else {}
        return {name: masked_settings(entry, known.get(name)) for name, entry in value.items()}
    if isinstance(value, list):
        return value if value == default else [masked_settings(entry, None) for entry in value]
    if isinstance(value, str) and value != default and not DURATION.fullmatch(value):
        return MASK
    return value


def defaults_of(model: type) -> dict[str, Any]:
    """Return what Prefect's settings are when nobody sets them, as far as that is fixed."""
    found: dict[str, Any] = {}
    for name, field in getattr(model, "model_fields", {}).items():
        if inspect.isclass(field.annotation) and hasattr(field.annotation, "model_fields"):
            found[name] = defaults_of(field.annotation)
        elif isinstance(field.default, (str, list)):
            found[name] = field.default
    return found


# --- names and origins -------------------------------------------------------------------------------------------


def host_and_port(text: str) -> tuple[str, str]:
    """Return the name and the port of a Host header, lower-case, without brackets and final dot."""
    name, colon, port = text.strip().lower().rpartition(":")
    if not colon or "]" in port or (":" in name and not name.endswith("]")):
        name, port = text.strip().lower(), ""
    return name.strip("[]").rstrip("."), port


def is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True


def is_own_name(host: str, names: Iterable[str]) -> bool:
    """Whether a Host header is one of the names. ".example.com" stands for all names below it."""
    name, port = host_and_port(host)
    if port and not PORT.fullmatch(port):
        return False
    if is_address(name):
        return True
    return any(own in (name, "*") or (own.startswith(".") and name.endswith(own)) for own in names)


def is_own_origin(origin: str, host: str, origins: Iterable[str]) -> bool:
    """Whether a page is of the address that it calls, or of one that is allowed."""
    if origin.rstrip("/").lower() in origins or "*" in origins:
        return True
    parts = urlsplit(origin)
    # What ends TLS in front of this process changes the scheme, and leaves the name.
    usual = {"http": "80", "https": "443"}.get(parts.scheme, "")
    name, port = host_and_port(parts.netloc)
    own_name, own_port = host_and_port(host)
    return bool(name) and (name, port or usual) == (own_name, own_port or usual)


# --- guards ------------------------------------------------------------------------------------------------------


def header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for found, value in scope["headers"] if found.lower() == name), None)


async def refuse(scope: Scope, send: Send, status: int, detail: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": detail[:120]})
        return
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Masked:
    """What is sent, with secrets masked, also those that lie across two parts of it."""

    def __init__(self, send: Send, needles: list[bytes]) -> None:
        self.send, self.needles = send, needles
        self.kept = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            body = masked(self.kept + message.get("body", b""), self.needles)
            self.kept = b""
            if message.get("more_body") and self.needles:
                # No more than may be the beginning of a secret, so that a stream goes on.
                end = next(
                    (n for n in range(min(len(self.needles[0]) - 1, len(body)), 0, -1) if self.begins(body[-n:])), 0
                )
                body, self.kept = body[: len(body) - end], body[len(body) - end :]
            message = {**message, "body": body}
        elif message["type"] == "websocket.send":
            if message.get("text"):
                message = {**message, "text": masked(message["text"].encode(), self.needles).decode()}
            if message.get("bytes"):
                message = {**message, "bytes": masked(message["bytes"], self.needles)}
        await self.send(message)

    def begins(self, text: bytes) -> bool:
        return any(needle.startswith(text) for needle in self.needles)


class AnswerGuard:
    """Between Prefect's routes and its compression: nothing that leaves a route has a secret in it."""

    def __init__(self, app: App, needles: list[bytes], defaults: dict[str, Any]) -> None:
        self.app, self.needles, self.defaults = app, needles, defaults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        path = "/" + scope.get("path", "").lower().strip("/") + "/"
        settings = "/admin/" in path and not any(path.endswith(f"{known}/") for known in HARMLESS)
        out: Send = SettingsMasked(send, self.defaults) if settings and scope["type"] == "http" else send
        masking = Masked(out, self.needles)

        state = scope.get(STATE, {})
        here: bool | None = None

        async def send_masked(message: Message) -> None:
            nonlocal here
            # An application that is mounted in this one has looked at it already, and may have compressed it since.
            if here is None:
                here = not state.get("guarded")
                state["guarded"] = True
            await (masking if here else send)(message)

        await self.app(scope, receive, send_masked)


class SettingsMasked:
    """What is sent, as one piece of JSON, of which text is masked that Prefect has not set itself."""

    def __init__(self, send: Send, defaults: dict[str, Any]) -> None:
        self.send, self.defaults = send, defaults
        self.start: Message = {}
        self.body = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.start = message
            return
        if message["type"] != "http.response.body":
            await self.send(message)
            return
        self.body += message.get("body", b"")
        if message.get("more_body"):
            return
        body = self.body
        if body:
            try:
                body = json.dumps(masked_settings(json.loads(body), self.defaults)).encode()
            except ValueError:
                body = json.dumps(MASK).encode()
        length = [(b"content-length", str(len(body)).encode())] if body else []
        headers = [entry for entry in self.start["headers"] if entry[0].lower() != b"content-length"]
        await self.send({**self.start, "headers": headers + length})
        await self.send({"type": "http.response.body", "body": body})


class RequestGuard:
    """Around all of Prefect: what comes from a page of others does not reach it, and nothing unguarded leaves it."""

    def __init__(self, app: App, needles: list[bytes], names: list[str], origins: list[str]) -> None:
        self.app, self.needles, self.names, self.origins = app, needles, names, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        problem = self.problem(scope)
        if problem:
            await refuse(scope, send, *problem)
            return
        state: dict[str, bool] = {}
        scope[STATE] = state
        masking = Masked(send, self.needles)

        async def send_guarded(message: Message) -> None:
            if state.get("guarded"):
                await send(message)
                return
            if message["type"] == "http.response.start" and any(
                name.lower() == b"content-encoding" for name, _value in message["headers"]
            ):
                raise RuntimeError(f"the answer to {scope['path']} was compressed before it was looked at")
            await masking(message)

        await self.app(scope, receive, send_guarded)

    def problem(self, scope: Scope) -> tuple[int, str] | None:
        host = header(scope, b"host") or ""
        probe = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PROBES
        if host and not probe and not is_own_name(host, self.names):
            return (
                421,
                "This API does not answer for that host name; prefect_server_allowed_hosts adds names to its own.",
            )
        origin = header(scope, b"origin")
        if origin is None or (scope["type"] == "http" and scope["method"] in SAFE_METHODS):
            return None
        if is_own_origin(origin, host, self.origins):
            return None
        return 403, "Pages of that origin may not do this; prefect_server_allowed_origins adds origins."


def applications(app: Any) -> Iterator[Any]:
    """An application of Starlette, and those that are mounted in it."""
    yield app
    for route in app.routes:
        mounted = getattr(route, "app", None)
        if hasattr(mounted, "user_middleware"):
            yield from applications(mounted)


def guarded(app: Any, needles: list[bytes], names: list[str], origins: list[str], defaults: dict[str, Any]) -> App:
    for part in applications(app):
        part.add_middleware(AnswerGuard, needles=needles, defaults=defaults)
        # The last is the innermost: it sees an answer before it is compressed.
        part.user_middleware.append(part.user_middleware.pop(0))
    return RequestGuard(app, needles, names, origins)


def close_templates(environment: Any) -> None:
    """Let templates of clients reach nothing: the background services render them, and this process never does."""
    if not callable(getattr(environment, "is_safe_attribute", None)):
        raise SystemExit("serve_api: Prefect renders templates of users outside a sandbox")
    environment.is_safe_attribute = lambda _self, _obj, _attribute, _value: False


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--name", action="append", default=[])
    asked = parser.parse_args()
    needles = needles_of(os.environ)
    docket_url = os.environ.get(DOCKET_URL)
    if docket_url:
        os.environ[DOCKET_URL] = without_login(docket_url)
    # As the command line does: the background services alone send these.
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

    # Only now, because Prefect reads the environment when it is imported.
    server = importlib.import_module("prefect.server.api.server")
    settings = importlib.import_module("prefect.settings").get_current_settings()
    close_templates(importlib.import_module("prefect.server.utilities.user_templates").UserTemplateEnvironment)
    if docket_url:
        build = server.Docket
        # Should a newer Prefect make it elsewhere, Redis lets nobody in who does not log in, and nothing is served.
        server.Docket = lambda *words, **options: build(*words, **{**options, "url": docket_url})
    names = [*asked.name, "localhost", socket.gethostname()]
    origins = [origin.strip().rstrip("/").lower() for origin in os.environ.get(ORIGINS, "").split(",")]
    pings = ("websocket_ping_interval", "websocket_ping_timeout")
    importlib.import_module("uvicorn").run(
        guarded(
            server.create_app(final=True, webserver_only=True),
            needles,
            [name.lower().rstrip(".") for name in names],
            [origin for origin in origins if origin],
            defaults_of(type(settings)),
        ),
        host=asked.host,
        port=asked.port,
        ssl_certfile=asked.certificate,
        ssl_keyfile=asked.key,
        timeout_keep_alive=settings.server.api.keepalive_timeout,
        log_level=settings.server.logging_level.lower(),
        # Prefect 3.6 has no settings for these.
        **{name.replace("websocket", "ws"): getattr(settings.server.api, name, 20.0) for name in pings},
    )


if __name__ == "__main__":
    main()
