# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The capacity plan during its calculation: rows with value, formula and sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import coefficients
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing.arithmetic import show


class CapacityPlan:
    """The calculated rows of a plan, with their reasons."""

    def __init__(self, workload: Mapping[str, Any], pgbouncers: int) -> None:
        self.w = workload
        self.kubernetes = workload["pool_type"] == "kubernetes"
        # A cluster has two by default, also if no inventory sets the number.
        self.pgbouncers = max(2 if self.kubernetes else 1, pgbouncers)
        self.rows: list[dict[str, Any]] = []
        self.v: dict[str, Any] = {}
        self.used: list[str] = []  # coefficients that were used since the last row

    def c(self, name: str) -> float:
        """Return a coefficient, and add it to the sources of the next row."""
        self.used.append(name)
        return coefficients.value(name)

    def text(self, name: str) -> str:
        """Return a coefficient as text for a formula."""
        return show(self.c(name))

    def per_run(self, name: str, more: str = "") -> tuple[float, str]:
        """Return the cost of a run with its tasks and own events, and the sum as text.

        For the server, a task is only its events. An own event of the run therefore costs as much as one event of a
        task. This is slightly too high, because the recorder writes a row for a task, but none for another event.
        """
        tasks, own = self.w["tasks_per_run"], self.w["events_per_run"]
        run, task = self.c(f"{name}_per_run"), self.c(f"{name}_per_task")
        units = f"{show(tasks)} tasks"
        if own:
            tasks += own / self.c("events_per_task")
            units = f"({units} + {show(own)} own events / {self.text('events_per_task')})"
        return run + tasks * task, f"({show(run)}{more} + {units} × {show(task)})"

    def add(self, section: str, name: str, value: Any, unit: str, formula: str, why: str) -> Any:
        data = coefficients.load()
        kinds = dict.fromkeys(data["coefficients"][used]["source"] for used in self.used)
        self.rows.append(
            {
                "number": len(self.rows),
                "section": section,
                "name": name,
                "value": value,
                "shown": show(value),
                "unit": unit,
                "formula": formula,
                "why": why,
                "source": ", ".join(kinds) or "arithmetic",
                "coefficients": list(dict.fromkeys(self.used)),
            }
        )
        self.used = []
        self.v[name] = value
        return value
