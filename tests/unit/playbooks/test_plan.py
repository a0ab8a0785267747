# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan.yml as a user runs it, without an inventory: its table, its prompts, its file."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.plan import sizing

ROOT = Path(__file__).resolve().parents[3]
WORKLOAD = """prefect_workload:
  runs_per_hour: 25000
  run_seconds: 30
  pool_type: kubernetes
  rate_limits: [{name: external-api, per_second: 10}]
"""
COMMAND = [str(Path(sys.executable).with_name("ansible-playbook")), str(ROOT / "playbooks/plan.yml")]
ENVIRONMENT = {
    **os.environ,
    "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml",
}


def play(directory: Path, *words: str) -> tuple[int, str]:
    ended = subprocess.run(
        [*COMMAND, *words],
        cwd=directory,
        env={**ENVIRONMENT, "PWD": str(directory)},  # as in a shell in this directory
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "workload.yml").write_text(WORKLOAD)
    return tmp_path


def test_the_table(directory: Path) -> None:
    code, output = play(directory, "-e", "@workload.yml")
    assert code == 0, output
    assert re.search(r"^ +running +208 runs at once +6\.94 runs/s × 30 s$", output, re.M)
    assert re.search(r"^ +concurrency limit +300 runs at once ", output, re.M)
    assert re.search(r"^ +workers min +20 workers ", output, re.M)
    assert "Little's law" in output
    assert "WARNINGS" in output
    assert "prefect_server_replicas: 3" in output
    assert max(len(line) for line in output.splitlines()) <= 160


def test_the_file_is_written_once_and_shown_in_check_mode(directory: Path) -> None:
    words = ("-e", "@workload.yml", "-e", f"prefect_plan_file={directory}/plan.yml")
    file = directory / "plan.yml"
    changed = []
    for more in (("--check",), (), ("--check",), ()):
        code, output = play(directory, *words, *more)
        assert code == 0, output
        changed.append("changed=1" in output)
        assert file.exists() == (len(changed) > 1)
    assert changed == [True, True, False, False]
    written = yaml.safe_load(file.read_text())
    assert written.pop("prefect_workload") == yaml.safe_load(WORKLOAD)["prefect_workload"]
    variables = sizing(yaml.safe_load(WORKLOAD)["prefect_workload"])["variables"]
    assert written == {name: value for name, value in variables.items() if value is not None}


@pytest.mark.parametrize("path", ["mine/group_vars/plan.yml", "~/plan.yml"])
def test_the_file_is_where_one_looks_for_it(directory: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    (directory / "mine" / "group_vars").mkdir(parents=True)
    monkeypatch.setitem(ENVIRONMENT, "HOME", str(directory))
    code, output = play(directory, "-e", "@workload.yml", "-e", f"prefect_plan_file={path}")
    assert code == 0, output
    assert (directory / path.removeprefix("~/")).is_file()


def test_every_variable_in_the_file_has_a_comment(directory: Path) -> None:
    code, output = play(directory, "-e", "@workload.yml", "-e", f"prefect_plan_file={directory}/plan.yml")
    assert code == 0, output
    lines = (directory / "plan.yml").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\w+:", line) and number > lines.index("---"):
            assert lines[number - 1].startswith("# "), line
    assert max(len(line) for line in lines) <= 120


def test_extra_variables_and_the_inventory_do_as_well(directory: Path) -> None:
    code, output = play(directory, "-e", '{"prefect_workload": {"runs_per_hour": 3600, "run_seconds": 7}}')
    assert code == 0, output
    assert re.search(r"^ +running +7 runs at once", output, re.M)
    (directory / "group_vars").mkdir()
    (directory / "group_vars" / "all.yml").write_text("prefect_workload: {runs_per_hour: 3600, run_seconds: 9}")
    (directory / "hosts.yml").write_text("all: {hosts: {elsewhere.invalid: {}}}")
    code, output = play(directory, "-i", "hosts.yml")
    assert code == 0, output
    assert re.search(r"^ +running +9 runs at once", output, re.M)


def test_a_bad_workload_is_refused(directory: Path) -> None:
    code, output = play(directory, "-e", '{"prefect_workload": {"runs_per_hour": -1, "run_seconds": 7, "runs": 1}}')
    assert code != 0
    assert "- prefect_workload.runs: The option does not exist." in output
    assert "- prefect_workload.runs_per_hour: -1 is not a number above 0." in output
    assert "VARIABLES" not in output


def test_nobody_to_ask(directory: Path) -> None:
    code, output = play(directory)
    assert code != 0
    assert "prefect_workload.runs_per_hour: It is missing." in output


def read_until(person: int, words: str, typed: bytes) -> None:
    """Read until the words appear, and type again if nothing happens: a prompt discards what was typed before it."""
    shown = ""
    for _attempt in range(8):
        while select.select([person], [], [], 10)[0]:
            try:
                shown += os.read(person, 4096).decode(errors="replace")
            except OSError:  # the playbook has ended
                raise AssertionError(shown) from None
            if words in shown:
                return
        os.write(person, typed)
    raise AssertionError(shown)


def test_it_asks(directory: Path) -> None:
    asked: dict[str, Any] = {
        "flow runs start": "25000",
        "busiest minutes": "",
        "seconds does a run": "30",
        "95 of 100": "45",
        "cores": "",
        "MiB": "128",
        "rate-limited": "10",
        "process or kubernetes": "kubernetes",
        "names of the work pools": "fast, slow",
    }
    process, person = pty.fork()  # the prompt requires its own terminal
    if not process:
        os.chdir(directory)
        os.execve(COMMAND[0], [*COMMAND, "-e", f"prefect_plan_file={directory}/plan.yml"], ENVIRONMENT)
    try:
        typed = b""
        for question, answer in asked.items():
            read_until(person, question, typed)
            typed = f"{answer}\r".encode()
            os.write(person, typed)
        read_until(person, "PLAY RECAP", typed)
    finally:
        os.close(person)
        os.waitpid(process, 0)
    written = yaml.safe_load((directory / "plan.yml").read_text())
    assert [pool["name"] for pool in written["prefect_work_pools"]] == ["fast", "slow"]
    assert written["prefect_work_pools"][0]["job"]["memory_request"] == "128Mi"
    assert written["prefect_global_concurrency_limits"] == [
        {"name": "external-api", "limit": 10, "slot_decay_per_second": 10}
    ]
    assert written["prefect_server_replicas"] == 3
