# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values of settings are secrets: the same ones in outputs, in logs and in the objects of a cluster."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils import _secrets as secrets
from ansible_collections.selfhosted.prefect.plugins.module_utils._host import manager, process_group
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import secret_values

SETTINGS = {
    "URL": "postgresql+asyncpg://prefect:p%40ss%20word@db.example.com/prefect",
    "PLAIN_URL": "redis://:sl/ash?word@redis.example.com:6379/0",
    "API_PASSWORD": "12345678",
    "DAYS": "31536000",
    "REDIS_HOST": "redis.example.com",
    "CA_FILE": "/etc/prefect/ca.crt",
    "ON": "true",
}
TOLD = (
    f"cannot reach {SETTINGS['URL']} with p@ss word, p%40ss%20word, sl/ash?word or 12345678, "
    "31536000, redis.example.com, /etc/prefect/ca.crt, true"
)
MASKED = (
    "cannot reach ******** with ********, ********, ******** or ********, "
    "31536000, redis.example.com, /etc/prefect/ca.crt, true"
)


def of_output() -> set[str]:
    return secrets.secret_values(SETTINGS.items())


def of_a_file() -> set[str]:
    text = "".join(f"{name}={json.dumps(value)}\n" for name, value in SETTINGS.items())
    return secrets.secret_values(secrets.settings_in(text))


def of_a_secret() -> set[str]:
    data = {name: base64.b64encode(value.encode()).decode() for name, value in SETTINGS.items()}
    return secret_values([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "settings"}, "data": data}])


def of_a_secret_in_clear() -> set[str]:
    return secret_values([{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": SETTINGS}])


@pytest.mark.parametrize("found", [of_output, of_a_file, of_a_secret, of_a_secret_in_clear])
def test_secrets_are_masked_and_what_helps_is_not(found: Callable[[], set[str]]) -> None:
    assert secrets.masked(TOLD, found()) == MASKED


def test_values_of_secret_files_do_not_show_in_a_log() -> None:
    def masked(log: str, content: str) -> str:
        return secrets.masked(log, secrets.secret_values(secrets.settings_in(content)))

    secret = 'URL="redis://:p\\"a\\$s\\`s\\\\word@host"\nPORT="5432"\nNAME="p\\"a\\$s\\`s\\\\word"\n'
    log = 'cannot connect to redis://:p"a$s`s\\word@host: 5432 refused for p"a$s`s\\word'
    assert masked(log, secret) == "cannot connect to ********: 5432 refused for ********"
    assert masked("password: hunter2hunter2", "hunter2hunter2\n") == "password: ********"
    assert masked("line: requirepass hunter2hunter2", "requirepass hunter2hunter2\n") == "line: ********"


def test_an_excerpt_of_a_log_has_no_password_of_a_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a failed start tells it, where a program has taken the URL apart."""
    text = "".join(f"{name}={json.dumps(value)}\n" for name, value in SETTINGS.items())
    group: Any = object.__new__(process_group.Group)
    group.site = process_group.Site("it", "supervisord", *["/nowhere"] * 6)
    group.params = {"files": [{"content": text.encode(), "sensitive": True}]}
    group.processes = {"one": {"environment_file": None}}
    group.manager = object.__new__(manager.Supervisord)
    monkeypatch.setattr(group.manager, "log", lambda _unit: TOLD)
    told = group._log("one")
    assert MASKED in told
    assert "word" not in told
