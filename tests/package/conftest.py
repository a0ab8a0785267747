# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection, built and installed once for all tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(sys.executable).parent


def run(env: dict[str, str], *words: str) -> str:
    ended = subprocess.run([BIN / words[0], *words[1:]], cwd=env["HOME"], env=env, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return ended.stdout.decode()


@pytest.fixture(scope="session")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("build")
    subprocess.run([ROOT / "scripts" / "build.sh", directory], check=True)
    (path,) = directory.glob("selfhosted-prefect-*.tar.gz")
    return path


@pytest.fixture(scope="session")
def installed(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a shell that finds the installed collection, but not this checkout."""
    home = tmp_path_factory.mktemp("home")
    env = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    env |= {"HOME": str(home), "ANSIBLE_COLLECTIONS_PATH": str(home / "collections"), "NO_COLOR": "1"}
    run(env, "ansible-galaxy", "collection", "install", "--offline", "--no-deps", str(tarball))
    return env
