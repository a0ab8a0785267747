"""Serve Prefect's API and UI like `prefect server start --no-services`, with four additional rules.

usage: serve_api.py --host ADDRESS --port PORT [--certificate FILE --key FILE] [--name HOST_NAME]...

1. No response contains a secret of the deployment. The credentials of Redis are removed from the settings, and passed
   only to Docket. Of all other settings, the API shows only values that cannot be a secret: numbers, booleans,
   durations, and values that equal Prefect's default. In addition, the passwords in the environment of this process are
   masked in every response.
2. The API answers only requests for its own host names. A web page can resolve its own name to this address (DNS
   rebinding), but the browser then sends the name of the page. IP addresses, localhost and the name of this host are
   always allowed.
3. Pages of other origins can neither change anything nor open a websocket, unless they are listed in
   PREFECT_SERVER_CORS_ALLOWED_ORIGINS.
4. Templates of automations have access to no attribute of any object. The API only checks their syntax.

If the code of Prefect's application is not as expected, the program cannot enforce these rules, and ends with an error.
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
# Without the API credentials: every client that receives a response has them, and can store them in a variable or in
# the template of a pool.
SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|CREDENTIAL|ENCRYPTION|_KEY$")
# A shorter password can be a word that occurs in any response. It is masked only together with its user name.
SHORTEST_SECRET = 12
LOGIN = re.compile(r"://([^/?#\s]+)@")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Probes request these paths with any host name.
PROBES = ("/api/health", "/api/ready")
# These paths below /admin contain no settings. Other paths there, also those of a newer Prefect, are masked.
HARMLESS = ("/admin/version", "/admin/storage")
PORT = re.compile(r"[0-9]{1,5}")
DURATION = re.compile(r"-?P[0-9DTHMSWY.]+")
MASK = "********"
STATE = "selfhosted.prefect"  # state that the guards share in the scope of a request


# --- secrets -----------------------------------------------------------------------------------------------------


def without_login(url: str) -> str:
    """Return a URL without user, password and parameters, which can contain the credentials of Sentinel."""
    scheme, mark, rest = url.partition("?")[0].partition("://")
    hosts, slash, path = rest.partition("/")
    return f"{scheme}{mark}{hosts.rpartition('@')[2]}{slash}{path}"


def secrets_in(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield the texts that no response may contain: passwords, and credentials as written in URLs."""
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
    """Yield the forms in which a response can contain a secret."""
    yield secret
    yield quote(secret, safe="")
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]


def needles_of(environment: Mapping[str, str]) -> list[bytes]:
    """Return the texts to mask, the longest first."""
    found = {form.encode() for secret in secrets_in(environment) for form in forms(secret)}
    return sorted(found, key=lambda needle: (-len(needle), needle))


def masked(body: bytes, needles: Iterable[bytes]) -> bytes:
    """Replace secrets with asterisks. The length stays the same, because the header has already been sent."""
    for needle in needles:
        if needle in body:
            body = body.replace(needle, b"*" * len(needle))
    return body


def masked_settings(value: Any, default: Any) -> Any:
    """Return settings as JSON, with all texts masked except durations and values that equal Prefect's default."""
    if isinstance(value, dict):
        known = default if isinstance(default, dict) else {}
        return {name: masked_settings(entry, known.get(name)) for name, entry in value.items()}
    if isinstance(value, list):
        return value if value == default else [masked_settings(entry, None) for entry in value]
    if isinstance(value, str) and value != default and not DURATION.fullmatch(value):
        return MASK
    return value


def defaults_of(model: type) -> dict[str, Any]:
    """Return the constant default values of Prefect's settings."""
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
    """Whether a Host header contains one of the names. ".example.com" means all names below it."""
    name, port = host_and_port(host)
    if port and not PORT.fullmatch(port):
        return False
    if is_address(name):
        return True
    return any(own in (name, "*") or (own.startswith(".") and name.endswith(own)) for own in names)


def is_own_origin(origin: str, host: str, origins: Iterable[str]) -> bool:
    """Whether the origin of a page is the address of the request, or an allowed origin."""
    if origin.rstrip("/").lower() in origins or "*" in origins:
        return True
    parts = urlsplit(origin)
    # A proxy that terminates TLS in front of this process changes the scheme, but not the name.
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
    """Masks the secrets in a response, including secrets that are split between two parts of it."""

    def __init__(self, send: Send, needles: list[bytes]) -> None:
        self.send, self.needles = send, needles
        self.kept = b""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            body = masked(self.kept + message.get("body", b""), self.needles)
            self.kept = b""
            if message.get("more_body") and self.needles:
                # Keep only the text that can be the beginning of a secret, so that a stream continues.
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
    """Middleware between Prefect's routes and the compression: masks secrets in the responses of routes."""

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
            # An application that is mounted in this one has already masked the response, and may have compressed it.
            if here is None:
                here = not state.get("guarded")
                state["guarded"] = True
            await (masking if here else send)(message)

        await self.app(scope, receive, send_masked)


class SettingsMasked:
    """Collects a response of JSON, and masks the texts in it that Prefect itself has not set."""

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
    """Middleware around Prefect's application: rejects requests of other pages and names, and masks all responses."""

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
                raise RuntimeError(f"the response to {scope['path']} was compressed before its secrets were masked")
            await masking(message)

        await self.app(scope, receive, send_guarded)

    def problem(self, scope: Scope) -> tuple[int, str] | None:
        host = header(scope, b"host") or ""
        probe = scope["type"] == "http" and scope["method"] == "GET" and scope["path"] in PROBES
        if host and not probe and not is_own_name(host, self.names):
            return (
                421,
                "This API rejects requests for this host name. To allow it, add it to prefect_server_allowed_hosts.",
            )
        origin = header(scope, b"origin")
        if origin is None or (scope["type"] == "http" and scope["method"] in SAFE_METHODS):
            return None
        if is_own_origin(origin, host, self.origins):
            return None
        return (
            403,
            "Pages of this origin cannot do this. To allow the origin, add it to prefect_server_allowed_origins.",
        )


def applications(app: Any) -> Iterator[Any]:
    """Yield an application of Starlette, and the applications that are mounted in it."""
    yield app
    for route in app.routes:
        mounted = getattr(route, "app", None)
        if hasattr(mounted, "user_middleware"):
            yield from applications(mounted)


def guarded(app: Any, needles: list[bytes], names: list[str], origins: list[str], defaults: dict[str, Any]) -> App:
    for part in applications(app):
        part.add_middleware(AnswerGuard, needles=needles, defaults=defaults)
        # The last middleware is the innermost: it receives a response before the compression.
        part.user_middleware.append(part.user_middleware.pop(0))
    return RequestGuard(app, needles, names, origins)


def close_templates(environment: Any) -> None:
    """Block access of clients' templates to all attributes. Only the background services render templates."""
    if not callable(getattr(environment, "is_safe_attribute", None)):
        raise SystemExit("serve_api: this version of Prefect renders the templates of users outside a sandbox")
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
    # As in Prefect's command line: only the background services send usage data.
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

    # Imported only now, because Prefect reads the environment during its import.
    server = importlib.import_module("prefect.server.api.server")
    settings = importlib.import_module("prefect.settings").get_current_settings()
    close_templates(importlib.import_module("prefect.server.utilities.user_templates").UserTemplateEnvironment)
    if docket_url:
        build = server.Docket
        # If a newer Prefect creates it elsewhere, Redis rejects the connection without credentials, and the API does
        # not start.
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
