# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of a server as a file that creates the same on another server, with references instead of secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import EXPORTED, KINDS, PURGED

from .conftest import NAMED
from .support import Api, ModuleFailure, Proxy, Server, warnings_of
from .test_documentation import play
from .test_lifecycle import DOCUMENT as SMALL

PLANTED = "planted-in-the-export"
FIELDS: dict[str, Any] = {
    "type": "object",
    "properties": {"host": {"type": "string"}, "password": {"type": "string"}, "headers": {"type": "object"}},
    "secret_fields": ["password", "headers.*"],
}
REACTIVE = {"posture": "Reactive", "expect": ["prefect.flow-run.Failed"]}
MORE: dict[str, list[dict[str, Any]]] = {
    "variables": [{"name": "nothing", "value": None}, {"name": "api_token", "value": "readable-by-all"}],
    "block_types": [{"slug": "parent", "name": "Parent"}],
    "block_schemas": [
        {"block_type": "matrix", "version": "2", "fields": FIELDS, "capabilities": ["b", "a"]},
        {
            "block_type": "parent",
            "fields": {
                "type": "object",
                "properties": {"child": {"$ref": "#/definitions/Matrix"}},
                "block_schema_references": {"child": {"block_type_slug": "matrix"}},
            },
        },
    ],
    "block_documents": [
        {"block_type": "matrix", "name": "newest",
         "data": {"password": f"{PLANTED}-password", "headers": {"X-Key": f"{PLANTED}-header", "none": None}}},
        {"block_type": "matrix", "name": "older", "block_schema": "1", "data": {"host": "x"}},
        {"block_type": "secret", "name": "deep", "data": {"value": {"a": f"{PLANTED}-deep"}}},
        {"block_type": "local-file-system", "name": "results", "data": {"basepath": "/x"}},
        {"block_type": "slack-webhook", "name": "alerts", "data": {"url": f"https://{PLANTED}-url"}},
    ],
    "global_concurrency_limits": [{"name": "off", "limit": 0, "active": False}],
    "work_pools": [
        {"name": "plain", "type": "process"},
        {"name": "patched", "type": "kubernetes", "job": {"image": "x", "env": {"A": "{{ b }}"}},
         "job_manifest_patch": {"job_manifest": {"spec": {"template": {"spec": {"hostNetwork": True}}}}},
         "paused": True, "concurrency_limit": 0,
         "queues": [{"name": "late", "priority": 9, "paused": True}, {"name": "default", "priority": 5}],
         "storage_configuration": {"default_result_storage_block": "local-file-system/results"}},
        {"name": "own", "type": "elsewhere",
         "base_job_template": {"job_configuration": {"x": "{{ y }}"}, "variables": {"properties": {"y": {}}}}},
    ],
    "flows": [{"name": "alone"}],
    "deployments": [
        {"flow": "registered", "name": "d", "paused": True, "concurrency_limit": 2, "entrypoint": "a.py:b",
         "storage_document": "local-file-system/results", "labels": {"team": "x"},
         "concurrency_options": {"collision_strategy": "CANCEL_NEW"}, "enforce_parameter_schema": False,
         "parameter_openapi_schema": {"type": "object", "properties": {"a": {"type": "integer"}}},
         "schedules": [{"cron": "0 3 * * *"}, {"interval": 60, "anchor_date": "2026-01-01T00:00:00Z"},
                       {"slug": "rule", "rrule": "FREQ=DAILY", "timezone": "Europe/Berlin", "paused": True}]},
    ],
    "automations": [
        {"name": "first", "trigger": REACTIVE, "enabled": False, "tags": ["a"],
         "actions": [{"type": "pause-automation", "automation": "last"},
                     {"type": "send-notification", "block": "slack-webhook/alerts", "body": "{{ flow.name }} failed"},
                     {"type": "pause-work-pool", "work_pool": "plain"}]},
        {"name": "last", "actions": [{"type": "do-nothing"}],
         "trigger": {"require": "any", "within": 60, "triggers": [REACTIVE, {**REACTIVE, "threshold": 3}]}},
    ],
}  # fmt: skip
DOCUMENT = {kind: [*SMALL[kind], *MORE.get(kind, ())] for kind in SMALL}
APPLY = {kind.plural: f"{{{{ exported.{kind.plural} | default([]) }}}}" for kind in EXPORTED}


def applied(api: Api, file: str, secrets: dict[str, str], directory: Path) -> tuple[bool, str]:
    """Apply the file without changes. Return whether ansible-playbook changes something, and its output."""
    (directory / "export.yml").write_text(file)
    tasks = [
        {"ansible.builtin.include_vars": {"file": str(directory / "export.yml"), "name": "exported"}},
        {"selfhosted.prefect.configuration": APPLY, "vars": secrets},
    ]
    done = play(tasks, directory / "apply.yml", "--diff", api_url=api.proxy.url)
    assert done.returncode == 0, done.stdout + done.stderr
    return "changed=1 " in done.stdout, done.stdout + done.stderr


