# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The workers of work pools, and the distribution of numbered processes to hosts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any


def plain_name(pool: str) -> str:
    """Return a unique name of a pool with characters that systemd, supervisord and Kubernetes accept."""
    plain = re.sub(r"[^a-z0-9]+", "-", pool.lower()).strip("-")
    if plain != pool:
        plain = (plain + "-" if plain else "") + hashlib.sha256(pool.encode()).hexdigest()[:6]
    return plain


def process_name(pool: str, number: int) -> str:
    """Return the name of the process of a worker."""
    return f"worker-{plain_name(pool)}-{number}"


def worker_count(pool: Mapping[str, Any]) -> int:
    """Return the number of workers of C(pool)."""
    if pool.get("state") == "absent":
        return 0
    count = (pool.get("workers") or {}).get("min")
    return 1 if count is None else int(count)


def most_workers(pool: Mapping[str, Any]) -> int:
    """Return the maximum number of workers of C(pool) with an autoscaler."""
    if pool.get("state") == "absent":
        return 0
    return max(worker_count(pool), int((pool.get("workers") or {}).get("max") or 0))


def worker_limit(pool: Mapping[str, Any], number: int, count: int) -> int | None:
    """Return the maximum number of concurrent runs of worker C(number) of C(count), at least 1."""
    own = (pool.get("workers") or {}).get("limit")
    if own is not None:
        return int(own)
    limit = pool.get("concurrency_limit")
    if not limit:  # no limit, or a stopped pool
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


def spread(count: int, hosts: Sequence[str], host: str) -> list[int]:
    """Return the numbers between 1 and C(count) that are assigned to C(host)."""
    if host not in hosts:
        return []
    return list(range(list(hosts).index(host) + 1, int(count) + 1, len(hosts)))
