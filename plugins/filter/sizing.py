# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a workload to a plan."""

from __future__ import annotations

DOCUMENTATION = r"""
name: sizing
short_description: Plan a deployment for a workload
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Computes how large everything has to be, from how many flow runs there are and how long they take.
  - Every number comes with its formula, its reason and where the coefficients in it are from. Coefficients that were
    measured name the machine and the day; those that were not say so.
  - C(docs/sizing.md) explains the model. The same workload always gives the same plan.
positional: pgbouncers
options:
  _input:
    description: The workload.
    type: dict
    required: true
    suboptions:
      runs_per_hour:
        description: Flow runs that start in a mean hour.
        type: float
        required: true
      run_seconds:
        description: Mean seconds that a run takes.
        type: float
        required: true
      run_seconds_p95:
        description: Seconds that 95 of 100 runs take at the most. Three times the mean by default.
        type: float
      peak_factor:
        description: Rate of the busiest minutes, as a multiple of the mean.
        type: float
        default: 1
      tasks_per_run:
        description: Task runs of a flow run.
        type: float
        default: 0
      logs_per_run:
        description: Log messages that a run sends to the API. By default what an empty flow was seen to send.
        type: float
      events_per_run:
        description: Events that a run emits beside Prefect's own.
        type: float
        default: 0
      run_cpu:
        description: Cores that a run uses while it runs, and what its pod requests.
        type: float
        default: 0.1
      run_memory_mb:
        description: MiB that a run uses, and what its pod requests.
        type: float
        default: 256
      pool_type:
        description: Type of the work pools.
        type: str
        choices: [process, kubernetes]
        default: process
      work_pools:
        description: Work pools that share the runs. By default one, V(default).
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the pool.
            type: str
            required: true
          share:
            description: Share of the runs, in any unit.
            type: float
            default: 1
      rate_limits:
        description: Services that the runs call and that allow so many calls.
        type: list
        elements: dict
        suboptions:
          name:
            description: Name of the global concurrency limit that protects the service.
            type: str
            required: true
          per_second:
            description: Calls that the service allows in a second.
            type: float
            required: true
          calls_per_run:
            description: Calls that a run makes.
            type: float
            default: 1
      keep_runs_days:
        description: Days after which runs are deleted. They are kept for ever by default.
        type: int
      keep_events_days:
        description: Days after which events are deleted.
        type: int
        default: 3
      nodes:
        description: What the nodes of a cluster that carry flow runs have. What is given is checked.
        type: dict
        suboptions:
          count:
            description: Number of nodes.
            type: int
          cpu:
            description: Allocatable cores of a node.
            type: float
          memory_mb:
            description: Allocatable MiB of a node.
            type: float
          pods:
            description: Pods that a node may run, V(110) by default.
            type: int
      database:
        description: What the database server has. What is given is compared with what is needed.
        type: dict
        suboptions:
          cpu:
            description: Cores.
            type: float
          memory_mb:
            description: MiB of memory.
            type: float
          disk_gb:
            description: GB of disk.
            type: float
          max_connections:
            description: Connections that it accepts.
            type: int
  pgbouncers:
    description: Number of machines that run PgBouncer.
    type: int
    default: 1
seealso:
  - plugin: selfhosted.prefect.workload_problems
    plugin_type: filter
"""

EXAMPLES = r"""
- name: How many runs there are at once, and the limit for the work pool
  ansible.builtin.debug:
    msg: "{{ plan.numbers.running | round | int }}, {{ plan.numbers.concurrency_limit }}"
  vars:
    plan: "{{ {'runs_per_hour': 25000, 'run_seconds': 30, 'pool_type': 'kubernetes'} | selfhosted.prefect.sizing }}"
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    rows:
      description:
        - One dictionary per number, with C(section), C(number), C(name), C(value), C(shown), which is rounded, C(unit),
          C(formula), C(why), C(source), which names entries of C(sources), and C(coefficients), which names those that
          the formula uses.
      type: list
      elements: dict
    numbers:
      description: The same numbers by their names.
      type: dict
    variables:
      description: The plan as variables of the roles, ready for C(group_vars).
      type: dict
    reasons:
      description: The formula or the reason of each variable.
      type: dict
    warnings:
      description: Weak spots, each with C(option), C(problem) and C(remedy).
      type: list
      elements: dict
    problems:
      description: What cannot work, in the same form. The preflight checks the pools that are really set.
      type: list
      elements: dict
    advice:
      description:
        - What to do instead where one Job per run overloads a control plane. Empty elsewhere.
        - C(process) has what a process pool would need, C(batching) how many micro-flows a run should do.
      type: dict
    sources:
      description: What each source is; for measured ones the command, the machine and the date.
      type: dict
    workload:
      description: The workload with all its defaults.
      type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._sizing import make_plan
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._workload import BadWorkload


def sizing(workload: Any, pgbouncers: int = 1) -> dict[str, Any]:
    """Return the plan for C(workload)."""
    try:
        return make_plan(workload, int(pgbouncers))
    except BadWorkload as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"sizing": sizing}
