from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.moment import age, moment, moment_form
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import plan
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment_schedule import (
    DEPLOYMENT_SCHEDULE,
    cron_form,
    error_for_types,
    interval_form,
    rrule_form,
    schedule_body,
    schedule_item,
    stored_interval,
    with_start,
)


@pytest.mark.parametrize(("given_interval", "form"), [
    (60, 60), (60.0, 60), ("60", 60), (0.5, 0.5), ("PT1M", 60), ("pt0.5s", 0.5), ("P1DT1H1M1.5S", 90061.5),
    ("P1W", 604800), ("P1M", "P1M"), ("p1y2m", "P1Y2M"), ("P1M2D", "P1M2D"),
    (0, None), (-1, None), ("", None), ("P", None), ("PT", None), ("1h", None), (True, None), ([], None), ({}, None),
    (None, None), ("nan", None), ("inf", None),
])  # fmt: skip
def test_intervals(given_interval: Any, form: Any) -> None:
    assert interval_form(given_interval) == form
    if form is not None:
        assert interval_form(form) == form, "the form of a form is itself"


def test_months_are_what_the_server_made_of_them() -> None:
    assert stored_interval("P1M", 2592000) == 2592000
    assert stored_interval("P1Y", 31536000) == 31536000
    assert stored_interval("P1M", "P1M") == "P1M"
    assert stored_interval("P2M", 2592000) == "P2M"
    assert stored_interval(60, 60) == 60


@pytest.mark.parametrize(("text", "form"), [
    ("2026-01-31T03:00:00Z", "2026-01-31T03:00:00Z"),
    ("2026-01-31 03:00:00+00:00", "2026-01-31T03:00:00Z"),
    ("2026-01-31", "2026-01-31T00:00:00Z"),
    ("2026-01-31T03:00", "2026-01-31T03:00:00Z"),
    ("2026-01-31T03:00:00.5-0130", "2026-01-31T04:30:00.500000Z"),
    ("2026-01-31t03:00:00.123456789z", "2026-01-31T03:00:00.123456Z"),
    ("2026-01-31T03:00:00.000Z", "2026-01-31T03:00:00Z"),
    ("2026-02-30", None), ("2026-01-31T25:00", None), ("soon", None), ("", None), ("2026", None),
    ("0001-01-01T00:00:00+14:00", None),
])  # fmt: skip
def test_moments(text: str, form: str | None) -> None:
    assert moment_form(text) == form


@given(st.datetimes(timezones=st.just(timezone.utc) | st.just(timezone(timedelta(hours=5, minutes=30)))))
def test_a_moment_is_the_same_in_every_spelling(when: datetime) -> None:
    if when.year > 1:
        assert moment(when.isoformat()) == when
        assert moment_form(str(when)) == moment_form(when.astimezone(timezone.utc).isoformat())


def test_age() -> None:
    assert age(None) is None
    assert age("never") is None
    assert age("2999-01-01T00:00:00Z") == 0, "clocks differ"
    past = (datetime.now(timezone.utc) - timedelta(hours=1)).isoformat()
    assert 3600 <= (age(past) or 0) < 3660


def test_rules() -> None:
    first = "DTSTART:20200101T000000\n"
    assert rrule_form(f" {first}FREQ=DAILY\r\n\n") == "FREQ=DAILY"
    assert rrule_form("DTSTART:20240101T000000\r\n RRULE:FREQ=DAILY ") == "DTSTART:20240101T000000\nRRULE:FREQ=DAILY"
    assert with_start("FREQ=DAILY", "DTSTART:20240101T000000\nFREQ=DAILY") == "DTSTART:20240101T000000\nFREQ=DAILY"
    assert with_start("FREQ=DAILY", "dtstart;TZID=X:20240101T000000\nFREQ=DAILY").startswith("dtstart")
    assert with_start("FREQ=DAILY", "DTSTART:20240101T000000\nFREQ=WEEKLY") == "FREQ=DAILY"
    explicit = "DTSTART:20250101T000000\nFREQ=DAILY"
    assert with_start(explicit, "DTSTART:20240101T000000\nFREQ=DAILY") == explicit
    assert cron_form(" 0  3\t* * * ") == "0 3 * * *"


TYPES = st.sampled_from([{"cron": "0 3 * * *"}, {"interval": 60}, {"interval": "P1M"}, {"rrule": "FREQ=DAILY"}])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "timezone": st.sampled_from(["UTC", "Europe/Berlin", None]),
        "paused": st.booleans() | st.none(),
        "max_scheduled_runs": st.integers(1, 50) | st.none(),
        "parameters": st.dictionaries(st.text(max_size=2), st.integers() | st.none(), max_size=2) | st.none(),
    },
)
KEY = {"deployment": "f/d", "slug": "s"}


@given(TYPES, OPTIONS, TYPES, OPTIONS)
def test_after_a_plan_is_applied_there_is_nothing_to_do(
    one: dict[str, Any], options: dict[str, Any], other: dict[str, Any], others: dict[str, Any]
) -> None:
    """The test applies each plan as the server would: a schedule is created, and replaced by one of another type."""
    found = None
    for item in ({**KEY, **one, **options}, {**KEY, **other, **others}):
        steps = DEPLOYMENT_SCHEDULE.plan(None, item, found)  # type: ignore[arg-type]
        api = schedule_body(steps.after)
        assert len(api["schedule"].keys() & {"cron", "interval", "rrule"}) == 1
        found = {**api, **api["schedule"], "paused": not api["active"], "deployment": "f/d", "id": "x"}
        assert DEPLOYMENT_SCHEDULE.plan(None, item, found).action is None  # type: ignore[arg-type]
        view = schedule_item(DEPLOYMENT_SCHEDULE.view(found))
        again = DEPLOYMENT_SCHEDULE.plan(None, {**KEY, **view}, found)  # type: ignore[arg-type]
        assert again.action is None, "what is read can be written"
        assert plan(steps.after, DEPLOYMENT_SCHEDULE.view(found), {}).action is None


def test_of_many_complaints_those_that_count() -> None:
    detail = (
        "0.schedule.function-after[validate_timezone(), IntervalSchedule].interval: Field required; "
        '0.schedule.function-after[validate_timezone(), CronSchedule].cron: Value error, Invalid cron string: "x"; '
        "schedules.1.schedule.function-after[validate_timezone(), IntervalSchedule]: Value error, Invalid timezone; "
        "schedules.1.schedule.RRuleSchedule.rrule: Field required; schedules.1.max_scheduled_runs: too many"
    )
    error = PrefectError(f"POST returned {detail}", detail=detail, status=422)
    one = error_for_types(error, [{"slug": "a", "cron": "x"}, {"slug": "b", "interval": 1}])
    assert str(one) == (
        "POST returned schedule 'a': cron: Value error, Invalid cron string: \"x\"; "
        "schedule 'b': Value error, Invalid timezone; schedules.1.max_scheduled_runs: too many"
    )
    assert one.facts["status"] == 422
