# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Requests to a Kubernetes API server, as a kubeconfig says.

The Python package kubernetes does this too, but takes a second to be imported, in each task anew.
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
except ImportError:  # found by the module, which says so
    yaml = None  # type: ignore[assignment]

Manifest = dict[str, Any]
Argument = TypeVar("Argument")
Result = TypeVar("Result")

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TIMEOUT = 60
PARALLEL = 8
JSON = "application/json"
# Of several kinds that one may send, Kubernetes uses 299 only; the text has quotes and backslashes escaped.
_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
RETRIED = (429, 502, 503, 504)
ATTEMPTS = 5


class KubernetesError(Exception):
    """What a person has to know."""


class ApiError(KubernetesError):
    """The API server refused a request."""

    def __init__(self, status: int, message: str, body: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


@dataclass
class Access:
    """Where the API server is, and how to log in there."""

    server: str
    tls: ssl.SSLContext | None
    headers: dict[str, str] = field(default_factory=dict)
    proxy: str = ""
    # That the server's certificate has to have, where it is reached by another name, as through a tunnel.
    name: str = ""


class _NamedConnection(http.client.HTTPSConnection):
    """A connection to a server whose certificate has another name than its address."""

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
    """Return the merged content of all files of a search path; the first to name something wins."""
    merged: dict[str, Any] = {"clusters": {}, "users": {}, "contexts": {}, "current-context": ""}
    files = [Path(name).expanduser() for name in path.split(os.pathsep) if name]
    if not any(file.exists() for file in files):
        raise KubernetesError(f"there is no kubeconfig {path}: name one that is there with the option kubeconfig")
    for file in filter(Path.exists, files):
        try:
            content = yaml.safe_load(file.read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise KubernetesError(f"the kubeconfig {file} cannot be read: {error}") from error
        merged["current-context"] = merged["current-context"] or content.get("current-context") or ""
        for kind in ("clusters", "users", "contexts"):
            for entry in content.get(kind) or []:
                value = dict(entry.get(kind[:-1]) or {}, directory=str(file.resolve().parent))
                merged[kind].setdefault(entry["name"], value)
    return merged


def _file_of(entry: Mapping[str, Any], key: str, directory: Path) -> str:
    """Return the path of what is given as a path, or as data that is written to a file first."""
    if entry.get(f"{key}-data"):
        path = directory / key
        path.touch(0o600)
        path.write_bytes(base64.b64decode(entry[f"{key}-data"]))
        return str(path)
    return str(Path(entry["directory"]) / entry[key]) if entry.get(key) else ""


def _credentials_of_program(user: Mapping[str, Any], cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Run what a cloud provider's kubeconfig names, and return the login that it prints."""
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
                f"{words[0]}, which the kubeconfig logs in with, ended with {ended.returncode}: {ended.stderr.strip()}"
            )
        return dict(json.loads(ended.stdout)["status"])
    except (OSError, ValueError, KeyError) as error:
        raise KubernetesError(f"{words[0]}, which the kubeconfig logs in with, does not work: {error}") from error


def _login(user: Mapping[str, Any], cluster: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's entry with the token, or the certificate and key, that logs it in."""
    login = dict(user)
    if user.get("as") or user.get("as-groups"):
        raise KubernetesError(
            f"the kubeconfig acts as {user.get('as') or user['as-groups']}, which this collection cannot: "
            "use a context whose user has the permissions itself"
        )
    if user.get("auth-provider"):
        raise KubernetesError(
            "the kubeconfig logs in with an auth-provider, which Kubernetes has removed: use its exec plugin"
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
    """Return what accepts the certificates that kubectl accepts, also from Python 3.13 on.

    Since then, an authority without a key identifier is refused, as some clusters have one.
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
    """Return how to reach the API server that a context of the kubeconfig names."""
    config = _read_kubeconfig(path)
    name = context or config["current-context"]
    if name not in config["contexts"]:
        known = ", ".join(config["contexts"]) or "none"
        raise KubernetesError(f"the kubeconfig {path} has no context {name!r}: it has {known}")
    chosen = config["contexts"][name]
    try:
        cluster, user = config["clusters"][chosen["cluster"]], config["users"][chosen["user"]]
    except KeyError as error:
        raise KubernetesError(f"the context {name!r} of {path} names {error}, which is not there") from error
    try:
        login = _login(user, cluster)
        tls = _tls(cluster, login) if cluster["server"].startswith("https:") else None
    except OSError as error:
        raise KubernetesError(f"the kubeconfig {path} names a file that cannot be used: {error}") from error
    headers = {"Authorization": f"Bearer {login['token']}"} if login.get("token") else {}
    name, proxy = cluster.get("tls-server-name") or "", cluster.get("proxy-url") or ""
    return Access(cluster["server"].rstrip("/"), tls, headers, proxy, name)


def access_from_pod() -> Access:
    """Return how a pod reaches the API server of its own cluster."""
    token = (SERVICE_ACCOUNT / "token").read_text().strip()
    tls = _trusting(str(SERVICE_ACCOUNT / "ca.crt"))
    return Access("https://kubernetes.default.svc", tls, {"Authorization": f"Bearer {token}"})


# Of a module that needs a cluster; the documentation fragment kubernetes describes them.
ACCESS_OPTIONS = {"kubeconfig": {"type": "path"}, "context": {"type": "str"}}


def access(kubeconfig: str | None, context: str | None) -> Access:
    """Return how to reach the API server, as kubectl would."""
    path = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    if not any(Path(name).expanduser().exists() for name in path.split(os.pathsep) if name):
        if not kubeconfig and (SERVICE_ACCOUNT / "token").exists():
            return access_from_pod()
        raise KubernetesError(f"there is no kubeconfig at {path}: set the option kubeconfig, or KUBECONFIG")
    return access_from_kubeconfig(path, context or "")


def _refusal(status: int, answer: bytes) -> ApiError:
    try:
        reason = json.loads(answer)
    except ValueError:
        reason = {}
    return ApiError(status, reason.get("message") or answer.decode(errors="replace")[:500], reason)


class KubernetesClient:
    """Requests to one API server, from several threads."""

    def __init__(self, way: Access) -> None:
        self.way = way
        # What the API server had to say about requests that it carried out, such as pods that it will not admit.
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
        return KubernetesError(f"the API server {self.way.server} cannot be reached: {error or type(error).__name__}")

    def _send(self, method: str, path: str, body: bytes | None, kind: str, accept: str) -> tuple[int, str, bytes]:
        """Send a request, once more on a new connection if the old one was closed meanwhile."""
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
        """Return the body of an answer. All that is sent here may be sent again, when the server has no time for it."""
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
        """Return what is at a path, None where there is nothing."""
        try:
            return self.json("GET", path, query)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def websocket(
        self, path: str, query: Sequence[tuple[str, str]], protocol: str
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Return a connection of its own that has become a websocket, and the answer, from which it is read."""
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
        """Return what the work gives for each argument; several are under way at a time."""
        with ThreadPoolExecutor(min(PARALLEL, max(1, len(arguments)))) as pool:
            return list(pool.map(work, arguments))


def part(text: str) -> str:
    """One part of a path."""
    return quote(text, safe="")
