# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kubernetes_objects never discloses Secrets, at any verbosity, and reports everything else in full."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import KubernetesError
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import Change
from ansible_collections.selfhosted.prefect.plugins.modules import kubernetes_objects

PASSWORD, TOKEN, PIN = "correct-horse", "battery-staple", "1234"


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "prefect-login"},
    "data": {"user": base64_of("prefect"), "password": base64_of(PASSWORD), "pin": base64_of(PIN), "none": ""},
    "stringData": {"token": TOKEN},
}
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "prefect-api"},
    "spec": {"template": {"spec": {"containers": [{"name": "api", "args": ["serve"]}]}}},
}


class Client:
    warnings: frozenset[str] = frozenset()

    def __init__(self, way: object) -> None:
        pass


@pytest.fixture
def syslog(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    logged: list[str] = []

    def log(self: object, message: str, log_args: Any = None) -> None:
        logged.append(f"{message} {log_args}")

    monkeypatch.setattr(AnsibleModule, "log", log)
    monkeypatch.setattr(kubernetes_objects, "KubernetesClient", Client)
    monkeypatch.setattr(kubernetes_objects, "access", lambda *_options: None)
    return logged


def result(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    options: dict[str, Any] = {"group": "api", "namespace": "flows", "objects": [SECRET, DEPLOYMENT]}
    if "inject_invocation" in basic.PASS_VARS:  # otherwise newer releases of ansible-core omit the invocation
        options["_ansible_inject_invocation"] = True
    # ansible.module_utils.testing does this, but ansible-core 2.18 does not have it.
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": options}).encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)
    with pytest.raises(SystemExit):
        kubernetes_objects.main()
    return dict(json.loads(capsys.readouterr().out))


def assert_hidden(text: str) -> None:
    for secret in (PASSWORD, TOKEN, PIN):
        assert secret not in text
        assert base64_of(secret) not in text


def test_neither_the_result_nor_the_log_has_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], syslog: list[str]
) -> None:
    changes = [Change("create", None, SECRET), Change("create", None, DEPLOYMENT)]
    monkeypatch.setattr(kubernetes_objects, "run", lambda *_options: changes)
    ended = result(monkeypatch, capsys)
    assert_hidden(json.dumps(ended))
    assert_hidden(str(syslog))
    assert "objects=NOT_LOGGING_PARAMETER" in syslog[0]
    assert ended["invocation"]["module_args"]["objects"] == "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"
    assert not ended.get("warnings")
    assert ended["kept"] == []
    # Everything else is shown, even a word that is also in a Secret.
    assert [change["object"] for change in ended["changes"]] == ["Secret prefect-login", "Deployment prefect-api"]
    assert ended["diff"][1]["after"] == DEPLOYMENT
    assert ended["invocation"]["module_args"]["instance"] == "prefect"


def test_an_error_has_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], syslog: list[str]
) -> None:
    def fail(*_options: object) -> None:
        raise KubernetesError(f"Deployment prefect-api: log in with {PASSWORD} or {base64_of(TOKEN)} or {TOKEN}")

    monkeypatch.setattr(kubernetes_objects, "run", fail)
    ended = result(monkeypatch, capsys)
    assert ended["msg"].startswith("Deployment prefect-api: log in with ********")
    assert PASSWORD not in ended["msg"]
    assert TOKEN not in ended["msg"]
