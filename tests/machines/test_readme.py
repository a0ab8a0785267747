# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of the README on new test hosts that have only python3, make and git."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from defaults import GATEWAY_PORT
from rendering import host_processes

MACHINE = Path(__file__).with_name("machine")
# docs/benchmark-local.md contains the usual duration. On a busy host, it may take this long.
MOST_SECONDS = 900
MOST_TASKS = 40  # in an unchanged run

SITE = r"""
set -eu
git clone --quiet /srv/repo.git selfhosted.prefect && cd selfhosted.prefect
section() { printf '\n%%%% %s\n' "$1"; }
processes() {
    ANSIBLE_CALLBACK_RESULT_FORMAT=json .venv/bin/ansible all -m selfhosted.prefect.process_group_info
}
began=$(date +%s)
section 'make site'; make site
section seconds; echo $(($(date +%s) - began))
section processes; processes
began=$(date +%s)
section 'make site again'; make site
section 'seconds again'; echo $(($(date +%s) - began))
section 'processes again'; processes
"""
UNIT = """
section 'make unit'; make unit
"""


def typed(release: str, init: str, user: str, script: str) -> dict[str, str]:
    """Return the output by section."""
    words = [str(MACHINE), "run-fresh", "--release", release, "--init", init, "--user", user, "--", script]
    done = subprocess.run(words, check=False, text=True, capture_output=True)
    if done.returncode:
        pytest.fail(done.stdout + done.stderr, pytrace=False)
    parts = re.split(r"^%% (.*)\n", done.stdout, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def pids(output: str) -> dict[str, int]:
    found = json.loads(output[output.index("{") :])["processes"]
    return {process["name"]: process["pid"] for process in found}


def recap(output: str) -> dict[str, int]:
    line = output[output.rindex("PLAY RECAP") :]
    return {name: int(number) for name, number in re.findall(r"(\w+)=(\d+)", line)}


@pytest.mark.parametrize(
    ("release", "init", "user", "more"),
    [("bookworm", "none", "root", UNIT), ("trixie", "systemd", "admin", "")],
    ids=["Debian 12 without systemd, as root", "Debian 13, with sudo"],
)
def test_the_readme_on_a_fresh_machine(
    release: str, init: str, user: str, more: str, record_property: Callable[[str, object], None]
) -> None:
    said = typed(release, init, user, SITE + more)

    first, again = said["make site"], said["make site again"]
    checks = re.findall(r"^ +(ok|FAILED) +\w.*: ", first, re.M)
    assert len(checks) > 10
    assert set(checks) == {"ok"}
    summary = first[first.index("is ready.") :]
    assert re.search(rf"UI +http://127\.0\.0\.1:{GATEWAY_PORT}\n", summary)
    assert re.search(r"Credentials +user admin, password in \S+/inventories/local/\.secrets/api;", summary)
    assert re.search(r"Seconds +preflight .* in all\n\nPLAY RECAP", summary)
    assert recap(first)["failed"] == 0

    assert recap(again)["changed"] == 0
    assert recap(again)["failed"] == 0
    tasks = recap(again)["ok"] - len(re.findall("^included: ", again, re.M))
    assert 0 < tasks <= MOST_TASKS
    running = pids(said["processes"])
    assert set(running) == host_processes()
    assert 0 not in running.values()
    assert pids(said["processes again"]) == running

    record_property("make_site_seconds", int(said["seconds"]))
    record_property("make_site_again_seconds", int(said["seconds again"]))
    record_property("make_site_again_tasks", tasks)
    assert int(said["seconds"]) < MOST_SECONDS

    if more:
        assert re.search(r"^[1-9]\d+ passed, 0 failed\s*$", said["make unit"], re.M)
