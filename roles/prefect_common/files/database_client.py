"""How a script reaches PostgreSQL, as Prefect does with the same environment.

Runs in Prefect's environment, for SQLAlchemy and asyncpg in it; Prefect itself is not imported. Each script runs as a
single file, so the roles put this text before the texts of those that need it: see prefect_database_client.
"""

import os
import ssl

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

TLS = "PREFECT_SERVER_DATABASE_SQLALCHEMY_CONNECT_ARGS_TLS_"


def connect_args() -> dict:
    """What Prefect makes of the same variables."""
    if os.environ.get(f"{TLS}ENABLED") != "true":
        return {}
    context = ssl.create_default_context(cafile=os.environ.get(f"{TLS}CA_FILE"))
    context.check_hostname = os.environ[f"{TLS}CHECK_HOSTNAME"] == "true"
    return {"ssl": context}


def database_engine() -> AsyncEngine:
    return create_async_engine(os.environ["PREFECT_SERVER_DATABASE_CONNECTION_URL"], connect_args=connect_args())
