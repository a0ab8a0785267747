# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state after site.yml, and a second run that changes nothing."""

from __future__ import annotations

import base64
import re
import urllib.error
import urllib.request
from urllib.parse import urljoin

import pytest
from defaults import VENV

from e2e.conftest import Converged
from e2e.machine import API_PORTS, PROCESSES, Machine

# One websocket sends events and another one receives them, with Prefect's own client.
WEBSOCKETS = """
import asyncio
from prefect.events import Event, get_events_client, get_events_subscriber
from prefect.events.filters import EventFilter, EventNameFilter

async def emit():
    async with get_events_client() as client:
        print(type(client).__name__)
        while True:  # nobody says from when on the subscriber gets what is sent
            await client.emit(Event(event="test.sent", resource={"prefect.resource.id": "test.websocket"}))
            await asyncio.sleep(0.3)

async def main():
    emitting = asyncio.create_task(emit())
    async with get_events_subscriber(filter=EventFilter(event=EventNameFilter(name=["test.sent"]))) as subscriber:
        print(type(subscriber).__name__, (await anext(subscriber)).event)
    emitting.cancel()

asyncio.run(asyncio.wait_for(main(), 60))
"""
PLAYBOOKS = ("preflight", "database", "server", "configure", "workers", "verify")


def get(url: str) -> tuple[str, str]:
    """Return the body of an answer and its content type, as a browser requests them."""
    request = urllib.request.Request(url, headers={"Accept": "text/html,*/*"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode(), answer.headers["Content-Type"]


def printed_url(converged: Converged) -> str:
    """Return the URL in the summary, with the IP address of the test host, whose name this host cannot resolve."""
    (url,) = re.findall(r"^ +UI +(\S+)$", converged.first.output, re.M)
    return str(url).replace(converged.machine.name, converged.machine.ip)


def test_the_user_interface_answers(converged: Converged) -> None:
    url = printed_url(converged)
    page, kind = get(url)
    assert kind.startswith("text/html")
    assert "<title>Prefect" in page
    scripts = re.findall(r'<script[^>]* src="([^"]+\.js)"', page)
    assert scripts, page
    for script in scripts:
        code, kind = get(urljoin(url, script))
        assert "javascript" in kind
        assert len(code) > 1000
    # A page that the application renders in the browser: a user may open a link to it.
    assert get(urljoin(url, "/v2/runs"))[0] == page


def test_the_user_interface_finds_the_api(converged: Converged) -> None:
    """The UI asks the server for the address of the API. A relative address is correct under every name of the host."""
    settings, _kind = get(printed_url(converged) + "/ui-settings")
    assert '"api_url":"/api"' in settings.replace(" ", "")


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/openapi.json", "/api/docs", "/api/openapi.json", "/%64ocs", "/api/%6fpenapi.json"]
)
def test_the_api_documentation_is_not_exposed(converged: Converged, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match=r"401|404"):
        get(printed_url(converged) + path)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json"])
def test_the_api_documentation_is_there_for_who_may_use_the_api(converged: Converged, path: str) -> None:
    machine = converged.machine
    login = base64.b64encode(machine.login.encode()).decode()
    request = urllib.request.Request(printed_url(converged) + path, headers={"Authorization": f"Basic {login}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert "openapi" in answer.read().decode()


def test_websockets_pass_the_gateway(converged: Converged) -> None:
    command = (
        "set -a; . /etc/prefect/worker.env; PREFECT_HOME=$(mktemp -d); PREFECT_LOGGING_TO_API_ENABLED=false;"
        f" {VENV}/bin/python -; code=$?; rm -r $PREFECT_HOME; exit $code"
    )
    told = converged.machine.sh(command, input=WEBSOCKETS)
    assert sorted(told.splitlines()) == ["PrefectEventSubscriber test.sent", "PrefectEventsClient"]


def test_the_summary_tells_what_runs(converged: Converged) -> None:
    output = converged.first.output
    assert re.search(rf"^ +ok +Every process runs: {len(PROCESSES)} on 1 host\(s\)$", output, re.M)
    assert re.search(r"^ +ok +A flow run gets through every pool: 1 run\(s\) COMPLETED$", output, re.M)
    assert re.search(rf"^ +api +{len(API_PORTS)} processes +\d+ MiB$", output, re.M)
    assert re.search(r"^ +Seconds +preflight [\d.]+, database [\d.]+, server [\d.]+, .* in all$", output, re.M)


def test_a_second_run_changes_nothing(deployment: Machine) -> None:
    before = deployment.pids()
    assert set(before) == PROCESSES
    played = deployment.playbook("site")
    assert played.recap["changed"] == 0, played.changed
    assert deployment.restarted(before) == set()
    # 39 tasks are executed. The others only include the file of the platform.
    included = len(re.findall(r"^included: ", played.output, re.M))
    assert played.recap["ok"] - included <= 40, played.output


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_each_playbook_runs_alone(deployment: Machine, playbook: str) -> None:
    before = deployment.pids()
    played = deployment.playbook(playbook)
    assert played.recap["changed"] == 0, played.changed
    assert deployment.restarted(before) == set()
