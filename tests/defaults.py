# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values of the roles. Tests take ports, paths and versions from here instead of copying them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]


@functools.cache
def variables_of_roles(kind: str) -> dict[str, Any]:
    """Return the `defaults` or `vars` of all roles; no two roles have a variable of the same name."""
    paths = sorted((ROOT / "roles").glob(f"*/{kind}/main.yml"))
    return {name: value for path in paths for name, value in yaml.safe_load(path.read_text()).items()}


def oldest_first(version: str) -> list[int]:
    """Return a key that sorts versions."""
    return [int(part) for part in version.split(".")]


# Versions of Prefect with a lock file in the collection.
LOCKS = {path.stem.partition("-")[2]: path for path in (ROOT / "roles/prefect_host/files").glob("prefect-*.txt")}
DEFAULTS = variables_of_roles("defaults")
VERSION: str = DEFAULTS["prefect_version"]
VENV = f"/opt/prefect/{VERSION}"
GATEWAY_PORT: int = DEFAULTS["prefect_gateway_port"]
API_PORT: int = DEFAULTS["prefect_server_api_port"]
WORKER_PORT: int = DEFAULTS["prefect_worker_port"]
DATABASE_PORT: int = DEFAULTS["prefect_database_port"]
PGBOUNCER_PORT: int = DEFAULTS["prefect_pgbouncer_port"]
REDIS_PORT: int = DEFAULTS["prefect_redis_port"]
