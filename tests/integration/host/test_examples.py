# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented examples of the modules for hosts run without changes."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import ROOT, Host

MODULES = ("host_command", "host_facts", "process_group", "process_group_info")


def examples(module: str) -> list[dict[str, Any]]:
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text())
    (found,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "EXAMPLES"
    )
    tasks: list[dict[str, Any]] = yaml.safe_load(ast.literal_eval(found))
    return tasks


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(host: Host, module: str, tmp_path: Path) -> None:
    """Only the instance name and the path of supervisord are those of the test host."""
    tasks = examples(module)
    playbook = tmp_path / "examples.yml"
    play = {
        "hosts": host.manager,
        "gather_facts": False,
        "module_defaults": {
            "selfhosted.prefect.process_group": host.options({}),
            "selfhosted.prefect.process_group_info": {"instance": "it"},
        },
        "tasks": tasks,
    }
    playbook.write_text(yaml.safe_dump([play]))
    done = subprocess.run(
        [ROOT / ".venv/bin/ansible-playbook", "-i", host.inventory, playbook],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_SSH_CONTROL_PATH_DIR": str(host.inventory.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok={len(tasks)} " in done.stdout
    assert "[WARNING]" not in done.stderr + done.stdout
