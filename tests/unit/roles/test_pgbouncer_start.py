# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The condition under which PgBouncer counts as started in a cluster. A stand-in replaces psql."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from rendering import ROOT, evaluated, template

SCRIPT = ROOT / "roles" / "prefect_pgbouncer" / "files" / "ask.sh"
USER, PASSWORD = 'pre"fe ct', 'o@th:er/#\'"" %s\\'
VARIABLES: dict[str, Any] = {
    "prefect_platform": "kubernetes",
    "prefect_database_user": USER,
    "prefect_database_password": PASSWORD,
    "prefect_database_name": "flows = x",
    "prefect_pgbouncer_stats_password": "statistics",
    "prefect_pgbouncer_port": 6433,
}


def rendered(**variables: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the container of PgBouncer, and its files."""
    expressions = {"objects": template("kubernetes.yml.j2")}
    found = evaluated("production", "prefect_pgbouncer", expressions, **VARIABLES, **variables)
    objects = {item["kind"]: item for item in found["objects"] if item["metadata"]["name"] == "prefect-pgbouncer"}
    data = {name: base64.b64decode(value).decode() for name, value in objects["Secret"]["data"].items()}
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    return container, data


def test_it_asks_as_the_server_does_and_no_argument_has_the_password(tmp_path: Path) -> None:
    container, files = rendered()
    shell, script, userlist, *words = container["startupProbe"]["exec"]["command"]
    assert (shell, script, userlist) == ("/bin/sh", "/etc/pgbouncer/ask.sh", "/etc/pgbouncer/userlist.txt")
    assert files["ask.sh"] == SCRIPT.read_text().strip()
    (tmp_path / "userlist.txt").write_text(files["userlist.txt"])
    (tmp_path / "psql").write_text(
        '#!/bin/sh\nprintf \'%s\\n\' "$PGPASSWORD" "$PGUSER" "$PGDATABASE" "$PGHOST:$PGPORT" "$@"\nexit 7\n'
    )
    (tmp_path / "psql").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = [shell, str(SCRIPT), str(tmp_path / "userlist.txt"), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    password, user, database, where, *arguments = done.stdout.splitlines()
    assert (password, user, database, where) == (PASSWORD, USER, "flows = x", "127.0.0.1:6433")
    assert "--command=SELECT 1" in arguments
    assert done.returncode == 7  # the exit code is that of psql
    assert not [word for word in [*command, *arguments] if PASSWORD in word]


def test_an_image_without_psql_counts_as_started(tmp_path: Path) -> None:
    shell = shutil.which("sh")
    assert shell
    command = [shell, str(SCRIPT), str(tmp_path / "nothing"), "a", '"a"', "1", "b"]
    subprocess.run(command, env={"PATH": str(tmp_path)}, check=True)


@pytest.mark.parametrize(("seconds", "attempts"), [(0, 60), (300, 300), (1200, 1200)])
def test_it_is_not_started_anew_before_the_playbook_gives_up(seconds: int, attempts: int) -> None:
    container, _files = rendered(prefect_kubernetes_wait_seconds=seconds)
    probe = container["startupProbe"]
    assert (probe["periodSeconds"], probe["failureThreshold"]) == (1, attempts)
    # After the start, clients wait in a queue while PostgreSQL is unavailable.
    assert container["readinessProbe"]["tcpSocket"] == container["livenessProbe"]["tcpSocket"] == {"port": "pgbouncer"}


def test_a_play_that_does_not_wait_changes_no_pod() -> None:
    """The play that starts PostgreSQL, PgBouncer and Redis concurrently does not wait."""
    waits = {"prefect_kubernetes_apply_seconds": 0}
    assert rendered(**waits) == rendered()
