# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented examples of all filters. One ansible-playbook run executes them without changes."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_checks import EXPECTED as EXPECTED_DEPLOYMENT
from test_checks import EXPECTED_PODS, HEALTHY
from test_loadtest import LOAD, pods, report
from test_problems import GOOD, HOST
from test_scram import of_the_server
from test_unencrypted_connections import SPREAD

ROOT = Path(__file__).resolve().parents[4]
PLUGINS = ROOT / "plugins" / "filter"
FILTERS = sorted(path.stem for path in PLUGINS.glob("*.yml"))
STORED_VERIFIER = of_the_server("plain")
# Variables that the examples use from the inventory and from the roles.
VARIABLES: dict[str, Any] = {
    "prefect_api_hosts": ["localhost"],
    "prefect_api_url": "http://127.0.0.1:4200/api",
    "prefect_database_password": "plain",
    "stored": STORED_VERIFIER,
    "prefect_redis_password": 'p@ss "word"',
    "prefect_redis_url": "redis://10.0.0.6:6379/0",
    "prefect_server_replicas": 3,
    "prefect_work_pools": [{"name": "default", "type": "process", "workers": {"min": 2}}],
    "prefect_host": {**HOST, "version": "11"},
    "reading": HEALTHY,
    "expected": EXPECTED_DEPLOYMENT,
    "cluster_expected": EXPECTED_PODS,
    "variables": {**SPREAD, **GOOD},
    "load": LOAD,
    "report": report(),
    "pods": pods(1.0, 10),
}
# The expected results. Examples that are not listed only have to run.
EXPECTED: dict[str, list[Any]] = {
    "_checks_as_text": ["ok      The API answers: Prefect 3.9.1"],
    "_deployment_checks": [[]],
    "_destinations_except": [
        [
            {"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}},
            {"ipBlock": {"cidr": "::/0", "except": ["fe80::/10"]}},
            {"namespaceSelector": {}},
        ]
    ],
    "_dns_rule": [{"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}],
    "_expected_workloads": [10],
    "_deployment_problems": ["All assertions passed"],
    "_host_names": [["app1", "prefect.example.com"]],
    "_node_problems": [["prefect_workload.nodes.count"]],
    "_phase_seconds": ["database 3.5, server 20.0, 23.5 in all"],
    "address_of": ["127.0.0.1", ["127.0.0.1"]],
    "postgresql_url": ["postgresql+asyncpg://prefect:p%40ss%3Aw%2Frd@10.0.0.5:5432/prefect"],
    "quoted_for": ['requirepass "p@ss \\"word\\""'],
    "redis_database": ["redis://10.0.0.6:6379/1"],
    "_redis_settings": [
        {
            "PREFECT_REDIS_MESSAGING_DB": "0",
            "PREFECT_REDIS_MESSAGING_HOST": "10.0.0.6",
            "PREFECT_REDIS_MESSAGING_PORT": "6379",
        }
    ],
    "_redis_rules": ["~prefect:* &prefect:* -@all +@string +@hash -@admin -@dangerous +info"],
    "_scram_verifier": [STORED_VERIFIER],
    "redis_url": ["redis://:p%40ss%3Aw%2Frd@10.0.0.6:6379/0"],
    "services_environment": [
        {"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "[]", "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "true"}
    ],
    "_services_deployments": [{"late.runs": "prefect-services-late-runs", "services": "prefect-services"}],
    "sizing": ["208, 300"],
    "spread": [[1, 2, 3]],
    "_without_containers": [{"spec": {"nodeSelector": {"pool": "prefect"}}}],
    "workers_of": [2],
    "workload_problems": ["All assertions passed"],
}


def documented(name: str) -> Any:
    return yaml.safe_load((PLUGINS / f"{name}.yml").read_text())


def provided() -> dict[str, Any]:
    """Return all filters of the collection, by name."""
    found: dict[str, Any] = {}
    for path in PLUGINS.glob("*.py"):
        module = importlib.import_module(f"ansible_collections.selfhosted.prefect.plugins.filter.{path.stem}")
        filters = module.FilterModule().filters()
        assert not found.keys() & filters.keys()
        found.update(filters)
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """Return the results of the tasks in the examples, by filter."""
    directory = tmp_path_factory.mktemp("examples")
    tasks = []
    for name in FILTERS:
        for task in yaml.safe_load(documented(name)["EXAMPLES"]):
            tasks.append({**task, "name": name})
            if "ansible.builtin.copy" in task:
                task["ansible.builtin.copy"]["dest"] = str(directory / name)
    play = {"hosts": "localhost", "gather_facts": False, "vars": VARIABLES, "tasks": tasks}
    (directory / "play.yml").write_text(yaml.safe_dump([play]))
    groups = {name: {"hosts": {"localhost": None}} for name in ("prefect_postgres", "prefect_api")}
    inventory = {"all": {"hosts": {"localhost": {"ansible_connection": "local"}}, "children": groups}}
    (directory / "hosts.yml").write_text(yaml.safe_dump(inventory))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts.yml", "play.yml"]
    env = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    ended = subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    found: dict[str, list[Any]] = {name: [] for name in FILTERS}
    for task in json.loads(ended.stdout)["plays"][0]["tasks"]:
        found[task["task"]["name"]].append(task["hosts"]["localhost"])
    return found


def shown(result: dict[str, Any]) -> Any:
    facts = list(result.get("ansible_facts", {}).values())
    return facts[0] if facts else result.get("msg", result.get("dest"))


@pytest.mark.parametrize("name", FILTERS)
def test_the_examples_run(name: str, results: dict[str, list[Any]]) -> None:
    assert results[name]
    values = [str(shown(result)) for result in results[name]]  # ansible-core 2.18 returns numbers as text
    assert values == [str(value) for value in EXPECTED.get(name, values)]


def test_the_examples_of_checks_find_what_is_wrong(results: dict[str, list[Any]]) -> None:
    (machine,) = shown(results["_host_problems"][0])
    assert machine["option"] == "ansible_host"
    options = {problem["option"] for problem in shown(results["_unknown_variables"][0])}
    assert {"prefect_host", "prefect_redis_url"} <= options


def test_the_example_of_an_environment_file_is_one(results: dict[str, list[Any]]) -> None:
    path = Path(shown(results["environment_file"][0]))
    assert path.read_text() == 'PREFECT_API_URL="http://127.0.0.1:4200/api"\n'
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_is_documented_as_it_is(name: str) -> None:
    assert documented(name)["DOCUMENTATION"]["name"] == name
    assert documented(name)["RETURN"].keys() == {"_value"}


def test_every_filter_is_documented() -> None:
    assert sorted(provided()) == FILTERS


@pytest.mark.parametrize("name", FILTERS)
def test_the_options_are_those_of_the_function(name: str) -> None:
    """The filter passes its input as the first parameter of the function."""
    parameters = list(inspect.signature(provided()[name].target()).parameters)[1:]
    options = documented(name)["DOCUMENTATION"]["options"]
    assert sorted(parameters) == sorted(options.keys() - {"_input"})


def test_a_task_compiles_no_code_but_that_of_its_filter() -> None:
    """Ansible imports all filter files in the process of each task: see plugin_utils/_deferred.py."""
    code = (
        "import sys\n"
        "from ansible.plugins.loader import filter_loader, init_plugin_loader\n"
        "init_plugin_loader()\n"
        "filter_loader.get('selfhosted.prefect.endpoint').j2_function('fd00::5', 80)\n"
        "print(*(name for name in sys.modules if 'selfhosted.prefect.plugins.' in name and '_utils._' in name))"
    )
    env = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections")}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    loaded = {name.partition(".plugin_utils.")[2] for name in done.stdout.split()}
    assert loaded == {"_addresses", "_deferred", "_urls"}


def test_the_readme_lists_the_public_filters() -> None:
    """All others have a name with an underscore at the start: only roles use them, and they can change."""
    public = sorted(path.stem for path in (ROOT / "plugins" / "filter").glob("[a-z]*.yml"))
    (row,) = re.findall(r"^\| Filters (.*?) \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", row)) == public
