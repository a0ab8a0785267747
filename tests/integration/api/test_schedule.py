# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules: found by slug, changed in place, in any spelling; one by one, or as the complete list of a deployment."""

from __future__ import annotations

from typing import Any

import pytest

from .support import Api, Fault, ModuleFailure

CRON = {"cron": "0 3 * * *"}
ANCHOR = {"anchor_date": "2026-01-01T00:00:00Z"}


@pytest.fixture
def deployment(api: Api, name: str) -> str:
    api.run("deployment", flow=name, name="d ü #1")
    api.proxy.forget()
    return f"{name}/d ü #1"


def raw(api: Api, deployment: str) -> dict[str, dict[str, Any]]:
    """Return the schedules of a deployment as the server stores them, by slug."""
    flow, name = deployment.split("/")
    found = api.run("deployment_info", flow=flow, name=name)["deployment"]
    return {one["slug"]: one for one in api.raw("GET", f"/deployments/{found['id']}/schedules")}


def add_raw(api: Api, deployment: str, **schedule: Any) -> None:
    flow, name = deployment.split("/")
    found = api.run("deployment_info", flow=flow, name=name)["deployment"]
    api.raw("POST", f"/deployments/{found['id']}/schedules", [schedule])


# One schedule


def test_a_schedule_is_created_changed_cleared_deleted(api: Api, deployment: str) -> None:
    item = {"deployment": deployment, "slug": "nightly #1/%? ü'\""}
    options = {"paused": True, "max_scheduled_runs": 7, "parameters": {"a": [None, 1]}, "timezone": "Europe/Berlin"}
    made = api.ensure("deployment_schedule", **item, **CRON, day_or=False, **options)
    assert api.run("deployment_schedule_info", **item)["deployment_schedule"] == made["deployment_schedule"]
    there = raw(api, deployment)[item["slug"]]
    assert there["schedule"] == {**CRON, "timezone": "Europe/Berlin", "day_or": False}
    assert (there["active"], there["max_scheduled_runs"], there["parameters"]) == (False, 7, {"a": [None, 1]})
    changed = api.ensure("deployment_schedule", **item, cron="0 4 * * *")
    assert changed["deployment_schedule"]["id"] == there["id"], "in place"
    assert not any(write.startswith("DELETE") for write in changed["writes"])
    there = raw(api, deployment)[item["slug"]]
    assert there["schedule"] == {"cron": "0 4 * * *", "timezone": "Europe/Berlin", "day_or": False}
    assert (there["active"], there["max_scheduled_runs"], there["parameters"]) == (False, 7, {"a": [None, 1]})
    assert not api.ensure("deployment_schedule", **item)["changed"], "omitted: left alone"
    running = api.ensure("deployment_schedule", **item, paused=False)
    assert raw(api, deployment)[item["slug"]]["parameters"] == {"a": [None, 1]}, "a PATCH without them resets them"
    assert "schedule" not in running["bodies"][0]
    for option, empty in {"day_or": True, "timezone": "UTC", "parameters": {}, "paused": False}.items():
        cleared = api.ensure("deployment_schedule", **item, **{option: None})["deployment_schedule"]
        assert cleared[option] == empty
        assert cleared["id"] == there["id"]
    assert api.ensure("deployment_schedule", **item, state="absent")["deployment_schedule"] is None
    assert raw(api, deployment) == {}
    assert not api.ensure("deployment_schedule", **item, state="absent")["changed"]


def test_clearing_the_number_of_runs_keeps_all_else(api: Api, deployment: str) -> None:
    """This is the only option that the server cannot change in place."""
    item = {"deployment": deployment, "slug": "s"}
    options = {"paused": True, "parameters": {"a": 1}, "timezone": "Europe/Berlin", "day_or": False}
    before = api.run("deployment_schedule", **item, **CRON, **options, max_scheduled_runs=3)["deployment_schedule"]
    after = api.ensure("deployment_schedule", **item, max_scheduled_runs=None)["deployment_schedule"]
    assert after["max_scheduled_runs"] is None
    kept = ("cron", *options)
    assert {option: after[option] for option in kept} == {option: before[option] for option in kept}


