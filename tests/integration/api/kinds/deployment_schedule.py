# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.deployment_schedule import TYPES

from ..sample import Sample

LEFT_OUT = {
    "active": "option paused, which is its opposite, like everywhere else",
    "schedule": "options cron, interval, rrule and what belongs to them",
    "replaces": "gives a schedule another slug while prefect deploy runs",
}
SAMPLE = Sample(
    item=lambda name: {"deployment": f"{name}/{name}", "slug": name, "cron": "0 3 * * *"},
    needs=("work_pool", "deployment"),
    schemas=("DeploymentScheduleCreate", "DeploymentScheduleUpdate"),
    change=("parameters", {"a": 1}),
    sends_more=True,
    cleared={"max_scheduled_runs": (3, None), "parameters": ({"a": 1}, {}), "paused": (True, False)},
    left_out={"DeploymentScheduleCreate": LEFT_OUT, "DeploymentScheduleUpdate": LEFT_OUT},
    ours=("deployment", "paused", *(part for parts in TYPES.values() for part in parts)),
)
