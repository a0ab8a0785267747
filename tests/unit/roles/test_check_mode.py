# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In check mode, a task rejects only problems that the real run would not have fixed before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import ROOT, played

LACKS = {"option": "prefect_database_user", "problem": "The role may not create it.", "remedy": "Let it."}
HERE = {"prefect_postgres_hosts": ["localhost"]}
PREPARED = {"prefect_postgres_hosts": [], "prefect_database_admin_user": "postgres"}
OF_OTHERS: dict[str, Any] = {"prefect_postgres_hosts": [], "prefect_database_admin_user": ""}


@pytest.mark.parametrize(
    ("words", "variables", "refused"),
    [
        ((), HERE, True),
        ((), PREPARED, True),
        ((), OF_OTHERS, True),
        (("--check",), HERE, False),
        (("--check",), PREPARED, False),
        (("--check",), OF_OTHERS, True),
    ],
)
def test_a_database_that_lacks_something(
    tmp_path: Path, words: tuple[str, ...], variables: dict[str, Any], *, refused: bool
) -> None:
    tasks = yaml.safe_load((ROOT / "roles" / "prefect_server" / "tasks" / "upgrade_schema.yml").read_text())
    (task,) = [task for task in tasks if task["name"] == "Reject a database that does not meet the requirements"]
    found = {"__prefect_server_lacking": {"query_result": [LACKS]}}
    ended = played(tmp_path, "local", "prefect_server", [task], *words, **found, **variables)
    assert (ended.returncode != 0) is refused, ended.stdout + ended.stderr
    assert (LACKS["problem"] in ended.stdout) is refused
