# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Prefect server, a proxy that logs requests and injects faults, and functions that run modules."""

from __future__ import annotations

import contextlib
import http.client
import importlib
import io
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock
from urllib.parse import urlsplit

from ansible.module_utils import basic
from ansible.module_utils.common import warnings

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import NOTHING

ROOT = Path(__file__).resolve().parents[3]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "selfhosted-prefect"
# The versions with a lock file in the collection, and the oldest supported version.
LOCKS = {
    path.stem.partition("-")[2]: path
    for directory in ("roles/prefect_host/files", "tests/integration")
    for path in (ROOT / directory).glob("prefect-*.txt")
}
MODULES = "ansible_collections.selfhosted.prefect.plugins.modules."
# Options with which Ansible runs a module on this host, with the interpreter of the tests.
HERE = ["-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
READING_POSTS = ("/filter", "/count", "/paginate")


def installed_prefect(version: str) -> Path:
    """Return the environment with the same packages that the roles deploy. It is created once per host."""
    lock = LOCKS[version]
    venv = CACHE / f"prefect-{version}"
    stamp = venv / "complete"
    if not stamp.exists() or stamp.read_text() != lock.read_text():
        stamp.unlink(missing_ok=True)
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)], check=True)
        locked = ["--no-deps", "--require-hashes", "--only-binary", ":all:", "-r", str(lock)]
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", *locked]
        subprocess.run(install, check=True, env={**os.environ, "VIRTUAL_ENV": str(venv)})
        stamp.write_text(lock.read_text())
    return venv


def free_port() -> int:
    """Return a free port outside the range of ephemeral ports."""
    # A random port, because other tests search at the same time, and a server binds its port only after seconds.
    for port in random.sample(range(20000, 32000), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port found between 20000 and 32000")


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"did not become true in {seconds} s"
        time.sleep(0.1)


class PostgreSQL:
    """A separate PostgreSQL cluster on a free port. stop() removes it completely."""

    def __init__(self, **further: str) -> None:
        # The programs of PostgreSQL do not run as root.
        account = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        self.home = Path(tempfile.mkdtemp(prefix="selfhosted-prefect-postgres-"))
        if account:
            shutil.chown(self.home, **account)
        programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        data, self.port = self.home / "data", free_port()
        how = ["--auth=trust", "--username=prefect", "--encoding=UTF8", "--no-sync"]
        started: dict[str, Any] = {"cwd": self.home, "env": {"LC_ALL": "C.UTF-8"}, "stdin": subprocess.DEVNULL}
        initdb = [str(programs / "initdb"), "-D", str(data), *how]
        subprocess.run(initdb, **started, **account, check=True, capture_output=True)
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",
        }
        settings |= further
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        self.log = self.home / "log"
        with self.log.open("w") as log:
            command = [str(programs / "postgres"), "-D", str(data), *words]
            self.process = subprocess.Popen(command, **started, **account, stdout=log, stderr=log)
        wait_for(self._accepts)
        self.url = f"postgresql+asyncpg://prefect@127.0.0.1:{self.port}/postgres"

    def _accepts(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "ready to accept connections" in self.log.read_text()

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)  # a fast shutdown, which does not wait for clients
        self.process.wait(60)
        shutil.rmtree(self.home)


