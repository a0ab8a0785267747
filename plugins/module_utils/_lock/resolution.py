# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Lock the packages of a version of Prefect, and list the settings of this version.

Everything runs in a temporary directory, with uv and without an installed Prefect. Only wheels are used, so no code of
a package runs while it is resolved or installed. Prefect itself runs once, with the account of the caller, to list its
settings.
"""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from ansible.module_utils.urls import open_url

OLDEST = (3, 6)
# Packages that Prefect imports and no package of the version requires, each with the newest minor version that has
# this fault.
UNDECLARED = {"importlib-metadata": (3, 6)}
# Prefect requires a newer certifi than some indexes have. certifi contains only CA certificates, so any recent version
# is sufficient.
OVERRIDES = ("certifi>=2025.1",)
# The requirements of Prefect do not exclude incompatible packages that are newer. The lock file therefore contains no
# package that is newer than the day after its release. One day is added, because times of day and time zones differ.
DAYS = 1
INDEX = "https://pypi.org/simple"
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
SIMPLE = "application/vnd.pypi.simple.v1+json"
WHEELS = ("--only-binary", ":all:")


class LockError(Exception):
    """The lock file cannot be created."""


def parsed(version: str) -> tuple[int, ...]:
    """Return the numbers of a version."""
    if not re.fullmatch(r"[0-9]+\.[0-9]+\.[0-9]+", version):
        raise LockError(f"version: {version} is not a version of Prefect. Set it to three numbers, for example 3.9.1.")
    numbers = tuple(int(part) for part in version.split("."))
    if numbers < OLDEST:
        raise LockError(f"version: Prefect {version} is older than 3.6, the oldest version that can be deployed.")
    return numbers


def requirements(version: str, packages: Sequence[str]) -> list[str]:
    """Return the requirements: Prefect, additional packages, and packages that this version does not declare."""
    minor = parsed(version)[:2]
    undeclared = [name for name, last in UNDECLARED.items() if minor <= last]
    return [f"prefect=={version}", *packages, *undeclared]


class Release(NamedTuple):
    """The data of the package index about a version of Prefect."""

    day: datetime.date | None
    python: str  # the oldest version of Python that it supports


def release(version: str, environment: Mapping[str, str]) -> Release:
    """Request the data about a version of Prefect from the package index."""
    index = next((environment[name] for name in INDEX_VARIABLES if environment.get(name)), INDEX)
    parts = urlsplit(index)
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=parts.path.rstrip("/") + "/prefect/").geturl()
    try:
        found: dict[str, Any] = json.load(
            open_url(
                url,
                headers={"Accept": SIMPLE},
                timeout=60,
                url_username=unquote(parts.username) if parts.username else None,
                url_password=unquote(parts.password or ""),
                force_basic_auth=bool(parts.username),
            )
        )
    except (OSError, ValueError) as error:
        raise LockError(f"The package index does not list the releases of Prefect: {error}") from error
    for entry in found.get("files", []):
        if entry["filename"] == f"prefect-{version}-py3-none-any.whl":
            moment = entry.get("upload-time") or ""
            oldest = re.search(r">=\s*([0-9.]+)", entry.get("requires-python") or "")
            if not oldest:
                raise LockError("The package index does not list the supported versions of Python.")
            return Release(datetime.date.fromisoformat(moment[:10]) if moment else None, oldest[1])
    raise LockError(f"version: the package index has no wheel of Prefect {version}.")


def last_day(found: Release) -> str:
    """Return the last day: the lock file contains no package that was released after it."""
    if found.day is None:
        raise LockError(
            "The package index does not list the upload times of packages. Set prefect_lock_before to the day after "
            "the release of this version of Prefect, or to none."
        )
    return str(found.day + datetime.timedelta(days=DAYS))


class Uv:
    """The program uv: from the environment of Ansible, from PATH, or installed in the temporary directory."""

    def __init__(self, directory: Path, lock: str, environment: Mapping[str, str]) -> None:
        self.directory = directory
        self.environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", "UV_SYSTEM_CERTS": "true", **environment}
        beside = Path(sys.executable).parent / "uv"
        found = str(beside) if beside.exists() else shutil.which("uv")
        self.program = found or self._installed(lock)

    def _installed(self, lock: str) -> str:
        place, pinned = self.directory / "uv", self.directory / "uv.txt"
        pinned.write_text(lock, encoding="utf-8")
        self.run(sys.executable, "-I", "-m", "venv", str(place))
        pip = [str(place / "bin" / "python"), "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        self.run(*pip, "--no-deps", "--require-hashes", *WHEELS, "--requirement", str(pinned))
        return str(place / "bin" / "uv")

    def run(self, *command: str, **environment: str) -> str:
        """Return the output of a command."""
        ended = subprocess.run(
            command,
            cwd=self.directory,  # uv and pip read settings of the current directory
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise LockError(ended.stderr.strip() or ended.stdout.strip() or f"{command[0]} ended with an error")
        return ended.stdout

    def resolve(self, packages: Sequence[str], python: str, before: str = "", former: str = "") -> str:
        """Return a lock file for all platforms, with packages that are not newer than the day C(before).

        Packages of the former lock file keep their versions if possible.
        """
        given, overrides, output = (self.directory / name for name in ("lock.in", "overrides.in", "lock.txt"))
        given.write_text("\n".join(packages) + "\n", encoding="utf-8")
        overrides.write_text("\n".join(OVERRIDES) + "\n", encoding="utf-8")
        if former:
            output.write_text(former, encoding="utf-8")
        options = ["--exclude-newer", before] if before else []
        options += [
            "--universal",
            "--python-version",
            python,
            "--generate-hashes",
            *WHEELS,
            "--override",
            str(overrides),
        ]
        self.run(
            *(self.program, "pip", "compile", "--quiet", "--no-header", *options),
            *(str(given), "--output-file", str(output)),
        )
        return output.read_text(encoding="utf-8").replace(f"{given}", "prefect_version").replace(f"{overrides}", "this")

    def settings(self, lock: str, program: str) -> list[str]:
        """Return the environment variables that the locked Prefect reads, by running a program in it."""
        venv, pinned = self.directory / "prefect", self.directory / "lock.txt"
        pinned.write_text(lock, encoding="utf-8")
        self.run(self.program, "venv", "--quiet", "--python", sys.executable, str(venv))
        self.run(
            *(self.program, "pip", "install", "--quiet", "--no-deps", "--require-hashes", *WHEELS),
            *("--requirement", str(pinned)),
            VIRTUAL_ENV=str(venv),
        )
        home = self.directory / "home"
        home.mkdir()
        lister = self.directory / "list_settings.py"
        lister.write_text(program, encoding="utf-8")
        found = self.run(str(venv / "bin" / "python"), "-I", str(lister), HOME=str(home), PREFECT_HOME=str(home))
        return list(json.loads(found.splitlines()[-1]))
