"""Register the block types of the installed Prefect, and set the argument as the comment on their table."""

import asyncio
import importlib
import sys

import sqlalchemy
from prefect.server.database import provide_database_interface
from prefect.server.models.block_registration import run_block_auto_registration

# The import loads the modules whose blocks a server registers.
importlib.import_module("prefect.server.api.server")


async def register(comment: str) -> None:
    """Register the block types in one process, as a server does at its start."""
    session = await provide_database_interface().session()
    async with session:
        await run_block_auto_registration(session=session)
        async with session.begin():
            quoted = comment.replace("'", "''")
            await session.execute(sqlalchemy.text(f"COMMENT ON TABLE block_type IS '{quoted}'"))


asyncio.run(register(sys.argv[1]))
