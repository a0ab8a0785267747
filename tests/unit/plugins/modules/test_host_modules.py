# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules that install and remove on a host find out, on this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.user_processes import (
    descendants,
    signal_all,
    user_processes,
)
from ansible_collections.selfhosted.prefect.plugins.modules import host_environment, host_removal, host_runs

CHILD = "import subprocess, sys; subprocess.run(['sleep', '60'], start_new_session=True)"
FILES = Path(__file__).resolve().parents[4] / "roles/prefect_host/files"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("https://me:s3cret@pypi.example/simple", {"me:s3cret", "s3cret"}),
        ("https://me:a%40b@h/simple https://token@i/", {"me:a%40b", "a%40b", "a@b", "token"}),
        ("https://pypi.example/simple", set()),
        ("me@example.com", set()),
        ("", set()),
    ],
)
def test_credentials_in_a_variable_are_found(value: str, found: set[str]) -> None:
    assert host_environment.credentials(value) == found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b = 'prefect-2'\t\t# (change requires restart)\n", "prefect-2"),
        ("a.b = prefect\n", "prefect"),
        ("a.b prefect\n", "prefect"),
        ("#a.b = 'prefect'\n", None),
        ("a.bc = 'prefect'\n", None),
        ("xa.b = 'prefect'\n", None),
        ("", None),
    ],
)
def test_a_setting_of_postgresql_is_read(text: str, value: str | None) -> None:
    assert host_removal.setting(f"port = 5432\n{text}", "a.b") == value


def test_what_a_process_has_started_is_found_also_in_a_session_of_its_own() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD]) as process:
        try:
            while not (found := descendants([process.pid])):
                pass
            assert process.pid in descendants([os.getpid()])
            assert {process.pid, *found} <= user_processes(os.getuid())
        finally:
            signal_all([*descendants([process.pid]), process.pid], signal.SIGKILL)
    assert process.pid not in user_processes(os.getuid())
    signal_all([process.pid], signal.SIGKILL)  # nobody minds that it is gone


def test_the_workers_are_those_that_are_recorded(tmp_path: Path) -> None:
    for name, group in {"worker-a-1": "workers", "lost-runs": "workers", "api-1": "api"}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps({"group": group}))
    (tmp_path / "half.json").write_text('{"group": ')
    assert host_runs.recorded(str(tmp_path), "workers") == ["lost-runs", "worker-a-1"]
    assert host_runs.recorded(str(tmp_path / "none"), "workers") == []


@pytest.mark.parametrize("path", sorted(FILES.glob("*.txt")), ids=lambda path: path.name)
def test_every_package_of_a_list_has_its_version_and_hashes(path: Path) -> None:
    entries = path.read_text().replace("\\\n", " ").splitlines()
    entries = [entry for entry in entries if entry.strip() and not entry.lstrip().startswith("#")]
    assert entries
    assert [entry for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []
