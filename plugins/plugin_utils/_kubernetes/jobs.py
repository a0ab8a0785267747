# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Default job variables of the pods of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.facts import quantity

JOB = {
    # At 25,000 runs an hour, 2,000 finished Jobs exist after five minutes. Without a limit, they are never removed.
    "finished_job_ttl": 300,
    "cpu_request": "100m",
    "memory_request": "256Mi",
    "memory_limit": "512Mi",
}
RESOURCES = ("cpu", "memory")


def amount(value: Any) -> float | None:
    """Return the number of a quantity, None if it is missing or invalid."""
    try:
        return quantity(value)
    except ValueError:
        return None


def exceeds(request: Any, limit: Any) -> bool:
    """Whether the request exceeds the limit, which makes a pod invalid."""
    asked, allowed = amount(request), amount(limit)
    return asked is not None and allowed is not None and asked > allowed


def with_defaults(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the job variables of a pool with defaults that do not conflict with them."""
    made = {**JOB, **job}
    for name in RESOURCES:
        request, limit = f"{name}_request", f"{name}_limit"
        if exceeds(made.get(request), made.get(limit)):
            if limit not in job:
                made[limit] = made[request]
            elif request not in job:
                made[request] = made[limit]
    return made
