# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Schedules of deployments, identified by their slugs: as single objects, and as the complete list of a deployment.

The server accepts several notations of a schedule and keeps most of them, so the comparison uses normalized values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect import references
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import NOTHING, Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Field, Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.moment import moment_form
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import ChangeSet
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run import names_with_flows

# The types of schedules, each with its fields in the API.
TYPES = {
    "cron": ("cron", "timezone", "day_or"),
    "interval": ("interval", "timezone", "anchor_date"),
    "rrule": ("rrule", "timezone"),
}
TIMES = frozenset(part for parts in TYPES.values() for part in parts)
FIRST = "DTSTART:20200101T000000\n"  # the start that the server gives a rule without one
START = re.compile(r"DTSTART[:;][^\n]*\n", re.IGNORECASE)
DURATION = re.compile(
    r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE
)
DURATION_SECONDS = (365 * 86400, 30 * 86400, 7 * 86400, 86400, 3600, 60, 1)
# Location in an error message of the server, such as schedules.0.schedule.function-after[x(), CronSchedule].cron
PLACE = re.compile(r"(?:schedules\.)?(?:(\d+)\.)?schedule\.[^:]*?(\w+)Schedule\b\]?\.?")


class DeploymentSchedule(Kind):
    noun = "deployment_schedule"
    plural = "deployment_schedules"
    key = ("deployment", "slug")
    route = ("deployments",)
    fields = {
        "deployment": Field("str"),
        "slug": Field("str"),
        "cron": Field("str"),
        "interval": Field("raw"),
        "rrule": Field("str"),
        "timezone": Field("str", empty="UTC"),
        "anchor_date": Field("str", nullable=False),
        "day_or": Field("bool", empty=True),
        "paused": Field("bool", empty=False),
        "max_scheduled_runs": Field("int"),
        "parameters": Field("dict", empty={}),
    }
    runtime = ("id", "created", "updated")
    part_of = "deployment"
    refers_to = ("deployment",)
    exported = purged = False  # the list `schedules` of a deployment contains them
    documentation = "Single schedules of deployments, without effect on their other schedules"

    def dependencies(self, options: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
        yield ("deployment", *options["deployment"].split("/", 1))

    # Reading

    def find(self, client: Client, item: Mapping[str, Any]) -> dict[str, Any] | None:
        deployment = client.get("deployments", "name", *item["deployment"].split("/"), missing_ok=True)
        if deployment is None:
            return None
        return next(
            (one for one in flat_schedules(deployment, item["deployment"]) if one["slug"] == item["slug"]), None
        )

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        deployments = [one for one in client.pages(*self.route, "filter") if one["schedules"]]
        names = names_with_flows(client, deployments)
        for deployment in deployments:
            yield from flat_schedules(deployment, names[deployment["id"]])

    def normal(self, option: str, value: Any) -> Any:
        value = super().normal(option, value)
        forms = {"cron": cron_form, "interval": interval_form, "rrule": rrule_form, "anchor_date": moment_form}
        return forms[option](value) if option in forms and value is not None else value

    # Desired state

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        if [bool(part) for part in item["deployment"].split("/")] != [True, True]:
            raise self.refuse(item, "deployment", "must be written as flow/deployment")
        if item["slug"] == "":
            raise self.refuse(item, "slug", "must not be empty")
        stated = [part for part in TYPES if item.get(part) is not None]
        if len(stated) > 1:
            raise self.refuse(item, stated[1], f"a schedule has only one of {', '.join(TYPES)}")
        if not stated and any(part in item for part in TYPES):
            raise self.refuse(item, "cron", f"cannot be null: a schedule has one of {', '.join(TYPES)}")
        runs = item.get("max_scheduled_runs")
        if runs is not None and runs < 1:
            raise self.refuse(item, "max_scheduled_runs", f"must be 1 or more, or null for no limit, not {runs}")
        for part, problem in (
            ("interval", "must be more than 0 seconds, as a number or as an ISO 8601 duration like PT1H"),
            ("anchor_date", "must be a date and time like 2026-01-31T03:00:00Z"),
        ):
            if item.get(part) is not None and self.normal(part, item[part]) is None:
                raise self.refuse(item, part, f"{problem}, not {item[part]!r}")

    def wanted(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
        wanted = super().wanted(client, item, found)
        before = type_of(found) if found else None
        now = next((part for part in TYPES if item.get(part) is not None), before)
        if now is None:
            raise self.refuse(item, "cron", f"the creation of a schedule requires one of {', '.join(TYPES)}")
        for part, owner in (("anchor_date", "interval"), ("day_or", "cron")):
            if item.get(part) is not None and now != owner:
                raise self.refuse(item, part, f"belongs to a schedule with {owner}, not with {now}")
        if before and now != before:
            others = {part: self.fields[part].empty for one in TYPES.values() for part in one if part != "timezone"}
            wanted = {**others, **wanted}
        if found and now == before == "rrule" and "rrule" in wanted:
            wanted["rrule"] = with_start(wanted["rrule"], self.normal("rrule", found["rrule"]))
        if found and now == before == "interval" and "interval" in wanted:
            wanted["interval"] = stored_interval(wanted["interval"], self.normal("interval", found["interval"]))
        return wanted

    def validation_errors(
        self, client: Client, planned: Sequence[tuple[Mapping[str, Any], ChangeSet]]
    ) -> list[PrefectError]:
        errors = []
        for item, steps in planned:
            if steps.action == "create":
                try:
                    self._deployment_id(client, item)
                except PrefectError as error:
                    errors.append(error)
        changed = [(self.title(item), steps.after) for item, steps in planned if steps.changes.keys() & TIMES]
        return errors + refused(client, changed)

    # Writing

    def create(self, client: Client, item: Mapping[str, Any], steps: ChangeSet) -> None:
        deployment = self._deployment_id(client, item)
        self._write(client, "POST", [deployment, "schedules"], [schedule_body(steps.after)], steps.after)

    def update(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any], steps: ChangeSet) -> None:
        if steps.after["max_scheduled_runs"] is None and found["max_scheduled_runs"] is not None:
            # A PATCH ignores null for this option. The new schedule differs only in its id, and due runs are kept.
            self.delete(client, item, found)
            self._write(
                client, "POST", [found["deployment_id"], "schedules"], [schedule_body(steps.after)], steps.after
            )
            return
        body = schedule_body(steps.after)
        if not steps.changes.keys() & TIMES:
            del body["schedule"]
        self._write(client, "PATCH", self._path(found), body, steps.after)

    def delete(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any]) -> None:
        client.call("DELETE", *self.route, *self._path(found), missing_ok=True)

    def _deployment_id(self, client: Client, item: Mapping[str, Any]) -> str:
        name = item["deployment"]
        deployment = references.known_id(client, "deployment", name, "deployments", "name", *name.split("/"))
        if deployment is None:
            raise self.refuse(item, "deployment", f"there is no deployment {name!r}")
        return deployment

    def _path(self, found: Mapping[str, Any]) -> list[str]:
        return [found["deployment_id"], "schedules", found["id"]]

    def _write(self, client: Client, method: str, path: Sequence[str], body: Any, after: Mapping[str, Any]) -> None:
        try:
            client.call(method, *self.route, *path, body=body)
        except PrefectError as error:
            raise error_for_types(error, [after]) from None


