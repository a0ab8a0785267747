# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages of a version of Prefect, and the data that the package index has to provide."""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._lock import resolution
from ansible_collections.selfhosted.prefect.plugins.module_utils._lock.mirror import credentials

WHEEL = "prefect-3.8.8-py3-none-any.whl"
LOGIN = base64.b64encode(b"me:pass word").decode()


class Index:
    """A package index with one project, which requires a password. Unlike a real one, it can omit data."""

    def __init__(self) -> None:
        self.files: list[dict[str, Any]] = []
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                known = self.headers.get("Authorization") == f"Basic {LOGIN}" and self.path == "/simple/prefect/"
                self.send_response(200 if known else 401)
                self.end_headers()
                if known:
                    self.wfile.write(json.dumps({"files": index.files}).encode())

            def log_message(self, *_words: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def environment(self, login: str = "me:pass%20word") -> dict[str, str]:
        return {"PIP_INDEX_URL": f"http://{login}@127.0.0.1:{self.server.server_port}/simple/"}


@pytest.fixture
def index() -> Iterator[Index]:
    served = Index()
    yield served
    served.server.shutdown()
    served.server.server_close()


@pytest.mark.parametrize("version", ["3", "3.9", "3.9.1rc1", "latest", "3.5.9", "2.20.1"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(resolution.LockError, match="version: "):
        resolution.parsed(version)


def test_undeclared_packages_are_added_to_the_versions_that_need_them() -> None:
    assert resolution.requirements("3.6.29", ["prefect-redis"]) == [
        "prefect==3.6.29",
        "prefect-redis",
        "importlib-metadata",
    ]
    assert resolution.requirements("3.7.0", ["prefect-redis"]) == ["prefect==3.7.0", "prefect-redis"]


def test_a_release_has_a_day_and_an_oldest_python(index: Index) -> None:
    index.files = [
        {"filename": "prefect-3.8.8.tar.gz", "upload-time": "2020-01-01T00:00:00Z", "requires-python": ">=3.1"},
        {"filename": WHEEL, "upload-time": "2026-10-06T16:57:05.314926Z", "requires-python": "<3.15,>=3.10"},
    ]
    found = resolution.release("3.8.8", index.environment())
    assert found == (datetime.date(2026, 10, 6), "3.10")
    assert resolution.last_day(found) == "2026-10-07"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "has no wheel of Prefect 3.8.8"),
        ([{"filename": "prefect-3.8.80-py3-none-any.whl"}], "has no wheel of Prefect 3.8.8"),
        ([{"filename": WHEEL, "upload-time": "2026-10-06T16:57:05Z"}], "supported versions of Python"),
    ],
)
def test_what_the_index_does_not_have_is_named(index: Index, files: list[dict[str, Any]], words: str) -> None:
    index.files = files
    with pytest.raises(resolution.LockError, match=words):
        resolution.release("3.8.8", index.environment())


def test_an_index_without_times_needs_a_day(index: Index) -> None:
    index.files = [{"filename": WHEEL, "requires-python": ">=3.10"}]
    with pytest.raises(resolution.LockError, match="Set prefect_lock_before"):
        resolution.last_day(resolution.release("3.8.8", index.environment()))


def test_an_index_that_refuses_is_named_without_its_password(index: Index) -> None:
    with pytest.raises(resolution.LockError, match="does not list the releases") as refused:
        resolution.release("3.8.8", index.environment("me:other"))
    assert "other" not in str(refused.value)


def test_passwords_in_urls_are_found() -> None:
    assert credentials("https://me:p%40ss@pypi.example.com/simple") == {"me:p%40ss", "p%40ss", "p@ss"}
    assert credentials("https://token@pypi.example.com/simple https://pypi.org") == {"token"}
    assert credentials("no url") == set()
