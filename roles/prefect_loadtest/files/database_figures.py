"""Print what PostgreSQL has counted, as JSON.

usage: database_figures.py FIGURES_SQL STATEMENTS_SQL

The arguments are the texts of database.sql and statements.sql; the second one is asked where statements are counted.
Runs in Prefect's environment and reads PREFECT_SERVER_DATABASE_CONNECTION_URL; Prefect itself is not imported.
"""

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from database_client import database_engine  # whose text stands before this one


async def ask(figures: str, statements: str) -> dict:
    async with database_engine().connect() as connection:  # pylint: disable=used-before-assignment
        database = dict((await connection.exec_driver_sql(figures)).one()._mapping)
        counted, unread = None, []
        if database["counts_statements"]:
            try:
                counted = [dict(row._mapping) for row in await connection.exec_driver_sql(statements)]
            except DBAPIError as error:  # the extension is there, and its library was not loaded
                unread = [f"the statements of PostgreSQL: {error.orig}"]
        return {"database": database, "statements": counted, "unread": unread}


print(json.dumps(asyncio.run(ask(*sys.argv[1:]))))