DEPLOYMENT_SCHEDULE = DeploymentSchedule()
# Options of a schedule in the list of a deployment, where the slug is optional.
SCHEDULE_OPTIONS = {
    **{option: spec for option, spec in DEPLOYMENT_SCHEDULE.options.items() if option != "deployment"},
    "slug": {"type": "str"},
}


# Conversion between the form of the API and the options


def flat_schedules(deployment: Mapping[str, Any], name: str) -> Iterator[dict[str, Any]]:
    """Yield the schedules of a deployment, each as one flat mapping."""
    for found in deployment["schedules"]:
        yield {**found, **found["schedule"], "deployment": name, "paused": not found["active"]}


def type_of(schedule: Mapping[str, Any]) -> str:
    return next(part for part in TYPES if schedule.get(part) is not None)


def schedule_body(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schedule in the form of the API, always with the parameters: a PATCH without them resets them."""
    return {
        "slug": schedule["slug"],
        "schedule": {part: schedule[part] for part in TYPES[type_of(schedule)] if schedule[part] is not None},
        "active": not schedule["paused"],
        "max_scheduled_runs": schedule["max_scheduled_runs"],
        "parameters": schedule["parameters"],
    }


def schedule_item(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schedule as an item of a deployment, without the fields of the other types."""
    foreign = {part for one, parts in TYPES.items() if one != type_of(schedule) for part in parts}
    foreign -= {"timezone"}
    return {part: schedule.get(part) for part in SCHEDULE_OPTIONS if part not in foreign}


def refused(client: Client, schedules: Sequence[tuple[str, Mapping[str, Any]]]) -> list[PrefectError]:
    """Return the validation errors of the server for these schedules, each with the title of its object."""
    if not schedules:
        return []
    views = [schedule for _title, schedule in schedules]
    try:
        client.validate("POST", "deployments", NOTHING, "schedules", body=[schedule_body(view) for view in views])
    except PrefectError as error:
        if error.status != 422:
            raise
        if len(schedules) == 1:
            return [error_for_types(error, views).about(schedules[0][0])]
        half = len(schedules) // 2
        return [*refused(client, schedules[:half]), *refused(client, schedules[half:])]
    return []


def error_for_types(error: PrefectError, schedules: Sequence[Mapping[str, Any]]) -> PrefectError:
    """Keep the messages about the type of the schedule. The server tries every type, and reports each failure."""
    pieces = []
    for piece in str(error.facts.get("detail")).split("; "):
        place = PLACE.match(piece)
        if not place:
            pieces.append(piece)
            continue
        schedule = schedules[int(place[1] or 0)]
        if place[2].lower() == type_of(schedule):
            pieces.append(f"schedule {schedule['slug']!r}: {piece[place.end() :].lstrip(': ')}")
    return error.retold("; ".join(pieces))


# Normalized values


def cron_form(value: str) -> str:
    return " ".join(value.split())


def rrule_form(value: str) -> str:
    lines = (line.strip() for line in value.strip().splitlines())
    text = "\n".join(line for line in lines if line)
    return text[len(FIRST) :] if text.startswith(FIRST) else text


def with_start(wanted: str, found: str) -> str:
    """Return the found rule if it is the wanted one with a start that the server has added."""
    return found if not START.match(wanted) and START.sub("", found, count=1) == wanted else wanted


def interval_form(value: Any) -> float | str | None:
    """Return the seconds of an interval, None if the value is invalid.

    A duration with years or months has no fixed number of seconds, and stays text.
    """
    parts = DURATION.fullmatch(value) if isinstance(value, str) else None
    if parts and (parts[1] or parts[2]):
        return parts[0].upper()
    try:
        seconds = duration_seconds(value) if parts else float(value)
    except (TypeError, ValueError):
        return None
    if isinstance(value, bool) or not 0 < seconds < float("inf"):
        return None
    return int(seconds) if seconds.is_integer() else seconds


def duration_seconds(text: str) -> float:
    parts = DURATION.fullmatch(text)
    return sum(float(count or 0) * unit for count, unit in zip(parts.groups() if parts else (), DURATION_SECONDS))


def stored_interval(wanted: Any, found: Any) -> Any:
    """Return the found interval if a server without years and months has converted them to 365 and 30 days."""
    return found if isinstance(wanted, str) and duration_seconds(wanted) == found else wanted
