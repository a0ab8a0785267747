# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents are merged item by item, and errors name the item."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._configuration import merged_configuration


def test_items_are_merged_by_their_natural_key() -> None:
    base = {
        "variables": [{"name": "region", "value": {"a": 1, "b": 2}, "tags": ["x"]}, {"name": "other", "value": 1}],
        "deployments": [{"flow": "f", "name": "a"}, {"flow": "f", "name": "b", "path": "/x"}],
    }
    production: dict[str, Any] = {
        "variables": [{"name": "new", "value": None}, {"name": "region", "value": {"b": None}, "tags": []}],
        "deployments": [{"flow": "f", "name": "b", "path": None}, {"flow": "g", "name": "b"}],
        "flows": None,
    }
    assert merged_configuration([base, None, production]) == {
        "variables": [
            {"name": "region", "value": {"a": 1, "b": None}, "tags": []},
            {"name": "other", "value": 1},
            {"name": "new", "value": None},
        ],
        "deployments": [
            {"flow": "f", "name": "a"},
            {"flow": "f", "name": "b", "path": None},
            {"flow": "g", "name": "b"},
        ],
        "flows": [],
    }


def test_queues_and_schedules_are_merged_by_name_and_slug() -> None:
    base = {
        "work_pools": [{"name": "p", "type": "process", "queues": [{"name": "a", "priority": 1}, {"name": "b"}]}],
        "deployments": [{"flow": "f", "name": "d", "schedules": [{"slug": "s", "cron": "0 3 * * *"}]}],
    }
    over = {
        "work_pools": [{"name": "p", "queues": [{"name": "a", "concurrency_limit": 2}, {"name": "c"}]}],
        "deployments": [{"flow": "f", "name": "d", "schedules": [{"slug": "s", "paused": True}]}],
    }
    merged = merged_configuration([base, over])
    assert merged["work_pools"][0]["queues"] == [
        {"name": "a", "priority": 1, "concurrency_limit": 2},
        {"name": "b"},
        {"name": "c"},
    ]
    assert merged["deployments"][0]["schedules"] == [{"slug": "s", "cron": "0 3 * * *", "paused": True}]


def test_other_lists_are_replaced() -> None:
    steps = [{"run": {"script": "a"}}]
    base = {"deployments": [{"flow": "f", "name": "d", "pull_steps": [*steps, *steps]}]}
    over = {"deployments": [{"flow": "f", "name": "d", "pull_steps": steps}]}
    assert merged_configuration([base, over]) == over


def test_documents_are_left_as_they_are() -> None:
    base = {"variables": [{"name": "a", "value": {"x": 1}}]}
    merged_configuration([base, {"variables": [{"name": "a", "value": {"x": 2}}]}])
    assert base == {"variables": [{"name": "a", "value": {"x": 1}}]}


@pytest.mark.parametrize(
    ("documents", "words"),
    [
        ([{}, {"work_pool": []}], "document 2: the kind 'work_pool' does not exist, did you mean work_pools?"),
        ([{"variables": [{"name": "a"}, {"value": 1}]}], "document 1: variables, item 2 has no name"),
        ([{"deployments": [{"name": "a"}]}], "document 1: deployments, item 1 has no flow"),
        ([{"variables": ["a"]}], "document 1: variables, item 1 is not a mapping"),
        ([{"variables": [{"name": "a"}, {"name": "a"}]}], "document 1: variables: 'a' occurs more than once"),
    ],
)
def test_mistakes_are_named(documents: Any, words: str) -> None:
    with pytest.raises(AnsibleFilterError) as failure:
        merged_configuration(documents)
    assert words in str(failure.value)
