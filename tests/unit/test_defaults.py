# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests of deployments and the test cluster read defaults of the roles: a new default needs no change in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from defaults import API_PORT, DATABASE_PORT, GATEWAY_PORT, PGBOUNCER_PORT, REDIS_PORT, ROOT, VERSION, WORKER_PORT

COPIES = re.compile(
    r"(?<![\w.])("
    + "|".join(
        re.escape(str(value))
        for value in (VERSION, API_PORT, DATABASE_PORT, GATEWAY_PORT, PGBOUNCER_PORT, REDIS_PORT, WORKER_PORT)
    )
    + r")(?![\w.]*\d)"
)
# The stand-ins for images have the ports of the official images.
OF_IMAGES = {"pack.py", "pgbouncer-entrypoint.sh", "postgres-entrypoint.sh"}
DIRECTORIES = ("e2e", "security", "kubernetes", "machines", "cluster")


def files(directory: str) -> list[Path]:
    found = [path for path in (ROOT / "tests" / directory).rglob("*") if path.is_file()]
    return [path for path in found if path.suffix in (".py", ".sh", ".yml", ".yaml", "") and path.name != "Dockerfile"]


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_no_test_copies_a_default(directory: str) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files(directory)
        for match in COPIES.finditer(path.read_text())
        if path.name not in OF_IMAGES or match[0] == VERSION
    }
    assert found == set()


def test_the_test_cluster_has_the_default_version_of_prefect() -> None:
    """Its scripts read it with awk, which does not know YAML."""
    assert f"\nprefect_version: {VERSION}\n" in (ROOT / "roles/prefect_common/defaults/main.yml").read_text()
    script = (ROOT / "tests/cluster/cluster").read_text()
    assert "prefect_common/defaults/main.yml" in script
    assert "prefect-$version.txt" in script
