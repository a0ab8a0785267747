# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook rejects options of the wrong type before it changes anything, and validates each of them once.

The preflight validates roles whose specification is called `options`. Ansible validates the others, whose specification
has the name of the entry point.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from defaults import ROOT

PLAYBOOKS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "playbooks").glob("*.yml"))}
SPECS: dict[str, dict[str, Any]] = {
    path.parts[-3]: yaml.safe_load(path.read_text())["argument_specs"]
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))
}
PREFLIGHT = "selfhosted.prefect.preflight"
# A value of the wrong type for one option of each role.
MISTAKES: dict[str, dict[str, Any]] = {
    "prefect_common": {"prefect_tls_days": "many"},
    "prefect_configuration": {"prefect_configuration_parallel": "many"},
    "prefect_gateway": {"prefect_gateway_client_timeout_seconds": "many"},
    "prefect_loadtest": {"prefect_loadtest_rate": "many"},
    "prefect_lock": {"prefect_lock_force": "many"},
    "prefect_pgbouncer": {"prefect_pgbouncer_query_wait_timeout_seconds": "many"},
    "prefect_postgres": {"prefect_postgres_memory_mb": "many"},
    "prefect_redis": {"prefect_redis_settings": "many"},
    "prefect_server": {"prefect_server_scheduler_loop_seconds": "many"},
    "prefect_teardown": {"prefect_teardown_runs_seconds": "many", "prefect_teardown_confirm": "prefect"},
    "prefect_verify": {"prefect_verify_flow_run_timeout_seconds": "many"},
    "prefect_worker": {"prefect_worker_heartbeat_seconds": "many"},
}
HOSTS = """all:
  hosts: {cluster: {ansible_connection: local}}
  vars: {prefect_platform: kubernetes, prefect_kubeconfig: /nowhere/kubeconfig}
  children:
"""
ENVIRONMENT = {
    "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
}
GROUPS = ("postgres", "pgbouncer", "redis", "api", "services", "gateway", "workers")


def roles_of(plays: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """The roles of a playbook, each with its entry point."""
    for play in plays:
        for role in play.get("roles", []):
            yield role["role"].rpartition(".")[2], "main"
        for task in play.get("tasks", []):
            for action in ("ansible.builtin.import_role", "ansible.builtin.include_role"):
                if action in task:
                    yield task[action]["name"].rpartition(".")[2], task[action].get("tasks_from", "main")


def play(tmp_path: Path, playbook: str, variables: dict[str, Any]) -> tuple[int, str]:
    """Run a playbook for a cluster that does not exist."""
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(HOSTS + "".join(f"    prefect_{group}: {{hosts: {{cluster: {{}}}}}}\n" for group in GROUPS))
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", inventory, ROOT / "playbooks" / f"{playbook}.yml", "-e", json.dumps(variables)],
        cwd=tmp_path,
        env={**os.environ, **ENVIRONMENT},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def test_there_is_a_mistake_for_each_role() -> None:
    """Every value is a string or a path, so the other roles have no option with a wrong type."""
    typed = {
        role
        for role, specs in SPECS.items()
        for spec in specs.values()
        for option in spec["options"].values()
        if option["type"] not in ("str", "path")
    }
    assert set(MISTAKES) == typed


def test_the_preflight_rejects_a_wrong_type_in_each_role(tmp_path: Path) -> None:
    code, output = play(tmp_path, "site", {name: value for one in MISTAKES.values() for name, value in one.items()})
    assert code != 0
    assert "cluster was not changed. Correct these problems first:" in output
    names = [name for one in MISTAKES.values() for name, value in one.items() if value == "many"]
    assert [name for name in names if not re.search(rf"^ +- .*\b{name}\b", output, re.MULTILINE)] == []
    assert "changed=0" in output


@pytest.mark.parametrize(
    ("playbook", "mistake"),
    [
        ("configure", MISTAKES["prefect_configuration"]),
        ("export", {"prefect_configuration_export_kinds": {"work_pools": True}}),
        ("loadtest", MISTAKES["prefect_loadtest"]),
        ("lock", MISTAKES["prefect_lock"]),
        ("teardown", MISTAKES["prefect_teardown"]),
        ("verify", MISTAKES["prefect_verify"]),
    ],
)
def test_a_playbook_without_the_preflight_rejects_a_wrong_type_itself(
    playbook: str, mistake: dict[str, Any], tmp_path: Path
) -> None:
    code, output = play(tmp_path, playbook, mistake)
    assert code != 0
    begun = re.findall(r"^TASK \[(.*)\]", output, re.MULTILINE)
    assert "Validating arguments against arg spec" in begun[-1], output
    assert next(iter(mistake)) in output.partition(begun[-1])[2]
    assert "changed=0" in output


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_a_playbook_validates_the_roles_that_it_uses(playbook: str) -> None:
    """By the preflight before its first play, or by Ansible because the specification is that of the entry point."""
    first, *_others = PLAYBOOKS[playbook]
    preflight = first.get("ansible.builtin.import_playbook") == PREFLIGHT
    for role, entry_point in roles_of(PLAYBOOKS[playbook]):
        has_options = any(spec["options"] for spec in SPECS[role].values())
        assert not has_options or preflight or entry_point in SPECS[role] or entry_point == "show_backlog", role


def test_only_the_preflight_decides_what_it_validates() -> None:
    files = [*(ROOT / "playbooks").glob("*.yml"), *(ROOT / "roles").glob("*/tasks/*.yml")]
    assert [path for path in files if "rolespec_validate" in path.read_text()] == []


@pytest.mark.parametrize("role", SPECS)
def test_a_role_is_validated_in_one_way(role: str) -> None:
    """`options`, or the names of its entry points."""
    names = set(SPECS[role])
    assert names == {"options"} or all((ROOT / "roles" / role / "tasks" / f"{name}.yml").exists() for name in names)
    after_preflight = {
        used
        for plays in PLAYBOOKS.values()
        for used, _tasks in roles_of(plays)
        if plays[0].get("ansible.builtin.import_playbook") == PREFLIGHT
    }
    if role in after_preflight - {"prefect_teardown"}:  # whose entry point there has no options
        assert names == {"options"}
