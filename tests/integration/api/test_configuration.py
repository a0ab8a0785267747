# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A document is applied with few requests and in the correct order, and its diff is readable."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from .support import ROOT, Api, Fault, ModuleFailure, absent
from .test_documentation import Unsafe, play

STEM = "13-"


def numbered(count: int, **template: Any) -> list[dict[str, Any]]:
    """Return items in whose texts {n} is replaced by their number."""

    def filled(value: Any, number: int) -> Any:
        if isinstance(value, dict):
            return {name: filled(part, number) for name, part in value.items()}
        if isinstance(value, list):
            return [filled(part, number) for part in value]
        return value.replace("{n}", str(number)) if isinstance(value, str) else value

    return [filled(template, number) for number in range(count)]


def document(stem: str, count: int) -> dict[str, list[dict[str, Any]]]:
    """Return objects of every kind that refer to others in every possible way."""
    storage = f"local-file-system/{stem}0"
    return {
        "variables": numbered(count, name=stem + "{n}", value=["{n}"]),
        "block_documents": numbered(
            count, block_type="local-file-system", name=stem + "{n}", data={"basepath": "/{n}"}
        ),
        "global_concurrency_limits": numbered(count, name=stem + "{n}", limit=3),
        "tag_concurrency_limits": numbered(count, tag=stem + "{n}", concurrency_limit=3),
        "work_pools": numbered(
            count,
            name=stem + "{n}",
            type="process",
            queues=[{"name": "q"}, {"name": "default"}],
            storage_configuration={"default_result_storage_block": storage},
        ),
        "flows": numbered(count, name=stem + "{n}", tags=["t"]),
        "deployments": numbered(
            count,
            flow=stem + "{n}",
            name="d",
            work_pool=stem + "{n}",
            work_queue="q",
            storage_document=storage,
            global_concurrency_limit=stem + "{n}",
            schedules=[{"cron": "0 3 * * *"}],
        ),
        "automations": [
            *numbered(
                count,
                name=stem + "{n}",
                trigger={"posture": "Reactive", "expect": ["a"]},
                actions=[
                    {"type": "run-deployment", "deployment": stem + "{n}/d"},
                    {"type": "pause-work-pool", "work_pool": stem + "{n}"},
                    {"type": "pause-work-queue", "work_queue": stem + "{n}/q"},
                    {"type": "pause-automation", "automation": f"{stem}last"},
                ],
            ),
            {"name": f"{stem}last", "trigger": {"posture": "Reactive"}, "actions": [{"type": "do-nothing"}]},
        ],
    }


def test_references_cost_no_request_per_object(api: Api) -> None:
    count = 25
    wanted = document(STEM, count)
    total = sum(len(items) for items in wanted.values())
    api.run("configuration", **wanted)
    made = Counter(f"{request.method} {request.path}" for request in api.proxy.requests)
    reads = {path: number for path, number in made.items() if path.startswith("GET") or path.endswith("filter")}
    # For each new automation, the module searches again for duplicates.
    assert reads.pop("POST /api/automations/filter") <= 2 * count + 5
    several = {path: number for path, number in reads.items() if number > 8}
    assert several == {}, "asked for again and again"
    api.proxy.forget()
    assert api.run("configuration", **wanted)["summary"]["unchanged"] == total
    unchanged = Counter(request.path for request in api.proxy.requests)
    assert max(unchanged.values()) <= 4, unchanged
    assert len(api.proxy.requests) <= 25, unchanged
    api.proxy.forget()
    exported = api.run("export", include=[f"{STEM}*", f"*/{STEM}*"])
    assert len(exported["configuration"]["deployments"]) == count
    assert len(api.proxy.requests) <= 25
    assert api.run("configuration", **absent(wanted))["summary"]["delete"] == total


