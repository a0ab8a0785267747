# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each playbook has its name as a tag: site.yml with this tag runs its roles, the preflight, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from defaults import ROOT

PLAYBOOKS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "playbooks").glob("*.yml"))}
PLAYS = [(name, play) for name, plays in PLAYBOOKS.items() for play in plays if "hosts" in play]
# Roles on which every role depends that deploys or reads a component, and the checks before it.
ALWAYS = {"prefect_host", "prefect_preflight"}
EXPECTED = {
    "database": {"prefect_postgres", "prefect_pgbouncer", "prefect_redis", "prefect_cluster"},
    "postgres": {"prefect_postgres", "prefect_cluster"},
    "server": {"prefect_server", "prefect_gateway", "prefect_teardown", "prefect_cluster"},
    "gateway": {"prefect_gateway", "prefect_cluster"},
    "configure": {"prefect_configuration"},
    "workers": {"prefect_worker", "prefect_cluster"},
    "verify": {"prefect_verify", "prefect_cluster"},
}


def listed(tag: str) -> list[tuple[str, str]]:
    """The tasks of site.yml that run with a tag, each with its role."""
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", ROOT / "inventories/local", ROOT / "playbooks/site.yml", "--list-tasks", "--tags", tag],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    tasks = re.findall(r"^ {6}(?:selfhosted\.prefect\.(\w+) : )?(.*)\tTAGS: ", done.stdout, re.MULTILINE)
    # Ansible validates the options of a role with each tag.
    return [(role, name) for role, name in tasks if not name.startswith("Validating arguments")]


@pytest.mark.parametrize("tag", EXPECTED)
def test_a_tag_runs_its_roles_and_the_preflight(tag: str) -> None:
    tasks = listed(tag)
    assert {role for role, _name in tasks if role} == EXPECTED[tag] | ALWAYS
    first = [name for _role, name in tasks][:5]
    assert {"Gather the state of the host", "Check the inventory and the host"} <= set(first)
    names = [name for _role, name in tasks]
    assert ("Prepare the external PostgreSQL" in names) == (tag == "database")


@pytest.mark.parametrize(("playbook", "play"), PLAYS, ids=[f"{name}: {play['name']}" for name, play in PLAYS])
def test_a_play_has_the_tag_of_its_playbook(playbook: str, play: dict[str, Any]) -> None:
    assert playbook in play["tags"]
    assert ("always" in play["tags"]) == (playbook == "preflight")


def test_the_guide_lists_the_tags_of_the_site() -> None:
    text = (ROOT / "docs" / "operations.md").read_text()
    section = text.partition("## Run a part of the deployment")[2].partition("\n## ")[0]
    imported = {one["ansible.builtin.import_playbook"].rpartition(".")[2] for one in PLAYBOOKS["site"]}
    tags = {tag for name, play in PLAYS for tag in play["tags"] if name in imported}
    assert set(re.findall(r"`([a-z]+)`", re.sub(r"(?m)^(?!\|).*", "", section))) == tags
