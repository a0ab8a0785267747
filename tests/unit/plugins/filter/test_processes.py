# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The distribution of processes over hosts, and the services in each process."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._services import services_environment
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workers import spread, workers_of

HOSTS = st.lists(st.text("abc", min_size=1), min_size=1, max_size=8, unique=True)
TOGGLES = {"scheduler": "SCHEDULER", "triggers": "TRIGGERS", "event_logger": "EVENT_LOGGER", "db_vacuum": "DB_VACUUM"}
SERVICES = [name for name in TOGGLES if name != "event_logger"]


@given(count=st.integers(0, 50), hosts=HOSTS)
def test_spread_gives_every_number_to_one_host(count: int, hosts: list[str]) -> None:
    shares = [spread(count, hosts, host) for host in hosts]
    assert sorted(number for share in shares for number in share) == list(range(1, count + 1))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert all(share == sorted(share) for share in shares)


@given(count=st.integers(0, 50), more=st.integers(0, 10), hosts=HOSTS)
def test_more_processes_leave_the_others_where_they_are(count: int, more: int, hosts: list[str]) -> None:
    for host in hosts:
        before = spread(count, hosts, host)
        assert spread(count + more, hosts, host)[: len(before)] == before


def test_spread_gives_nothing_to_other_machines() -> None:
    assert spread(3, ["a"], "b") == []
    assert spread(3, [], "b") == []


def on(groups: list[dict[str, Any]], name: str) -> set[str]:
    environment = services_environment(groups, name, TOGGLES, "events")
    assert set(environment) == set(TOGGLES.values())
    return {service for service, toggle in TOGGLES.items() if environment[toggle] in ("true", "events")}


def test_one_group_runs_all_services() -> None:
    assert on([{"name": "services"}], "services") == set(SERVICES)
    assert on([{"name": "services", "services": None}], "services") == set(SERVICES)


def test_a_group_without_a_list_runs_the_rest() -> None:
    groups: list[dict[str, Any]] = [{"name": "a", "services": ["scheduler", "event_logger"]}, {"name": "b"}]
    assert on(groups, "a") == {"scheduler", "event_logger"}
    assert on(groups, "b") == {"triggers", "db_vacuum"}


@given(st.lists(st.sampled_from("abc"), min_size=len(SERVICES), max_size=len(SERVICES)))
def test_every_service_runs_in_one_group(owners: list[str]) -> None:
    groups = [
        {"name": name, "services": [service for service, owner in zip(SERVICES, owners) if owner == name]}
        for name in sorted(set(owners))
    ]
    groups[0]["services"] = []  # it runs the services that no other group lists
    running = [service for group in groups for service in on(groups, str(group["name"]))]
    assert sorted(running) == sorted(SERVICES)


def test_the_vacuum_has_no_switch_but_a_list() -> None:
    groups: list[dict[str, Any]] = [{"name": "a", "services": ["db_vacuum"]}, {"name": "b"}]
    assert services_environment(groups, "a", TOGGLES, "events,flow_runs")["DB_VACUUM"] == "events,flow_runs"
    assert services_environment(groups, "b", TOGGLES, "events,flow_runs")["DB_VACUUM"] == "[]"


def test_workers_of_a_pool() -> None:
    pool = {
        "name": "fast",
        "type": "process",
        "workers": {"min": 2, "queues": ["urgent"], "limit": 4, "query_seconds": 1.5, "prefetch_seconds": 3},
    }
    expected = {
        "pool": "fast",
        "type": "process",
        "queues": ["urgent"],
        "limit": 4,
        "query_seconds": 1.5,
        "prefetch_seconds": 3,
    }
    assert workers_of([pool]) == [
        {**expected, "number": 1, "process": "worker-fast-1"},
        {**expected, "number": 2, "process": "worker-fast-2"},
    ]


def test_workers_default_to_one() -> None:
    for workers in ({}, {"workers": None}, {"workers": {"min": None}}):
        (worker,) = workers_of([{"name": "fast", **workers}])
        assert (worker["type"], worker["queues"], worker["limit"]) == ("process", [], None)
    assert workers_of([{"name": "fast", "workers": {"min": 0}}]) == []
    assert workers_of([{"name": "fast", "state": "absent", "workers": {"min": 2}}]) == []


@given(limit=st.integers(1, 500), count=st.integers(1, 50))
def test_the_limit_of_a_pool_is_dealt_out(limit: int, count: int) -> None:
    dealt = [
        worker["limit"] for worker in workers_of([{"name": "a", "concurrency_limit": limit, "workers": {"min": count}}])
    ]
    assert sum(dealt) == max(limit, count)
    assert max(dealt) - min(dealt) <= 1


def test_workers_without_a_limit_to_deal_out() -> None:
    for pool in ({}, {"concurrency_limit": None}, {"concurrency_limit": 0}):
        assert [worker["limit"] for worker in workers_of([{"name": "a", **pool}])] == [None]
    own = {"name": "a", "concurrency_limit": 5, "workers": {"min": 2, "limit": 5}}
    assert [worker["limit"] for worker in workers_of([own])] == [5, 5]


@given(st.lists(st.text(min_size=1), unique=True, max_size=10))
def test_every_worker_has_a_process_name_of_its_own(names: list[str]) -> None:
    workers = workers_of([{"name": name, "workers": {"min": 2}} for name in names])
    processes = [worker["process"] for worker in workers]
    assert len(set(processes)) == 2 * len(names)
    assert all(re.fullmatch(r"worker-([a-z0-9]+-)+[12]", process) for process in processes)