def test_any_order_within_blocks_and_automations(api: Api, name: str) -> None:
    fields = {"type": "object", "properties": {"next": {"type": "object"}}}
    wanted = {
        "block_types": [{"slug": "chained", "name": "Chained"}],
        "block_schemas": [{"block_type": "chained", "fields": fields}],
        "block_documents": [
            {"block_type": "chained", "name": f"c{n}", "data": {"next": {"$ref": f"chained/c{n + 1}"}} if n < 3 else {}}
            for n in range(4)
        ],
        "automations": [
            {
                "name": f"{name} {n}",
                "trigger": {"posture": "Reactive"},
                "actions": [{"type": "pause-automation", "automation": f"{name} {n + 1}"} if n < 3
                            else {"type": "do-nothing"}],
            }
            for n in range(4)
        ],
    }  # fmt: skip
    assert api.run("configuration", parallel=4, **wanted)["summary"]["create"] == 10
    assert not api.run("configuration", **wanted)["changed"]
    assert api.run("configuration", parallel=4, **absent(wanted))["summary"]["delete"] == 10


def test_a_schedule_is_listed_in_one_place(api: Api, name: str) -> None:
    schedule = {"deployment": f"{name}/d", "slug": "s", "cron": "0 3 * * *"}
    deployment = {"flow": name, "name": "d"}
    with pytest.raises(ModuleFailure, match="the list schedules of the deployment is complete"):
        api.run("configuration", deployments=[{**deployment, "schedules": []}], deployment_schedules=[schedule])
    assert api.run("configuration", deployments=[deployment], deployment_schedules=[schedule])["changed"]
    assert not api.run("configuration", deployments=[deployment], deployment_schedules=[schedule])["changed"]
    gone = {**schedule, "state": "absent"}
    assert api.run("configuration", deployment_schedules=[gone])["summary"]["delete"] == 1


def test_schedules_without_a_slug_stay_as_they_are(api: Api, name: str) -> None:
    item: dict[str, Any] = {"flow": name, "name": "d"}
    minutely = {"interval": 60, "anchor_date": "2026-01-01T00:00:00Z"}
    item["schedules"] = [{"cron": "0 3 * * *"}, minutely, {"cron": "0 3 * * *"}]
    made = api.ensure("deployment", **item)["deployment"]["schedules"]
    assert [one["slug"] for one in made] == [None, None, None]
    ids = [one["id"] for one in raw_schedules(api, name)]
    api.ensure("deployment", **{**item, "schedules": [minutely, {"cron": "0 3 * * *"}, {"slug": "s", **minutely}]})
    assert len(set(ids) & {one["id"] for one in raw_schedules(api, name)}) == 2


def raw_schedules(api: Api, flow: str) -> list[dict[str, Any]]:
    wanted = {"flows": {"name": {"any_": [flow]}}}
    found: list[dict[str, Any]] = api.raw("POST", "/deployments/filter", wanted)[0]["schedules"]
    return found


def test_every_failure_of_writes_at_the_same_time_is_reported(api: Api, name: str) -> None:
    """The pool exists while the changes are planned, and is deleted before they are written."""
    bad = [{"flow": name, "name": f"bad {n}"} for n in range(6)]
    good = [{"flow": name, "name": f"good {n}"} for n in range(6)]
    mixed = [item for pair in zip(bad, good, strict=True) for item in pair]

    def with_a_lost_pool(body: Any) -> Any:
        lost = isinstance(body, dict) and str(body.get("name")).startswith("bad")
        return {**body, "work_pool_name": "lost"} if lost else body

    api.proxy.rewrite = with_a_lost_pool
    with pytest.raises(ModuleFailure) as failure:
        api.run("configuration", deployments=mixed, parallel=4)
    assert [text[:40] for text in failure.value.result["failures"]] == [
        f"deployment '{name}/bad {n}': POST"[:40] for n in range(6)
    ]
    assert "6 of 12 changes were made" in failure.value.result["msg"]
    assert not api.run("configuration", deployments=good)["changed"]


