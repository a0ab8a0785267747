"""Connections, retries, CSRF and secrets."""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.modules.server_info import MASK, masked

from .conftest import AUTH_STRING
from .support import (
    HERE,
    ROOT,
    Api,
    Fault,
    ModuleFailure,
    Proxy,
    Server,
    environment,
    free_port,
    private_tls,
    run_module,
)

LIMIT: dict[str, Any] = {"name": "transport", "limit": 1}


@pytest.fixture
def guard(guarded: Server) -> Iterator[Proxy]:
    """A proxy in front of the server with basic authentication and CSRF protection. It requires its own header."""
    proxy = Proxy(guarded, required=("X-Entry", "open"))
    yield proxy
    proxy.stop()


def test_connection_options_have_prefects_environment_names(guard: Proxy) -> None:
    headers = json.dumps({"X-Entry": "open"})
    with environment(
        PREFECT_API_URL=guard.url, PREFECT_API_AUTH_STRING=AUTH_STRING, PREFECT_CLIENT_CUSTOM_HEADERS=headers
    ):
        assert run_module("global_concurrency_limit", {"name": "environment", "limit": 1})["changed"]
    assert all("Bearer" not in headers["Authorization"] for headers in guard.headers)
    with (
        environment(PREFECT_API_URL=guard.url, PREFECT_API_KEY="the-key", PREFECT_CLIENT_CUSTOM_HEADERS=headers),
        pytest.raises(ModuleFailure, match=r"returned HTTP 401: .*\(set auth_string or api_key\)"),
    ):
        run_module("global_concurrency_limit", {"name": "environment", "limit": 1})
    assert guard.headers[-1]["Authorization"] == "Bearer the-key"


def test_there_is_no_default_url() -> None:
    assert "PREFECT_API_URL" not in os.environ
    with pytest.raises(ModuleFailure, match="missing required arguments: api_url"):
        run_module("global_concurrency_limit", LIMIT)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://user:secret@127.0.0.1:1/api", "credentials in the URL would be visible in logs: use auth_string"),
        ("127.0.0.1:4200/api", r"is not a URL: use the format http\(s\)://host\[:port\]/api"),
        ("http://no-such-host.invalid/api", "cannot resolve 'no-such-host.invalid'"),
    ],
)
def test_a_wrong_url_is_told(url: str, problem: str) -> None:
    with pytest.raises(ModuleFailure, match=problem) as failure:
        run_module("global_concurrency_limit", {**LIMIT, "api_url": url})
    assert "secret" not in str(failure.value)


def test_a_url_without_api_is_told(api: Api) -> None:
    for url in (api.proxy.url[: -len("/api")], api.proxy.url[: -len("api")]):
        with pytest.raises(ModuleFailure, match=r"check api_url, which usually ends in /api"):
            api.run("global_concurrency_limit", **LIMIT, api_url=url)
    assert api.run("global_concurrency_limit", name="slash", limit=1, api_url=api.proxy.url + "/")["changed"]


