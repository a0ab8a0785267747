# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No password gets into the log of a PostgreSQL that logs every statement, and no value that a client sends."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from defaults import ROOT, variables_of_roles
from rendering import played

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._scram import scram_verifier

from .support import PostgreSQL

TASKS = ROOT / "roles" / "prefect_postgres" / "tasks"
ADMINISTRATOR = "of-administrator"
FIRST, SECOND = "first-of-flows é½ '\"$\\", "second-of-flows é½ '\"$\\"
# What each of them is in every quoting.
WORDS = ("first-of-flows", "second-of-flows", ADMINISTRATOR)
LOG_EVERYTHING = {
    "log_statement": "all",
    "log_min_duration_statement": "0",
    "log_min_error_statement": "debug5",
    "debug_print_parse": "on",
}


@pytest.fixture
def database() -> Iterator[PostgreSQL]:
    running = PostgreSQL(**LOG_EVERYTHING, unix_socket_directories="/tmp")
    try:
        sql(running, "CREATE ROLE postgres SUPERUSER LOGIN")
        sql(running, "CREATE ROLE administrator LOGIN CREATEDB CREATEROLE")
        sql(running, f"ALTER ROLE administrator PASSWORD '{scram_verifier(ADMINISTRATOR)}'")
        # The superuser needs no password at the socket. Everybody else needs the right one.
        rules = "local all all trust\nhost all prefect 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
        (running.home / "data" / "pg_hba.conf").write_text(rules)
        sql(running, "SELECT pg_reload_conf()")
        yield running
    finally:
        running.stop()


def sql(database: PostgreSQL, query: str) -> list[tuple[Any, ...]]:
    address = {"host": "127.0.0.1", "port": database.port, "user": "prefect", "dbname": "postgres"}
    with psycopg.connect(**address, autocommit=True) as session:  # type: ignore[arg-type]
        answer = session.execute(query.encode())
        return answer.fetchall() if answer.description else []


def can_log_in(database: PostgreSQL, password: str) -> bool:
    address = {"host": "127.0.0.1", "port": database.port, "user": "flows", "dbname": "flows"}
    try:
        psycopg.connect(**address, password=password).close()  # type: ignore[arg-type]
    except psycopg.OperationalError:
        return False
    return True


def external() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    include = {"name": "Prepare", "ansible.builtin.include_tasks": str(TASKS / "prepare_external_database.yml")}
    administrator = {
        "prefect_database_admin_user": "administrator",
        "prefect_database_admin_password": ADMINISTRATOR,
    }
    return [include], {"prefect_postgres_hosts": [], "prefect_database_host": "127.0.0.1", **administrator}


def own() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The tasks of a host that talk to PostgreSQL. Those before them make a cluster of the distribution's."""
    tasks = yaml.safe_load((TASKS / "host.yml").read_text())
    talking = [task for task in tasks if "block" in task]
    assert len(talking) == 1
    return talking, {"prefect_postgres_socket_dir": "/tmp", "prefect_postgres_statement_statistics": False}


@pytest.mark.parametrize("kind", [external, own])
def test_no_statement_contains_the_password(
    database: PostgreSQL, tmp_path: Path, kind: Callable[[], tuple[list[dict[str, Any]], dict[str, Any]]]
) -> None:
    tasks, variables = kind()
    names = {"prefect_database_port": database.port, "prefect_database_name": "flows", "prefect_database_user": "flows"}
    host = {"prefect_host": {"processes": ["postgres"]}}

    def changed(password: str, *words: str) -> list[str]:
        given = {**variables, **names, **host, "prefect_database_password": password}
        ended = played(tmp_path, "development", "prefect_postgres", tasks, *words, **given)
        output = ended.stdout + ended.stderr
        assert ended.returncode == 0, output
        assert not [word for word in WORDS if word in output]
        return re.findall(r"TASK \[([^\]]*)\] \*+\n(?=changed)", output)

    assert "Create the role" in changed(FIRST)
    assert can_log_in(database, FIRST)
    assert changed(FIRST, "--check") == changed(FIRST) == []
    (before,) = sql(database, "SELECT rolpassword FROM pg_authid WHERE rolname = 'flows'")
    assert str(before[0]).startswith("SCRAM-SHA-256$")
    assert changed(SECOND, "--check") == changed(SECOND) == ["Create the role"]
    assert can_log_in(database, SECOND)
    assert not can_log_in(database, FIRST)
    assert changed(SECOND) == []
    # A statement that fails is logged with its text, too.
    sql(database, "ALTER SYSTEM SET default_transaction_read_only = on")
    sql(database, "SELECT pg_reload_conf()")
    with pytest.raises(AssertionError, match="Create the role"):
        changed(FIRST)
    log = database.log.read_text()
    assert "cannot execute ALTER ROLE in a read-only transaction" in log
    assert re.search(r"CREATE (ROLE|USER) \"flows\"", log), "nothing was logged"
    assert not [word for word in WORDS if word in log]


PASSWORDS = [
    "plain",
    'it\'s \\ "quoted" $1 %s',
    "tab\tand bell\a",
    "I\u00adX",  # the soft hyphen is mapped to nothing
    "no-break\u00a0space",
    "\u2168 \ufb01 \uff21",  # compatibility characters
    "e\u0301 and \u00e9",
    "\u0627\u0031",  # starts right to left, and does not end so: prohibited
    "\u0627\u0031\u0628",
    "\u00ad",  # nothing is left
    "private\ue000use",
    "\U0001f600",  # unassigned in Unicode 3.2
]


def test_a_verifier_is_the_one_of_the_server(database: PostgreSQL) -> None:
    sql(database, "CREATE DATABASE flows")
    sql(database, "CREATE ROLE flows LOGIN")
    read = "SELECT rolpassword FROM pg_authid WHERE rolname = 'flows'"
    for password in PASSWORDS:
        in_clear = password.replace("'", "''")
        sql(database, f"ALTER ROLE flows PASSWORD '{in_clear}'")
        (stored,) = sql(database, read)
        assert scram_verifier(password, stored[0]) == stored[0], ascii(password)
        other = scram_verifier(password + "x", stored[0])
        assert other != stored[0], ascii(password)
        sql(database, f"ALTER ROLE flows PASSWORD '{scram_verifier(password)}'")
        assert can_log_in(database, password), ascii(password)
        assert not can_log_in(database, password + "x"), ascii(password)


def test_errors_are_logged_without_the_values_that_a_client_sends() -> None:
    tuning = variables_of_roles("vars")["__prefect_postgres_tuning"]
    running = PostgreSQL(**{name: str(value) for name, value in tuning.items() if name.startswith("log_")})
    address = {"host": "127.0.0.1", "port": running.port, "user": "prefect", "dbname": "postgres"}
    inserting = "INSERT INTO planted (name, needed) VALUES (%s, %s)"
    errors = {
        "key": ("value-of-key", "", psycopg.errors.UniqueViolation),
        "row": ("value-of-row", None, psycopg.errors.NotNullViolation),
    }
    try:
        with psycopg.connect(**address, autocommit=True) as session:  # type: ignore[arg-type]
            session.execute("CREATE TABLE planted (name text UNIQUE, needed text NOT NULL)")
            session.execute(inserting, ("value-of-key", ""))
            for what, (name, needed, error) in errors.items():
                with pytest.raises(error, match=name):  # the client, which sent it, sees it
                    session.execute(f"{inserting} /* planted-{what} */".encode(), (name, needed))
        log = running.log.read_text()
    finally:
        running.stop()
    for what, (name, _needed, _error) in errors.items():
        assert f"planted-{what}" in log, "what is not logged shows nothing"
        assert name not in log
