"""The documentation is correct: examples run, options cover the API, the action group is complete."""

from __future__ import annotations

import ast
import os
import resource
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import KINDS, ORDER
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources._automation.model import (
    ACTIONS,
    REFERENCES,
    TRIGGERS,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment_schedule import TYPES
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run import OPTIONS as RUN_OPTIONS
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow_run_state import (
    OPTIONS as STATE_OPTIONS,
)

from .kinds import SAMPLES
from .support import HERE, ROOT, Api, Server

NOT_API = (
    *("process_group", "process_group_info", "host_environment", "host_facts", "host_removal"),
    *("host_runs", "host_command", "lock_file"),  # modules for hosts
    # Modules for clusters.
    *("kubernetes_facts", "kubernetes_objects", "kubernetes_pod_info", "kubernetes_rollout", "kubernetes_runs"),
)
LOOKUPS = sorted(path.stem for path in (ROOT / "plugins" / "lookup").glob("*.py"))
PLANTED = "planted-in-the-examples"
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem not in NOT_API)


class Unsafe(str):
    """A text that Ansible does not template."""


yaml.SafeLoader.add_constructor("!unsafe", lambda loader, node: Unsafe(node.value))
yaml.SafeDumper.add_representer(Unsafe, lambda dumper, text: dumper.represent_scalar("!unsafe", str(text)))


def documentation(plugin: str, name: str, kind: str = "modules") -> Any:
    tree = ast.parse((ROOT / "plugins" / kind / f"{plugin}.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{plugin} has no {name}")


def play(tasks: list[dict[str, Any]], path: Path, *arguments: str, **defaults: Any) -> subprocess.CompletedProcess[str]:
    """Run the tasks with ansible-playbook. The defaults of the action group contain the connection."""
    book = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": {"group/selfhosted.prefect.prefect": defaults},
            "tasks": tasks,
        }
    ]
    path.write_text(yaml.safe_dump(book, allow_unicode=True))
    command = ["ansible-playbook", *HERE, *arguments, str(path)]
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(api: Api, module: str, version: str, tmp_path: Path) -> None:
    """Only the address of the server is replaced. The test creates the objects that an example requires."""
    tasks = documentation(module, "EXAMPLES")
    for task in tasks:
        for name, options in task.items():
            if name.startswith("selfhosted.prefect."):
                assert options.pop("api_url", None), "an example shows the address"
    api.run("work_pool", name="fast", type="process")
    api.run("block_type", slug="mail-gateway", state="absent")  # from another test; without it, a schema is added
    if module in ("flow_run", "deployment_info"):
        api.run(
            "deployment", flow="nightly-report", name="production", work_pool="fast", path="/nowhere", entrypoint="a:b"
        )
    if module == "flow_run":  # no worker runs here, so the example must not wait
        tasks[0]["selfhosted.prefect.flow_run"]["wait"] = False
    if module == "worker_info":
        for worker in ("w1", "w2"):
            api.raw("POST", "/work_pools/fast/workers/heartbeat", {"name": worker})
    # The proxy cannot forward websockets to the load generator.
    url = f"http://127.0.0.1:{api.server.port}/api" if module == "loadtest" else api.proxy.url
    done = play(tasks, tmp_path / "examples.yml", api_url=url)
    if module == "loadtest" and version.startswith("3.6."):
        assert "control-plane requires Prefect 3.9 or newer, but the server is 3.6" in done.stdout
        return
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok={len(tasks)} " in done.stdout
    assert "[WARNING]" not in done.stderr + done.stdout


