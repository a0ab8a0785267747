# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An external PostgreSQL, prepared by an administrator without superuser privileges, as managed databases have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from rendering import ROOT, played

from .support import PostgreSQL


@pytest.fixture
def database() -> Iterator[PostgreSQL]:
    running = PostgreSQL()
    try:
        yield running
    finally:
        running.stop()


def read(database: PostgreSQL, name: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(host="127.0.0.1", port=database.port, user="prefect", dbname=name, autocommit=True) as session:
        answer = session.execute(query)
        return answer.fetchall() if answer.description else []


def test_an_administrator_need_not_be_a_superuser(database: PostgreSQL, tmp_path: Path) -> None:
    # All accounts except the superuser need the correct password.
    rules = "host all prefect 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
    (database.home / "data" / "pg_hba.conf").write_text(rules)
    read(database, "postgres", "SELECT pg_reload_conf()")
    read(database, "postgres", "CREATE ROLE administrator LOGIN CREATEDB CREATEROLE PASSWORD 'of-administrator'")
    variables = {
        "prefect_postgres_hosts": [],
        "prefect_database_host": "127.0.0.1",
        "prefect_database_port": database.port,
        "prefect_database_name": "flows",
        "prefect_database_user": "flows",
        "prefect_database_password": "of-flows",
        "prefect_database_admin_user": "administrator",
        "prefect_database_admin_password": "of-administrator",
    }
    include = {
        "name": "Prepare",
        "ansible.builtin.include_tasks": str(ROOT / "roles/prefect_postgres/tasks/prepare_external_database.yml"),
    }

    def changed(*words: str, **other: str) -> list[str]:
        ended = played(tmp_path, "development", "postgres", [include], *words, **variables | other)
        output = ended.stdout + ended.stderr
        assert ended.returncode == 0, output
        assert not re.search("of-(flows|administrator)", output)
        return re.findall(r"TASK \[([^\]]*)\] \*+\n(?=changed)", output)

    tasks = [
        "Create the role",
        "Grant the role to the administrator",
        "Create the database",
        "Create the extension for name search",
    ]
    assert changed("--check") == tasks
    assert read(database, "postgres", "SELECT 1 FROM pg_roles WHERE rolname = 'flows'") == []
    assert changed() == tasks
    assert changed() == []
    assert changed("--check") == []
    # A new password is one change, which check mode predicts.
    rotated = {"prefect_database_password": "of-flows-now"}
    assert changed("--check", **rotated) == tasks[:1]
    assert changed(**rotated) == tasks[:1]
    assert changed(**rotated) == []
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'flows'"
    assert read(database, "flows", owner) == [("flows",)]
    assert read(database, "flows", "SELECT extname FROM pg_extension WHERE extname = 'pg_trgm'") == [("pg_trgm",)]
