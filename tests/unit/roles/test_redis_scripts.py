# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to Redis of the scripts that run with Prefect's packages.

Stand-ins replace the Redis client, which is not in this environment, and record its arguments.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

ROLES = Path(__file__).resolve().parents[3] / "roles"
CLIENT = ROLES / "prefect_common/files/redis_client.py"  # it precedes the code of each script
SCRIPTS = [
    "prefect_server/files/check_tasks.py",
    "prefect_server/files/release_tasks.py",
    "prefect_verify/files/redis_report.py",
    "prefect_loadtest/files/redis_figures.py",
]


class Redis:
    @staticmethod
    def from_url(url: str, **options: Any) -> dict[str, Any]:
        return {"url": url, **options}


class Sentinel:
    def __init__(self, nodes: Any, **options: Any) -> None:
        self.told = {"nodes": nodes, **options}

    def master_for(self, master: str) -> dict[str, Any]:
        return {"master": master, **self.told}


def stand_ins() -> dict[str, Any]:
    return {
        "redis": SimpleNamespace(Redis=Redis, RedisError=OSError, ConnectionError=ConnectionError),
        "redis.backoff": SimpleNamespace(NoBackoff=lambda: None),
        "redis.connection": SimpleNamespace(parse_url=lambda url: {"plain": url, "host": "h", "connection_class": 1}),
        "redis.retry": SimpleNamespace(Retry=lambda _backoff, retries: retries),
        "redis.sentinel": SimpleNamespace(Sentinel=Sentinel),
    }


@pytest.fixture(params=SCRIPTS)
def script(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name, stand_in in stand_ins().items():
        monkeypatch.setitem(sys.modules, name, stand_in)
    monkeypatch.setenv("PREFECT_SERVER_DOCKET_URL", "memory://")
    monkeypatch.setattr(sys, "argv", ["script"])
    module = ModuleType("script")
    exec(compile(CLIENT.read_text() + (ROLES / request.param).read_text(), request.param, "exec"), module.__dict__)
    return module


def test_a_redis_is_reached_by_its_url(script: ModuleType) -> None:
    assert script.connect("rediss://:p@h/1", a=1) == {"url": "rediss://:p@h/1", "a": 1}


def test_sentinel_is_asked_for_the_master(script: ModuleType) -> None:
    told = script.connect("redis+sentinel://u:p%40@a,b:7,[::1]/mymaster/2?sentinel_password=s%40&health=1", a=1)
    assert (told["master"], told["nodes"]) == ("mymaster", [("a", 26379), ("b", 7), ("::1", 26379)])
    assert (told["plain"], told["ssl"], told["a"]) == ("redis://u:p%40@h/2?health=1", False, 1)
    assert not {"host", "connection_class"} & told.keys()
    nodes = told["sentinel_kwargs"]
    assert (nodes["username"], nodes["password"], nodes["retry"]) == (None, "s@", 0)
    assert "ssl" not in nodes


def test_sentinel_and_its_master_speak_tls(script: ModuleType) -> None:
    told = script.connect("rediss+sentinel://a/mymaster")
    assert (told["plain"], told["ssl"], told["sentinel_kwargs"]["ssl"]) == ("rediss://h/?", True, True)


def test_an_authority_counts_for_sentinel_and_for_its_master(script: ModuleType) -> None:
    told = script.connect("rediss+sentinel://a/mymaster?ssl_ca_certs=/a.crt", ssl_ca_certs="/a.crt")
    assert told["plain"] == "rediss://h/?ssl_ca_certs=%2Fa.crt"
    # The stand-in does not read the URL. The real client converts its parameter to the option that this test passes.
    assert told["ssl_ca_certs"] == told["sentinel_kwargs"]["ssl_ca_certs"] == "/a.crt"


@pytest.mark.parametrize("script", ["prefect_server/files/release_tasks.py"], indirect=True)
@pytest.mark.parametrize(("seconds", "asked"), [(30, 2), (0, 0)])
def test_a_network_that_does_not_know_a_new_pod_yet_is_waited_for(script: ModuleType, seconds: int, asked: int) -> None:
    """Otherwise the background services would exit at once, and the cluster would restart them."""
    refusals = [ConnectionError("Connection refused")]
    answers: list[bool] = []

    def ping() -> None:
        answers.append(not refusals)
        if refusals:
            raise refusals.pop()

    script.wait_for(SimpleNamespace(ping=ping), seconds)
    assert answers == [False, True][:asked]


def test_one_text_says_how_redis_is_reached() -> None:
    texts = [path.read_text() for path in ROLES.glob("*/files/*.py")]
    assert len([text for text in texts if "def connect(" in text]) == 1
    assert len([text for text in texts if "import connect " in text]) == len(SCRIPTS)


@pytest.mark.parametrize("script", SCRIPTS[2:3], indirect=True)
@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("redis://:s%40@h:1/0", "redis://:s%40@h:1/3?"),
        ("redis://h", "redis://h/3?"),
        ("rediss://h/5?ssl_cert_reqs=none", "rediss://h/3?ssl_cert_reqs=none"),
        ("rediss://h/0?ssl_ca_certs=/a.crt", "rediss://h/3?ssl_ca_certs=/a.crt"),
        ("redis+sentinel://a,b/m", "redis://h/3?"),
        ("redis+sentinel://a,b/m/0", "redis://h/3?"),
    ],
)
def test_the_report_looks_at_each_database(script: ModuleType, url: str, other: str) -> None:
    told = script.database_of(url, 3)
    assert (told.get("plain") or told["url"]) == other
    assert told["decode_responses"] is True
