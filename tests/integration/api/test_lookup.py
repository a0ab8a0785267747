# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookup plugins for variables and blocks in a play."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from .support import Api, Fault, environment
from .test_documentation import play

PLANTED = "planted-in-a-lookup"


def look(api: Api, path: Path, *expressions: str) -> list[Any]:
    """Return the results or errors of the lookups. The connection comes from Prefect's own environment variables."""
    tasks: list[dict[str, Any]] = []
    for number, expression in enumerate(expressions):
        fact = {f"seen_{number}": "{{ lookup(" + expression + ") | to_json | b64encode }}"}
        tasks.append({"ansible.builtin.set_fact": fact, "register": "result", "ignore_errors": True, "no_log": True})
        shown = "<<{{ seen_NUMBER if result is success else ('!' ~ result.msg) | b64encode }}>>"
        tasks.append({"ansible.builtin.debug": {"msg": shown.replace("NUMBER", str(number))}})
    headers = json.dumps({"X-Entry": "a"})
    with environment(PREFECT_API_URL=api.proxy.url, PREFECT_CLIENT_CUSTOM_HEADERS=headers):
        done = play(tasks, path / "play.yml", "-vvv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert PLANTED not in done.stdout + done.stderr
    found = [base64.b64decode(text).decode() for text in re.findall("<<([A-Za-z0-9+/=]*)>>", done.stdout)]
    return [text if text.startswith("!") else json.loads(text) for text in found]


def test_a_variable_keeps_its_type(api: Api, tmp_path: Path) -> None:
    values = [None, True, 7, "{{ braces }} ü", ["a"], {"a": [None, {"b": 1.5}]}]
    for number, value in enumerate(values):
        api.run("variable", name=f"looked-up-{number}", value=value)
    api.proxy.forget()
    names = [f"'selfhosted.prefect.variable', 'looked-up-{number}'" for number in range(len(values))]
    api.proxy.faults.append(Fault("GET", "/variables/", 503))
    assert look(api, tmp_path, *names) == values
    assert len(api.proxy.requests) == len(values) + 1, "asked again after the 503"
    assert api.proxy.writes == []
    assert {headers["X-Entry"] for headers in api.proxy.headers} == {"a"}


def test_a_block_without_and_with_its_secrets(api: Api, tmp_path: Path) -> None:
    fields = {
        "type": "object",
        "properties": {"password": {"type": "string"}, "next": {"type": "object"}, "text": {"type": "string"}},
        "secret_fields": ["password"],
    }
    api.run("block_type", slug="looked-up", name="looked-up")
    api.run("block_schema", block_type="looked-up", version="1", fields=fields)
    api.run("block_document", block_type="looked-up", name="other", data={"text": "x"})
    data = {"password": PLANTED, "text": "{{ braces }}", "next": {"$ref": "looked-up/other"}}
    api.run("block_document", block_type="looked-up", name="it", data=data)
    api.proxy.forget()
    block = "'selfhosted.prefect.block', 'looked-up/it'"
    assert look(api, tmp_path, block, f"{block}, secrets=true") == [{**data, "password": "<secret>"}, data]
    assert api.proxy.writes == []


def test_mistakes_are_told(api: Api, tmp_path: Path) -> None:
    answers = {
        "'selfhosted.prefect.variable', 'no_such'": "the variable 'no_such' does not exist; set default=",
        "'selfhosted.prefect.variable', 'No Such', default=1": "name: must be 1 to 255 lowercase letters",
        "'selfhosted.prefect.block', 'webhook/none'": "the block_document 'webhook/none' does not exist; set default=",
        "'selfhosted.prefect.block', 'half'": "'half' must be written as type/name",
        "'selfhosted.prefect.block', 'a/b', custom_headers='x'": "custom_headers: must be a mapping or a JSON object",
        "'selfhosted.prefect.block', 'a/b', api_url='http://127.0.0.1:9/api', retry_timeout=0": "Connection refused",
    }
    for told, answer in zip(look(api, tmp_path, *answers), answers.values()):
        assert answer in told


def test_a_default_stands_in_for_what_is_not_there(api: Api, tmp_path: Path) -> None:
    expressions = [
        "'selfhosted.prefect.variable', 'no_such', default=none",
        "'selfhosted.prefect.variable', 'no_such', default=[1]",
        "'selfhosted.prefect.block', 'webhook/none', default={}",
    ]
    assert look(api, tmp_path, *expressions) == [None, [1], {}]
