# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Requests to a Kubernetes API server with the settings of a kubeconfig.

The import of the Python package kubernetes would take a second in each task.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, TypeVar
from urllib.parse import quote, urlencode, urlsplit

try:
    import yaml
except ImportError:  # the module reports it
    yaml = None  # type: ignore[assignment]

Manifest = dict[str, Any]
Argument = TypeVar("Argument")
Result = TypeVar("Result")

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT = 60
PARALLEL = 8
JSON = "application/json"
# Kubernetes uses only the warning code 299. Quotes and backslashes in the text are escaped.
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
RETRIED = (429, 502, 503, 504)
ATTEMPTS = 5


class KubernetesError(Exception):
    """An error message for the user."""


class ApiError(KubernetesError):
    """The API server rejected a request."""

    def __init__(self, status: int, message: str, body: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


@dataclass
class Access:
    """The address of the API server and the credentials."""

    server: str
    tls: ssl.SSLContext | None
    headers: dict[str, str] = field(default_factory=dict)
    proxy: str = ""
    # Name in the certificate of the server, if it differs from the address, for example through a tunnel.
    name: str = ""


class _NamedConnection(http.client.HTTPSConnection):
    """A connection to a server whose certificate does not contain its address."""

    def __init__(self, host: str, port: int, *, name: str, context: ssl.SSLContext) -> None:
        super().__init__(host, port, timeout=TIMEOUT, context=context)
        self._name, self._tls = name, context

    def connect(self) -> None:
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


def has_yaml() -> bool:
    """Whether kubeconfig files can be read."""
    return yaml is not None


def _read_kubeconfig(path: str) -> dict[str, Any]:
    """Return the merged content of all files of a search path. The first file that sets a value wins."""
    merged: dict[str, Any] = {"clusters": {}, "users": {}, "contexts": {}, "current-context": ""}
    files = [Path(name).expanduser() for name in path.split(os.pathsep) if name]
    if not any(file.exists() for file in files):
        raise KubernetesError(f"The kubeconfig {path} does not exist. Set the option kubeconfig to an existing file.")
    for file in filter(Path.exists, files):
        try:
            content = yaml.safe_load(file.read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise KubernetesError(f"The kubeconfig {file} cannot be read: {error}") from error
        merged["current-context"] = merged["current-context"] or content.get("current-context") or ""
        for kind in ("clusters", "users", "contexts"):
            for entry in content.get(kind) or []:
                value = dict(entry.get(kind[:-1]) or {}, directory=str(file.resolve().parent))
                merged[kind].setdefault(entry["name"], value)
    return merged


def _file_of(entry: Mapping[str, Any], key: str, directory: Path) -> str:
    """Return the path of a file. Data in the kubeconfig is written to a file first."""
    if entry.get(f"{key}-data"):
        path = directory / key
        path.touch(0o600)
        path.write_bytes(base64.b64decode(entry[f"{key}-data"]))
        return str(path)
    return str(Path(entry["directory"]) / entry[key]) if entry.get(key) else ""


def _credentials_of_program(user: Mapping[str, Any], cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Run the exec credential plugin of the kubeconfig, and return the credentials that it prints."""
    plugin = user["exec"]
    information = {
        "apiVersion": plugin.get("apiVersion", "client.authentication.k8s.io/v1"),
        "kind": "ExecCredential",
        "spec": {"interactive": False, "cluster": {"server": cluster["server"]}},
    }
    environment = {entry["name"]: entry["value"] for entry in plugin.get("env") or []}
    environment["KUBERNETES_EXEC_INFO"] = json.dumps(information)
    words = [plugin["command"], *(plugin.get("args") or [])]
    try:
        ended = subprocess.run(
            words, env={**os.environ, **environment}, cwd=user["directory"], capture_output=True, text=True, check=False
        )
        if ended.returncode:
            raise KubernetesError(
                f"The credential plugin {words[0]} of the kubeconfig failed with exit code {ended.returncode}: "
                f"{ended.stderr.strip()}"
            )
        return dict(json.loads(ended.stdout)["status"])
    except (OSError, ValueError, KeyError) as error:
        raise KubernetesError(f"The credential plugin {words[0]} of the kubeconfig failed: {error}") from error


def _login(user: Mapping[str, Any], cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user entry with its token, or its client certificate and key."""
    login = dict(user)
    if user.get("as") or user.get("as-groups"):
        raise KubernetesError(
            f"The kubeconfig impersonates {user.get('as') or user['as-groups']}, which this collection does not "
            "support. Use a context whose user has the permissions itself."
        )
    if user.get("auth-provider"):
        raise KubernetesError(
            "The kubeconfig uses an auth-provider, which Kubernetes has removed. Use the exec plugin of the provider."
        )
    if user.get("exec"):
        status = _credentials_of_program(user, cluster)
        login["token"] = status.get("token")
        for name, key in (("clientCertificateData", "client-certificate"), ("clientKeyData", "client-key")):
            if status.get(name):
                login[f"{key}-data"] = base64.b64encode(status[name].encode()).decode()
    elif user.get("tokenFile"):
        login["token"] = (Path(user["directory"]) / user["tokenFile"]).read_text().strip()
    return login


def _trusting(authority: str | None) -> ssl.SSLContext:
    """Return a TLS context that accepts the same certificates as kubectl.

    By default, Python 3.13 rejects a CA certificate without a key identifier, which some clusters use.
    """
    context = ssl.create_default_context(cafile=authority)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _tls(cluster: Mapping[str, Any], login: Mapping[str, Any]) -> ssl.SSLContext:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        context = _trusting(_file_of(cluster, "certificate-authority", directory) or None)
        if cluster.get("insecure-skip-tls-verify"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        certificate = _file_of(login, "client-certificate", directory)
        if certificate:
            context.load_cert_chain(certificate, _file_of(login, "client-key", directory) or None)
    return context


def access_from_kubeconfig(path: str, context: str) -> Access:
    """Return the access to the API server of a context of the kubeconfig."""
    config = _read_kubeconfig(path)
    name = context or config["current-context"]
    if name not in config["contexts"]:
        known = ", ".join(config["contexts"]) or "none"
        raise KubernetesError(f"The kubeconfig {path} has no context {name!r}. Its contexts: {known}.")
    chosen = config["contexts"][name]
    try:
        cluster, user = config["clusters"][chosen["cluster"]], config["users"][chosen["user"]]
    except KeyError as error:
        raise KubernetesError(
            f"The context {name!r} of {path} refers to {error}, which does not exist in the kubeconfig."
        ) from error
    try:
        login = _login(user, cluster)
        tls = _tls(cluster, login) if cluster["server"].startswith("https:") else None
    except OSError as error:
        raise KubernetesError(f"The kubeconfig {path} refers to a file that cannot be read: {error}") from error
    headers = {"Authorization": f"Bearer {login['token']}"} if login.get("token") else {}
    name, proxy = cluster.get("tls-server-name") or "", cluster.get("proxy-url") or ""
    return Access(cluster["server"].rstrip("/"), tls, headers, proxy, name)


def access_from_pod() -> Access:
    """Return the access of a pod to the API server of its cluster."""
    token = (SERVICE_ACCOUNT / "token").read_text().strip()
    tls = _trusting(str(SERVICE_ACCOUNT / "ca.crt"))
    return Access("https://kubernetes.default.svc", tls, {"Authorization": f"Bearer {token}"})


# Options of modules that need a cluster. The documentation fragment kubernetes describes them.
ACCESS_OPTIONS = {"kubeconfig": {"type": "path"}, "context": {"type": "str"}}


def access(kubeconfig: str | None, context: str | None) -> Access:
    """Return the access to the API server, from the same sources as kubectl."""
    path = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    if not any(Path(name).expanduser().exists() for name in path.split(os.pathsep) if name):
        if not kubeconfig and (SERVICE_ACCOUNT / "token").exists():
            return access_from_pod()
        raise KubernetesError(
            f"The kubeconfig {path} does not exist. Set the option kubeconfig, or the variable KUBECONFIG."
        )
    return access_from_kubeconfig(path, context or "")


def _refusal(status: int, answer: bytes) -> ApiError:
    try:
        reason = json.loads(answer)
    except ValueError:
        reason = {}
    return ApiError(status, reason.get("message") or answer.decode(errors="replace")[:500], reason)


class KubernetesClient:
    """A client of one API server, for several threads."""

    def __init__(self, way: Access) -> None:
        self.way = way
        # Warnings in the responses of the API server, for example about pods that violate a policy.
        self.warnings: set[str] = set()
        self._local = threading.local()

    def _connect(self) -> http.client.HTTPConnection:
        """Return a new connection; its first request opens it."""
        parts = urlsplit(self.way.server)
        host, port = parts.hostname or "", parts.port or (443 if self.way.tls else 80)
        proxy = self.way.proxy
        if not proxy and not urllib.request.proxy_bypass(host):
            proxy = urllib.request.getproxies().get(parts.scheme, "")
        through = urlsplit(proxy) if proxy else parts
        target = (through.hostname or "", through.port or port)
        connection: http.client.HTTPConnection
        if self.way.tls:
            connection = _NamedConnection(*target, name=self.way.name or host, context=self.way.tls)
        else:
            connection = http.client.HTTPConnection(*target, timeout=TIMEOUT)
        if proxy:
            connection.set_tunnel(host, port)
        return connection

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
        return connection

    def _unreachable(self, error: Exception) -> KubernetesError:
        return KubernetesError(f"Cannot connect to the API server {self.way.server}: {error or type(error).__name__}")

    def _send(self, method: str, path: str, body: bytes | None, kind: str, accept: str) -> tuple[int, str, bytes]:
        """Send a request, and retry it on a new connection if the old one was closed."""
        headers = {**self.way.headers, "Accept": accept, **({"Content-Type": kind} if body else {})}
        for attempt in (1, 2):
            connection = self._connection()
            try:
                connection.request(method, urlsplit(self.way.server).path + path, body, headers)
                answer = connection.getresponse()
                for warning in answer.headers.get_all("Warning") or []:
                    self.warnings.update(_WARNING.findall(warning))
                return answer.status, answer.getheader("Retry-After") or "", answer.read()
            except (http.client.HTTPException, OSError) as error:
                connection.close()
                self._local.connection = None
                if attempt == 2 or isinstance(error, (ssl.SSLError, TimeoutError)):
                    raise self._unreachable(error) from error
        raise AssertionError

    def text(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        kind: str = JSON,
        accept: str = JSON,
    ) -> str:
        """Return the body of a response. All requests are repeatable, and are retried if the server is overloaded."""
        target = path + ("?" + urlencode(query) if query else "")
        content = None if body is None else json.dumps(body).encode()
        for attempt in range(1, ATTEMPTS + 1):
            status, later, answer = self._send(method, target, content, kind, accept)
            if status < 400:
                return answer.decode(errors="replace")
            if status not in RETRIED or attempt == ATTEMPTS:
                break
            time.sleep(min(float(later) if later.isdigit() else 1.0, 10))
        raise _refusal(status, answer)

    def json(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        kind: str = JSON,
        accept: str = JSON,
    ) -> Any:
        return json.loads(self.text(method, path, query, body, kind, accept))

    def found(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """Return the object at a path, None if it does not exist."""
        try:
            return self.json("GET", path, query)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def websocket(
        self, path: str, query: Sequence[tuple[str, str]], protocol: str
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Return a new WebSocket connection, and the response from which to read it."""
        headers = {
            **self.way.headers,
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": protocol,
        }
        connection = self._connect()
        try:
            target = f"{urlsplit(self.way.server).path}{path}?{urlencode(query)}"
            connection.request("GET", target, headers=headers)
            answer = connection.getresponse()
            if answer.status != 101:
                raise _refusal(answer.status, answer.read())
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise self._unreachable(error) from error
        except ApiError:
            connection.close()
            raise
        return connection, answer

    @staticmethod
    def together(work: Callable[[Argument], Result], arguments: Sequence[Argument]) -> list[Result]:
        """Call the function for each argument, several in parallel, and return the results."""
        with ThreadPoolExecutor(min(PARALLEL, max(1, len(arguments)))) as pool:
            return list(pool.map(work, arguments))


def part(text: str) -> str:
    """Return a path segment, percent-encoded."""
    return quote(text, safe="")
