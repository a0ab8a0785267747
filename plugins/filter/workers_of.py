# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workers that a list of work pools asks for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: workers_of
short_description: List the workers of all work pools, one entry each
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Plain machines do not scale with the backlog, so every pool gets C(workers.min) workers (one by default).
  - A pool whose C(state) is V(absent) gets none.
  - The position in the list decides on which machine a worker runs and which port it uses.
  - The C(concurrency_limit) of a pool is dealt out to its workers, unless C(workers.limit) says what each of them may
    run. Prefect's server tells every worker that asks how much room there is, but does not count a run before it is
    Pending, so that workers that ask at the same moment exceed the limit together.
options:
  _input:
    description: Work pools as in C(prefect_work_pools).
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: How many worker processes there are
  ansible.builtin.debug:
    msg: "{{ prefect_work_pools | selfhosted.prefect.workers_of | length }}"
"""

RETURN = r"""
_value:
  description:
    - One dictionary per worker with C(pool), C(type), C(number), C(process) (its name as a process), C(queues),
      C(limit), C(query_seconds) and C(prefetch_seconds). C(limit) is null where the pool has no limit either, and the
      last two where the pool does not set them.
  type: list
  elements: dict
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any


def plain_name(pool: str) -> str:
    """Return a pool's name in letters that systemd, supervisord and Kubernetes accept, and that no other pool has."""
    plain = re.sub(r"[^a-z0-9]+", "-", pool.lower()).strip("-")
    if plain != pool:
        plain = (plain + "-" if plain else "") + hashlib.sha256(pool.encode()).hexdigest()[:6]
    return plain


def process_name(pool: str, number: int) -> str:
    """Return the name of one worker's process."""
    return f"worker-{plain_name(pool)}-{number}"


def worker_count(pool: Mapping[str, Any]) -> int:
    """Return how many workers C(pool) gets."""
    if pool.get("state") == "absent":
        return 0
    count = (pool.get("workers") or {}).get("min")
    return 1 if count is None else int(count)


def most_workers(pool: Mapping[str, Any]) -> int:
    """Return how many workers an autoscaler may give C(pool)."""
    if pool.get("state") == "absent":
        return 0
    return max(worker_count(pool), int((pool.get("workers") or {}).get("max") or 0))


def worker_limit(pool: Mapping[str, Any], number: int, count: int) -> int | None:
    """Return how many runs worker C(number) of C(count) may have at a time, one at least."""
    own = (pool.get("workers") or {}).get("limit")
    if own is not None:
        return int(own)
    limit = pool.get("concurrency_limit")
    if not limit:  # none, or a pool that is stopped
        return None
    return max(1, int(limit) // count + (number <= int(limit) % count))


def workers_of(pools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one entry per worker of C(pools)."""
    result = []
    for pool in pools:
        workers = pool.get("workers") or {}
        count = worker_count(pool)
        for number in range(1, count + 1):
            result.append(
                {
                    "pool": pool["name"],
                    "type": pool.get("type") or "process",
                    "number": number,
                    "process": process_name(pool["name"], number),
                    "queues": list(workers.get("queues") or []),
                    "limit": worker_limit(pool, number, count),
                    "query_seconds": workers.get("query_seconds"),
                    "prefetch_seconds": workers.get("prefetch_seconds"),
                }
            )
    return result


class FilterModule:
    """Ansible looks the filter up here."""

    def filters(self) -> dict[str, Any]:
        """Return the filter under its name."""
        return {"workers_of": workers_of}
