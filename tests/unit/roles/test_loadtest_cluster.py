# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures that the load test reads in a cluster: the programs of the role, with a simulated API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from unit.api_server import api_server, ended, errors, output, pod

ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "roles" / "prefect_loadtest" / "files"
DATABASE = {"connections": 12, "transactions": 500, "counts_statements": True}
STATEMENTS = [{"queryid": "1", "query": "SELECT 1", "calls": 2, "milliseconds": 3.5}]
REDIS = {"used_memory": 1048576}
STATS = "database,total_xact_count,total_wait_time\npgbouncer,1,0\nprefect,100,2000\n"


def answer(name: str, _container: str, command: list[str]) -> bytes:
    if command[0] == "grep":
        counters = "/sys/fs/cgroup/cpu.stat:usage_usec 2500000\n/sys/fs/cgroup/memory.current:2097152\n"
        return output(counters) + ended(2)
    if command[0] == "sh":
        return output(STATS) + ended() if name == "pooler-a" else errors("psql: not found\n") + ended(127)
    if len(command) == 5:
        return output(json.dumps({"database": DATABASE, "statements": STATEMENTS})) + ended()
    return output(json.dumps(REDIS)) + ended()


def read(directory: Path, kubeconfig: str, **variables: Any) -> list[dict[str, Any]]:
    """Return the two readings of a test."""
    found = directory / "found.json"
    tasks = [
        {"ansible.builtin.import_role": {"name": "selfhosted.prefect.prefect_loadtest"}},
        {
            "ansible.builtin.copy": {
                "content": "{{ __prefect_loadtest_read | to_json }}",
                "dest": str(found),
                "mode": "0600",
            }
        },
    ]
    secrets = dict.fromkeys(("prefect_database_password", "prefect_redis_password"), "hidden")
    extra = {
        **secrets,
        "prefect_pgbouncer_stats_password": "hidden",
        "prefect_api_auth_string": "admin:hidden",
        "prefect_prepare_host": False,
        "prefect_kubeconfig": kubeconfig,
        "prefect_loadtest_steps": ["read", "read"],
        **variables,
    }
    (directory / "play.yml").write_text(yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": tasks}]))
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible-playbook")),
            *(
                "-vvv",
                "-i",
                str(ROOT / "inventories" / "development"),
                "-e",
                json.dumps(extra),
                str(directory / "play.yml"),
            ),
        ],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1"},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # The role has its own task to read the whole cluster.
    assert done.stdout.count("TASK [selfhosted.prefect.prefect_loadtest : Read CPU time") == 2
    return list(json.loads(found.read_text()))


def test_a_cluster_is_read_as_machines_are(tmp_path: Path) -> None:
    there = [
        pod("api-a", "api"),
        pod("pooler-a", "pgbouncer"),
        pod("pooler-b", "pgbouncer"),
        pod("services-a", "services"),
    ]
    with api_server(tmp_path, there, answer) as (kubeconfig, asked):
        first, second = read(tmp_path, kubeconfig)
    assert second["moment"] > first["moment"]
    assert [each["name"] for each in first["processes"]] == ["api-a", "pooler-a", "pooler-b", "services-a"]
    assert (first["database"], first["statements"], first["redis"]) == (DATABASE, STATEMENTS, REDIS)
    assert [(row["host"], row["database"], row["total_xact_count"]) for row in first["pooler"]] == [
        ("pooler-a", "pgbouncer", 1),
        ("pooler-a", "prefect", 100),
    ]
    assert first["unread"] == ["PgBouncer, in pooler-b: psql: not found"]
    assert {**second, "moment": 0} == {**first, "moment": 0}
    # The CPU time of the programs is not counted: they run first before the test, and last after it.
    counters = [number for number, (_pod, command) in enumerate(asked) if command[0] == "grep"]
    assert counters == list(range(4, 12))
    words = [word for _pod, command in asked for word in command]
    assert (FILES / "database.sql").read_text().strip() in words
    assert next(command[4:] for _pod, command in asked if command[0] == "sh") == [
        "/etc/pgbouncer/userlist.txt",
        "pgbouncer_stats",
        '"pgbouncer_stats"',
        "6432",
    ]
    assert not [word for word in words if "hidden" in word]


def test_a_cluster_that_cannot_be_read_does_not_keep_from_testing(tmp_path: Path) -> None:
    for reading in read(tmp_path, str(tmp_path / "nowhere")):
        assert reading["processes"] == []
        (text,) = reading["unread"]
        assert text.startswith("pods: The kubeconfig ")


# --- The script in the pod of PgBouncer ---

LIST = """\
"prefect" "one"
"stats" "two ""and"" \\a $b"
"stats ""two"" x" "three"
"""


@pytest.mark.parametrize(
    ("user", "quoted", "password"),
    [
        ("stats", '"stats"', 'two "and" \\a $b'),
        ('stats "two" x', '"stats ""two"" x"', "three"),
        ("nobody", '"nobody"', ""),
    ],
)
@pytest.mark.parametrize("end", ["\n", ""])
def test_psql_gets_the_password_from_the_list(tmp_path: Path, user: str, quoted: str, password: str, end: str) -> None:
    (tmp_path / "userlist.txt").write_text(LIST.rstrip("\n") + end)
    psql = tmp_path / "psql"
    psql.write_text('#!/bin/sh\nprintf "%s\\n" "$PGPASSWORD" "$@"\n')
    psql.chmod(0o755)
    words = [
        "sh",
        "-c",
        (FILES / "pooler_figures.sh").read_text(),
        "sh",
        str(tmp_path / "userlist.txt"),
        user,
        quoted,
        "6432",
    ]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    told, *arguments = done.stdout.splitlines()
    assert told == password
    assert f"--username={user}" in arguments
    assert not [word for word in arguments if password and password in word]
