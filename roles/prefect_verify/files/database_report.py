"""Print the state of a deployment in PostgreSQL as JSON.

Runs in Prefect's environment and reads PREFECT_SERVER_DATABASE_CONNECTION_URL. The arguments are the IDs of flow runs.
The program waits until the events of one of them are in the database, because events are written in batches, a few
seconds after they occur.
"""

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING

import sqlalchemy

if TYPE_CHECKING:
    from database_client import database_engine  # its code is added before this code

QUERY = """
SELECT
  (SELECT count(*) FROM events
   WHERE event = 'prefect.flow-run.Completed' AND resource_id = ANY (:runs)) AS persisted,
  -- PostgreSQL shows the client address only for sessions of the same role. PgBouncer's list may not contain new ones.
  (SELECT coalesce(json_agg(json_build_object('address', host(client_addr), 'port', client_port)), '[]')
   FROM pg_stat_activity
   WHERE application_name = 'prefect-api' AND backend_start < now() - interval '10 seconds') AS api_sessions,
  (SELECT version_num FROM alembic_version) AS revision,
  current_setting('server_version') AS postgresql
"""
# Seconds. Directly after a restart of Redis, fifteen seconds were not always sufficient.
PATIENCE = 30


async def ask(runs: list) -> dict:
    async with database_engine().connect() as connection:  # pylint: disable=used-before-assignment
        deadline = time.monotonic() + PATIENCE
        while True:
            row = (await connection.execute(sqlalchemy.text(QUERY), {"runs": runs})).one()
            if row.persisted or not runs or time.monotonic() > deadline:
                return dict(row._mapping)
            await asyncio.sleep(1)


print(json.dumps(asyncio.run(ask([f"prefect.flow-run.{run}" for run in sys.argv[1:]]))))
