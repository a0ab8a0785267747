# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ..sample import NAME, Sample

SAMPLE = Sample(
    item=lambda name: {"flow": name, "name": name, "work_pool": name, "parameters": {"a": 1}},
    needs=("work_pool",),
    schemas=("DeploymentCreate", "DeploymentUpdate"),
    free=True,
    change=("description", "d"),
    cleared={
        "concurrency_limit": (3, None),
        "concurrency_options": ({"collision_strategy": "CANCEL_NEW"}, None),
        "description": ("x", None),
        "entrypoint": ("f.py:f", None),
        "enforce_parameter_schema": (False, True),
        "job_variables": ({"env": {"A": "1"}}, {}),
        "parameter_openapi_schema": ({"type": "object", "properties": {"a": {"type": "integer"}}}, {}),
        "parameters": ({"a": 1}, {}),
        "path": ("/x", None),
        "paused": (True, False),
        "pull_steps": ([{"prefect.deployments.steps.set_working_directory": {"directory": "/x"}}], []),
        "tags": (["a"], []),
        "version": ("1", None),
        "work_pool": ("06 pool", None),
    },
    awkward=[
        {
            "flow": NAME,
            "name": NAME,
            "work_pool": NAME,
            "work_queue": NAME,
            "global_concurrency_limit": NAME,
            "parameters": {"greeting": "{{ who }}", "nothing": None},
            "schedules": [{"slug": NAME, "cron": "0 3 * * *", "timezone": "Europe/Berlin", "parameters": {"a": "{{"}}],
        }
    ],
    left_out={
        "DeploymentCreate": {
            "flow_id": "option flow, by name",
            "infrastructure_document_id": "infrastructure blocks went with agents",
            "version_info": "versions are a feature of Prefect Cloud",
        },
        "DeploymentUpdate": {
            "infrastructure_document_id": "infrastructure blocks went with agents",
            "version_info": "versions are a feature of Prefect Cloud",
        },
    },
    ours=("flow_name",),
)
