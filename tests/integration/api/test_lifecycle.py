# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life cycle of one object of every kind, with awkward names and values, on servers that are hard to reach."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import KINDS

from .conftest import AUTH_STRING
from .kinds import SAMPLES
from .sample import PLANTED
from .support import Fault, Proxy, Server, private_tls, run_module

DOCUMENT = {kind.plural: [*SAMPLES[kind.noun].awkward] for kind in KINDS if SAMPLES[kind.noun].awkward}
OBJECTS = sum(len(items) for items in DOCUMENT.values())


class Place(NamedTuple):
    server: str = "server"  # SQLite; "guarded": PostgreSQL, basic authentication and CSRF protection
    options: dict[str, Any] = {}
    required: tuple[str, str] | None = None  # a header without which the proxy rejects requests
    tls: bool = False
    trouble: Fault | None = None  # injected for every request when it is first sent
    fault: Fault | None = None  # injected once in each step


PLACES = {
    "SQLite": Place(),
    "PostgreSQL, basic authentication, CSRF protection": Place("guarded", {"auth_string": AUTH_STRING}),
    "a proxy that requires a header": Place(
        required=("X-Entry", "open"), options={"custom_headers": {"X-Entry": "open"}}
    ),
    "TLS with a private authority": Place(tls=True),
    "503": Place(trouble=Fault("", "", 503)),
    "429 with Retry-After": Place(trouble=Fault("", "", 429, (("Retry-After", "0.01"),))),
    "connection dropped before": Place(trouble=Fault("", "")),
    "connection dropped after the request was accepted": Place(trouble=Fault("", "", acts=True)),
    "502 after the request was accepted, on PostgreSQL": Place(
        "guarded", {"auth_string": AUTH_STRING}, trouble=Fault("", "", 502, acts=True)
    ),
    "slow reads": Place(options={"timeout": 2}, fault=Fault("POST", "/filter", acts=True, delay=2.5)),
}


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Place:
    return PLACES[request.param]


@pytest.fixture
def entrance(place: Place, version: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxy]:
    server: Server = request.getfixturevalue(place.server)
    proxy = Proxy(server, private_tls(tmp_path) if place.tls else None, place.required)
    proxy.trouble = place.trouble
    yield proxy
    proxy.stop()


def test_every_kind_lives_its_life_at(place: Place, entrance: Proxy, tmp_path: Path) -> None:
    options = {"api_url": entrance.url, "retry_max_delay": 0.05, **place.options}
    if place.tls:
        options["ca_path"] = str(tmp_path / "ca.pem")
    printed = []

    def run(module: str, check: bool = False, **more: Any) -> dict[str, Any]:
        entrance.forget()
        entrance.faults += [place.fault] if place.fault else []
        result = run_module(module, {**options, **more}, check)
        assert entrance.faults == []
        printed.append(json.dumps(result))
        return result

    def gone() -> dict[str, Any]:
        absent = {plural: [{**item, "state": "absent"} for item in items] for plural, items in DOCUMENT.items()}
        return run("configuration", **absent)

    planned = run("configuration", check=True, **DOCUMENT)
    assert entrance.writes == []
    made = run("configuration", **DOCUMENT)
    assert made["summary"] == {"create": OBJECTS, "update": 0, "delete": 0, "unchanged": 0}
    assert (planned["diff"], planned["changes"]) == (made["diff"], made["changes"])
    assert run("configuration", **DOCUMENT)["summary"]["unchanged"] == OBJECTS
    assert entrance.writes == []
    for kind in () if place.trouble or place.fault else KINDS:
        for item in DOCUMENT.get(kind.plural, ()):
            assert not run(kind.noun, **item)["changed"], "alone, it is the same"
    assert gone()["summary"]["delete"] == OBJECTS
    assert gone()["changed"] is False
    assert not [text for text in printed if PLANTED in text]
