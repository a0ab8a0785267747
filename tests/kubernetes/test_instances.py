# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two instances in one namespace do not touch each other."""

from __future__ import annotations

import dataclasses

from .conftest import POOLS, Installed
from .deployment import Deployment


def test_two_instances_live_side_by_side(development: Deployment, installed: Installed) -> None:
    def mine() -> dict[str, str]:
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in development.pods()}

    before = mine()
    second = dataclasses.replace(
        development,
        instance="second",
        port=30421,
        variables={"prefect_work_pools": [POOLS[1]], "prefect_server_replicas": 1, "prefect_pgbouncer_replicas": 1},
    )
    try:
        assert "1 run(s) COMPLETED" in second.play("site").output
        assert development.play("site").tasks_that_changed() == []
    finally:
        second.teardown("delete")
    assert mine() == before
    assert second.pods() == []
    assert development.play("verify").code == 0
