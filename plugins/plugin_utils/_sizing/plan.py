# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The calculation of a capacity plan from a workload."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import coefficients
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.cluster import plan_cluster, plan_limits
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.database import plan_database
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.findings import (
    alternatives_to_jobs,
    problems_of,
    warnings_of,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.model import CapacityPlan
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.runs import plan_load, plan_workers
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.server import (
    plan_connections,
    plan_database_load,
    plan_processors,
    plan_redis,
    plan_server,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.variables import role_variables
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.workload import BadWorkload, read_workload

# In the order of their dependencies.
STEPS = (
    plan_load,
    plan_workers,
    plan_database_load,
    plan_server,
    plan_connections,
    plan_database,
    plan_redis,
    plan_processors,
    plan_cluster,
    plan_limits,
)


def make_plan(given: Any, pgbouncers: int = 1) -> dict[str, Any]:
    """Return the plan for a workload, or raise BadWorkload."""
    plan = CapacityPlan(read_workload(given), pgbouncers)
    for step in STEPS:
        step(plan)
    advice, variables = alternatives_to_jobs(plan), role_variables(plan)
    return {
        "workload": plan.w,
        "rows": plan.rows,
        "numbers": {row["name"]: row["value"] for row in plan.rows},
        "variables": {name: value for name, (value, _reason) in variables.items()},
        "reasons": {name: reason for name, (_value, reason) in variables.items()},
        "warnings": list(warnings_of(plan, advice)),
        "problems": list(problems_of(plan)),
        "advice": advice,
        "sources": coefficients.load()["sources"],
    }


def sizing(workload: Any, pgbouncers: int = 1) -> dict[str, Any]:
    """Return the plan for C(workload)."""
    try:
        return make_plan(workload, int(pgbouncers))
    except BadWorkload as error:
        raise AnsibleFilterError(str(error)) from error
