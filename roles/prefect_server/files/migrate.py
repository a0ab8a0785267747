"""Migrate the database to the schema of the installed Prefect. Changes nothing if the schema is up to date.

The argument is a JSON object. `comment` is the comment on the table block_type after the registration. `tables` and
`options` are tables and their storage parameters. `login_seconds` are the seconds during which the program retries to
log in, because an operator sets the password of the role. The directory of the program also contains
register_block_types.py and requirements.sql.

The program connects to the database from the network of the server's pods. Before it changes anything, it reports an
external database that rejects Prefect's credentials or does not meet the requirements. If only a change of the
inventory or of the database can solve the problem, the program ends with the status `REFUSED`.

Two migrations never run at the same time: after a playbook was stopped, its Job continues, and the next playbook can
create another Job.
"""

from __future__ import annotations

import asyncio
import json
import os
import runpy
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import unquote, urlsplit

import asyncpg
import sqlalchemy
from alembic.script import ScriptDirectory
from prefect.server.database import provide_database_interface
from prefect.server.database.alembic_commands import alembic_upgrade
from prefect.utilities.asyncutils import run_sync_in_worker_thread
from sqlalchemy.ext.asyncio import AsyncConnection

OLDEST = 140009
REFUSED = 3  # the Job does not retry after this status
# Prefixes of the codes with which PostgreSQL rejects a connection: credentials, name of the database, permissions.
CLOSED = ("28", "3D", "42501")
LOGIN = "28"
UNTOUCHED = "The database was not changed."
MIGRATIONS = Path(sys.modules["prefect.server.database"].__file__).parent / "_migrations"
WAIT = 2  # seconds between two attempts
Answer = TypeVar("Answer")
# Retried in a loop and outside of a transaction. A wait in PostgreSQL would be limited by Prefect's timeout for a
# statement, and would block the other migration when it builds an index concurrently.
LOCK = "SELECT pg_try_advisory_lock(hashtextextended('selfhosted.prefect migration', 0))"
STATE = """
SELECT current_setting('server_version_num')::int AS postgresql,
       to_regclass('alembic_version') IS NOT NULL AS migrated,
       obj_description(to_regclass('block_type'), 'pg_class') AS comment
"""
UNTUNED = """
SELECT relname FROM pg_class
WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname = ANY (:tables)
  AND NOT coalesce(reloptions, '{}') @> :options ORDER BY relname
"""


async def state() -> tuple[int, str | None, str | None]:
    """Return PostgreSQL's version, the revision of the schema and the comment on the table of block types."""
    session = await provide_database_interface().session()
    async with session:
        row = (await session.execute(sqlalchemy.text(STATE))).one()
        found = None
        if row.migrated:
            found = (await session.execute(sqlalchemy.text("SELECT version_num FROM alembic_version"))).scalar()
        return row.postgresql, found, row.comment


async def lacking() -> list[str]:
    """Return the requirements of the migration that the database does not meet."""
    statement = Path(__file__).with_name("requirements.sql").read_text()
    session = await provide_database_interface().session()
    async with session:
        rows = (await session.execute(sqlalchemy.text(statement))).all()
    return [f"{row.option}: {row.problem} {UNTOUCHED} {row.remedy}" for row in rows]


def refuse(*words: str) -> NoReturn:
    """End with an error message that names the remedy."""
    print(*words, sep="\n", file=sys.stderr, flush=True)
    sys.exit(REFUSED)


def ask(question: Callable[[], Answer], login_seconds: float = 0) -> Answer:
    """Return the response of the database, or end with the reason why it does not respond."""
    deadline, said = time.monotonic() + login_seconds, False
    while True:
        try:
            return question()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, sqlalchemy.exc.DBAPIError) as error:
            reason = getattr(error, "orig", None) or error
        if not sqlstate(reason).startswith(LOGIN) or time.monotonic() >= deadline:
            explain(reason)
        if not said:
            print(
                f"PostgreSQL rejects the credentials: {reason}. The operator may not have set "
                f"prefect_database_password yet. Retrying for {login_seconds:.0f} s",
                flush=True,
            )
        said = True
        time.sleep(WAIT)


def sqlstate(reason: BaseException) -> str:
    """Return the SQLSTATE of an error, an empty string if it has none."""
    return str(getattr(reason, "sqlstate", None) or "")