@pytest.mark.parametrize("acts", [True, False])
def test_a_schedule_never_gets_lost_while_the_number_of_runs_is_cleared(api: Api, deployment: str, acts: bool) -> None:
    item = {"deployment": deployment, "slug": "s"}
    api.run("deployment_schedule", **item, **CRON, parameters={"a": 1}, max_scheduled_runs=3)
    api.proxy.faults.append(Fault("POST", "/schedules", acts=acts))
    after = api.run("deployment_schedule", **item, max_scheduled_runs=None)["deployment_schedule"]
    assert api.proxy.faults == []
    assert (after["cron"], after["parameters"], after["max_scheduled_runs"]) == ("0 3 * * *", {"a": 1}, None)
    assert list(raw(api, deployment)) == ["s"]


SPELLINGS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"cron": " 0  3 * * MON "}, {"cron": "0 3 * * MON"}),
    ({"cron": "@daily", "timezone": None}, {"cron": "@daily", "timezone": "UTC", "day_or": True}),
    ({"interval": 3600, **ANCHOR}, {"interval": "PT1H", "anchor_date": "2026-01-01"}),
    ({"interval": "3600", **ANCHOR}, {"interval": 3600.0, "anchor_date": "2026-01-01 01:00:00+01:00"}),
    (
        {"interval": 90.5, **ANCHOR, "paused": True},
        {"interval": "pt1m30.5s", "anchor_date": "2026-01-01T00:00:00.000Z"},
    ),
    ({"interval": "P1DT1H", **ANCHOR}, {"interval": 90000, "timezone": None}),
    ({"interval": "P2W", **ANCHOR}, {"interval": "P14D", "timezone": "UTC"}),
    ({"rrule": "FREQ=DAILY\n"}, {"rrule": "DTSTART:20200101T000000\nFREQ=DAILY"}),
    ({"rrule": "RRULE:FREQ=DAILY;COUNT=3"}, {"rrule": "RRULE:FREQ=DAILY;COUNT=3", "timezone": "UTC"}),
    ({"rrule": "DTSTART:20240101T000000\r\nRRULE:FREQ=DAILY"}, {"rrule": "DTSTART:20240101T000000\n RRULE:FREQ=DAILY"}),
    ({"rrule": "DTSTART;TZID=Europe/Berlin:20240101T000000\nFREQ=DAILY"}, {"rrule": "FREQ=DAILY"}),
    ({"rrule": "RRULE:FREQ=DAILY\nEXDATE:20240101T000000"}, {"rrule": "RRULE:FREQ=DAILY\n\nEXDATE:20240101T000000\n"}),
]


@pytest.mark.parametrize(("one", "other"), SPELLINGS, ids=lambda spelling: str(next(iter(spelling.values()))))
def test_spellings_of_one_schedule(api: Api, deployment: str, one: dict[str, Any], other: dict[str, Any]) -> None:
    item = {"deployment": deployment, "slug": "s"}
    api.run("deployment_schedule", **item, state="absent")
    api.ensure("deployment_schedule", **item, **one)
    assert not api.ensure("deployment_schedule", **item, **other)["changed"]
    shown = api.run("deployment_schedule_info", **item)["deployment_schedule"]
    options = {option: shown[option] for option in ("cron", "interval", "rrule", "timezone") if shown[option]}
    assert not api.ensure("deployment_schedule", **item, **options)["changed"]


