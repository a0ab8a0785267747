# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import NAME, Sample

SAMPLE = Sample(
    item=lambda name: {"name": name, "type": "process", "concurrency_limit": 3},
    schemas=("WorkPoolCreate", "WorkPoolUpdate"),
    free=True,
    change=("concurrency_limit", 9),
    cleared={"concurrency_limit": (3, None), "description": ("x", None), "paused": (True, False)},
    awkward=[
        {
            "name": NAME,
            "type": "process",
            "job": {"env": {"GREETING": "{{ who }} ü"}},
            "queues": [{"name": NAME, "concurrency_limit": 2}, {"name": "default"}],
        }
    ],
    ours=("queues",),
)
