# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documented examples of the modules for clusters run without changes."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from .deployment import ROOT, Cluster

MODULES = ("kubernetes_facts", "kubernetes_objects", "kubernetes_pod_info", "kubernetes_rollout", "kubernetes_runs")


def examples(module: str) -> list[dict[str, Any]]:
    tree = ast.parse((ROOT / "plugins" / "modules" / f"{module}.py").read_text())
    (found,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == "EXAMPLES"
    )
    return list(yaml.safe_load(ast.literal_eval(found)))


@pytest.mark.parametrize("module", MODULES)
def test_examples_run(cluster: Cluster, module: str, tmp_path: Path) -> None:
    tasks = examples(module)
    playbook = tmp_path / "examples.yml"
    play = {"hosts": "localhost", "gather_facts": False, "tasks": tasks}
    variables = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    playbook.write_text(yaml.safe_dump([{**play, "vars": variables}]))
    done = subprocess.run(
        ["ansible-playbook", "-i", "localhost,", playbook],
        cwd=ROOT,
        env={**os.environ, "KUBECONFIG": cluster.kubeconfig, "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"ok={len(tasks)} " in done.stdout
    assert "[WARNING]" not in done.stderr + done.stdout
