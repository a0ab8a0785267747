# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that API clients send are parameters of SQL statements, and do not appear in the log of PostgreSQL."""

from __future__ import annotations

import json

from defaults import VENV
from e2e.machine import Machine

# As the server's processes ask, with prepared statements: one is slow, one fails, and two have an error with details.
ASK = """
import asyncio, json, sys
import asyncpg

SLOW = "SELECT pg_sleep(2.2), length($1::text) /* planted-slow */"
FAILING = "SELECT 1 / (length($1::text) - length($1::text)) /* planted-failing */"
INSERTING = "INSERT INTO planted (name, needed) VALUES ($1, $2)"

async def main(host, password, slow, failing, row, key):
    connection = await asyncpg.connect(host=host, user="prefect", database="prefect", password=password)
    await connection.fetch(SLOW, slow)
    try:
        await connection.fetch(FAILING, failing)
    except asyncpg.DivisionByZeroError:
        pass
    await connection.execute("CREATE TEMPORARY TABLE planted (name text UNIQUE, needed text NOT NULL)")
    await connection.execute(INSERTING + " /* planted-first */", key, "")
    for statement, name, needed, error in (
        (INSERTING + " /* planted-row */", row, None, asyncpg.NotNullViolationError),
        (INSERTING + " /* planted-key */", key, "", asyncpg.UniqueViolationError),
    ):
        try:
            await connection.execute(statement, name, needed)
        except error as failure:
            assert name in failure.detail  # for the client, which sent it
    await connection.close()

asyncio.run(main(**json.load(sys.stdin)))
"""


def test_no_parameter_of_a_statement_is_logged(deployment: Machine) -> None:
    markers = {
        "slow": "marker-of-the-slow-statement",
        "failing": "marker-of-the-failing-statement",
        "row": "marker-of-the-failing-row",
        "key": "marker-of-the-repeated-key",
    }
    deployment.sh("cat > /srv/ask.py", input=ASK)
    login = {"host": deployment.ip, "password": deployment.variables()["prefect_database_password"]}
    deployment.sh(f"{VENV}/bin/python /srv/ask.py", input=json.dumps({**login, **markers}))
    log = deployment.sh("journalctl --output cat --unit prefect-postgres; rm /srv/ask.py")
    for statement in ("planted-slow", "planted-failing", "planted-row", "planted-key"):
        assert statement in log, "what is not logged shows nothing"
    assert [marker for marker in markers.values() if marker in log] == []
