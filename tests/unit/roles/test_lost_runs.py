# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs that the program next to the workers regards as lost, and its reaction."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).resolve().parents[3] / "roles" / "prefect_worker" / "files" / "lost_runs.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("lost_runs", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(worker: str | None, state: str = "RUNNING") -> dict[str, Any]:
    labels = {"prefect.worker.name": worker} if worker else None
    return {"id": "1", "name": "a", "labels": labels, "state_id": "s", "state_type": state, "state_name": state}


@pytest.mark.parametrize(
    ("found", "alive", "others", "patience"),
    [
        (run("mine"), b"PREFECT__FLOW_RUN_ID=1", 370, None),
        (run("mine"), b"", 370, 60),  # the container was restarted, or the process was killed
        (run("mine"), b"", 0, 60),
        (run(None, "PENDING"), b"", 0, 60),
        (run(None), b"", 370, None),  # the worker of the run is not known
        (run("gone"), b"", 370, 370),
        (run("gone"), b"", 0, None),  # on another host, which checks its own runs
        (run("other"), b"", 370, None),
    ],
)
def test_runs_without_a_process_are_lost(
    program: ModuleType, found: dict[str, Any], alive: bytes, others: int, patience: int | None
) -> None:
    lost = program.lost_runs([found], ["mine"], alive, {"mine", "other"}, others)
    assert lost == ([] if patience is None else [(found, patience)])


class Api:
    def __init__(self, state: str) -> None:
        self.state = state
        self.posted: list[Any] = []

    def state_of(self, _run: Any) -> str:
        return self.state

    def post(self, path: str, body: Any) -> dict[str, str]:
        self.posted.append((path, body["state"]["type"], body["state"]["message"]))
        return {"status": "ACCEPT"}


def test_a_lost_run_is_reported_once(program: ModuleType) -> None:
    api, late = Api("s"), Api("another")
    for one in (api, late):
        program.crash(one, run("gone"), ["mine"])
    message = "The worker gone no longer exists, and nothing has reported how the run ended."
    assert api.posted == [("/flow_runs/1/set_state", "CRASHED", message)]
    assert late.posted == []
