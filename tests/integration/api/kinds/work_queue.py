# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import Sample

SAMPLE = Sample(
    item=lambda name: {"work_pool": name, "name": name, "concurrency_limit": 3},
    needs=("work_pool",),
    schemas=("WorkQueueCreate", "WorkQueueUpdate"),
    free=True,
    change=("concurrency_limit", 9),
    cleared={"concurrency_limit": (3, None), "description": ("x", ""), "paused": (True, False)},
    left_out={
        "WorkQueueCreate": {"filter": "deprecated"},
        "WorkQueueUpdate": {"filter": "deprecated", "last_polled": "runtime"},
    },
    ours=("work_pool_name",),
)
