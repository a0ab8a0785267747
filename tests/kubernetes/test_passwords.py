# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Another password of the database reaches whoever has to have it, in one run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import POOLS, Installed, Note
from .deployment import COMPLETED, Deployment

PASSWORD = "an@other:/#'\" %s\\"
# What PostgreSQL stores of a password: another text each time that it is set.
STORED = "SELECT rolpassword FROM pg_authid WHERE rolname = current_user"


@pytest.fixture
def rotated(development: Deployment, installed: Installed) -> Iterator[tuple[str, str]]:
    """What PostgreSQL stored before, and what the run said; with the old password again in the end."""
    before = development.query(STORED)
    try:
        yield before, development.play("site", prefect_database_password=PASSWORD).output
    finally:
        back = development.play("site")
        assert COMPLETED.format(len(POOLS)) in back.output
        assert development.play("site").tasks_that_changed() == []


def test_another_password_of_the_database(
    development: Deployment, rotated: tuple[str, str], record_testsuite_property: Note
) -> None:
    before, output = rotated
    assert COMPLETED.format(len(POOLS)) in output
    assert PASSWORD not in output
    assert before.startswith("SCRAM-SHA-256$")
    assert development.query(STORED) not in (before, PASSWORD)
    # From another address than its own, where the image lets everybody in, only the new one opens.
    (pod,) = development.pods("postgres")
    script = (
        'PGPASSWORD=$1 psql -h "$2" -U "$POSTGRES_USER" -d "$POSTGRES_DB" -Atc "SELECT 1" 2>&1 || echo "ended with $?"'
    )
    old = (development.inventory / ".secrets" / "database").read_text().strip()
    for password, answer in ((PASSWORD, "1"), (old, "ended with 2")):
        words = ["sh", "-c", script, "sh", password, pod["status"]["podIP"]]
        assert development.run_in(pod["metadata"]["name"], words).splitlines()[-1] == answer

    runs = development.submit(2, seconds=0) + development.submit(2, seconds=0, pool="inside")
    development.wait_for_states(runs, {"COMPLETED"}, 120)
    again = development.play("site", prefect_database_password=PASSWORD)
    record_testsuite_property("unchanged run with the other password, seconds", round(again.seconds, 1))
    assert (again.tasks_that_changed(), again.changed) == ([], 0)