class Server:
    """A separate Prefect server, on SQLite unless the settings name another database."""

    def __init__(self, version: str, home: Path, **settings: str) -> None:
        self.version, self.home = version, home
        self.venv = installed_prefect(version)
        self.port = free_port()
        self.environment = {
            "PATH": f"{self.venv}/bin:{os.environ['PATH']}",
            "HOME": str(home),
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_UI_ENABLED": "false",
            # The tests themselves mark runs as late.
            "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
            # No test needs these services, and SQLite has only one writer at a time.
            "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false",
            "PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED": "false",
            "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_ENABLED": "false",
            "PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api",
            **settings,
        }
        self.log = home / "server.log"
        command = [f"{self.venv}/bin/prefect", "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        try:
            wait_for(self._answers, 300)  # five seconds on an idle host
        except BaseException:
            self.stop()
            raise

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        return False

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def absent(items: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Return the document that removes the objects of this document."""
    keys = ("name", "tag", "flow", "block_type", "slug", "version")
    return {
        kind: [{**{name: item[name] for name in keys if name in item}, "state": "absent"} for item in wanted]
        for kind, wanted in items.items()
    }


class Request(NamedTuple):
    method: str
    path: str
    body: Any

    @property
    def writes(self) -> bool:
        reads = self.method == "POST" and self.path.endswith(READING_POSTS)
        return self.method != "GET" and not reads and NOTHING not in self.path


class Fault(NamedTuple):
    """A fault that the proxy injects instead of forwarding a request; with `acts`, after the server has handled it."""

    method: str
    path: str  # a part of the path
    status: int = 0  # 0: close the connection without an answer
    headers: tuple[tuple[str, str], ...] = ()
    acts: bool = False
    delay: float = 0  # seconds to wait before


class Proxy:
    """A proxy that forwards requests to the server, records them, and injects faults."""

    def __init__(
        self, server: Server, tls: ssl.SSLContext | None = None, required: tuple[str, str] | None = None
    ) -> None:
        self.requests: list[Request] = []
        self.faults: list[Fault] = []  # each is injected once
        self.trouble: Fault | None = None  # injected for every request when it is first sent
        self.sent: set[tuple[str, str, bytes]] = set()
        self.headers: list[dict[str, str]] = []
        self.rewrite: Callable[[Any], Any] = lambda body: body  # applied to the body before the server receives it
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                with contextlib.suppress(ConnectionError):
                    super().handle_one_request()

            def _pass_on(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                target = urlsplit(self.path)
                path = target.path + (f"?{target.query}" if target.query else "")
                request = Request(self.command, path, json.loads(body) if body else None)
                sent = (self.command, target.path, body)  # without the query, which differs for every CSRF token
                known = sent in proxy.sent
                proxy.sent.add(sent)
                proxy.requests.append(request)
                proxy.headers.append(dict(self.headers.items()))
                if required and self.headers.get(required[0]) != required[1]:
                    return self._answer(407 if "Proxy" in required[0] else 403, {}, b'{"detail":"no entry"}')
                fault = proxy.next_fault(self.command, path) or (None if known else proxy.trouble)
                if fault is not None and not fault.acts:
                    return self._misbehave(fault)
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
                if body:
                    body = json.dumps(proxy.rewrite(json.loads(body))).encode()
                hop_by_hop = ("host", "connection", "proxy-authorization", "content-length")
                headers = {name: value for name, value in self.headers.items() if name.lower() not in hop_by_hop}
                connection.request(self.command, path, body, headers)
                response = connection.getresponse()
                answer = response.read()
                connection.close()
                if response.status == 503:  # SQLite was locked, nothing was done, and the client retries
                    proxy.requests.remove(request)
                if fault is not None:
                    return self._misbehave(fault)
                kept = {"Content-Type": response.headers.get("Content-Type", "application/json")}
                return self._answer(response.status, kept, answer)

            def _misbehave(self, fault: Fault) -> None:
                time.sleep(fault.delay)
                if fault.status:
                    return self._answer(fault.status, dict(fault.headers), b'{"detail":"injected"}')
                self.close_connection = True
                with contextlib.suppress(OSError):
                    self.connection.shutdown(socket.SHUT_RDWR)
                return None

            def _answer(self, status: int, headers: dict[str, str], answer: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on

            def log_message(self, *args: Any) -> None:
                """Log nothing: proxy.requests contains every request."""

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/api"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def next_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.method == method and fault.path in path:
                self.faults.remove(fault)
                return fault
        return None

    @property
    def writes(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests if request.writes]

    def forget(self) -> None:
        self.requests.clear()
        self.sent.clear()
        self.headers.clear()
        self.faults.clear()
        self.rewrite = lambda body: body

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def private_tls(directory: Path) -> ssl.SSLContext:
    """Return a TLS context for 127.0.0.1. Its CA certificate is ca.pem; client.pem and client.key are for a client."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    for name, subject in (("ca", "/CN=Private CA"), ("server", "/CN=127.0.0.1"), ("client", "/CN=client")):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", f"{name}.key")
        if name == "ca":
            openssl("req", "-x509", "-new", "-key", "ca.key", "-subj", subject, "-days", "2", "-out", "ca.pem")
        else:
            (directory / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
            openssl("req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", f"{name}.csr")
            signing = ["x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
            openssl(*signing, "-days", "2", "-extfile", "extensions", "-out", f"{name}.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "server.pem", directory / "server.key")
    return context


class ModuleFailure(Exception):
    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result["msg"])
        self.result = result


def run_module(name: str, options: dict[str, Any], check: bool = False) -> dict[str, Any]:
    """Run the main() of a module in this process, with the options as Ansible passes them, and return its output."""
    arguments = {"ANSIBLE_MODULE_ARGS": {**options, "_ansible_check_mode": check, "_ansible_diff": True}}
    output = io.StringIO()
    patches = [mock.patch.object(basic, "_ANSIBLE_ARGS", json.dumps(arguments).encode())]
    # Ansible collects warnings per process.
    patches.append(mock.patch.object(warnings, "_global_warnings", type(warnings._global_warnings)()))
    if hasattr(basic, "_ANSIBLE_PROFILE"):  # since ansible-core 2.19
        patches.append(mock.patch.object(basic, "_ANSIBLE_PROFILE", "legacy"))  # type: ignore[arg-type]
        # In this process, Ansible has loaded its own plugins. They would print a warning instead of returning it.
        patches.append(mock.patch("ansible.module_utils._internal.is_controller", False))
    with contextlib.ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch)
        stack.enter_context(contextlib.redirect_stdout(output))
        with contextlib.suppress(SystemExit):
            importlib.import_module(MODULES + name).main()
    result: dict[str, Any] = json.loads(output.getvalue())
    if result.get("failed"):
        raise ModuleFailure(result)
    return result


def warnings_of(result: dict[str, Any]) -> list[str]:
    """Return the warnings as texts. ansible-core 2.19 and newer return objects."""
    return [one if isinstance(one, str) else one["event"]["msg"] for one in result.get("warnings", ())]


class Api:
    """Runs the modules on a server, and sends direct requests to it."""

    def __init__(self, server: Server, proxy: Proxy, **options: Any) -> None:
        self.server, self.proxy = server, proxy
        self.options = {"api_url": proxy.url, "retry_max_delay": 0.05, **options}

    def run(self, module: str, /, **options: Any) -> dict[str, Any]:
        return run_module(module, {**self.options, **options})

    def check(self, module: str, /, **options: Any) -> dict[str, Any]:
        return run_module(module, {**self.options, **options}, check=True)

    def ensure(self, module: str, /, **options: Any) -> dict[str, Any]:
        """Run in check mode, for real, and again. Check mode predicts the real run; the last run changes nothing."""
        self.proxy.forget()
        predicted = self.check(module, **options)
        assert self.proxy.writes == []
        done = self.run(module, **options)
        assert predicted["changed"] == done["changed"] == bool(self.proxy.writes)
        assert predicted["diff"] == done["diff"]
        assert wanted_part(predicted[module]) == wanted_part(done[module])
        writes = list(self.proxy.writes)
        bodies = [request.body for request in self.proxy.requests if request.writes]
        self.proxy.forget()
        again = self.run(module, **options)
        assert again["changed"] is False
        assert again["diff"]["before"] == again["diff"]["after"]
        assert self.proxy.writes == []
        return {**done, "writes": writes, "bodies": bodies}

    def raw(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request that bypasses the modules and the log of the proxy."""

        def answer() -> tuple[int, bytes] | None:
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
            connection.request(method, "/api" + path, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            content = response.read()
            connection.close()
            return None if response.status == 503 else (response.status, content)  # SQLite was locked: retry

        status, content = wait_for(answer)
        assert status < 300, (status, content)
        return json.loads(content) if content else None


def wanted_part(result: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the fields that the server does not set itself."""
    runtime = (
        *("id", "created", "updated", "status", "active_slots", "last_polled", "flow_id", "is_protected", "checksum"),
        "block_schema",
    )
    return result and {name: value for name, value in result.items() if name not in runtime}


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    with mock.patch.dict(os.environ, variables):
        yield