def test_a_write_that_others_have_disturbed_is_repeated_alone(api: Api) -> None:
    """This happens with the first secrets of a server: two concurrent requests try to create its key."""
    variables = [{"name": f"disturbed_{n}", "value": 1} for n in range(4)]
    api.run("configuration", variables=variables)
    changed = [{**one, "value": 2} for one in variables]
    conflict = Fault("PATCH", "/variables/", 409)
    api.proxy.faults.append(conflict)
    with pytest.raises(ModuleFailure, match="HTTP 409"):  # the request had no concurrent ones, so it is not retried
        api.run("configuration", variables=changed)
    api.proxy.faults += [conflict, conflict]
    newest = [{**one, "value": 3} for one in variables]
    assert api.run("configuration", variables=newest, parallel=4)["summary"]["update"] == 4
    assert api.proxy.faults == []
    assert not api.run("configuration", variables=newest)["changed"]


def about(name: str, *others: str) -> dict[str, Any]:
    actions = [{"type": "pause-automation", "automation": other} for other in others]
    return {"name": name, "trigger": {"posture": "Reactive", "expect": ["x"]}, "actions": actions}


def test_automations_about_each_other(api: Api, name: str) -> None:
    """Three automations refer to each other, and one also to itself. A second run adds one to the circle."""
    first, second, third, fourth = (f"{name} {number}" for number in range(4))
    circle = [about(first, second, first), about(second, third), {**about(third, first), "enabled": False}]
    assert api.check("configuration", automations=circle)["summary"]["create"] == 3
    assert api.run("configuration", automations=circle, parallel=4)["summary"]["create"] == 3
    assert not api.run("configuration", automations=circle)["changed"]
    live = {one["name"]: one for one in api.run("automation_info")["automations"] if one["name"].startswith(name)}
    assert live[first]["actions"] == circle[0]["actions"]
    assert [live[one]["enabled"] for one in (first, second, third)] == [True, True, False]

    wider = [about(first, fourth), about(fourth, first, fourth)]
    assert api.run("configuration", automations=wider)["summary"] == {
        "create": 1, "update": 1, "delete": 0, "unchanged": 0
    }  # fmt: skip
    assert not api.run("configuration", automations=wider)["changed"]
    document = api.run("export", kinds=["automations"], include=[f"{name} *"])["configuration"]
    every = {"automations": [{"name": one, "state": "absent"} for one in (first, second, third, fourth)]}
    assert api.run("configuration", **every)["summary"]["delete"] == 4
    assert api.run("configuration", **document)["summary"]["create"] == 4
    assert api.run("export", kinds=["automations"], include=[f"{name} *"])["configuration"] == document
    assert api.run("configuration", **every)["summary"]["delete"] == 4


