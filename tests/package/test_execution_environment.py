# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment, without a container engine: its context, its Python packages and its system packages."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import ansible_collections
import pytest
import yaml

from .conftest import BIN, ROOT

DEFINITION = ROOT / "execution-environment.yml"
Introspected = tuple[list[str], list[str]]  # Python requirements, system packages


def execute(*words: str | Path) -> None:
    ended = subprocess.run(words, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def requirement_lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]


@pytest.fixture(scope="module")
def introspected(installed: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Introspected:
    """Return what the builder finds, inside the image, in the collection and in its dependencies."""
    directory = tmp_path_factory.mktemp("introspected")
    here = Path(installed["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections"
    present = [here, *map(Path, ansible_collections.__path__)]
    names = ["selfhosted.prefect", *yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]]
    for name in names:
        relative = name.replace(".", "/")
        source = next(path / relative for path in present if (path / relative).is_dir())
        target = directory / "ansible_collections" / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source)
    python, system = directory / "requirements.txt", directory / "bindep.txt"
    execute(BIN / "ansible-builder", "introspect", directory, f"--write-pip={python}", f"--write-bindep={system}")
    return requirement_lines(python), requirement_lines(system)


def test_the_context_is_created(tmp_path: Path) -> None:
    words = ["--output-filename=Containerfile", f"--file={DEFINITION}", f"--context={tmp_path}"]
    execute(BIN / "ansible-builder", "create", *words)
    containerfile = (tmp_path / "Containerfile").read_text()
    base = yaml.safe_load(DEFINITION.read_text())["images"]["base_image"]["name"]
    assert base in containerfile
    requested = yaml.safe_load((tmp_path / "_build" / "requirements.yml").read_text())["collections"]
    assert requested == [{"name": "selfhosted.prefect"}]


def test_its_packages_are_those_of_the_collection(introspected: Introspected) -> None:
    python, _system = introspected
    wanted = requirement_lines(ROOT / "meta" / "ee-requirements.txt")
    assert wanted
    for requirement in wanted:
        assert [line for line in python if line.startswith(requirement)], python


def test_the_control_environment_has_the_same_packages() -> None:
    """The packages of the playbooks are listed in control.in for a checkout, and in ee-requirements.txt for images."""

    def names(path: Path) -> set[str]:
        return {re.split(r"[<>=~ ]", line)[0] for line in requirement_lines(path)}

    assert names(ROOT / "meta" / "ee-requirements.txt") == names(ROOT / "requirements" / "control.in") - {"ansible"}


def test_its_python_packages_can_be_installed_together(introspected: Introspected, tmp_path: Path) -> None:
    python, _system = introspected
    core = yaml.safe_load(DEFINITION.read_text())["dependencies"]
    packages = [core["ansible_core"]["package_pip"], core["ansible_runner"]["package_pip"], *python]
    wanted = tmp_path / "requirements.in"
    wanted.write_text("\n".join(packages) + "\n")
    # The interpreter in the image is Python 3.12.
    execute(
        BIN / "uv", "pip", "compile", "--quiet", "--python-version=3.12", f"--output-file={tmp_path / 'lock'}", wanted
    )
    assert "ansible-core==" in (tmp_path / "lock").read_text()


def test_system_packages_are_named_for_both_families(introspected: Introspected) -> None:
    _python, system = introspected
    own = requirement_lines(ROOT / "meta" / "ee-bindep.txt")
    assert {platform for line in own for platform in re.findall(r"\[platform:(\w+)\]", line)} == {"dpkg", "rpm"}
    for line in own:
        assert [found for found in system if found.startswith(line)], system
