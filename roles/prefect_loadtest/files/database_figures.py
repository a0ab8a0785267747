"""Print the counters of PostgreSQL as JSON.

usage: database_figures.py FIGURES_SQL STATEMENTS_SQL

The arguments are the texts of database.sql and statements.sql. The second query is sent if PostgreSQL collects
statement statistics. Runs in Prefect's environment and reads PREFECT_SERVER_DATABASE_CONNECTION_URL. Does not import
Prefect itself.
"""

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from database_client import database_engine  # its code is added before this code


async def ask(figures: str, statements: str) -> dict:
    async with database_engine().connect() as connection:  # pylint: disable=used-before-assignment
        database = dict((await connection.exec_driver_sql(figures)).one()._mapping)
        counted, unread = None, []
        if database["counts_statements"]:
            try:
                counted = [dict(row._mapping) for row in await connection.exec_driver_sql(statements)]
            except DBAPIError as error:  # the extension exists, but its library was not loaded
                unread = [f"the statements of PostgreSQL: {error.orig}"]
        return {"database": database, "statements": counted, "unread": unread}


print(json.dumps(asyncio.run(ask(*sys.argv[1:]))))