@pytest.mark.parametrize("rule", ["FREQ=MINUTELY;INTERVAL=5", "RRULE:FREQ=SECONDLY;INTERVAL=30"])
def test_a_start_that_the_server_adds_is_left_alone(api: Api, deployment: str, rule: str) -> None:
    item = {"deployment": deployment, "slug": "s"}
    api.run("deployment_schedule", **item, state="absent")
    api.run("deployment_schedule", **item, rrule=rule, paused=True)  # paused, so that the server does not schedule runs
    kept = raw(api, deployment)["s"]["schedule"]["rrule"]
    assert kept.endswith(rule)
    assert not api.ensure("deployment_schedule", **item, rrule=rule)["changed"]
    api.ensure("deployment_schedule", **item, timezone="Europe/Berlin")
    assert raw(api, deployment)["s"]["schedule"]["rrule"].endswith(rule)
    assert api.check("deployment_schedule", **item, rrule="FREQ=HOURLY")["changed"]


def test_an_interval_in_months(api: Api, deployment: str) -> None:
    """The length of a month depends on the Python of the server."""
    item = {"deployment": deployment, "slug": "s"}
    api.run("deployment_schedule", **item, interval="P1M", **ANCHOR)
    assert not api.ensure("deployment_schedule", **item, interval="P1M")["changed"]
    assert api.check("deployment_schedule", **item, interval="P2M")["changed"]


def test_an_interval_keeps_its_anchor(api: Api, deployment: str) -> None:
    item = {"deployment": deployment, "slug": "s"}
    created = api.run("deployment_schedule", **item, interval=86400)["deployment_schedule"]
    assert created["anchor_date"] is not None
    assert not api.ensure("deployment_schedule", **item, interval=86400)["changed"]
    changed = api.ensure("deployment_schedule", **item, interval=43200, timezone="Europe/Berlin")["deployment_schedule"]
    assert changed["anchor_date"] == created["anchor_date"]
    assert api.ensure("deployment_schedule", **item, **ANCHOR)["changed"]


def test_one_type_of_schedule_replaces_another(api: Api, deployment: str) -> None:
    item = {"deployment": deployment, "slug": "s"}
    made = api.ensure("deployment_schedule", **item, **CRON, day_or=False, timezone="Europe/Berlin", paused=True)
    interval = api.ensure("deployment_schedule", **item, interval=86400, **ANCHOR)["deployment_schedule"]
    assert (interval["cron"], interval["interval"], interval["timezone"]) == (None, 86400, "Europe/Berlin")
    assert interval["paused"] is True
    rule = api.ensure("deployment_schedule", **item, rrule="FREQ=DAILY")["deployment_schedule"]
    assert (rule["interval"], rule["anchor_date"], rule["rrule"]) == (None, None, "FREQ=DAILY")
    back = api.ensure("deployment_schedule", **item, cron="0 5 * * *", interval=None, rrule=None)["deployment_schedule"]
    assert (back["cron"], back["day_or"], back["rrule"]) == ("0 5 * * *", True, None)
    assert back["id"] == made["deployment_schedule"]["id"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"deployment": "half", **CRON}, "deployment: must be written as flow/deployment"),
        ({"deployment": "a/b/c", **CRON}, "deployment: must be written as flow/deployment"),
        ({"slug": "", **CRON}, "slug: must not be empty"),
        ({**CRON, "interval": 86400}, "interval: a schedule has only one of cron, interval, rrule"),
        ({"cron": None}, "cron: cannot be null: a schedule has one of"),
        ({"interval": 0}, "interval: must be more than 0 seconds, as a number or as an ISO 8601 duration .* not 0"),
        ({"interval": "1h"}, "interval: must be more than 0 seconds"),
        ({"interval": "PT0S"}, "interval: must be more than 0 seconds"),
        ({"interval": True}, "interval: must be more than 0 seconds"),
        ({"interval": [1]}, "interval: must be more than 0 seconds"),
        ({"interval": 60, "anchor_date": "soon"}, "anchor_date: must be a date and time like"),
        ({"interval": 60, "anchor_date": "2026-02-30"}, "anchor_date: must be a date and time like"),
        ({"interval": 60, "anchor_date": None}, "anchor_date: cannot be null"),
        ({**CRON, "max_scheduled_runs": 0}, "max_scheduled_runs: must be 1 or more, or null for no limit, not 0"),
    ],
)
def test_mistakes_are_refused_before_any_request(api: Api, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModuleFailure, match=problem):
        api.run("deployment_schedule", **{"deployment": "some/deployment", "slug": "s", **options})
    assert api.proxy.requests == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "cron: the creation of a schedule requires one of cron, interval, rrule"),
        ({**CRON, **ANCHOR}, "anchor_date: belongs to a schedule with interval, not with cron"),
        ({"interval": 60, "day_or": False}, "day_or: belongs to a schedule with cron, not with interval"),
        ({"deployment": "no/such", **CRON}, "deployment: there is no deployment 'no/such'"),
    ],
)
def test_mistakes_are_refused(api: Api, deployment: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModuleFailure, match=problem):
        api.run("deployment_schedule", **{"deployment": deployment, "slug": "s", **options})
    assert api.proxy.writes == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"cron": "nope"}, "schedule '(s|there)': cron: Value error, Invalid cron string: \"nope\""),
        ({**CRON, "timezone": "Nowhere/X"}, "schedule '(s|there)': Value error, Invalid timezone: \"Nowhere/X\""),
        ({"rrule": "FREQ=NEVER"}, "schedule '(s|there)': rrule: Value error, Invalid RRule string"),
        ({**CRON, "max_scheduled_runs": 1000}, "must be less than or equal to 50"),
    ],
)
def test_of_the_servers_many_complaints_the_one_that_counts_is_told(
    api: Api, deployment: str, options: dict[str, Any], problem: str
) -> None:
    flow, name = deployment.split("/")
    good = {"slug": "good", "interval": 86400}
    for run in (
        lambda: api.run("deployment_schedule", deployment=deployment, slug="s", **options),
        lambda: api.run("deployment", flow=flow, name=f"{name} 2", schedules=[good, {"slug": "s", **options}]),
    ):
        with pytest.raises(ModuleFailure, match=problem) as failure:
            run()
        assert "Field required" not in failure.value.result["msg"]
        assert "Extra inputs" not in failure.value.result["msg"]
    api.run("deployment_schedule", deployment=deployment, slug="there", **CRON)
    with pytest.raises(ModuleFailure, match=problem) as failure:
        api.run("deployment_schedule", deployment=deployment, slug="there", **options)
    assert "Field required" not in failure.value.result["msg"]


