# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every Python that root starts on a host ignores its environment and its working directory when it imports modules.

This requires `-I`. Without it, `python3 -` imports from the working directory, and every Python imports from PYTHONPATH
and from the home directory.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from defaults import ROOT
from hostile_processes import UID

INTERPRETER = re.compile(r"(?:^|.*[/}])python[0-9.]*$|^python[0-9.]*$")
COMMAND = re.compile(r"(?:^|[\s\"'(/])python[0-9.]*[\"']?\s+(?P<option>\S+)")
# uv starts this Python itself, and isolates it.
OF_UV = re.compile(r"--python \S+")
SHEBANG = re.compile(r"#!\S*python[0-9.]*(?P<option>[^\n]*)")
INSTALL = ROOT / "roles/prefect_host/files/install.sh"


def lists(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, list):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from lists(each)


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        yield from strings(each)


def in_arguments(words: list[Any]) -> Iterator[str]:
    """Return the option after each interpreter in a list of arguments."""
    for word, following in zip(words, [*words[1:], ""]):
        if isinstance(word, str) and INTERPRETER.match(word):
            yield str(following)


def in_tasks(path: Path) -> Iterator[str]:
    """Return the options in the tasks of a file, except those of commands in pods."""
    for task in yaml.safe_load(path.read_text()) or []:
        for words in lists(task):
            yield from in_arguments(words)
        for module in ("ansible.builtin.command", "ansible.builtin.shell"):
            for text in strings(task.get(module)):
                yield from (found["option"] for found in COMMAND.finditer(text))


def in_script(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines():
        if not line.lstrip().startswith("#"):
            yield from (found["option"] for found in COMMAND.finditer(OF_UV.sub("", line)))


def is_interpreter(node: ast.expr) -> bool:
    """Return whether a list element is the path of a Python, or a name such as `site.python` or `sys.executable`."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and bool(INTERPRETER.match(node.value))
    return ast.unparse(node).rpartition(".")[2] == "python" or ast.unparse(node) == "sys.executable"


def in_python(path: Path) -> Iterator[str]:
    """Return the options in the argument lists of a program, and in the first lines of the scripts that it writes."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.List, ast.Tuple)):
            for element, following in zip(node.elts, [*node.elts[1:], ast.Constant("")]):
                if is_interpreter(element):
                    yield str(following.value) if isinstance(following, ast.Constant) else ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from (found["option"].strip() for found in SHEBANG.finditer(node.value))


def found_in() -> Iterator[tuple[str, str]]:
    """Return every Python that root starts on a host, as the path of the file and the option after the interpreter."""
    readers = {
        "roles/*/tasks/*.yml": in_tasks,
        "roles/*/handlers/*.yml": in_tasks,
        "roles/*/files/*.sh": in_script,
        "plugins/modules/*.py": in_python,
        "plugins/module_utils/_host/*.py": in_python,
    }
    for pattern, reader in readers.items():
        for path in sorted(ROOT.glob(pattern)):
            if "kubernetes" not in path.name:
                yield from ((str(path.relative_to(ROOT)), option) for option in reader(path))


def test_root_starts_no_python_that_is_not_isolated() -> None:
    assert [(path, option) for path, option in found_in() if not re.match(r"-I", option)] == []


def test_the_reading_sees_them_all() -> None:
    paths = [path for path, _option in found_in()]
    expected = {
        "roles/prefect_gateway/tasks/host.yml": 1,
        "roles/prefect_verify/tasks/read_host.yml": 2,
        "roles/prefect_server/tasks/upgrade_schema.yml": 1,
        "roles/prefect_host/files/install.sh": 4,
        "plugins/module_utils/_host/manager.py": 1,
        "plugins/module_utils/_host/process_group.py": 1,
        "plugins/module_utils/_host/render.py": 1,
    }
    assert {path: paths.count(path) for path in expected} == expected


@pytest.mark.parametrize("path", sorted(ROOT.glob("roles/*/templates/*processes.yml.j2")), ids=lambda path: path.name)
def test_a_process_that_is_a_python_program_has_an_account(path: Path) -> None:
    processes = re.split(r"^- name:", path.read_text(), flags=re.MULTILINE)[1:]
    assert processes
    for process in processes:
        assert "/bin/p" not in process or re.search(
            r"^  user: \{\{ prefect_(worker_)?user \}\}$", process, re.MULTILINE
        )


HOLD = """
import fcntl, os, pathlib, sys, time
held = []
for path in pathlib.Path(sys.argv[1]).rglob("*"):
    try:
        held.append(os.open(path, os.O_RDONLY))
        fcntl.flock(held[-1], fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pass
print("held", flush=True)
time.sleep(30)
"""


@pytest.fixture
def pinned() -> Iterator[Path]:
    """The directory of the installation, which every account can read, with a complete environment."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        (Path(directory) / "venv").mkdir()
        (Path(directory) / "venv/complete").write_text("")
        path = Path(directory) / "pinned"
        path.mkdir(mode=0o755)
        (path / "install.sh").write_text(INSTALL.read_text())
        yield path


def install(pinned: Path) -> int:
    marker = str(pinned.parent / "venv/complete")
    return subprocess.run(["/bin/sh", pinned / "install.sh", "x.txt", marker], check=False, timeout=5).returncode


@pytest.mark.root
def test_no_account_can_hold_the_lock_of_the_installation(pinned: Path) -> None:
    assert install(pinned) == 0
    command = ["/usr/bin/python3", "-I", "-c", HOLD, str(pinned)]
    with subprocess.Popen(command, user=UID, cwd="/", stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            assert install(pinned) == 0
        finally:
            holder.kill()


def test_a_lock_of_the_installation_that_others_can_open_is_closed_to_them(pinned: Path) -> None:
    (pinned / "locks").mkdir(mode=0o755)
    (pinned / "locks/install").write_text("")
    assert install(pinned) == 0
    assert (pinned / "locks").stat().st_mode & 0o777 == 0o700
    assert (pinned / "locks/install").stat().st_mode & 0o777 == 0o600
