# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script that sets the password of the database role in a cluster.

Stand-ins replace the programs of PostgreSQL. They fail as many times as a test requires.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from rendering import ROOT, evaluated, template

SCRIPT = ROOT / "roles" / "prefect_postgres" / "files" / "set_password.sh"
PASSWORD = "o@th:er/#'\" %s\\"


def run(directory: Path, *, away: int, refusals: int) -> tuple[list[str], list[str], str]:
    """Return the arguments and the input of psql, and the content of the container's log at the end."""
    programs = {
        "pg_isready": f'echo >>{directory}/asked; [ "$(wc -l <{directory}/asked)" -gt {away} ]',
        "psql": f"""printf '%s\\n' "$@" "$PGUSER@$PGHOST:$PGPORT/$PGDATABASE" >{directory}/arguments
            echo >>{directory}/tried
            cat >{directory}/read
            [ "$(wc -l <{directory}/tried)" -gt {refusals} ] || {{ echo 'no such role' >&2; exit 2; }}""",
        "sleep": f"echo >>{directory}/slept",
    }
    for name, program in programs.items():
        (directory / name).write_text(f"#!/bin/sh\n{program}\n")
        (directory / name).chmod(0o755)
    (directory / "log").touch()
    environment = {
        "PATH": f"{directory}:/usr/bin:/bin",
        "POSTGRES_USER": "pre@fect",
        "POSTGRES_PASSWORD": PASSWORD,
    }
    subprocess.run(["sh", SCRIPT, "5433", directory / "log"], env=environment, check=True)
    lines = [
        (directory / name).read_text().splitlines() if (directory / name).exists() else []
        for name in ("arguments", "read")
    ]
    return lines[0], lines[1], (directory / "log").read_text()


@pytest.mark.parametrize(("away", "refusals"), [(0, 0), (30, 0), (0, 3), (30, 9)])
def test_the_role_gets_its_password_as_soon_as_it_can(tmp_path: Path, away: int, refusals: int) -> None:
    arguments, read, said = run(tmp_path, away=away, refusals=refusals)
    assert arguments[-2:] == ["--command=\\password", "pre@fect@/var/run/postgresql:5433/postgres"]
    assert not [word for word in arguments if PASSWORD in word]
    assert read == [PASSWORD, PASSWORD]
    assert said == ""
    waits = tmp_path / "slept"
    assert (len(waits.read_text().splitlines()) if waits.exists() else 0) == away + refusals


@pytest.mark.parametrize(("away", "refusals", "words"), [(0, 99, "no such role"), (9999, 0, "no answer")])
def test_a_role_that_keeps_its_password_is_said_and_postgresql_serves(
    tmp_path: Path, away: int, refusals: int, words: str
) -> None:
    _arguments, _read, said = run(tmp_path, away=away, refusals=refusals)
    assert said == f"prefect_database_password: the password of the role pre@fect was not changed: {words}\n"


def test_the_pod_of_postgresql_runs_it() -> None:
    variables = {"prefect_platform": "kubernetes", "prefect_postgres_hosts": ["cluster"], "prefect_database_port": 5433}
    found = evaluated("local", "prefect_postgres", {"objects": template("statefulset.yml.j2")}, **variables)
    objects = {item["kind"]: item for item in found["objects"]}
    pod = objects["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (volume,) = [
        item["name"] for item in pod["volumes"] if item.get("configMap", {}).get("name", "") == "prefect-postgres"
    ]
    (mount,) = [item["mountPath"] for item in container["volumeMounts"] if item["name"] == volume]
    words = container["lifecycle"]["postStart"]["exec"]["command"]
    assert words == ["/bin/sh", f"{mount}/set_password.sh", "5433"]
    assert objects["ConfigMap"]["data"]["set_password.sh"] == SCRIPT.read_text().strip()
    assert {"secretRef": {"name": "prefect-postgres"}} in container["envFrom"]


def test_the_operator_is_told_of_another_password() -> None:
    variables = {"prefect_platform": "kubernetes", "prefect_postgres_hosts": ["cluster"]}
    found = evaluated("local", "prefect_postgres", {"objects": template("cloudnative_pg.yml.j2")}, **variables)
    objects = {item["kind"]: item for item in found["objects"]}
    metadata, spec = objects["Secret"]["metadata"], objects["Cluster"]["spec"]
    assert metadata["labels"] == {"cnpg.io/reload": "true"}
    (role,) = spec["managed"]["roles"]
    assert role["passwordSecret"]["name"] == spec["bootstrap"]["initdb"]["secret"]["name"] == metadata["name"]
