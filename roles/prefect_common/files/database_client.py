"""Connects a script to PostgreSQL, as Prefect does with the same environment.

Runs in Prefect's environment, which contains SQLAlchemy and asyncpg. Does not import Prefect itself. Each script runs
as a single file, so the roles add this code before the code of each script that needs it: see prefect_database_client.
"""

import os
import ssl

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

TLS = "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_TLS_"


def connect_args() -> dict:
    """Return the same arguments that Prefect derives from these variables."""
    if os.environ.get(f"{TLS}ENABLED") != "true":
        return {}
    context = ssl.create_default_context(cafile=os.environ.get(f"{TLS}CA_FILE"))
    context.check_hostname = os.environ[f"{TLS}CHECK_HOSTNAME"] == "true"
    return {"ssl": context}


def database_engine() -> AsyncEngine:
    return create_async_engine(os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"], connect_args=connect_args())