def explain(reason: BaseException) -> NoReturn:
    """End with the reason why Prefect cannot connect to the database."""
    code = sqlstate(reason)
    url = urlsplit(os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"])
    where = f"PostgreSQL at {url.netloc.rpartition('@')[2]}"
    user, database = unquote(url.username or ""), unquote(url.path.lstrip("/"))
    why = f"{str(reason) or type(reason).__name__}. {UNTOUCHED}"
    if code.startswith(CLOSED):
        refuse(
            f"prefect_database_user: {user} cannot connect to the database {database} of {where}: {why} Check that "
            f"{user} owns the database {database}, and that prefect_database_password is its password. For an external "
            "PostgreSQL, database.yml creates the role and the database if prefect_database_admin_user and "
            "prefect_database_admin_password are set."
        )
    if code:
        sys.exit(f"prefect_database_host: {where} rejects connections: {why}")
    sys.exit(
        f"prefect_database_host: a pod of the server cannot reach {where}: {why} Check the host name, the port and "
        "the firewalls and network policies. Check that prefect_database_ssl_mode and prefect_database_ca match its "
        "certificate."
    )


async def lock() -> AsyncConnection:
    """Return a connection that holds the migration lock of this database. Prefect itself takes no lock."""
    engine = await provide_database_interface().engine()
    connection = await (await engine.connect()).execution_options(isolation_level="AUTOCOMMIT")
    waited = False
    while not (await connection.execute(sqlalchemy.text(LOCK))).scalar():
        if not waited:
            print("another migration of this database is running: waiting until it ends", flush=True)
        waited = True
        await asyncio.sleep(WAIT)
    if waited:
        print("the other migration has ended", flush=True)
    return connection


async def end(connection: AsyncConnection) -> None:
    """Close a connection instead of returning it to the pool."""
    await connection.invalidate()
    await connection.close()


@contextmanager
def alone(login_seconds: float) -> Iterator[None]:
    """Hold the migration lock, and wait for a migration that holds it.

    The connection has a separate event loop, which runs only to open and to close it.
    """
    loop = asyncio.new_event_loop()
    connection = ask(lambda: loop.run_until_complete(lock()), login_seconds)
    # Prefect disposes of an engine when its loop ends, and confuses the engines of two loops that exist at the same
    # time.
    loop.run_until_complete(loop.shutdown_asyncgens())
    try:
        yield
    finally:
        loop.run_until_complete(end(connection))
        loop.close()


async def tune(tables: list[str], options: list[str]) -> list[str]:
    """Set the storage parameters of the tables, and return the tables that had other ones."""
    session = await provide_database_interface().session()
    async with session, session.begin():
        wanted = {"tables": tables, "options": options}
        names = [row.relname for row in await session.execute(sqlalchemy.text(UNTUNED), wanted)]
        for name in names:
            await session.execute(sqlalchemy.text(f'ALTER TABLE "{name}" SET ({", ".join(options)})'))
    return names


def main(wanted: dict) -> None:
    """Migrate the schema under the migration lock."""
    with alone(wanted["login_seconds"]):
        migrate(wanted)


def migrate(wanted: dict) -> None:
    """Migrate the schema, register the block types and tune the tables, as far as necessary."""
    scripts = ScriptDirectory(MIGRATIONS, version_locations=[MIGRATIONS / "versions" / "postgresql"])
    head, known = scripts.get_current_head(), {script.revision for script in scripts.walk_revisions()}
    postgresql, revision, comment = ask(lambda: asyncio.run(state()))
    if postgresql < OLDEST:
        refuse(
            f"prefect_database_host: PostgreSQL is version {postgresql}, but Prefect requires 14.9 (140009) or newer. "
            f"{UNTOUCHED} Upgrade PostgreSQL, or set another host."
        )
    if revision is not None and revision not in known:
        refuse(
            f"prefect_version: the database is at revision {revision}, which this version of Prefect does not contain: "
            f"a newer version has migrated it. {UNTOUCHED} Set prefect_version to that version, or restore a backup "
            "from before the upgrade."
        )
    if revision != head:
        if problems := asyncio.run(lacking()):
            refuse(*problems)
        print(f"migrating from {revision or 'an empty database'} to {head}", flush=True)
        # As in Prefect: its migrations use the event loop of the thread that has started them.
        asyncio.run(run_sync_in_worker_thread(alembic_upgrade))
    if comment != wanted["comment"]:
        print("registering block types", flush=True)
        sys.argv = ["register_block_types.py", wanted["comment"]]
        runpy.run_path(str(Path(__file__).with_name("register_block_types.py")))
    tuned = asyncio.run(tune(wanted["tables"], wanted["options"]))
    print(f"the schema is at {head}; tables tuned: {', '.join(tuned) or 'none'}", flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
