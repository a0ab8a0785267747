# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests with a real browser: users log in to the UI, and pages of other origins cannot use the API."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from defaults import GATEWAY_PORT, ROOT
from e2e.conftest import Converged
from e2e.machine import Machine, wait_for

OUTPUT = ROOT / "tests/output/security"
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element reference in WebDriver
# The requests that a page of another origin can send, in each form that browsers allow. It reports their results.
ATTACK = """<html><body><script>
const api = "http://TARGET/api";
const flow = JSON.stringify({name: "of-a-page"});
const tries = {
  simple: () => fetch(api + "/flows/", {method: "POST", mode: "no-cors", credentials: "include", body: flow}),
  untyped: () => fetch(api + "/flows/", {method: "POST", mode: "no-cors", body: new Blob([flow])}),
  json: () => fetch(api + "/flows/", {method: "POST", headers: {"Content-Type": "application/json"}, body: flow}),
  read: () => fetch(api + "/admin/version").then(answer => answer.text()),
  socket: () => new Promise((done, failed) => {
    const socket = new WebSocket(api.replace("http", "ws") + "/events/in", "prefect");
    socket.onopen = () => done("open"); socket.onerror = () => failed("closed");
  }),
};
(async () => {
  const found = {};
  for (const [name, attempt] of Object.entries(tries)) {
    try { const got = await attempt(); found[name] = got.type || got; } catch (error) { found[name] = "refused"; }
  }
  document.title = JSON.stringify(found);
})();
</script></body></html>"""


class Browser:
    """Headless Chromium, controlled through the WebDriver protocol."""

    def __init__(self, url: str, home: Path, *more: str) -> None:
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", *more]
        options = {"args": [*words, "--window-size=1400,900", f"--user-data-dir={home}"]}
        self._url = url
        wanted = {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}}
        self._session = self._ask("POST", "/session", wanted)["sessionId"]

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=180) as answer:
            return json.loads(answer.read())["value"]

    def do(self, method: str, path: str, body: Any = None) -> Any:
        return self._ask(method, f"/session/{self._session}{path}", body)

    def go(self, url: str) -> None:
        self.do("POST", "/url", {"url": url})

    def script(self, text: str) -> Any:
        return self.do("POST", "/execute/sync", {"script": text, "args": []})

    @property
    def text(self) -> str:
        return str(self.script("return document.body ? document.body.innerText : ''"))

    def type_into(self, selector: str, text: str) -> None:
        found = self.do("POST", "/element", {"using": "css selector", "value": selector})
        self.do("POST", f"/element/{found[ELEMENT]}/value", {"text": text})

    def screenshot(self, name: str) -> None:
        OUTPUT.mkdir(parents=True, exist_ok=True)
        (OUTPUT / f"{name}.png").write_bytes(base64.b64decode(self.do("GET", "/screenshot")))

    def close(self) -> None:
        self.do("DELETE", "")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not shutil.which("chromedriver"):
        subprocess.run([ROOT / "scripts" / "apt-install.sh", "chromium", "chromium-driver"], check=True)
    log = tmp_path_factory.mktemp("chromedriver") / "log"
    with log.open("w+") as output:
        process = subprocess.Popen(["chromedriver", "--port=0"], stdout=output, stderr=subprocess.STDOUT)
        try:
            said = wait_for(
                lambda: [line for line in log.read_text().splitlines() if "successfully on port" in line], 120
            )
            yield f"http://127.0.0.1:{said[0].rstrip('.').split()[-1]}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture
def machine(converged: Converged) -> Machine:
    return converged.machine


def test_people_log_in_to_the_ui(machine: Machine, driver: str, tmp_path: Path) -> None:
    browser = Browser(driver, tmp_path / "browser")
    try:
        browser.go(f"http://{machine.ip}:{GATEWAY_PORT}/")
        wait_for(lambda: browser.script("return document.querySelectorAll('input').length"), 120)
        browser.screenshot("login")
        browser.type_into("input", "admin:wrong\ue007")
        assert wait_for(lambda: browser.script("return document.querySelectorAll('input').length"), 30)
        assert "/login" in browser.script("return location.href")
        browser.go(f"http://{machine.ip}:{GATEWAY_PORT}/")
        wait_for(lambda: browser.script("return document.querySelectorAll('input').length"), 120)
        browser.type_into("input", machine.login + "\ue007")
        wait_for(lambda: "/login" not in browser.script("return location.href"), 60)
        # Only an answer of the API contains the pool of the inventory.
        browser.go(f"http://{machine.ip}:{GATEWAY_PORT}/work-pools")
        wait_for(lambda: "default" in browser.text, 60)
        browser.screenshot("work-pools")
    finally:
        browser.close()


class Page(BaseHTTPRequestHandler):
    target = ""

    def do_GET(self) -> None:
        body = ATTACK.replace("TARGET", self.target).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def page(machine: Machine) -> Iterator[str]:
    Page.target = f"{machine.ip}:{GATEWAY_PORT}"
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()


def test_a_page_of_another_origin_gets_nowhere(machine: Machine, driver: str, page: str, tmp_path: Path) -> None:
    before = machine.api("POST", "/flows/count", {})
    browser = Browser(driver, tmp_path / "browser")
    try:
        browser.go(page)
        found = json.loads(wait_for(lambda: browser.script("return document.title"), 120))
    finally:
        browser.close()
    # "opaque": the request was sent, but the page cannot read the answer.
    assert found == {"simple": "opaque", "untyped": "opaque", "json": "refused", "read": "refused", "socket": "refused"}
    assert machine.api("POST", "/flows/count", {}) == before


def test_dns_rebinding_is_refused(machine: Machine, driver: str, tmp_path: Path) -> None:
    """DNS rebinding: the browser regards the gateway as the page's own server."""
    browser = Browser(driver, tmp_path / "browser", f"--host-resolver-rules=MAP evil.example {machine.ip}")
    try:
        browser.go(f"http://evil.example:{GATEWAY_PORT}/")
        assert "rejects requests for this host name" in browser.text
    finally:
        browser.close()
