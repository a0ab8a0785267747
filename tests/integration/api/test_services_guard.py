# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""serve_services.py restricts templates and webhooks. The tests run it in the real Prefect."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from defaults import ROOT

from .conftest import VERSIONS
from .support import installed_prefect

FILE = ROOT / "roles/prefect_server/files/serve_services.py"
# Renders a template with models, as an action does, and builds the request of a webhook.
PROGRAM = """
import asyncio, importlib.util, json, sys
from pydantic import BaseModel

file, guarded, templates = sys.argv[1], sys.argv[2] == "True", json.loads(sys.argv[3])
spec = importlib.util.spec_from_file_location("serve_services", file)
serve_services = importlib.util.module_from_spec(spec)
spec.loader.exec_module(serve_services)
if guarded:
    serve_services.guard_templates()
    serve_services.guard_webhooks()
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.server.events.actions import CallWebhook
from prefect.server.events.schemas.events import Resource
from prefect.server.utilities.user_templates import render_user_template


class Automation(BaseModel):
    name: str
    nested: list[Resource]
    actions: list[CallWebhook]
    id: str = "a"
    created_by: None = None


resource = Resource({"prefect.resource.id": "prefect.flow.1", "x": "a label"})
action = CallWebhook(block_document_id="00000000-0000-0000-0000-000000000000")
context = {"automation": Automation(name="nightly", nested=[resource], actions=[action]), "resource": resource}
found = {}
for name, text in templates.items():
    try:
        found[name] = asyncio.run(render_user_template(text, context))
    except Exception as error:
        found[name] = repr(error)
webhook = CustomWebhookNotificationBlock(
    name="n", url="https://example.com/", json_data={"v": "{{ $PLANTED }}"}, secrets={"$PLANTED": "-"}
)
try:
    found["webhook"] = str(webhook._build_request_args("body", "subject"))
except Exception as error:
    found["webhook"] = str(error)
plain = CustomWebhookNotificationBlock(
    name="n", url="https://example.com/", json_data={"v": "{{ token }}, {{ body }}"}, secrets={"token": "own"}
)
found["plain"] = str(plain._build_request_args("body", "subject"))
print(json.dumps(found))
"""
PICKLE = '"cbuiltins\\neval\\n(S\'open(\\"MARK\\", \\"w\\").close()\'\\ntR."'
CALL = f'parse_raw({PICKLE}, content_type="application/pickle", allow_pickle=True)'
WAYS = {
    "direct": f"{{{{ automation.{CALL} }}}}",
    "nested": f"{{{{ automation.nested[0].{CALL} }}}}",
    "item": f'{{{{ automation["parse_raw"]({PICKLE}, content_type="application/pickle", allow_pickle=True) }}}}',
    "filter": f'{{{{ (automation | attr("parse_raw"))({PICKLE}, content_type="application/pickle",'
    " allow_pickle=True) }}",
}
# A client for the API inside the process, where neither authentication nor a guard applies.
CLIENT = (
    "{% set client = automation.actions[0].orchestration_client(namespace(automation=automation)) %}"
    "{{ client.gen.asend(none) if client.gen else client }}"  # with and without a surrounding context manager
)
GOOD = {
    "name": "{{ automation.name }}",
    "label": '{{ resource.get("x") }} {{ resource["x"] }} {{ resource.id }}',
    "json": "{{ automation | tojson }}",
}


def rendered(version: str, guarded: bool, mark: Path, templates: dict[str, str]) -> dict[str, str]:
    texts = {name: text.replace("MARK", str(mark)) for name, text in templates.items()}
    ended = subprocess.run(
        [str(installed_prefect(version) / "bin/python"), "-c", PROGRAM, str(FILE), str(guarded), json.dumps(texts)],
        env={**os.environ, "PLANTED": "a secret of the server", "PREFECT_HOME": str(mark.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return dict(json.loads(ended.stdout.splitlines()[-1]))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("way", WAYS)
def test_a_template_executes_nothing(version: str, way: str, tmp_path: Path) -> None:
    open_mark, guarded_mark = tmp_path / "open", tmp_path / "guarded"
    rendered(version, False, open_mark, {way: WAYS[way]})
    assert open_mark.exists(), "without the guard, the attack succeeds"
    found = rendered(version, True, guarded_mark, {way: WAYS[way]})
    assert not guarded_mark.exists()
    assert "unsafe" in found[way] or "undefined" in found[way].lower(), found[way]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_template_gets_no_client_of_the_api(version: str, tmp_path: Path) -> None:
    attack = {"client": CLIENT}
    assert "OrchestrationClient object" in rendered(version, False, tmp_path / "open", attack)["client"], (
        "the attack succeeds"
    )
    assert "OrchestrationClient object" not in rendered(version, True, tmp_path / "guarded", attack)["client"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_webhook_reads_no_variable_of_the_environment(version: str, tmp_path: Path) -> None:
    assert "a secret of the server" in rendered(version, False, tmp_path / "open", {})["webhook"]
    assert "a secret of the server" not in rendered(version, True, tmp_path / "guarded", {})["webhook"]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_templates_and_webhooks_are_for_still_works(version: str, tmp_path: Path) -> None:
    before = rendered(version, False, tmp_path / "open", GOOD)
    after = rendered(version, True, tmp_path / "guarded", GOOD)
    del before["webhook"], after["webhook"]
    assert after == before
    assert after["name"] == "nightly"
    assert after["label"] == "a label a label prefect.flow.1"
    assert "own, body" in after["plain"]
