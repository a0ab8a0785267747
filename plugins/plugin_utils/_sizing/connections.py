# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The maximum number of connections of a deployment to PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Reserved superuser sessions of PostgreSQL, and connections of the migration, the checks and psql.
RESERVED_CONNECTIONS = 3
SPARE_CONNECTIONS = 5


def connection_budget(v: Mapping[str, Any]) -> dict[str, int]:
    """Return the maximum number of connections of each component to PostgreSQL, and their sum."""
    services = int(v["prefect_server_services_pool_size"]) + int(v["prefect_server_services_max_overflow"])
    budget = {
        "pgbouncer": int(v["prefect_pgbouncer_replicas"]) * int(v["prefect_pgbouncer_pool_size"]),
        # One more per process: the LISTEN connection of the trigger service is not part of the pool.
        "services": len(v["prefect_services_groups"]) * (services + 1),
        "reserved": RESERVED_CONNECTIONS,
        "spare": SPARE_CONNECTIONS,
    }
    return {**budget, "sum": sum(budget.values())}