def test_absent_of_no_deployment_is_absent(api: Api) -> None:
    assert not api.ensure("deployment_schedule", deployment="no/such", slug="s", state="absent")["changed"]


def test_all_schedules_are_read(api: Api, deployment: str) -> None:
    for slug in ("a", "b"):
        api.run("deployment_schedule", deployment=deployment, slug=slug, **CRON)
    found = api.run("deployment_schedule_info", deployment=deployment)["deployment_schedules"]
    assert sorted(one["slug"] for one in found) == ["a", "b"]
    assert {one["deployment"] for one in found} == {deployment}
    assert len(api.run("deployment_schedule_info")["deployment_schedules"]) >= 2


@pytest.mark.parametrize("acts", [True, False])
def test_a_lost_answer_is_no_second_schedule(api: Api, deployment: str, acts: bool) -> None:
    api.run("deployment_schedule", deployment=deployment, slug="s", state="absent")
    api.proxy.faults.append(Fault("POST", "/schedules", acts=acts))
    assert api.run("deployment_schedule", deployment=deployment, slug="s", **CRON)["changed"]
    assert list(raw(api, deployment)) == ["s"]


# The complete list of a deployment


def test_all_schedules_of_a_deployment(api: Api, name: str) -> None:
    item = {"flow": name, "name": "all"}
    nightly = {"slug": "nightly", **CRON, "timezone": "Europe/Berlin", "day_or": False}
    often = {"slug": "often", "interval": 86400, **ANCHOR, "parameters": {"x": 1}}
    made = api.ensure("deployment", **item, schedules=[often, nightly])
    assert len([write for write in made["writes"] if "/schedules" in write]) == 0, "in the creation"
    assert [one["slug"] for one in made["deployment"]["schedules"]] == ["nightly", "often"]
    before = raw(api, f"{name}/all")
    assert not api.ensure("deployment", **item, schedules=[nightly, often])["changed"], "in any order"
    assert not api.ensure("deployment", **item, schedules=made["deployment"]["schedules"])["changed"], "as it was read"
    assert not api.ensure("deployment", **item, description=None)["changed"], "omitted: left alone"

    api.run("deployment_schedule", deployment=f"{name}/all", slug="often", paused=True)
    add_raw(api, f"{name}/all", schedule=CRON, slug="by hand")
    add_raw(api, f"{name}/all", schedule=CRON)
    changed = api.ensure("deployment", **item, schedules=[{**nightly, "cron": "0 4 * * *"}, {"slug": "often"}])
    assert sorted(write.split()[0] for write in changed["writes"]) == ["DELETE", "DELETE", "PATCH"]
    after = raw(api, f"{name}/all")
    assert {slug: one["id"] for slug, one in after.items()} == {slug: one["id"] for slug, one in before.items()}
    assert after["often"]["active"] is False, "what is paused stays paused"
    assert after["often"]["parameters"] == {"x": 1}
    assert after["nightly"]["schedule"] == {"cron": "0 4 * * *", "timezone": "Europe/Berlin", "day_or": False}

    diff = changed["diff"]
    assert [one["slug"] for one in diff["before"]["schedules"]] == [None, "by hand", "nightly", "often"]
    assert diff["after"]["schedules"] == changed["deployment"]["schedules"]

    more = api.ensure(
        "deployment", **item, description="x", schedules=[nightly, {"slug": "new", "rrule": "FREQ=DAILY"}]
    )
    assert sorted(raw(api, f"{name}/all")) == ["new", "nightly"]
    assert more["deployment"]["description"] == "x"
    for nothing in (None, []):
        api.run("deployment", **item, schedules=[nightly])
        assert api.ensure("deployment", **item, schedules=nothing)["changed"]
        assert raw(api, f"{name}/all") == {}


