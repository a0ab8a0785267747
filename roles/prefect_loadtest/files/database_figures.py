"""Print what PostgreSQL has counted, as JSON.

usage: database_figures.py FIGURES_SQL STATEMENTS_SQL

The arguments are the texts of database.sql and statements.sql; the second one is asked where statements are counted.
Runs in Prefect's environment and reads PREFECT_SERVER_DATABASE_CONNECTION_URL; Prefect itself is not imported.
"""

import asyncio
import contextlib
import json
import os
import ssl
import sys

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

TLS = "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_TLS_"


def connect_args() -> dict:
    """What Prefect makes of the same variables."""
    if os.environ.get(f"{TLS}ENABLED") != "true":
        return {}
    context = ssl.create_default_context(cafile=os.environ.get(f"{TLS}CA_FILE"))
    context.check_hostname = os.environ[f"{TLS}CHECK_HOSTNAME"] == "true"
    return {"ssl": context}


async def ask(figures: str, statements: str) -> dict:
    engine = create_async_engine(os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"], connect_args=connect_args())
    async with engine.connect() as connection:
        database = dict((await connection.exec_driver_sql(figures)).one()._mapping)
        counted = None
        if database["counts_statements"]:
            with contextlib.suppress(DBAPIError):  # the extension is there, and its library was not loaded
                counted = [dict(row._mapping) for row in await connection.exec_driver_sql(statements)]
        return {"database": database, "statements": counted}


print(json.dumps(asyncio.run(ask(*sys.argv[1:]))))