@pytest.mark.parametrize("lookup", LOOKUPS)
def test_examples_of_lookups_run(api: Api, lookup: str, tmp_path: Path) -> None:
    api.run("variable", name="report_bucket", value="s3://reports")
    api.run("block_document", block_type="webhook", name="crm", data={"url": "http://127.0.0.1/"})
    api.run("block_document", block_type="secret", name="crm", data={"value": PLANTED})
    tasks = documentation(lookup, "EXAMPLES", "lookup")
    shown = yaml.safe_dump(tasks, width=10000)
    assert shown.count("http://127.0.0.1:4200/api") == len(tasks), "an example shows the address"
    done = play(yaml.safe_load(shown.replace("http://127.0.0.1:4200/api", api.proxy.url)), tmp_path / "examples.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok={len(tasks)} " in done.stdout
    assert "[WARNING]" not in done.stderr + done.stdout
    assert PLANTED not in done.stderr + done.stdout


def test_group_defaults_reach_every_module_and_null_is_told_from_omitted(api: Api, tmp_path: Path) -> None:
    tasks = [
        {"selfhosted.prefect.work_pool": {"name": "defaults", "type": "process", "concurrency_limit": 7}},
        {"selfhosted.prefect.work_pool": {"name": "defaults"}},
        {"selfhosted.prefect.work_pool_info": {"name": "defaults"}, "register": "seen"},
        {"ansible.builtin.assert": {"that": "seen.work_pool.concurrency_limit == 7"}},
        {"selfhosted.prefect.work_pool": {"name": "defaults", "concurrency_limit": "{{ omit }}"}, "register": "same"},
        {"ansible.builtin.assert": {"that": "not same.changed"}},
        {"selfhosted.prefect.work_pool": {"name": "defaults", "concurrency_limit": None}},
        {"selfhosted.prefect.work_pool_info": {"name": "defaults"}, "register": "seen"},
        {"ansible.builtin.assert": {"that": "seen.work_pool.concurrency_limit is none"}},
    ]
    done = play(tasks, tmp_path / "play.yml", api_url=api.proxy.url)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_mode_and_diff_of_a_changed_limit_show_just_that(api: Api, tmp_path: Path) -> None:
    api.run("configuration", global_concurrency_limits=[{"name": f"diff {n}", "limit": n} for n in range(5)])
    api.proxy.forget()
    limits = [{"name": f"diff {n}", "limit": 40 if n == 3 else n} for n in range(5)]
    tasks = [{"selfhosted.prefect.configuration": {"global_concurrency_limits": limits}}]
    done = play(tasks, tmp_path / "play.yml", "--check", "--diff", api_url=api.proxy.url)
    assert api.proxy.writes == []
    changed = [line for line in done.stdout.splitlines() if line.startswith(("-", "+"))]
    assert [line.split() for line in changed] == [
        ["---", "before:", "server"],
        ["+++", "after:", "document"],
        ["-", "limit:", "3"],
        ["+", "limit:", "40"],
    ]


def test_every_module_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    assert runtime["action_groups"]["prefect"] == MODULES


@pytest.mark.parametrize("kind", ORDER, ids=lambda kind: kind.noun)
def test_every_option_says_what_null_does(kind: Any) -> None:
    silent = []
    for option, described in documentation(kind.noun, "DOCUMENTATION")["options"].items():
        text = described["description"]
        if "default" not in described and option not in kind.key and "null" not in "".join(text).lower():
            silent.append(option)
    assert silent == []


# Fields of a new flow run without an option, and the reason.
LEFT_OUT_OF_FLOW_RUNS = {
    "context": "set by flow runs that start other flow runs",
    "empirical_policy": "retries are the flow's own",
    "enforce_parameter_schema": "set on the deployment",
    "infrastructure_document_id": "infrastructure blocks went with agents",
    "labels": "the deployment's are inherited",
    "parent_task_run_id": "set by flow runs that start other flow runs",
    "state": "a run starts as scheduled",
}


@pytest.fixture(scope="module")
def schemas(server: Server) -> dict[str, Any]:
    import http.client  # noqa: PLC0415
    import json  # noqa: PLC0415

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    connection.request("GET", "/openapi.json")
    result: dict[str, Any] = json.loads(connection.getresponse().read())["components"]["schemas"]
    return result


@pytest.mark.parametrize("kind", ORDER, ids=lambda kind: kind.noun)
def test_options_cover_the_api(schemas: dict[str, Any], kind: Any) -> None:
    """The test fails if a newer Prefect adds a field, or if an older one does not have the field of an option."""
    known = {kind.api_name(option) for option in kind.fields}
    used: set[str] = set()
    sample = SAMPLES[kind.noun]
    for schema in sample.schemas:
        fields = set(schemas[schema]["properties"])
        assert fields - known == fields & set(sample.left_out.get(schema, {})), f"{schema}: fields without an option"
        used |= fields
    assert known - used <= set(sample.ours), "options that the API does not know"
    assert set(kind.fields) <= set(kind.options), "fields without an option"


def test_options_cover_the_types_of_schedules(schemas: dict[str, Any]) -> None:
    found = {name: schema for name, schema in schemas.items() if name.replace("-Input", "").endswith("Schedule")}
    api = {name.replace("-Input", "").replace("Schedule", "").lower(): set(found[name]["properties"]) for name in found}
    assert {name: set(parts) for name, parts in TYPES.items()} == {
        name: api[name] for name in ("cron", "interval", "rrule")
    }
    assert set(api) - {"deployment"} == set(TYPES), "a type of schedule without an option"


def test_options_cover_the_states_of_flow_runs(schemas: dict[str, Any]) -> None:
    """Options cover the new state. Other options select runs, and cover only a part of the API's filter."""
    left_out = {"data": "results are written by flows", "state_details": "the server's own"}
    options = {"type": "state", "name": "state_name", "message": "state_message"}
    assert set(schemas["StateCreate"]["properties"]) == {*options, *left_out}
    assert set(options.values()) <= set(STATE_OPTIONS)
    not_set = {"RUNNING", "PENDING", "PAUSED"}  # only the process that executes a run sets these states
    assert set(schemas["StateType"]["enum"]) == {*STATE_OPTIONS["state"]["choices"], *not_set}


def variants(schemas: dict[str, Any], field: str) -> dict[str, set[str]]:
    """Return the fields of each type of trigger or action of an automation."""
    described = schemas["AutomationCreate"]["properties"][field]
    choices = [schemas[one["$ref"].rpartition("/")[2]] for one in described.get("items", described)["anyOf"]]
    kept_by_the_server = {"type", "id", "source"}
    return {one["properties"]["type"]["const"]: set(one["properties"]) - kept_by_the_server for one in choices}


def test_options_cover_the_triggers_of_automations(schemas: dict[str, Any]) -> None:
    assert variants(schemas, "trigger") == {kind: set(parts) for kind, parts in TRIGGERS.items()}


def test_options_cover_the_actions_of_automations(schemas: dict[str, Any], version: str) -> None:
    """The oldest supported version does not have all of them."""
    oldest = version == "3.6.0"
    newer = {"delete-flow-run"} if oldest else set()
    options = {
        kind: {REFERENCES.get(part, part) for part in parts} - ({"force"} if oldest else set())
        for kind, parts in ACTIONS.items()
        if kind not in newer
    }
    assert variants(schemas, "actions") == options


def test_options_cover_flow_runs(schemas: dict[str, Any]) -> None:
    fields = set(schemas["DeploymentFlowRunCreate"]["properties"])
    options = {"work_queue_name" if name == "work_queue" else name for name in RUN_OPTIONS}
    assert fields - options == set(LEFT_OUT_OF_FLOW_RUNS)


def test_storage_and_concurrency_suboptions_cover_the_api(schemas: dict[str, Any]) -> None:
    kinds = {kind.noun: kind for kind in KINDS}
    storage = set(kinds["work_pool"].options["storage_configuration"]["options"])
    renamed = {"default_result_storage_block_id" if name.endswith("_block") else name for name in storage}
    assert set(schemas["WorkPoolStorageConfiguration"]["properties"]) == renamed
    concurrency = set(kinds["deployment"].options["concurrency_options"]["options"])
    # The oldest supported version does not have grace_period_seconds.
    assert set(schemas["ConcurrencyOptions"]["properties"]) | {"grace_period_seconds"} == concurrency


def test_a_call_that_finds_nothing_to_do_costs_little(api: Api) -> None:
    """The module uses less than 0.6 s more CPU time than ping, comparing the best of three calls of each.

    tests/benchmarks/host.py measures the wall time: here, other tests use the processors, too.
    """
    api.run("work_pool", name="speed", type="process")
    url = f"http://127.0.0.1:{api.server.port}/api"
    pool = ["selfhosted.prefect.work_pool", "-a", f"name=speed type=process api_url={url}"]

    def seconds(module: list[str]) -> float:
        start = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(["ansible", "localhost", *HERE, "-m", *module], cwd=ROOT, check=True, capture_output=True)
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime

    samples = [(seconds(["ansible.builtin.ping"]), seconds(pool)) for _number in range(3)]
    extra = min(sample[1] for sample in samples) - min(sample[0] for sample in samples)
    assert extra < 0.6, samples
