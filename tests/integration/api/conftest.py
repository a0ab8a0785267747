# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every test in this directory runs with the oldest and the newest supported version of Prefect."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite(f"{__package__}.support")

from .support import LOCKS, Api, PostgreSQL, Proxy, Server

# The supported versions have a lock file. PREFECT_TEST_VERSIONS selects versions: "oldest", "newest" or numbers.
SUPPORTED = sorted(LOCKS, key=lambda version: [int(part) for part in version.split(".")])
NAMED = {"oldest": SUPPORTED[0], "newest": SUPPORTED[-1]}
VERSIONS = [NAMED.get(word, word) for word in os.environ.get("PREFECT_TEST_VERSIONS", "oldest newest").split()]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "since(version): only for this version of Prefect and newer ones")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the tests of features that an older Prefect does not have."""
    others = []
    for item in items:
        marker = item.get_closest_marker("since")
        version = item.callspec.params.get("version") if marker else None  # type: ignore[attr-defined]
        if marker and version and SUPPORTED.index(version) < SUPPORTED.index(marker.args[0]):
            others.append(item)
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item not in others]


@pytest.fixture(scope="session", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def server(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(version, tmp_path_factory.mktemp("prefect"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def proxy(server: Server) -> Iterator[Proxy]:
    running = Proxy(server)
    yield running
    running.stop()


@pytest.fixture
def api(server: Server, proxy: Proxy) -> Api:
    proxy.forget()
    return Api(server, proxy)


@pytest.fixture
def empty(version: str, tmp_path: Path) -> Iterator[Api]:
    """A separate, empty server."""
    (tmp_path / "empty").mkdir()
    running = Server(version, tmp_path / "empty")
    entrance = Proxy(running)
    yield Api(running, entrance)
    entrance.stop()
    running.stop()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses, with characters that many clients do not encode correctly."""
    return f"{request.node.originalname} #1? ü'\""


@pytest.fixture(scope="session")
def guarded(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with PostgreSQL, basic authentication and CSRF protection."""
    database = PostgreSQL()
    try:
        running = Server(
            version,
            Path(tmp_path_factory.mktemp("guarded")),
            PREFECT_SERVER_DATABASE_CONNECTION_URL=database.url,
            PREFECT_SERVER_API_AUTH_STRING=AUTH_STRING,
            PREFECT_API_AUTH_STRING=AUTH_STRING,
            PREFECT_SERVER_API_CSRF_PROTECTION_ENABLED="true",
            PREFECT_CLIENT_CSRF_SUPPORT_ENABLED="true",
        )
        yield running
        running.stop()
    finally:
        database.stop()


AUTH_STRING = "admin:planted:p@ss/w#rd %s"
