"""Bring the database to the schema of the installed Prefect. Does nothing where it is there already.

The first argument is a JSON object: comment (what the table of block types says once they are registered), tables and
options (storage parameters that those tables get). Runs beside register_block_types.py.
"""

import asyncio
import json
import runpy
import sys
from pathlib import Path

import sqlalchemy
from alembic.script import ScriptDirectory
from prefect.server.database import provide_database_interface
from prefect.server.database.alembic_commands import alembic_upgrade
from prefect.utilities.asyncutils import run_sync_in_worker_thread

OLDEST = 140009
MIGRATIONS = Path(sys.modules["prefect.server.database"].__file__).parent / "_migrations"
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


async def tune(tables: list[str], options: list[str]) -> list[str]:
    """Give the tables their storage parameters, and return those that had others."""
    session = await provide_database_interface().session()
    async with session, session.begin():
        wanted = {"tables": tables, "options": options}
        names = [row.relname for row in await session.execute(sqlalchemy.text(UNTUNED), wanted)]
        for name in names:
            await session.execute(sqlalchemy.text(f'ALTER TABLE "{name}" SET ({", ".join(options)})'))
    return names


def main(wanted: dict) -> None:
    """Do what is left to do."""
    scripts = ScriptDirectory(MIGRATIONS, version_locations=[MIGRATIONS / "versions" / "postgresql"])
    head, known = scripts.get_current_head(), {script.revision for script in scripts.walk_revisions()}
    postgresql, revision, comment = asyncio.run(state())
    if postgresql < OLDEST:
        sys.exit(f"PostgreSQL is version {postgresql}, older than the 14.9 (140009) that Prefect needs: upgrade it.")
    if revision is not None and revision not in known:
        sys.exit(
            f"The database is at revision {revision}, which this Prefect does not know: a newer one has migrated it. "
            "Set prefect_version to that newer version, or restore a backup from before the upgrade."
        )
    if revision != head:
        print(f"migrating from {revision or 'an empty database'} to {head}", flush=True)
        # As Prefect does: its migrations look for the event loop of the thread that has started theirs.
        asyncio.run(run_sync_in_worker_thread(alembic_upgrade))
    if comment != wanted["comment"]:
        print("registering block types", flush=True)
        sys.argv = ["register_block_types.py", wanted["comment"]]
        runpy.run_path(str(Path(__file__).with_name("register_block_types.py")))
    tuned = asyncio.run(tune(wanted["tables"], wanted["options"]))
    print(f"the schema is at {head}; tables tuned: {', '.join(tuned) or 'none'}", flush=True)


main(json.loads(sys.argv[1]))
