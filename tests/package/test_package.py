# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as users of Galaxy get it: built, installed into an empty directory, used from there."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from .conftest import BIN, ROOT, run

PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("[a-z]*.py"))
TOP = {
    *("CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "FILES.json", "LICENSE", "MANIFEST.json", "README.md", "SECURITY.md"),
    *("changelogs", "docs", "inventories", "meta", "playbooks", "plugins", "roles"),
}


def test_the_tarball_holds_what_is_used_and_nothing_else(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        names = archive.getnames()
    assert {name.split("/")[0] for name in names} - {"CHANGELOG.rst"} == TOP  # the changelog is created for a release
    assert not [name for name in names if "__pycache__" in name or "/.secrets" in name or name.endswith(".pyc")]


def test_the_tarball_fits_on_galaxy(tarball: Path) -> None:
    assert tarball.stat().st_size < 2_000_000  # the limit of Galaxy is 20 MB; more than a tenth would be a mistake


def test_galaxy_accepts_the_tarball(tarball: Path) -> None:
    """The importer of Galaxy accepts the tarball without a warning."""
    subprocess.run([ROOT / "scripts" / "galaxy-importer.sh", tarball], check=True)


def test_every_module_is_documented_from_the_installed_collection(installed: dict[str, str]) -> None:
    listed = json.loads(run(installed, "ansible-doc", "--list", "--json", "selfhosted.prefect"))
    assert sorted(name.rsplit(".", 1)[1] for name in listed) == MODULES


def test_every_role_has_an_argument_specification(installed: dict[str, str]) -> None:
    listed = json.loads(run(installed, "ansible-doc", "--list", "--json", "--type", "role", "selfhosted.prefect"))
    roles = {path.name for path in (ROOT / "roles").iterdir() if (path / "meta").is_dir()}
    assert {name.rsplit(".", 1)[1] for name in listed} == roles


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_each_playbook_is_found_by_its_full_name(installed: dict[str, str], playbook: str) -> None:
    run(installed, "ansible-playbook", "--syntax-check", "--inventory", "localhost,", f"selfhosted.prefect.{playbook}")


def test_the_action_group_holds_every_module_that_talks_to_the_api() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())
    talking = [
        name
        for name in MODULES
        if "\n  - selfhosted.prefect.prefect\n" in (ROOT / "plugins" / "modules" / f"{name}.py").read_text()
    ]
    assert talking
    assert sorted(runtime["action_groups"]["prefect"]) == talking


def test_the_dependencies_are_those_of_the_lock_file() -> None:
    """The package `ansible` in control.txt contains the collections that galaxy.yml requires."""
    galaxy = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    listed = json.loads(
        subprocess.run(
            [BIN / "ansible-galaxy", "collection", "list", "--format", "json"], check=True, capture_output=True
        ).stdout
    )
    present = {name for collections in listed.values() for name in collections}
    assert set(galaxy["dependencies"]) <= present