def test_tls_with_a_private_authority_and_a_client_certificate(api: Api, tmp_path: Path) -> None:
    context = private_tls(tmp_path)
    context.load_verify_locations(tmp_path / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    proxy = Proxy(api.server, tls=context)
    options = {"api_url": proxy.url, "name": "tls", "limit": 1, "retry_timeout": 0}
    client = {"client_cert": str(tmp_path / "client.pem"), "client_key": str(tmp_path / "client.key")}
    with pytest.raises(ModuleFailure, match=r"(?i)certificate.verify.failed"):
        run_module("global_concurrency_limit", {**options, **client})
    with pytest.raises(ModuleFailure, match="failed: "):  # the server closes connections without a client certificate
        run_module("global_concurrency_limit", {**options, "ca_path": str(tmp_path / "ca.pem")})
    assert run_module("global_concurrency_limit", {**options, **client, "ca_path": str(tmp_path / "ca.pem")})["changed"]
    with environment(PREFECT_API_SSL_CERT_FILE=str(tmp_path / "ca.pem")):
        assert not run_module("global_concurrency_limit", {**options, **client})["changed"]
    assert not run_module("global_concurrency_limit", {**options, **client, "validate_certs": False})["changed"]
    with pytest.raises(ModuleFailure, match="cannot load ca_path, client_cert or client_key"):
        run_module("global_concurrency_limit", {**options, **client, "ca_path": "/no/such/file"})
    proxy.stop()


def test_http_proxies_are_taken_from_the_environment(api: Api) -> None:
    with environment(HTTP_PROXY=f"http://127.0.0.1:{api.proxy.port}", NO_PROXY=""):
        result = run_module("server_info", {"api_url": "http://prefect.invalid/api"})
    assert result["server"]["version"] == api.server.version
    assert api.proxy.headers[0]["Host"].startswith("prefect.invalid")


def test_csrf_is_served_without_an_option(guard: Proxy) -> None:
    options: dict[str, Any] = {
        "api_url": guard.url,
        "auth_string": AUTH_STRING,
        "custom_headers": {"X-Entry": "open"},
        "global_concurrency_limits": [{"name": f"csrf {n}", "limit": 1} for n in range(5)],
    }
    assert run_module("configuration", options)["changed"]
    tokens = [request.path for request in guard.requests if "/csrf-token" in request.path]
    assert 1 <= len(tokens) <= 5, "one for each of the threads that write, and one for reading"
    assert not run_module("configuration", options)["changed"]


def test_csrf_tokens_are_renewed(guard: Proxy) -> None:
    limits = [{"name": f"renewed {n}", "limit": 1} for n in range(3)]
    refusal = Fault("POST", "/v2/concurrency_limits/", status=403)
    options: dict[str, Any] = {
        "api_url": guard.url,
        "auth_string": AUTH_STRING,
        "custom_headers": {"X-Entry": "open"},
        "global_concurrency_limits": limits,
    }
    # A 403 for another reason than the token causes neither a new token nor a retry.
    guard.faults.append(refusal)
    with pytest.raises(ModuleFailure, match="returned HTTP 403: injected"):
        run_module("configuration", options)


@pytest.mark.parametrize("status", [0, 502])
def test_a_lost_csrf_token_is_asked_for_again(guard: Proxy, status: int) -> None:
    guard.faults.append(Fault("GET", "/csrf-token", status, acts=True))
    options = {"api_url": guard.url, "auth_string": AUTH_STRING, "custom_headers": {"X-Entry": "open"}}
    assert run_module("global_concurrency_limit", {**options, "name": f"token {status}", "limit": 1})["changed"]
    assert guard.faults == []


def test_a_server_without_csrf_is_never_asked(api: Api) -> None:
    api.run("global_concurrency_limit", name="never asked", limit=1)
    assert not [request for request in api.proxy.requests if "csrf" in request.path]


@pytest.mark.parametrize(
    ("status", "acts"),
    # A 429 means that the server has not acted.
    [(429, False), *((status, acts) for status in (502, 503, 504, 0) for acts in (False, True))],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_trouble_on_the_way_changes_nothing(api: Api, status: int, method: str, acts: bool) -> None:
    """If a request or its answer is lost, the result is one correct object, and the module reports a change."""
    name = f"18 {status} {method} {acts}"
    if method in ("PATCH", "DELETE"):
        api.run("global_concurrency_limit", name=name, limit=1)
    api.proxy.faults.append(Fault(method, "/v2/concurrency_limits/", status=status, acts=acts))
    options = {"state": "absent"} if method == "DELETE" else {"limit": 2}
    assert api.run("global_concurrency_limit", name=name, **options)["changed"]
    assert api.proxy.faults == []
    left = api.run("global_concurrency_limit_info")["global_concurrency_limits"]
    assert [one["limit"] for one in left if one["name"] == name] == ([] if method == "DELETE" else [2])


@pytest.mark.parametrize("acts", [False, True])
def test_a_flow_run_is_never_created_twice(api: Api, acts: bool) -> None:
    api.run("deployment", flow="once", name="d")
    api.proxy.faults.append(Fault("POST", "/create_flow_run", status=502, acts=acts))
    run = api.run("flow_run", deployment="once/d", wait=False, tags=[f"acts {acts}"])["flow_run"]
    found = api.run("flow_run_info", deployment="once/d", tags=[f"acts {acts}"])["flow_runs"]
    assert [one["id"] for one in found] == [run["id"]]


def test_retry_after_is_honoured(api: Api) -> None:
    api.proxy.faults.append(Fault("GET", "/v2/", status=429, headers=(("Retry-After", "1.5"),)))
    start = time.monotonic()
    api.run("global_concurrency_limit", name="patient", limit=1)
    assert 1.5 <= time.monotonic() - start < 5


def test_the_budget_is_total_and_settable(api: Api) -> None:
    api.proxy.faults += [Fault("GET", "/v2/", status=503)] * 1000
    start = time.monotonic()
    with pytest.raises(ModuleFailure, match=r"GET .* returned HTTP 503: injected"):
        api.run("global_concurrency_limit", name="impatient", limit=1, retry_timeout=1)
    assert time.monotonic() - start < 3
    assert len(api.proxy.requests) > 3
    api.proxy.forget()
    api.proxy.faults.append(Fault("GET", "/v2/", status=503, headers=(("Retry-After", "3600"),)))
    with pytest.raises(ModuleFailure, match="HTTP 503"):
        api.run("global_concurrency_limit", name="impatient", limit=1, retry_timeout=5)


@pytest.mark.parametrize("status", [400, 401, 404, 405, 409, 422, 500])
def test_other_failures_are_never_repeated(api: Api, status: int) -> None:
    api.run("global_concurrency_limit", name="once", limit=1)
    api.proxy.forget()
    api.proxy.faults.append(Fault("PATCH", "/v2/", status=status))
    with pytest.raises(ModuleFailure, match=f"PATCH .*/v2/concurrency_limits/once returned HTTP {status}: injected"):
        api.run("global_concurrency_limit", name="once", limit=2 + status)
    assert len(api.proxy.writes) == 1


def test_a_refused_connection_fails_within_the_budget() -> None:
    start = time.monotonic()
    with pytest.raises(ModuleFailure, match="failed: Connection refused"):
        run_module("server_info", {"api_url": f"http://127.0.0.1:{free_port()}/api", "retry_timeout": 1})
    assert time.monotonic() - start < 3


def test_a_slow_server_is_given_up(api: Api) -> None:
    api.proxy.faults.append(Fault("GET", "/v2/", status=200, delay=3))
    with pytest.raises(ModuleFailure, match="failed: timed out"):
        api.run("global_concurrency_limit", name="slow", limit=1, timeout=0.3, retry_timeout=0)


def test_a_read_that_timed_out_is_repeated(api: Api) -> None:
    """It is retried even if other errors, or the wait itself, have exhausted retry_timeout."""
    api.proxy.faults += [Fault("GET", "/v2/", 503), Fault("GET", "/v2/", acts=True, delay=2.5)]
    assert api.run("global_concurrency_limit", name="slow", limit=3, timeout=2, retry_timeout=2)["changed"]
    assert api.proxy.faults == []


def test_a_connection_that_the_server_closed_is_opened_again(api: Api) -> None:
    """The server closes the connection after an error. The next request must not be lost."""
    api.proxy.faults.append(Fault("POST", "/v2/concurrency_limits/", status=0, acts=True))
    limits = [{"name": f"reopened {n}", "limit": n} for n in range(10)]
    assert api.run("configuration", global_concurrency_limits=limits)["summary"]["create"] == 10
    assert api.run("configuration", global_concurrency_limits=limits)["summary"]["unchanged"] == 10


PLANTED = "planted-in-a-test"


def command_lines() -> Iterator[str]:
    """Yield the command lines of all processes of this host. Some of them end in the meantime."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_text(errors="replace")


def test_secrets_are_found_nowhere(guard: Proxy, tmp_path: Path) -> None:
    """No secret is in -vvvv output, the diff, errors, the fact cache, the log, any other file, or a command line."""
    playbook = tmp_path / "play.yml"
    block = {"block_type": "secret", "name": "transport", "data": {"value": "{{ lookup('env', 'PLANTED') }}"}}
    defaults = {
        "api_url": guard.url,
        "auth_string": "{{ lookup('env', 'PLANTED_AUTH') }}",
        "custom_headers": {"X-Entry": "open", "X-Token": "{{ lookup('env', 'PLANTED') }}"},
    }
    tasks: list[dict[str, Any]] = [
        {"selfhosted.prefect.global_concurrency_limit": {"name": "secrets", "limit": 3}},
        {"selfhosted.prefect.server_info": {"settings": True}},
        {"selfhosted.prefect.block_document": block},
        {"selfhosted.prefect.configuration": {"block_documents": [{**block, "name": "another"}]}},
        {"selfhosted.prefect.deployment": {"flow": "f", "name": "d", "work_pool": "none"}, "ignore_errors": True},
        {
            "selfhosted.prefect.server_info": {"auth_string": "admin:{{ lookup('env', 'PLANTED') }}"},
            "ignore_errors": True,
        },
    ]
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    playbook.write_text(json.dumps([{**play, "module_defaults": {"group/selfhosted.prefect.prefect": defaults}}]))
    files = {
        "ANSIBLE_CACHE_PLUGIN": "jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "facts"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
        "ANSIBLE_LOG_PATH": str(tmp_path / "log"),
    }
    files["ANSIBLE_PIPELINING"] = "0"  # so that modules are stored as files for a while
    planted = {"PLANTED_AUTH": AUTH_STRING, "PLANTED": PLANTED, "ANSIBLE_NOCOLOR": "1"}
    output = tmp_path / "output"
    seen = set()
    with output.open("w") as stream:
        process = subprocess.Popen(
            ["ansible-playbook", "-vvvv", "--diff", *HERE, str(playbook)],
            cwd=ROOT,
            env={**os.environ, **files, **planted},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
        while process.poll() is None:
            seen.update(command_lines())
            time.sleep(0.02)
    assert process.returncode == 0, output.read_text()
    assert "failed=0" in output.read_text()
    assert [line for line in seen if "AnsiballZ_" in line], "the modules' processes were seen"
    left = [path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(left) >= 3, "at least the play, its output and the log"
    for text in (*seen, *left):
        assert PLANTED not in text
        assert AUTH_STRING.partition(":")[2] not in text


def test_settings_are_masked(server: Server) -> None:
    """The server masks some of its settings itself, but not the password in the URL of Docket."""
    settings = {
        "server": {
            "docket": {"url": "redis://user:p@ss:w@redis:6379/0", "name": "x"},
            "database": {"password": "secret", "connection_url": "x", "pool_size": 5},
            "api": {"auth_string": "a:b", "csrf_token_expiration": "PT1H", "keep": True},
        },
        "client": {"custom_headers": {"X": "secret"}, "csrf_support_enabled": True},
        "sentinel": "redis+sentinel://a:26379,b:26379/m?password=secret&db=1",
        "empty": {"password": None, "api_key": ""},
    }
    assert masked(settings) == {
        "server": {
            "docket": {"url": f"redis://{MASK}@redis:6379/0", "name": "x"},
            "database": {"password": MASK, "connection_url": MASK, "pool_size": 5},
            "api": {"auth_string": MASK, "csrf_token_expiration": "PT1H", "keep": True},
        },
        "client": {"custom_headers": MASK, "csrf_support_enabled": True},
        "sentinel": f"redis+sentinel://a:26379,b:26379/m?password={MASK}&db=1",
        "empty": {"password": None, "api_key": ""},
    }
    read = run_module("server_info", {"api_url": f"http://127.0.0.1:{server.port}/api", "settings": True})["server"]
    assert (read["version"], read["healthy"], read["ready"]) == (server.version, True, True)
    assert read["settings"]["server"]["database"]["connection_url"] in (MASK, None)


def test_the_server_echo_of_a_request_is_not_repeated(api: Api) -> None:
    """A 422 contains the whole request. The module shows only the reasons."""
    with pytest.raises(ModuleFailure, match="HTTP 422: ") as failure:
        api.run("deployment", flow="echo", name="d", parameters={"token": PLANTED}, labels={"a": {"b": "c"}})
    assert PLANTED not in json.dumps({**failure.value.result, "invocation": None})
