# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files on the control host belong to the user who runs the playbook, even if Ansible manages this host as root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml
from defaults import ROOT


def tasks_in(value: Any) -> Iterator[Mapping[str, Any]]:
    """Return tasks and blocks at any depth."""
    for task in value or ():
        yield task
        for name in ("block", "rescue", "always"):
            yield from tasks_in(task.get(name))


def delegated() -> Iterator[Any]:
    for path in sorted((ROOT / "roles").glob("*/tasks/*.yml")):
        for task in tasks_in(yaml.safe_load(path.read_text())):
            if task.get("delegate_to") == "localhost":
                yield pytest.param(task, id=f"{path.parent.parent.name}: {task['name']}")


@pytest.mark.parametrize("task", [*delegated()])
def test_a_task_of_the_control_host_runs_as_its_user(task: Mapping[str, Any]) -> None:
    """The keyword has no effect: ansible_become in inventories/local, where localhost is a host, has precedence."""
    assert task["vars"]["ansible_become"] is False
    assert "become" not in task