def test_schedules_in_a_document(api: Api, name: str) -> None:
    deployments = [
        {"flow": name, "name": f"d{n}", "schedules": [{"slug": "s", "interval": 86400 + n, **ANCHOR}]} for n in range(5)
    ]
    assert api.run("configuration", deployments=deployments)["summary"]["create"] == 5
    api.proxy.forget()
    assert api.run("configuration", deployments=deployments)["summary"]["unchanged"] == 5
    assert len(api.proxy.requests) <= 4
    deployments[3]["schedules"] = []
    changed = api.run("configuration", deployments=deployments)
    assert changed["changes"][0]["options"] == ["schedules"]
    assert raw(api, f"{name}/d3") == {}
    assert api.run("configuration", deployments=deployments)["changed"] is False


def test_a_schedule_without_a_slug_is_known_by_what_it_is(api: Api, name: str) -> None:
    item = {"flow": name, "name": "d"}
    made = api.ensure("deployment", **item, schedules=[CRON])["deployment"]["schedules"]
    assert [(one["slug"], one["cron"]) for one in made] == [(None, CRON["cron"])]
    other = api.ensure("deployment", **item, schedules=[{"cron": "0 4 * * *"}])["deployment"]["schedules"]
    assert [one["cron"] for one in other] == ["0 4 * * *"]


@pytest.mark.parametrize(
    ("schedules", "problem"),
    [
        ([{"slug": "a", **CRON}, {"slug": "a", **CRON}], "schedules: slugs must be unique"),
        ([{"slug": "a", **CRON, "interval": 1}], "deployment_schedule 'f/d/a': interval: a schedule has only one"),
        ([{"slug": "a", "corn": "x"}], "Unsupported parameters .* schedules.corn"),
    ],
)
def test_schedules_that_cannot_be_are_refused(api: Api, schedules: list[dict[str, Any]], problem: str) -> None:
    with pytest.raises(ModuleFailure, match=problem):
        api.run("deployment", flow="f", name="d", schedules=schedules)
    assert api.proxy.requests == []