def secrets_of(names: list[str], server: Api) -> dict[str, Any]:
    """Return the secrets as the owner stores them in the vault."""
    known = {
        "vault_matrix__first__password": "planted-in-the-matrix",
        "vault_matrix__newest__password": f"{PLANTED}-password",
        "vault_secret__deep__value": {"a": f"{PLANTED}-deep"},
        "vault_slack_webhook__alerts__url": f"https://{PLANTED}-url",
        "vault_variable__api_token": "readable-by-all",
    }
    header = [name for name in names if name.startswith("vault_matrix__newest__headers__x_key_")]
    assert sorted([*known, *header]) == names, server.server.version
    assert len(header) == 1
    return {**known, header[0]: f"{PLANTED}-header"}


def moved(source: Api, target: Api, directory: Path) -> None:
    """Fill a server, export it, apply the export to the same server and to an empty one, and export the latter."""
    source.run("configuration", **DOCUMENT)
    source.proxy.forget()
    exported = source.run("export")
    assert source.proxy.writes == []
    assert PLANTED not in str(exported)
    assert "planted-in-the-matrix" not in str(exported)
    assert "readable-by-all" not in str(exported)
    secrets = secrets_of(exported["vault_variables"], source)
    assert not applied(source, exported["yaml"], secrets, directory)[0], "the same server"
    changed, output = applied(target, exported["yaml"], secrets, directory)
    assert changed
    assert PLANTED not in output
    assert not applied(target, exported["yaml"], secrets, directory)[0], "the second run"
    assert target.run("export")["yaml"] == exported["yaml"]


@pytest.fixture
def full(version: str, tmp_path: Path) -> Any:
    yield from running(version, tmp_path / "full")


@pytest.fixture
def oldest(tmp_path: Path) -> Any:
    yield from running(NAMED["oldest"], tmp_path / "oldest")


@pytest.fixture
def newest(tmp_path: Path) -> Any:
    yield from running(NAMED["newest"], tmp_path / "newest")


def running(version: str, home: Path) -> Any:
    home.mkdir()
    server = Server(version, home)
    proxy = Proxy(server)
    yield Api(server, proxy)
    proxy.stop()
    server.stop()


def test_every_kind_there_and_back(full: Api, empty: Api, tmp_path: Path) -> None:
    assert set(DOCUMENT) == {kind.plural for kind in EXPORTED}
    nothing: dict[str, Any] = {kind.plural: [] for kind in KINDS}
    whole = {**nothing, "purge": {kind.plural: {"maximum": 100} for kind in PURGED}}
    moved(full, empty, tmp_path)
    # With empty lists and a purge, the first server becomes as empty as a new one.
    assert full.run("configuration", **whole)["changed"]
    assert full.run("export")["configuration"] == {}
    assert not full.run("configuration", **whole)["changed"]


def test_from_the_oldest_to_the_newest(oldest: Api, newest: Api, tmp_path: Path) -> None:
    moved(oldest, newest, tmp_path)


def test_what_is_chosen_reads_well(api: Api) -> None:
    pools = [
        {"name": "15-a", "type": "process", "job": {"stream_output": False}},
        {"name": "15-b", "type": "process", "queues": [{"name": "q", "concurrency_limit": 2}, {"name": "default"}]},
        {"name": "15-c", "type": "process"},
    ]
    api.run("configuration", work_pools=pools, flows=[{"name": "15-a"}])
    exported = api.run("export", kinds=["work_pools"], include=["15-*"], exclude=["*-c"])
    assert exported["summary"] == {"work_pools": 2}
    assert exported["vault_variables"] == []
    assert exported["yaml"] == (
        "---\nwork_pools:\n  - name: 15-a\n    type: process\n    job:\n      stream_output: false\n".replace(
            "15-a", '"15-a"'
        )
        + '  - name: "15-b"\n    type: process\n    queues:\n'
        "      - name: q\n        concurrency_limit: 2\n      - name: default\n"
    )
    assert yaml.safe_load(exported["yaml"]) == exported["configuration"]
    assert not api.run("configuration", **exported["configuration"])["changed"]


def test_an_empty_server_is_an_empty_document(empty: Api) -> None:
    exported = empty.run("export")
    assert exported["configuration"] == {}
    assert yaml.safe_load(exported["yaml"]) == {}


def test_of_automations_with_one_name_the_oldest_is_exported(empty: Api) -> None:
    body = {"name": "twins", "trigger": {**REACTIVE, "type": "event", "threshold": 1, "within": 0}, "actions": []}
    for description in ("older", "newer"):
        empty.raw("POST", "/automations/", {**body, "description": description})
    exported = empty.run("export", kinds=["automations"])
    assert [one["description"] for one in exported["configuration"]["automations"]] == ["older"]
    assert "several objects have this name" in warnings_of(exported)[0]


def test_a_prefix_begins_a_name(api: Api) -> None:
    with pytest.raises(ModuleFailure, match="vault_prefix: must be a valid start of a variable name, not '1 '"):
        api.run("export", vault_prefix="1 ")
