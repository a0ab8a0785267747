# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The capacity plan: known workloads, properties of every workload, and rejected input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from hypothesis import given
from hypothesis import strategies as st
from test_problems import GOOD

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.deployment_problems import deployment_problems
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.node_problems import node_problems
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._kubernetes.pools import kubernetes_pools
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import coefficients
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.connections import connection_budget
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.plan import sizing
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.workload import (
    DICTIONARIES,
    LISTS,
    OPTIONS,
    workload_problems,
)

ROOT = Path(__file__).resolve().parents[4]
# The workload of a public support thread. The plan has to reproduce the answers of the thread.
THREAD = {"runs_per_hour": 25000, "run_seconds": 30, "pool_type": "kubernetes"}
OWN = {"events_per_run": 12}


def role_options() -> dict[str, Any]:
    specs = [yaml.safe_load(path.read_text()) for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")]
    found: dict[str, Any] = {}
    for spec in specs:
        for entry in spec["argument_specs"].values():
            found |= entry["options"]
    return found


ROLE_OPTIONS = role_options()


def warned(plan: dict[str, Any]) -> set[str]:
    return {warning["option"].removeprefix("prefect_workload.") for warning in plan["warnings"]}


def ended(plan: dict[str, Any]) -> bool:
    """Return whether the plan says that no number of API processes is enough."""
    return any("more than the capacity of one deployment" in warning["problem"] for warning in plan["warnings"])


def planned_pools(workload: dict[str, Any]) -> list[dict[str, Any]]:
    return list(sizing(workload)["variables"]["prefect_work_pools"])


# --- The support thread ---


def test_the_answers_of_the_thread() -> None:
    plan = sizing(THREAD)
    values, variables = plan["numbers"], plan["variables"]
    assert round(values["running"]) == 208
    assert values["concurrency_limit"] == 300
    assert (values["services_groups"], values["server_replicas"]) == (1, 3)
    assert values["prefect_cores"] == 4
    assert (values["workers_min"], values["workers_max"]) == (20, 80)
    assert (values["database_cpu"], values["database_memory_gb"]) == (8, 32)
    (pool,) = variables["prefect_work_pools"]
    assert pool["concurrency_limit"] == 300
    assert pool["workers"] == {"min": 20, "max": 80}
    assert pool["job"]["finished_job_ttl"] == 300
    assert variables["prefect_server_replicas"] == 3
    assert variables["prefect_logging_level"] == "WARNING"


def test_every_number_has_its_reasons() -> None:
    data = coefficients.load()
    for row in sizing(THREAD)["rows"]:
        assert row["formula"]
        assert row["unit"]
        assert set(row["source"].split(", ")) <= {*data["sources"], "arithmetic"}
        assert set(row["coefficients"]) <= set(data["coefficients"])
        assert (row["source"] == "arithmetic") == (not row["coefficients"])


def test_one_job_per_run_is_weighed_against_a_process_pool_and_batches() -> None:
    plan = sizing(THREAD)
    assert "pool_type" in warned(plan)
    batching, process = plan["advice"]["batching"], plan["advice"]["process"]
    assert batching["micro_flows_per_run"] == 2
    assert batching["run_seconds_one_after_another"] == 60
    same = sizing({**THREAD, "pool_type": "process"})["numbers"]
    assert process == {name: same[name] for name in process}
    # In batches, the warning disappears.
    assert "pool_type" not in warned(sizing({**THREAD, "runs_per_hour": 12500, "run_seconds": 60}))


# --- Other workloads ---


@pytest.mark.parametrize(
    ("workload", "expected", "warnings"),
    [
        pytest.param(
            {"runs_per_hour": 60, "run_seconds": 20, "run_memory_mb": 300},
            {"concurrency_limit": 10, "server_replicas": 2, "services_groups": 1, "workers_min": 2, "workers_max": 2}
            | {"pgbouncer_pool_size": 10, "max_connections": 40, "database_memory_gb": 2, "redis_memory_mb": 512},
            set(),
            id="small",
        ),
        pytest.param(
            {"runs_per_hour": 3600, "run_seconds": 120, "pool_type": "kubernetes", "keep_runs_days": 30},
            {"running": 120, "concurrency_limit": 170, "services_groups": 1, "workers_min": 3, "workers_max": 12}
            | {"jobs_per_second": 1, "finished_jobs_kept": 300, "nodes": 3},
            set(),
            id="medium",
        ),
        pytest.param(
            {"runs_per_hour": 500000, "run_seconds": 60, "pool_type": "kubernetes", "tasks_per_run": 5},
            {"concurrency_limit": 11670, "services_groups": 3, "workers_min": 397, "workers_max": 1588},
            {"pool_type", "keep_runs_days", "runs_per_hour"},
            id="huge",
        ),
        pytest.param(
            {"runs_per_hour": 3600, "run_seconds": 1, "keep_runs_days": 7, "run_memory_mb": 64}
            | {"rate_limits": [{"name": "crm", "per_second": 2, "calls_per_run": 4}]}
            | {"database": {"cpu": 0.5, "memory_mb": 512, "disk_gb": 5, "max_connections": 20}},
            {"slots of crm": 2},
            {"rate_limits[crm]", "run_seconds", "run_memory_mb", "database.cpu", "database.memory_mb"}
            | {"database.disk_gb", "database.max_connections"},
            id="impossible",
        ),
    ],
)
def test_workloads(workload: dict[str, Any], expected: dict[str, Any], warnings: set[str]) -> None:
    plan = sizing(workload)
    assert {name: plan["numbers"][name] for name in expected} == expected
    assert warned(plan) == warnings
    assert plan["problems"] == []


def test_a_rate_limit_says_what_is_possible() -> None:
    workload = {"runs_per_hour": 3600, "run_seconds": 5, "peak_factor": 2}
    plan = sizing({**workload, "rate_limits": [{"name": "crm", "per_second": 2, "calls_per_run": 4}]})
    (warning,) = (one for one in plan["warnings"] if "crm" in one["option"])
    assert "8 calls/s, but the service allows only 2" in warning["problem"]
    assert "This limit allows 900 runs an hour" in warning["remedy"]
    (limit,) = plan["variables"]["prefect_global_concurrency_limits"]
    assert limit == {"name": "crm", "limit": 2, "slot_decay_per_second": 2}


@pytest.mark.parametrize(
    ("nodes", "fits"),
    [
        ({"count": 2}, False),
        ({"count": 3}, True),
        ({"count": 3, "pods": 60}, False),
        ({"count": 6, "pods": 60}, True),
        ({"count": 3, "cpu": 9.9}, False),
        ({"count": 3, "cpu": 10}, True),
        ({"count": 3, "memory_mb": 25599}, False),
        ({"count": 3, "memory_mb": 25600}, True),
    ],
)
def test_runs_that_do_not_fit_on_the_nodes(nodes: dict[str, Any], fits: bool) -> None:
    problems = sizing({**THREAD, "nodes": nodes})["problems"]
    assert [problem["option"] for problem in problems] == ([] if fits else ["prefect_workload.nodes.count"])


NODES = {"count": 3, "cpu": 10, "memory_mb": 25600}


@pytest.mark.parametrize(
    ("pools", "option", "words"),
    [
        ([{"concurrency_limit": 300}], "", ""),
        ([{"concurrency_limit": 301}], "prefect_workload.nodes.count", "301 runs at once"),
        ([{"concurrency_limit": 150}, {"concurrency_limit": 151}], "prefect_workload.nodes.count", "Use 4 nodes"),
        ([{"concurrency_limit": 30, "job": {"cpu_request": 1}}], "", ""),
        ([{"concurrency_limit": 31, "job": {"cpu_request": 1}}], "prefect_workload.nodes.count", "31 runs"),
        # The rest of a node is unusable: 2 of 4 GiB, and 3 of 3 cores.
        ([{"concurrency_limit": 19, "job": {"memory_request": "4Gi"}}], "prefect_workload.nodes.count", "19 runs"),
        ([{"concurrency_limit": 1, "job": {"memory_request": "26Gi"}}], "prefect_work_pools[0].job", "and 26624 MiB"),
        ([{"concurrency_limit": 1, "job": {"cpu_request": 11}}], "prefect_work_pools[0].job", "requests 11 cores"),
        # A limit below the default request is also the request.
        ([{"concurrency_limit": 300, "job": {"cpu_limit": "50m", "memory_limit": "128Mi"}}], "", ""),
        ([{"concurrency_limit": 900}], "prefect_workload.nodes.count", "Use 9 nodes"),
        ([{"concurrency_limit": 900, "state": "absent"}], "", ""),
        ([{"concurrency_limit": 900, "type": "process"}], "", ""),
        ([{"concurrency_limit": None}, {"concurrency_limit": 0}, {}], "", ""),
    ],
)
def test_runs_of_the_real_pools_that_do_not_fit(pools: list[dict[str, Any]], option: str, words: str) -> None:
    named = [{"name": str(number), "type": "kubernetes", **pool} for number, pool in enumerate(pools)]
    problems = node_problems(kubernetes_pools(named, "flows", "prefect:1"), NODES)
    assert [problem["option"] for problem in problems] == ([option] if option else [])
    assert words in "".join(f"{problem['problem']} {problem['remedy']}" for problem in problems)


@pytest.mark.parametrize("nodes", [{}, dict.fromkeys(NODES)])
def test_nodes_that_nobody_has_described(nodes: dict[str, Any]) -> None:
    pool = {"name": "a", "type": "kubernetes", "concurrency_limit": 9999, "job": {"cpu_request": 999}}
    assert node_problems([pool], nodes) == []


@pytest.mark.parametrize("count", [2, 3])
def test_planned_pools_are_judged_as_in_the_plan(count: int) -> None:
    plan = sizing({**THREAD, "nodes": {**NODES, "count": count}})
    found = node_problems(plan["variables"]["prefect_work_pools"], plan["workload"]["nodes"])
    assert [problem["option"] for problem in found] == [problem["option"] for problem in plan["problems"]]


@pytest.mark.parametrize(
    ("run", "node", "per_node", "nodes"),
    [
        ({"run_memory_mb": 17000}, {"memory_mb": 32768}, 1, 301),
        ({"run_cpu": 0.3}, {"cpu": 8}, 26, 13),
        ({"run_cpu": 0.1}, {"cpu": 0.3}, 3, 101),  # in floating-point numbers, 0.3 / 0.1 is less than 3
        ({"run_cpu": 1, "run_memory_mb": 3000}, {"cpu": 8, "memory_mb": 16384, "pods": 14}, 4, 76),
    ],
)
def test_runs_are_not_cut_to_fit(run: dict[str, Any], node: dict[str, Any], per_node: int, nodes: int) -> None:
    numbers = sizing({**THREAD, **run, "nodes": node})["numbers"]
    assert (numbers["runs_per_node"], numbers["nodes"]) == (per_node, nodes)


@pytest.mark.parametrize(
    ("run", "node", "text"),
    [
        ({"run_memory_mb": 65536}, {"memory_mb": 32768, "count": 500}, "of 32768 MiB"),
        ({"run_cpu": 9}, {"cpu": 8}, "of 8 cores"),
        ({}, {"pods": 5}, "of 5 pods"),
    ],
)
def test_runs_that_fit_on_no_node(run: dict[str, Any], node: dict[str, Any], text: str) -> None:
    (problem,) = sizing({**THREAD, **run, "nodes": node})["problems"]
    assert problem["option"] == "prefect_workload.nodes"
    assert text in problem["problem"]


def test_pools_share_the_load() -> None:
    pools = [{"name": "a", "share": 3}, {"name": "b"}]
    first, second = sizing({**THREAD, "work_pools": pools})["variables"]["prefect_work_pools"]
    assert (first["name"], first["workers"]["min"], first["concurrency_limit"]) == ("a", 15, 230)
    assert (second["name"], second["workers"]["min"], second["concurrency_limit"]) == ("b", 5, 90)


@pytest.mark.parametrize("kind", ["process", "kubernetes"])
def test_many_pools_need_the_room_of_all_their_limits(kind: str) -> None:
    pools = [{"name": f"pool-{number}"} for number in range(10)]
    node = {"cpu": 8, "memory_mb": 32768}
    plan = sizing({**THREAD, "pool_type": kind, "run_cpu": 1, "work_pools": pools, "nodes": node})
    limits = [pool["concurrency_limit"] for pool in plan["variables"]["prefect_work_pools"]]
    assert plan["numbers"]["concurrency_limit"] == sum(limits) == 400
    if kind == "kubernetes":
        assert plan["numbers"]["nodes"] == 400 / 8 + 1
    else:
        assert plan["numbers"]["worker_machines_memory_mb"] > 400 * 256


@pytest.mark.parametrize(
    ("runs_per_hour", "replicas", "enough"),
    [(60, 2, True), (18000, 2, True), (25000, 3, True), (40000, 4, True), (90000, 13, True), (120000, 20, False)],
)
def test_each_api_process_costs_something_itself(runs_per_hour: float, replicas: int, enough: bool) -> None:
    plan = sizing({**THREAD, "runs_per_hour": runs_per_hour})
    assert (plan["numbers"]["server_replicas"], ended(plan)) == (replicas, not enough)


def test_the_rate_where_a_deployment_ends() -> None:
    workload = {**THREAD, "runs_per_hour": 75000, "peak_factor": 2}
    (warning,) = (one for one in sizing(workload)["warnings"] if "capacity of one deployment" in one["problem"])
    assert warning["option"] == "prefect_workload.runs_per_hour"
    assert "20 API processes reach about 31.1 runs/s. The plan adds no more" in warning["problem"]
    assert "each with at most 55000 runs an hour" in warning["remedy"]
    assert not ended(sizing({**workload, "runs_per_hour": 55000}))


def test_one_core_is_all_that_pgbouncer_and_redis_have() -> None:
    busy = {"runs_per_hour": 160000, "run_seconds": 1}
    for workload, pgbouncers, titles in (
        (busy, 1, {"PgBouncer"}),
        (busy, 2, set()),
        ({**busy, "runs_per_hour": 500000}, 5, {"Redis"}),
    ):
        problems = [warning["problem"] for warning in sizing(workload, pgbouncers=pgbouncers)["warnings"]]
        assert {text.split()[0] for text in problems if "uses at most one core" in text} == titles


# --- Additional events and logs of runs ---


def test_own_events_load_what_the_events_of_tasks_load() -> None:
    plain, own, tasks = (sizing({**THREAD, **more})["numbers"] for more in ({}, OWN, {"tasks_per_run": 4}))
    names = ("transactions_per_second", "api_cores", "services_cores", "database_busy_cores", "wal_mb_per_second")
    for name in (*names, "redis_cores", "redis_memory_mb", "stored_events_gb_per_day", "prefect_cores"):
        assert own[name] == pytest.approx(tasks[name]), name
    assert {name for name in names if own[name] <= plain[name]} == set()
    assert own["stored_runs_gb_per_day"] == plain["stored_runs_gb_per_day"]


@pytest.mark.parametrize(
    ("more", "warnings"),
    [
        ({"events_per_run": 80}, set()),
        ({"events_per_run": 81}, {"events_per_run"}),
        ({"logs_per_run": 50}, set()),
        ({"logs_per_run": 51}, {"logs_per_run"}),
        ({"logs_per_run": 500, "events_per_run": 500}, {"logs_per_run", "events_per_run"}),
    ],
)
def test_runs_that_write_much_more_than_measured_ones(more: dict[str, float], warnings: set[str]) -> None:
    assert warned(sizing({"runs_per_hour": 60, "run_seconds": 20, **more})) == warnings


@pytest.mark.parametrize(
    ("runs_per_hour", "more", "level", "said"),
    [
        (3599, {}, "INFO", False),
        (3600, {}, "WARNING", True),
        (3600, {"logs_per_run": 0}, "WARNING", False),
    ],
)
def test_messages_that_are_not_sent_count_and_it_says_why(
    runs_per_hour: float, more: dict[str, float], level: str, said: bool
) -> None:
    plan = sizing({"runs_per_hour": runs_per_hour, "run_seconds": 1, **more})
    assert plan["variables"]["prefect_logging_level"] == level
    (row,) = (row for row in plan["rows"] if row["name"] == "stored_runs_gb_per_day")
    assert ("so that you can enable them" in row["why"]) == said


def test_the_machines_of_a_process_pool_have_room_for_their_workers() -> None:
    (row,) = (row for row in sizing({**THREAD, "pool_type": "process"})["rows"] if row["name"] == "worker_cores")
    rate = 25000 / 3600
    assert row["value"] == pytest.approx((rate * (1.19 + 0.0534) + rate * 30 * 0.1) / 0.6)
    assert "0.0534 of the worker" in row["formula"]
    assert row["formula"].endswith("/ 0.6")


def test_several_pgbouncers_can_spare_one() -> None:
    busy = {**THREAD, "runs_per_hour": 200000, "tasks_per_run": 20}
    one, three = (sizing(busy, pgbouncers=count)["numbers"]["pgbouncer_pool_size"] for count in (1, 3))
    assert one / 2 <= three < one


@pytest.mark.parametrize(
    ("run_mb", "request_", "limit"),
    [(100, "100Mi", "512Mi"), (256, "256Mi", "512Mi"), (600, "600Mi", "1200Mi"), (1024.5, "1025Mi", "2049Mi")],
)
def test_a_run_may_take_more_than_it_requests(run_mb: float, request_: str, limit: str) -> None:
    (pool,) = sizing({**THREAD, "run_memory_mb": run_mb})["variables"]["prefect_work_pools"]
    assert (pool["job"]["memory_request"], pool["job"]["memory_limit"]) == (request_, limit)


def test_a_pool_with_hardly_any_runs_is_not_stopped() -> None:
    pools = [{"name": "main", "share": 1e12}, {"name": "rare", "share": 1e-12}]
    limits = [pool["concurrency_limit"] for pool in planned_pools({**THREAD, "work_pools": pools})]
    assert limits == [300, 10]
    assert [pool["concurrency_limit"] for pool in planned_pools({"runs_per_hour": 1e-20, "run_seconds": 1})] == [10]


def test_the_inventory_decides_when_images_are_pulled() -> None:
    made = kubernetes_pools(planned_pools(THREAD), "flows", "prefect:1", image_pull_policy="Always")
    assert [pool["job"]["image_pull_policy"] for pool in made] == ["Always"]


# --- Properties of every workload ---

workloads = st.fixed_dictionaries(
    {"runs_per_hour": st.floats(0.01, 1e6), "run_seconds": st.floats(0.01, 1e5)},
    optional={
        "run_seconds_p95": st.floats(0.01, 1e6),
        "peak_factor": st.floats(1, 20),
        "tasks_per_run": st.floats(0, 100),
        "logs_per_run": st.floats(0, 1000),
        "events_per_run": st.floats(0, 1000),
        "run_cpu": st.floats(0.01, 64),
        "run_memory_mb": st.floats(1, 1e5),
        "pool_type": st.sampled_from(["process", "kubernetes"]),
        "keep_runs_days": st.integers(1, 1000),
        "keep_events_days": st.integers(1, 100),
        "nodes": st.fixed_dictionaries({}, optional={"pods": st.integers(1, 500), "cpu": st.floats(0.1, 200)}),
        "work_pools": st.lists(st.floats(0.01, 10), min_size=1, max_size=4).map(
            lambda shares: [{"name": f"pool-{number}", "share": share} for number, share in enumerate(shares)]
        ),
    },
)
GROWING = {"runs_per_hour", "run_seconds", "peak_factor", "tasks_per_run", "logs_per_run", "events_per_run"}


@given(workloads, st.sampled_from(sorted(GROWING)), st.floats(1, 50))
def test_more_load_never_needs_less(workload: dict[str, Any], option: str, factor: float) -> None:
    defaults = {"peak_factor": 1, "logs_per_run": 5}
    less = {**workload, option: workload.get(option, defaults.get(option, 0)) or 1}
    before, after = sizing(less)["numbers"], sizing({**less, option: less[option] * factor})["numbers"]
    assert {name: (before[name], after[name]) for name in before if after[name] < before[name] * (1 - 1e-9)} == {}


@given(workloads)
def test_what_is_stored_is_written_to_the_wal_before(workload: dict[str, Any]) -> None:
    numbers = sizing(workload)["numbers"]
    stored = numbers["stored_runs_gb_per_day"] + numbers["stored_events_gb_per_day"]
    least = stored * 1e3 / 86400 * workload.get("peak_factor", 1)
    assert numbers["wal_mb_per_second"] >= least * (1 - 1e-9)


@given(workloads)
def test_no_number_is_negative(workload: dict[str, Any]) -> None:
    plan = sizing(workload)
    assert [row for row in plan["rows"] if row["value"] < 0] == []
    for name in ("concurrency_limit", "server_replicas", "services_groups", "workers_min", "pgbouncer_pool_size"):
        assert plan["numbers"][name] >= 1


@given(workloads, st.integers(1, 5))
def test_the_sums_hold(workload: dict[str, Any], pgbouncers: int) -> None:
    plan = sizing(workload, pgbouncers=pgbouncers)
    values, variables = plan["numbers"], plan["variables"]
    # A cluster has two PgBouncers by default.
    there = max(pgbouncers, 2 if plan["workload"]["pool_type"] == "kubernetes" else 1)
    budget = connection_budget({**variables, "prefect_pgbouncer_replicas": there})
    assert budget["sum"] <= variables["prefect_database_max_connections"] < budget["sum"] + 10
    pools = variables["prefect_work_pools"]
    assert sum(pool["workers"]["min"] for pool in pools) == values["workers_min"]
    assert sum(pool["concurrency_limit"] for pool in pools) == values["concurrency_limit"] >= values["running"]
    if plan["workload"]["pool_type"] == "kubernetes" and not plan["problems"]:
        assert (values["nodes"] - 1) * values["runs_per_node"] >= values["concurrency_limit"]
    assert values["shared_buffers_mb"] * 4 == values["database_memory_gb"] * 1024
    assert values["database_disk_gb"] > values["database_gb"]
    # Without one API process, the others carry the load with their connections, or the plan has a warning.
    if ended(plan):
        return
    left = values["server_replicas"] - 1
    assert left >= values["api_cores"]
    assert values["api_cores"] <= 0.6 * values["server_replicas"] * (1 + 1e-9)
    assert left * 15 >= values["busy_connections"] * (1 - 1e-9)


@given(workloads)
def test_the_planned_pools_pass_the_preflight(workload: dict[str, Any]) -> None:
    pools = planned_pools(workload)
    assert min(pool["concurrency_limit"] for pool in pools) > 0
    checked = {**GOOD, "prefect_work_pools": kubernetes_pools(pools, "flows", "prefect:1")}
    assert deployment_problems(checked) == []


@given(workloads)
def test_the_variables_are_those_of_the_roles(workload: dict[str, Any]) -> None:
    variables = sizing(workload)["variables"]
    assert ArgumentSpecValidator(ROLE_OPTIONS).validate(variables).error_messages == []
    assert workload_problems(workload) == []
    assert sizing(workload) == sizing(sizing(workload)["workload"]), "a read workload is a workload"


# --- Rejected input ---


@pytest.mark.parametrize(
    ("workload", "option", "words"),
    [
        ([], "", "not a dictionary"),
        ("25000", "", "not a dictionary"),
        ({"run_seconds": 1}, ".runs_per_hour", "missing. Set it to the flow runs that start in a mean hour."),
        ({"runs_per_hour": 1}, ".run_seconds", "missing"),
        ({"runs_per_hour": 0, "run_seconds": 1}, ".runs_per_hour", "0 is not a number above 0"),
        ({"runs_per_hour": -5, "run_seconds": 1}, ".runs_per_hour", "-5"),
        ({"runs_per_hour": "many", "run_seconds": 1}, ".runs_per_hour", "'many'"),
        ({"runs_per_hour": float("nan"), "run_seconds": 1}, ".runs_per_hour", "nan"),
        ({"runs_per_hour": float("inf"), "run_seconds": 1}, ".runs_per_hour", "inf"),
        ({"runs_per_hour": True, "run_seconds": 1}, ".runs_per_hour", "True"),
        ({"runs_per_hour": [1], "run_seconds": 1}, ".runs_per_hour", "[1]"),
        ({"runs_per_hour": 1e12, "run_seconds": 1}, ".runs_per_hour", "more than 1e+09"),
        ({"runs_per_hour": 10**400, "run_seconds": 1}, ".runs_per_hour", "is not a number above 0"),
        ({"peak_factor": 0.5}, ".peak_factor", "at least 1"),
        ({"keep_runs_days": 1.5}, ".keep_runs_days", "a whole number of at least 1"),
        ({"runs_per_day": 5}, ".runs_per_day", "Did you mean runs_per_hour?"),
        ({"zzz": 5}, ".zzz", "Use: runs_per_hour"),
        ({"pool_type": "docker"}, ".pool_type", "Use process or kubernetes."),
        ({"work_pools": "default"}, ".work_pools", "not a list"),
        ({"work_pools": [{"share": 1}]}, ".work_pools[0].name", "missing"),
        ({"work_pools": [{"name": "a"}, {"name": "a"}]}, ".work_pools", "called 'a'"),
        ({"work_pools": [{"name": "a", "share": 0}]}, ".work_pools[a].share", "above 0"),
        ({"rate_limits": [{"name": "crm"}]}, ".rate_limits[crm].per_second", "missing"),
        ({"rate_limits": [{"name": "crm", "per_second": 1, "calls": 2}]}, ".rate_limits[crm].calls", "calls_per_run"),
        ({"nodes": 3}, ".nodes", "not a dictionary"),
        ({"nodes": {"counts": 3}}, ".nodes.counts", "Did you mean count?"),
        ({"database": {"disk_gb": 0}}, ".database.disk_gb", "above 0"),
    ],
)
def test_a_bad_workload_is_refused_with_its_option_and_the_remedy(workload: Any, option: str, words: str) -> None:
    if isinstance(workload, dict) and not {"runs_per_hour", "run_seconds"} & set(workload):
        workload = {"runs_per_hour": 1, "run_seconds": 1, **workload}
    (problem,) = workload_problems(workload)
    assert problem["option"] == f"prefect_workload{option}"
    assert words in f"{problem['problem']} {problem['remedy']}"
    assert problem["remedy"].endswith((".", "?"))
    with pytest.raises(AnsibleFilterError, match="prefect_workload"):
        sizing(workload)


def test_all_mistakes_are_told_at_once() -> None:
    options = [problem["option"] for problem in workload_problems({"peak_factor": 0, "pool_type": "x"})]
    names = ("runs_per_hour", "run_seconds", "peak_factor", "pool_type")
    assert options == [f"prefect_workload.{name}" for name in names]


def test_the_roles_know_the_same_options() -> None:
    mine = ROLE_OPTIONS["prefect_workload"]["options"]
    assert set(mine) == set(OPTIONS)
    for name, numbers in {**LISTS, **DICTIONARIES}.items():
        assert set(mine[name]["options"]) - {"name"} == set(numbers)
    documented = yaml.safe_load((ROOT / "plugins/filter/sizing.yml").read_text())["DOCUMENTATION"]["options"]["_input"][
        "suboptions"
    ]
    assert {name: set(option.get("suboptions", {})) for name, option in documented.items()} == {
        name: set(option.get("options", {})) for name, option in mine.items()
    }


# --- Coefficients ---


def test_every_coefficient_says_where_it_is_from() -> None:
    data = coefficients.load()
    for name, coefficient in data["coefficients"].items():
        assert set(coefficient) <= {"value", "unit", "source", "spread", "note"}, name
        assert coefficient["value"] >= 0, name
        assert coefficient["unit"], name
        assert coefficient["source"] in data["sources"], name
        measured = {"command", "machine", "date"} <= set(data["sources"][coefficient["source"]])
        assert measured == ("spread" in coefficient), name
        if coefficient["source"] == "thread" and name != "utilisation":
            assert coefficient.get("note") or name.endswith("_seconds"), name


def test_every_coefficient_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    read, coefficient = set(), coefficients.value

    def note(name: str) -> float:
        read.add(name)
        return coefficient(name)

    monkeypatch.setattr(coefficients, "value", note)
    for kind in ("process", "kubernetes"):
        sizing({**THREAD, "pool_type": kind, "logs_per_run": 100, "events_per_run": 100})
    assert read == set(coefficients.load()["coefficients"])
