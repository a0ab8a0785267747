# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import FLOW_AND_NAME, NAME, Sample

TRIGGER = {"posture": "Reactive", "expect": ["prefect.flow-run.Failed"]}
SAMPLE = Sample(
    item=lambda name: {
        "name": name,
        "trigger": TRIGGER,
        "actions": [{"type": "do-nothing"}],
        "tags": ["b", "a"],
    },
    schemas=("AutomationCreate", "AutomationUpdate"),
    change=("description", "d"),
    sends_more=True,
    cleared={"description": ("x", ""), "tags": (["a"], []), "enabled": (False, True)},
    awkward=[
        {
            "name": NAME,
            "trigger": TRIGGER,
            "actions": [
                {"type": "run-deployment", "deployment": FLOW_AND_NAME, "parameters": {"x": "{{ event.id }}"}},
                {"type": "pause-work-queue", "work_queue": FLOW_AND_NAME},
            ],
        }
    ],
    left_out={"AutomationCreate": {"owner_resource": "set by the server for automations that it makes itself"}},
)
