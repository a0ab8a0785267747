# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The routes of the API that only read, with real objects in their paths, and how a client asks them."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

READING_POSTS = ("/filter", "/count", "/paginate", "/history", "/lateness", "/count-by")
NOBODY = "00000000-0000-4000-8000-000000000000"
JSON = {"Content-Type": "application/json"}
KINDS = ("flows", "flow_runs", "deployments", "work_pools", "block_types", "block_documents", "work_queues")
# Not in the document, and one that does not exist.
FURTHER = ("/", "/ui-settings", "/openapi.json", "/docs", "/redoc", "/api/metrics", "/api/admin/settings/", "/api/x")
# The credentials decide about the rest.
OPEN = {"GET /api/health", "GET /api/ready", "GET /api/openapi.json", "GET /api/docs"}


class Deployed(Protocol):
    """A deployment whose API can be asked with its credentials."""

    def api(self, method: str, path: str, body: Any = None) -> Any: ...


class Answer(NamedTuple):
    route: str
    status: int
    text: str


def ask(origin: str, method: str, path: str, login: str = "", body: Any = None, **headers: str) -> Answer:
    """What a client sees: the headers and the body, also of an error."""
    sent = {**(JSON if method != "GET" else {}), **headers}
    if login:
        sent["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    data = json.dumps(body or {}).encode() if method != "GET" else None
    request = urllib.request.Request(f"{origin}{path}", data, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            status, text = answer.status, f"{answer.headers}{answer.read().decode(errors='replace')}"
    except urllib.error.HTTPError as error:
        status, text = error.code, f"{error.headers}{error.read().decode(errors='replace')}"
    return Answer(f"{method} {path}", status, text)


def objects(deployed: Deployed) -> dict[str, str]:
    """Something real for each parameter that can be in the path of a route."""
    none = [{"id": NOBODY, "name": "none"}]
    first = {kind: (deployed.api("POST", f"/{kind}/filter", {"limit": 5}) or none)[0] for kind in KINDS}
    run = first["flow_runs"]
    return {
        "flow_name": first["flows"]["name"],
        "work_pool_name": first["work_pools"]["name"],
        "name": first["work_queues"]["name"],
        "work_queue_name": first["work_queues"]["name"],
        "deployment_name": first["deployments"]["name"],
        "slug": first["block_types"].get("slug", "none"),
        "block_type_slug": first["block_types"].get("slug", "none"),
        "block_document_name": first["block_documents"]["name"],
        "id": run["id"],
        "flow_run_state_id": run.get("state_id") or NOBODY,
        **{f"{kind[:-1]}_id": found["id"] for kind, found in first.items()},
        "view": "aggregated-worker-metadata",
    }


def filled(path: str, known: dict[str, str]) -> str:
    # "id" is that of what stands before it.
    of_its_kind = known.get(path.partition("/{id}")[0].rpartition("/")[2].rstrip("s") + "_id", known["id"])
    for parameter in re.findall(r"{(\w+)}", path):
        value = {**known, "id": of_its_kind}.get(parameter, NOBODY)
        path = path.replace(f"{{{parameter}}}", quote(value, safe=""))
    return path if path.startswith("/api") else f"/api{path}"


def reading_routes(document: dict[str, Any], known: dict[str, str]) -> list[tuple[str, str]]:
    """Methods and paths of all routes that only read, from openapi.json."""
    found = [
        (method.upper(), filled(path, known))
        for path, methods in document["paths"].items()
        for method in methods
        if method == "get" or (method == "post" and path.rstrip("/").endswith(READING_POSTS))
    ]
    assert len(found) >= 80
    assert ("GET", "/api/admin/settings") in found
    return found + [("GET", path) for path in FURTHER]


def assert_most_were_answered(answers: list[Answer]) -> None:
    """Otherwise nothing would have been looked at."""
    good = [answer for answer in answers if answer.status == 200]
    assert len(good) > len(answers) * 0.5, sorted((answer.status, answer.route) for answer in answers)
    settings = next(answer for answer in good if answer.route == "GET /api/admin/settings")
    assert json.loads(settings.text[settings.text.index("{") :])["server"]["docket"]["name"] == "prefect-server"


def assert_nearly_all_need_credentials(answers: list[Answer]) -> None:
    """Of answers to a client without them."""
    assert answers
    found = {answer.route for answer in answers if answer.status == 200 and answer.route.startswith("GET /api/")}
    assert found <= OPEN