def test_what_only_the_server_can_refuse_is_refused_before_any_write(api: Api, name: str) -> None:
    """This also applies in check mode. References to objects that the same document creates are valid."""
    trigger = {"posture": "Reactive", "expect": ["x"]}
    good = {
        "block_documents": [{"block_type": "secret", "name": "rehearsed", "data": {"value": "x"}}],
        "global_concurrency_limits": [{"name": f"{name} limit", "limit": 1}],
        "work_pools": [{"name": f"{name} pool", "type": "process", "queues": [{"name": "q"}]}],
        "deployments": [
            {"flow": name, "name": "d", "work_pool": f"{name} pool", "global_concurrency_limit": f"{name} limit",
             "schedules": [{"slug": "s", "cron": "0 3 * * *", "timezone": "Europe/Berlin"}]},
            {"flow": name, "name": "e"},
        ],
        "deployment_schedules": [{"deployment": f"{name}/e", "slug": "s", "interval": 60}],
        "automations": [
            {"name": f"{name} a", "trigger": trigger, "actions": [
                {"type": "run-deployment", "deployment": f"{name}/d", "job_variables": {"env": {}}},
                {"type": "pause-work-pool", "work_pool": f"{name} pool"},
                {"type": "pause-work-queue", "work_queue": f"{name} pool/q"},
                {"type": "pause-work-queue", "work_queue": f"{name} pool/default"},
                {"type": "call-webhook", "block": "secret/rehearsed"},
            ]},
        ],
    }  # fmt: skip
    bad = {
        "deployments": [
            {"flow": name, "name": "pool", "work_pool": "no pool"},
            {"flow": name, "name": "limit", "global_concurrency_limit": "no limit"},
            {"flow": name, "name": "storage", "storage_document": "secret/none"},
            {"flow": name, "name": "times",
             "schedules": [{"slug": "c", "cron": "99 * * * *"}, {"slug": "ok", "cron": "9 * * * *"},
                           {"slug": "z", "interval": 60, "timezone": "Mars/Base"}]},
        ],
        "deployment_schedules": [
            {"deployment": f"{name}/none", "slug": "s", "interval": 60},
            {"deployment": f"{name}/e", "slug": "r", "rrule": "FREQ=NEVER"},
        ],
        "automations": [
            {"name": f"{name} b", "trigger": trigger, "actions": [{"type": "run-deployment", "deployment": "no/such"}]},
            {"name": f"{name} c", "trigger": trigger, "actions": [{"type": "change-flow-run-state", "state": "NOPE"}]},
            about(f"{name} d", "no automation"),
        ],
    }  # fmt: skip
    both = {kind: [*good.get(kind, []), *bad.get(kind, [])] for kind in {**good, **bad}}
    for run in (api.check, api.run):
        with pytest.raises(ModuleFailure, match="Nothing was changed") as failure:
            run("configuration", **both)
        failures = failure.value.result["failures"]
        for part in (
            "/pool': work_pool: there is no work pool 'no pool'",
            "/limit': global_concurrency_limit: there is no limit 'no limit'",
            "/storage': storage_document: there is no block 'secret/none'",
            "schedule 'c': ",
            "schedule 'z': ",
            "/none/s': deployment: there is no deployment",
            "schedule 'r': ",
            " b': actions: there is no deployment 'no/such'",
            " c': ",
            " d': actions: there is no automation 'no automation'",
        ):
            assert len([text for text in failures if part in text]) == 1, (part, failures)
        assert len(failures) == 10, failures
        assert api.proxy.writes == []
    assert api.check("configuration", **good)["changed"]
    assert api.run("configuration", **good)["summary"]["create"] == 7
    again = api.run("configuration", **good)
    assert not again["changed"], again["diff"]
    del good["deployment_schedules"]  # is deleted with its deployment
    assert api.run("configuration", **absent(good))["summary"]["delete"] == 6


