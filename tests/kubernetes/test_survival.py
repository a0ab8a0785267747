# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any pod may go: the service comes back by itself, and no run is lost or executed twice."""

from __future__ import annotations

import time

import pytest

from .conftest import Installed, Note
from .deployment import Deployment


@pytest.mark.parametrize(
    ("component", "seconds_to_end"),
    [
        ("api", None),
        ("services", None),
        ("services", 0),  # as when its node is lost
        ("pgbouncer", None),
        ("redis", None),
        ("postgres", None),
        ("workers", None),
        ("workers", 0),
    ],
)
def test_a_deleted_pod_comes_back(
    development: Deployment,
    installed: Installed,
    component: str,
    seconds_to_end: int | None,
    record_testsuite_property: Note,
) -> None:
    runs = development.submit(2, seconds=10)
    development.wait_for_states(runs, {"RUNNING", "COMPLETED"}, 90)
    runs += development.submit(2, seconds=0)  # these may be in any state when the pod goes
    query = {} if seconds_to_end is None else {"gracePeriodSeconds": seconds_to_end}
    gone = time.monotonic()
    development.delete_pod(development.pods(component)[0]["metadata"]["name"], **query)
    while (verified := development.play("verify", check=False)).code:
        assert time.monotonic() - gone < 120, verified.output
    how = "killed" if seconds_to_end == 0 else "deleted"
    record_testsuite_property(f"seconds until verify.yml passes, {component} {how}", round(time.monotonic() - gone, 1))
    development.wait_for_states(runs, {"COMPLETED"}, 120)
    for run in runs:
        history = development.times_run(run)
        assert (history["RUNNING"], history["COMPLETED"]) == (1, 1), history
