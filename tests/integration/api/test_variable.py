# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables: any JSON value, including null."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .support import HERE, ROOT, Api, ModuleFailure, warnings_of


def raw_value(api: Api, name: str) -> Any:
    return api.raw("GET", f"/variables/name/{name}")["value"]


VALUES: list[Any] = [
    None,
    True,
    0,
    -1.5,
    12,
    "",
    "12",
    "true",
    "ünï 漢 \"quoted\" 'single' #? %",
    "{{ customer }} {% raw %}",
    [],
    [1, None, [True]],
    {},
    {"a": {"b": [None, 1.0]}, "": None, "x.y/z": "{{ braces }}"},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_any_json_value(api: Api, value: Any) -> None:
    made = api.ensure("variable", name="any-value_1", value=value)
    assert made["variable"]["value"] == value
    assert raw_value(api, "any-value_1") == value
    assert type(raw_value(api, "any-value_1")) is type(value)
    assert api.run("variable_info", name="any-value_1")["variable"] == made["variable"]
    api.ensure("variable", name="any-value_1", state="absent")
    created = api.ensure("variable", name="any-value_1", value=value)
    assert created["changed"], "a value of null, too, creates one"


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), (1, "1"), (None, ""), ([], {}), (None, 0)])
def test_values_that_only_look_alike_differ(api: Api, before: Any, after: Any) -> None:
    api.ensure("variable", name="alike", value=before)
    assert api.ensure("variable", name="alike", value=after)["changed"]
    assert type(raw_value(api, "alike")) is type(after)


def test_one_number_in_two_spellings_is_one(api: Api) -> None:
    api.ensure("variable", name="spelling", value=2)
    assert not api.ensure("variable", name="spelling", value=2.0)["changed"]


def test_omitted_leaves_null_clears_value_sets(api: Api) -> None:
    api.ensure("variable", name="three", value={"a": 1}, tags=["b", "a", "b"])
    only_tags = api.ensure("variable", name="three", tags=["c"])
    assert only_tags["bodies"] == [{"tags": ["c"]}]
    assert raw_value(api, "three") == {"a": 1}, "omitted: left alone"
    only_value = api.ensure("variable", name="three", value=None)
    assert only_value["bodies"] == [{"value": None}]
    assert only_value["variable"]["tags"] == ["c"]
    assert api.ensure("variable", name="three", tags=None)["variable"]["tags"] == []
    assert api.ensure("variable", name="three", state="absent")["variable"] is None
    assert not api.ensure("variable", name="three", state="absent")["changed"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"name": "a b", "value": 1}, "name: must be 1 to 255 lowercase letters, digits, dashes and underscores"),
        ({"name": "A", "value": 1}, "name: must be 1 to 255"),
        ({"name": "ü", "value": 1}, "name: must be 1 to 255"),
        ({"name": "", "value": 1}, "name: must be 1 to 255"),
        ({"name": "x" * 256, "value": 1}, "name: must be 1 to 255"),
        ({"name": "big", "value": "x" * 4999}, "value: has 5001 bytes as JSON, but the limit of the server is 5000"),
        ({"name": "big", "value": "ü" * 2500}, "value: has 5002 bytes as JSON"),
    ],
)
def test_what_the_server_refuses_is_refused_before_any_request(api: Api, options: dict[str, Any], problem: str) -> None:
    for run in (api.run, api.check):
        with pytest.raises(ModuleFailure, match=problem):
            run("variable", **options)
    assert api.proxy.requests == []


def test_the_longest_value_fits(api: Api) -> None:
    api.ensure("variable", name="long", value="ü" * 2499)
    api.ensure("variable", name="x" * 255, value={"spaces": ["x" * 4980]})


def test_a_variable_needs_a_value_to_be_created(api: Api) -> None:
    with pytest.raises(ModuleFailure, match="value: is needed to create the variable"):
        api.check("variable", name="valueless", tags=["a"])


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("db_password", True),
        ("secret", True),
        ("api-key", True),
        ("aws_access_keys", True),
        ("github_token", True),
        ("password-2", True),
        ("tokenizer", False),
        ("key", False),
        ("passwordless", False),
        ("monkey", False),
    ],
)
def test_a_name_that_looks_like_a_secret_is_warned_about(api: Api, name: str, warned: bool) -> None:
    for result in (api.check("variable", name=name, value="x"), api.run("variable", name=name, value="x")):
        assert sum("store secrets in a block_document" in text for text in warnings_of(result)) == warned
    document = api.run("configuration", variables=[{"name": name, "value": "y"}])
    assert bool(warnings_of(document)) is warned
    assert not warnings_of(api.run("variable", name=name, state="absent")), "nothing to warn about any more"


def test_450_objects_are_read_to_the_end(api: Api) -> None:
    variables = [{"name": f"page-{n}", "value": n} for n in range(450)]
    assert api.run("configuration", variables=variables)["summary"]["create"] == 450
    api.proxy.forget()
    assert api.run("configuration", variables=variables)["summary"]["unchanged"] == 450
    assert len(api.proxy.requests) <= 4
    found = api.run("variable_info")["variables"]
    assert {one["name"]: one["value"] for one in found if one["name"].startswith("page-")} == {
        one["name"]: one["value"] for one in variables
    }
    for one in variables:
        one["state"] = "absent"
    assert api.run("configuration", variables=variables)["summary"]["delete"] == 450


def test_a_playbook_keeps_types_and_braces(api: Api, tmp_path: Path) -> None:
    book = """
- hosts: localhost
  gather_facts: false
  vars:
    number: 7
  module_defaults:
    group/selfhosted.prefect.prefect:
      api_url: URL
  tasks:
    - selfhosted.prefect.variable: {name: play-braces, value: !unsafe "Hello {{ name }} {% if x %}"}
    - selfhosted.prefect.variable: {name: play-mapping, value: {number: 7, 'on': true, nothing: null, text: "7"}}
    - selfhosted.prefect.variable: {name: play-null, value: null}
    - selfhosted.prefect.variable: {name: play-null, value: null}
      register: again
    - ansible.builtin.assert: {that: not again.changed}
    - selfhosted.prefect.variable: {name: play-null}
      register: again
    - ansible.builtin.assert: {that: not again.changed}
"""
    path = tmp_path / "play.yml"
    path.write_text(book.replace("URL", api.proxy.url))
    done = subprocess.run(
        ["ansible-playbook", *HERE, str(path)],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert raw_value(api, "play-braces") == "Hello {{ name }} {% if x %}"
    assert raw_value(api, "play-mapping") == yaml.safe_load("{number: 7, 'on': true, nothing: null, text: '7'}")
    assert raw_value(api, "play-null") is None
