"""Print what PostgreSQL knows about a deployment, as JSON: see database.sql, which asks the same.

Runs in Prefect's environment and reads PREFECT_SERVER_DATABASE_CONNECTION_URL. The arguments are the ids of flow runs;
events are written in batches, a few seconds after they happen, so it waits a while for those of one of them.
"""

import asyncio
import json
import os
import ssl
import sys
import time

import sqlalchemy
from sqlalchemy.ext.asyncio import create_async_engine

QUERY = """
SELECT
  (SELECT count(*) FROM events
   WHERE event = 'prefect.flow-run.Completed' AND resource_id = ANY (:runs)) AS persisted,
  -- Only sessions of one's own role show where they come from; younger ones may not be in PgBouncer's list yet.
  (SELECT coalesce(json_agg(json_build_object('address', host(client_addr), 'port', client_port)), '[]')
   FROM pg_stat_activity
   WHERE application_name = 'prefect-api' AND backend_start < now() - interval '10 seconds') AS api_sessions,
  (SELECT version_num FROM alembic_version) AS revision,
  current_setting('server_version') AS postgresql
"""
PATIENCE = 15
TLS = "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_TLS_"


def connect_args() -> dict:
    """What Prefect makes of the same variables."""
    if os.environ.get(f"{TLS}ENABLED") != "true":
        return {}
    context = ssl.create_default_context(cafile=os.environ.get(f"{TLS}CA_FILE"))
    context.check_hostname = os.environ[f"{TLS}CHECK_HOSTNAME"] == "true"
    return {"ssl": context}


async def ask(runs: list) -> dict:
    engine = create_async_engine(os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"], connect_args=connect_args())
    async with engine.connect() as connection:
        deadline = time.monotonic() + PATIENCE
        while True:
            row = (await connection.execute(sqlalchemy.text(QUERY), {"runs": runs})).one()
            if row.persisted or not runs or time.monotonic() > deadline:
                return dict(row._mapping)
            await asyncio.sleep(1)


print(json.dumps(asyncio.run(ask([f"prefect.flow-run.{run}" for run in sys.argv[1:]]))))
