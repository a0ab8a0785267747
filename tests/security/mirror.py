# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A package index that requires a password. It serves the index of this host, and additional packages of the tests."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import tarfile
import threading
import urllib.error
import urllib.request
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import quote

UPSTREAM = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL") or "https://pypi.org/simple"
FILES = "https://files.pythonhosted.org/"


def wheel(name: str, files: dict[str, str]) -> tuple[str, bytes]:
    """Return the file name and the content of a wheel with the given files."""
    about = f"{name}-1.0.dist-info"
    everything = {
        **files,
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*everything, f"{about}/RECORD"])
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path, text in {**everything, f"{about}/RECORD": record}.items():
            archive.writestr(path, text)
    return f"{name}-1.0-py3-none-any.whl", content.getvalue()


def source(name: str, backend: str) -> tuple[str, bytes]:
    """Return the file name and the content of a source distribution that the given code builds."""
    files = {
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "backend.py": backend,
        "pyproject.toml": "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
        f"[project]\nname = '{name}'\nversion = '1.0'\n",
    }
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(f"{name}-1.0/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return f"{name}-1.0.tar.gz", content.getvalue()


def locked(name: str, content: bytes) -> str:
    """Return the entry of a lock file."""
    return f"{name}==1.0 --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"


class Mirror(ThreadingHTTPServer):
    """The server. It runs as a context manager, and records the requested paths."""

    daemon_threads = True

    def __init__(self, address: str, user: str, password: str) -> None:
        super().__init__((address, 0), Handler)
        self.credentials = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.url = f"http://{quote(user, '')}:{quote(password, '')}@{address}:{self.server_address[1]}/simple"
        self.own: dict[str, tuple[str, bytes]] = {}  # project: its only file
        self.served: list[str] = []
        self.refused: list[str] = []

    def page(self, project: str) -> bytes:
        if project in self.own:
            name, content = self.own[project]
            links = f'<a href="/own/{project}/{name}#sha256={hashlib.sha256(content).hexdigest()}">{name}</a>'
            return f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
        request = urllib.request.Request(f"{UPSTREAM.rstrip('/')}/{project}/", headers={"Accept": "text/html"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read().replace(FILES.encode(), b"/files/"))

    def file(self, path: str) -> bytes:
        if path.startswith("/own/"):
            return self.own[path.split("/")[2]][1]
        with urllib.request.urlopen(FILES + path.removeprefix("/files/"), timeout=120) as answer:
            return bytes(answer.read())

    def __enter__(self) -> Mirror:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    server: Mirror
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body, kind = b"", "text/html"
        if self.headers.get("Authorization") != self.server.credentials:
            self.server.refused.append(self.path)
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="mirror"')
        else:
            try:
                if self.path.startswith("/simple/"):
                    body = self.server.page(self.path.split("/")[2])
                else:
                    body, kind = self.server.file(self.path), "application/octet-stream"
                self.server.served.append(self.path)
                self.send_response(200)
            except (KeyError, urllib.error.HTTPError):
                self.send_response(404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
