# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run gives a new database password to every component that needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import POOLS, Installed, Note
from .deployment import COMPLETED, Deployment

PASSWORD = "an@other:/#'\" %s\\"
# The form in which PostgreSQL stores a password. It changes each time that the password is set.
STORED = "SELECT rolpassword FROM pg_authid WHERE rolname = current_user"


@pytest.fixture
def rotated(development: Deployment, installed: Installed) -> Iterator[tuple[str, str]]:
    """Change the password. Yield the former stored form and the output; restore the old password at the end."""
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
    # The image trusts loopback connections. Through the IP address of the pod, only the new password is accepted.
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
