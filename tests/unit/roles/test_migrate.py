# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of the migration in a cluster about databases that it cannot migrate.

Stand-ins replace Prefect, which is not in this environment.
"""

from __future__ import annotations

import importlib.util
import json
import re
import socket
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from rendering import ROOT, evaluated, template

FILES = ROOT / "roles" / "prefect_server" / "files"
WANTED = {"comment": "there", "tables": ["run"], "options": ["a=1"], "login_seconds": 0}
PASSWORD = "s3cret@"


class PostgresError(Exception):
    def __init__(self, words: str, sqlstate: str = "") -> None:
        super().__init__(words)
        self.sqlstate = sqlstate


class InterfaceError(Exception):
    """The error class of asyncpg."""


class DBAPIError(Exception):
    """The error class of SQLAlchemy, which wraps an error of PostgreSQL."""

    def __init__(self, orig: Exception) -> None:
        super().__init__(f"(Background on this error) {orig}")
        self.orig = orig


class Database:
    """Answers like a session of SQLAlchemy."""

    def __init__(self) -> None:
        self.version, self.revision, self.comment = 150018, "old", "there"
        self.lacks: list[dict[str, str]] = []
        self.errors: list[Exception] = []
        self.refusals = sys.maxsize  # number of attempts that raise an error
        self.statements: list[str] = []
        self.migrated = False
        self.others = 0  # attempts that find another migration active
        self.locked: bool | None = None

    # The engine and its connection. The lock needs nothing else.

    async def engine(self) -> Database:
        return self

    async def connect(self) -> Database:
        return self

    async def execution_options(self, *, isolation_level: str) -> Database:
        assert isolation_level == "AUTOCOMMIT"
        return self

    async def invalidate(self) -> None:
        self.locked = False

    async def close(self) -> None: ...

    async def session(self) -> Database:
        return self

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...

    def begin(self) -> Database:
        return self

    async def execute(self, statement: str, _values: Any = None) -> Any:
        for error in self.errors:
            if self.refusals:
                self.refusals -= 1
                raise error
        if "pg_try_advisory_lock" in statement:
            self.locked, self.others = not self.others, max(self.others - 1, 0)
            return SimpleNamespace(scalar=lambda: self.locked)
        assert self.locked
        self.statements.append(statement)
        if "has_schema_privilege" in statement:
            return SimpleNamespace(all=lambda: [SimpleNamespace(**row) for row in self.lacks])
        if "version_num FROM" in statement:
            return SimpleNamespace(scalar=lambda: self.revision)
        if "server_version_num" in statement:
            row = SimpleNamespace(postgresql=self.version, migrated=self.revision is not None, comment=self.comment)
            return SimpleNamespace(one=lambda: row)
        return []


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def migrate(database: Database, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    async def in_thread(function: Any) -> None:
        function()

    def upgrade() -> None:
        assert database.locked
        database.migrated = True

    scripts = SimpleNamespace(
        get_current_head=lambda: "head",
        walk_revisions=lambda: [SimpleNamespace(revision=name) for name in ("head", "old")],
    )
    server = SimpleNamespace(
        __file__="/prefect/server/database/__init__.py", provide_database_interface=lambda: database
    )
    stand_ins = {
        "asyncpg": SimpleNamespace(PostgresError=PostgresError, InterfaceError=InterfaceError),
        "sqlalchemy": SimpleNamespace(text=str, exc=SimpleNamespace(DBAPIError=DBAPIError)),
        "sqlalchemy.ext.asyncio": SimpleNamespace(AsyncConnection=None),
        "alembic.script": SimpleNamespace(ScriptDirectory=lambda *_, **__: scripts),
        "prefect.server.database": server,
        "prefect.server.database.alembic_commands": SimpleNamespace(alembic_upgrade=upgrade),
        "prefect.utilities.asyncutils": SimpleNamespace(run_sync_in_worker_thread=in_thread),
    }
    for name, stand_in in stand_ins.items():
        monkeypatch.setitem(sys.modules, name, stand_in)
    url = "postgresql+asyncpg://pre%40fect:s3cret%40@db.example:5433/flows"
    monkeypatch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", url)
    spec = importlib.util.spec_from_file_location("migrate", FILES / "migrate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def ended(
    migrate: ModuleType, capsys: pytest.CaptureFixture[str], wanted: dict[str, Any] | None = None
) -> tuple[int, str]:
    """Return the exit status and the output. A text as the status is printed, and means 1."""
    with pytest.raises(SystemExit) as end:
        migrate.main(wanted or WANTED)
    code = end.value.code
    output = capsys.readouterr()
    words = output.out + output.err
    return (code, words) if isinstance(code, int) else (1, words + str(code))


def test_a_database_that_has_all_is_migrated(migrate: ModuleType, database: Database) -> None:
    migrate.main(WANTED)
    assert database.migrated


def test_one_that_is_migrated_is_not_asked_for_more(migrate: ModuleType, database: Database) -> None:
    database.revision = "head"
    database.lacks = [{"option": "a", "problem": "b", "remedy": "c"}]
    migrate.main(WANTED)
    assert not database.migrated


@pytest.mark.parametrize("others", [0, 1, 3])
def test_two_never_migrate_at_once(
    migrate: ModuleType,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    others: int,
) -> None:
    monkeypatch.setattr(migrate, "WAIT", 0)
    database.others = others
    migrate.main(WANTED)
    said = capsys.readouterr().out
    assert (said.count("another migration of this database is running"), database.migrated) == (min(others, 1), True)
    assert database.locked is False  # released at the end


def test_one_that_fails_lets_others_in(migrate: ModuleType, database: Database) -> None:
    database.version = 130014
    with pytest.raises(SystemExit):
        migrate.main(WANTED)
    assert database.locked is False


@pytest.mark.parametrize("revision", [None, "old"])
def test_what_a_database_lacks_is_said_before_it_is_changed(
    migrate: ModuleType, database: Database, capsys: pytest.CaptureFixture[str], revision: str | None
) -> None:
    database.revision = revision
    database.lacks = [
        {"option": "prefect_database_user", "problem": "May not.", "remedy": "Let it."},
        {"option": "prefect_database_host", "problem": "Has not.", "remedy": "Install it."},
    ]
    status, words = ended(migrate, capsys)
    assert status == migrate.REFUSED
    assert words.splitlines() == [
        "prefect_database_user: May not. The database was not changed. Let it.",
        "prefect_database_host: Has not. The database was not changed. Install it.",
    ]
    assert not database.migrated


@pytest.mark.parametrize(
    ("version", "revision", "words"),
    [
        (130014, "old", "prefect_database_host: PostgreSQL is version 130014, but Prefect requires 14.9"),
        (150018, "newer", "prefect_version: the database is at revision newer"),
    ],
)
def test_what_cannot_be_migrated_is_refused(
    migrate: ModuleType,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    version: int,
    revision: str,
    words: str,
) -> None:
    database.version, database.revision = version, revision
    status, said = ended(migrate, capsys)
    assert status == migrate.REFUSED
    assert words in said
    assert not database.migrated


@pytest.mark.parametrize(
    ("error", "again", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), True, "a pod of the server cannot reach"),
        (socket.gaierror(-2, "Name or service not known"), True, "Name or service not known"),
        (TimeoutError(), True, "TimeoutError"),
        (InterfaceError("connection is closed"), True, "connection is closed"),
        (PostgresError("the database system is starting up", "57P03"), True, "rejects connections"),
        (DBAPIError(PostgresError("too many clients", "53300")), True, "too many clients"),
        (PostgresError("password authentication failed", "28P01"), False, "prefect_database_password"),
        (DBAPIError(PostgresError("no pg_hba.conf entry", "28000")), False, "no pg_hba.conf entry"),
        (DBAPIError(PostgresError('database "flows" does not exist', "3D000")), False, "prefect_database_admin_user"),
        (DBAPIError(PostgresError("permission denied for database", "42501")), False, "permission denied"),
    ],
)
def test_a_database_that_lets_nobody_in_is_explained(
    migrate: ModuleType,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    words: str,
    *,
    again: bool,
) -> None:
    """The Job retries only if this may help."""
    database.errors.append(error)
    status, said = ended(migrate, capsys)
    assert status == (1 if again else migrate.REFUSED)
    assert words in said
    assert said.startswith("prefect_database_host: " if again else "prefect_database_user: ")
    assert "PostgreSQL at db.example:5433" in said
    assert again or "pre@fect cannot connect to the database flows" in said
    assert "The database was not changed." in said
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("refusals", "code", "status"), [(1, "28P01", 0), (3, "28000", 0), (sys.maxsize, "28P01", 3), (1, "3D000", 3)]
)
def test_a_login_is_repeated_where_an_operator_sets_the_password(
    migrate: ModuleType,
    database: Database,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    refusals: int,
    code: str,
    status: int,
) -> None:
    monkeypatch.setattr(migrate, "WAIT", 0.01)
    database.errors.append(DBAPIError(PostgresError("password authentication failed", code)))
    database.refusals = refusals
    wanted = {**WANTED, "login_seconds": 0.2 if status else 60}
    if status:
        found, said = ended(migrate, capsys, wanted)
        assert found == migrate.REFUSED
    else:
        migrate.main(wanted)
        said = capsys.readouterr().out
    assert database.migrated is not bool(status)
    assert said.count("Retrying for") == (code != "3D000")
    assert "s3cret" not in said


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [
        ({"prefect_postgres_hosts": ["cluster"], "prefect_postgres_kind": "cloudnative_pg"}, 180),
        ({"prefect_postgres_hosts": ["cluster"], "prefect_postgres_kind": "statefulset"}, 0),
        ({"prefect_postgres_hosts": [], "prefect_postgres_kind": "cloudnative_pg"}, 0),
    ],
)
def test_only_an_operator_is_waited_for(variables: dict[str, Any], seconds: int) -> None:
    expressions = {"objects": template("kubernetes_migration.yml.j2")}
    found = evaluated("production", "prefect_server", expressions, **variables)
    (job,) = [item for item in found["objects"] if item["kind"] == "Job"]
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert json.loads(container["args"][-1])["login_seconds"] == seconds


def test_the_job_has_what_it_needs_and_does_not_repeat_a_refusal(migrate: ModuleType) -> None:
    expressions = {"objects": template("kubernetes_migration.yml.j2")}
    found = evaluated("production", "prefect_server", expressions)
    objects = {item["kind"]: item for item in found["objects"]}
    assert objects["ConfigMap"]["data"]["requirements.sql"] == (FILES / "requirements.sql").read_text().strip()
    job = objects["Job"]["spec"]
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"] == {"containerName": "migrate", "operator": "In", "values": [migrate.REFUSED]}
    # Kubernetes requires this for a podFailurePolicy.
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert [container["name"] for container in job["template"]["spec"]["containers"]] == ["migrate"]


def test_the_requirements_are_one_query_that_only_reads() -> None:
    """The programs that send the query find no parameters in it."""
    statement = re.sub(r"--.*", "", (FILES / "requirements.sql").read_text())
    outside = re.sub(r"'[^']*'", "''", statement)
    assert re.findall(r"(?<![:\w]):\w", statement) == []
    assert "%" not in statement
    assert ";" not in outside
    assert not re.search(r"\b(CREATE|ALTER|GRANT|INSERT|UPDATE|DELETE|DROP)\b", outside)
    assert outside.count("(") == outside.count(")")