def test_the_inventory_of_the_guide(api: Api, tmp_path: Path) -> None:
    """The guide's inventory for an external server: configure.yml, in check mode, and with an error in the document."""
    guide = (ROOT / "docs" / "migrate-from-terraform.md").read_text()
    _before, _fence, rest = guide.partition("```yaml\n# inventory/hosts.yml\n")
    inventory = yaml.safe_load(rest.partition("```")[0])
    variables = inventory["prefect_gateway"]["vars"]
    variables |= {"prefect_api_url": f"http://127.0.0.1:{api.server.port}/api", "prefect_api_auth_string": ""}
    document = tmp_path / "configuration" / "base.yml"
    document.parent.mkdir()
    (tmp_path / "inventory").mkdir()
    (tmp_path / "inventory" / "hosts.yml").write_text(yaml.safe_dump(inventory))

    def playbook(name: str, *options: str) -> subprocess.CompletedProcess[str]:
        command = ["ansible-playbook", "-i", str(tmp_path / "inventory"), f"playbooks/{name}.yml", *options]
        return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)

    def configure(*options: str) -> subprocess.CompletedProcess[str]:
        return playbook("configure", *options)

    document.write_text("variables: [{name: of_the_guide, value: 1}]")
    assert "changed=1 " in configure("--check").stdout
    assert "changed=1 " in configure().stdout
    assert "changed=0 " in configure().stdout
    exported = tmp_path / "exported.yml"
    done = playbook("export", "-e", f"prefect_configuration_export_file={exported}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {"name": "of_the_guide", "value": 1} in yaml.safe_load(exported.read_text())["variables"]
    assert exported.stat().st_mode & 0o777 == 0o600
    assert playbook("backlog").returncode == 0
    document.write_text("variables: [{name: of_the_guide, valeu: 2}]")
    for options in ([], ["--check"]):
        refused = configure(*options)
        assert refused.returncode == 2
        assert "unsupported option valeu" in refused.stdout + refused.stderr
    api.run("variable", name="of_the_guide", state="absent")


def test_parallel_must_be_positive(api: Api) -> None:
    with pytest.raises(ModuleFailure, match="parallel: must be 1 or more, not 0"):
        api.run("configuration", variables=[], parallel=0)


# The plan as a diff


def rendered(api: Api, tmp_path: Path, **wanted: Any) -> list[str]:
    done = play(
        [{"selfhosted.prefect.configuration": wanted}], tmp_path / "p.yml", "--check", "--diff", api_url=api.proxy.url
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    start = lines.index("--- before: server")
    return lines[start : next(n for n, line in enumerate(lines) if n > start and not line.strip())]


def test_a_small_plan_shows_just_that(api: Api, tmp_path: Path) -> None:
    api.run(
        "configuration",
        global_concurrency_limits=[{"name": "13 diff", "limit": 3}],
        work_pools=[{"name": "13 diff", "type": "process", "queues": [{"name": "q"}, {"name": "default"}]}],
        block_documents=[{"block_type": "secret", "name": "diff-13", "data": {"value": "planted-before"}}],
    )
    lines = rendered(
        api,
        tmp_path,
        variables=[{"name": "diff-13", "value": {"text": Unsafe("{{ x }}")}}],
        block_documents=[{"block_type": "secret", "name": "diff-13", "data": {"value": "planted-after"}}],
        global_concurrency_limits=[{"name": "13 diff", "limit": 40}],
        work_pools=[
            {
                "name": "13 diff",
                "job": {"stream_output": False},
                "queues": [{"name": "q", "concurrency_limit": 2}, {"name": "default"}],
            }
        ],
        tag_concurrency_limits=[{"tag": "13 none", "state": "absent"}],
    )  # fmt: skip
    assert [line for line in lines if line[:1] in "+-"][2:] == [
        "+variables:",
        "+  diff-13:",
        "+    value:",
        '+      text: "{{ x }}"',
        '-      value: "<old secret>"',
        '+      value: "<secret>"',
        "-    limit: 3",
        "+    limit: 40",
        "-        concurrency_limit: null",
        "+        concurrency_limit: 2",
        "-            default: true",
        "+            default: false",
    ]
    text = "\n".join(lines)
    assert "planted" not in text
    assert len(lines) < 50, text


def test_a_large_plan_takes_few_lines_per_change(api: Api, tmp_path: Path) -> None:
    limits = numbered(60, name="13-large-{n}", limit=1)
    api.run("configuration", global_concurrency_limits=limits)
    changed = [
        *({**item, "limit": 2} for item in limits[:20]),
        *limits[20:40],
        *({"name": item["name"], "state": "absent"} for item in limits[40:]),
        *numbered(460, name="13-new-{n}", limit=1),
    ]
    lines = rendered(api, tmp_path, global_concurrency_limits=changed)
    signs = Counter(line[0] for line in lines[2:])
    assert signs["-"] == 40
    assert signs["+"] == 940
    assert len(lines) < 1100
    api.run("configuration", **absent({"global_concurrency_limits": limits}))
