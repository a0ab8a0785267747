# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The launcher of a process, as supervisord and the watchdog start it, and the other code that reads its files."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from environment_files import ODD
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import account, launch
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._text import environment_file

PROGRAM = Path(launch.__file__)
HARD = "@:/#%' \"$\\ `x` ${HOME} $(id) %n \\n \\q ; # \t end"
LINE = st.text(st.characters(exclude_characters="\0\r\n", exclude_categories=["Cs"]))


@given(values=st.lists(LINE, max_size=20))
@example(values=[HARD])
def test_what_the_filter_writes_is_read_back(values: list[str]) -> None:
    variables = {f"V_{number}": value for number, value in enumerate(values) if value}
    assert launch.parse_environment(environment_file(variables)) == variables


@pytest.mark.parametrize(("text", "value"), ODD.items())
def test_a_value_is_read_as_systemd_reads_it(text: str, value: str) -> None:
    assert launch.parse_environment(text) == {"A": value}
    assert launch.parse_environment(f'B="1"\n{text}\nC=2\n') == {"A": value, "B": "1", "C": "2"}


@pytest.mark.parametrize("text", ["export A=1", "A", "touch /tmp/x", ". /tmp/x", "A B=1", "1A=2"])
def test_what_is_no_assignment_is_refused(text: str) -> None:
    with pytest.raises(launch.Refused, match=r"line 2 of the environment file is not NAME") as refused:
        launch.parse_environment(f"B=planted\n{text}\n")
    assert "planted" not in str(refused.value)


def started(tmp_path: Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run the launcher with a description. Its own environment contains only variables that it must not pass on."""
    description = {"command": ["/usr/bin/env", "-0"], "user": "nobody", **more}
    path = tmp_path / "one.json"
    path.write_text(json.dumps(description))
    return subprocess.run(
        ["/usr/bin/python3", "-I", "-S", PROGRAM, path],
        env={"LEAKED": "1", "PYTHONPATH": str(tmp_path)},
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    path = tmp_path / "one.env"
    path.write_text(environment_file({"HARD": HARD, "BOTH": "file"}))
    path.chmod(0o600)
    return path


def test_the_environment_is_that_of_the_account_the_description_and_the_file(tmp_path: Path, environment: Path) -> None:
    done = started(tmp_path, environment={"BOTH": "description", "OWN": HARD}, environment_file=str(environment))
    assert done.returncode == 0, done.stderr
    found = dict(entry.partition("=")[::2] for entry in done.stdout.split("\0") if entry)
    assert found == {
        "PATH": launch.SEARCH_PATH,
        "USER": "nobody",
        "LOGNAME": "nobody",
        "HOME": "/nonexistent",
        "HARD": HARD,
        "BOTH": "file",
        "OWN": HARD,
    }


@pytest.mark.root
def test_root_is_given_up(tmp_path: Path) -> None:
    status = ["/bin/grep", "-E", "^(Uid|Gid|Groups|NoNewPrivs):", "/proc/self/status"]
    for hardening in (True, False):
        told = started(tmp_path, command=status, hardening=hardening, limit_nofile=123, oom_score_adjust=321).stdout
        lines = {line.partition(":")[0]: line.split()[1:] for line in told.splitlines()}
        assert lines["Uid"] == lines["Gid"] == ["65534"] * 4
        assert lines["Groups"] in ([], ["65534"])
        assert lines["NoNewPrivs"] == [str(int(hardening))]


def test_limits_are_set_and_the_process_can_be_found(tmp_path: Path) -> None:
    script = "ulimit -n; cat /proc/self/oom_score_adj; umask; pwd; echo $$"
    pid_file = tmp_path / "pid"
    told = started(
        tmp_path,
        command=["/bin/sh", "-c", script],
        limit_nofile=123,
        oom_score_adjust=321,
        working_directory="/usr",
        pid_file=str(pid_file),
        stop_signal="INT",
        stop_seconds=9,
    )
    *rest, pid = told.stdout.split()
    assert rest == ["123", "321", "0022", "/usr"], told.stderr
    assert pid_file.read_text() == f"{pid} INT 9\n"


def test_a_pid_file_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("root's")
    (tmp_path / "pid").symlink_to("precious")
    more: dict[str, Any] = {"pid_file": str(tmp_path / "pid"), "stop_signal": "INT", "stop_seconds": 9}
    assert started(tmp_path, **more).returncode == launch.WRONG_CONFIGURATION
    assert (tmp_path / "precious").read_text() == "root's"


def nobody_owns(path: Path) -> None:
    os.chown(path, 65534, 65534)


# Changes by another account to an environment file, and the resulting message.
CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "owns it": (nobody_owns, "belongs to the account nobody"),
    "may write it": (lambda path: path.chmod(0o622), r"can be written by others than its owner \(mode 0622\)"),
    "owns its directory": (lambda path: nobody_owns(path.parent), "belongs to the account nobody"),
    "may write to its directory": (lambda path: path.parent.chmod(0o757), r"can be written .* \(mode 0757\)"),
    "has put a link": (
        lambda path: (nobody_owns(path.parent), path.unlink(), path.symlink_to("/etc/hostname"))[0],
        "belongs to the account nobody",
    ),
    "has put a directory": (lambda path: (path.unlink(), path.mkdir())[0], "is not a regular file"),
}


@pytest.mark.parametrize(("change", "message"), CHANGES.values(), ids=CHANGES.keys())
@pytest.mark.root
def test_an_environment_file_that_others_can_change_is_not_read(
    tmp_path: Path, environment: Path, change: Callable[[Path], None], message: str
) -> None:
    directory = tmp_path / "deep"
    directory.mkdir()
    file = environment.rename(directory / "one.env")
    change(file)
    with pytest.raises((launch.Refused, OSError), match=message):
        launch.read_environment(str(file))
    done = started(tmp_path, environment_file=str(file))
    assert done.returncode == launch.WRONG_CONFIGURATION
    assert done.stdout == ""
    assert str(file) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.root
def test_a_way_through_links_of_roots_is_trusted(tmp_path: Path, environment: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert launch.weakness(str(tmp_path / "link" / environment.name)) is None
    nobody_owns(tmp_path)
    assert launch.weakness(str(environment)) == f"{tmp_path} belongs to the account nobody"
    os.chown(tmp_path, 0, 0)
    (tmp_path / "turn").symlink_to("turn")
    assert "exceeds the maximum number of symbolic links" in str(launch.weakness(str(tmp_path / "turn")))


# Run a program to its end ------------------------------------------------------------------------------------------


def run(*command: str, variables: dict[str, str] | None = None, **more: Any) -> account.Ended:
    return account.run_as({"command": list(command), "user": "nobody"}, variables or {}, **more)


@pytest.mark.root
def test_a_program_runs_as_the_account_and_sees_what_it_is_given() -> None:
    ended = run(
        "/bin/sh", "-c", 'id -un; id -Gn; cat; printf "%s\\n" "$A" >&2; exit 3', variables={"A": HARD}, stdin="typed\n"
    )
    assert ended == (3, "nobody\nnogroup\ntyped\n", HARD + "\n")


@pytest.mark.root
def test_a_program_that_takes_too_long_is_ended_with_what_it_has_started() -> None:
    begun = time.monotonic()
    ended = run("/bin/sh", "-c", "echo begun; sleep 4711 & wait", timeout=0.5)
    assert (ended.rc, ended.stdout) == (account.TIMED_OUT, "begun\n")
    assert time.monotonic() - begun < 5
    assert subprocess.run(["pgrep", "-f", "^sleep 4711$"], check=False).returncode == 1


@pytest.mark.root
def test_one_program_at_a_time_has_the_lock(tmp_path: Path) -> None:
    lock = str(tmp_path / "lock")
    (tmp_path / "lock").touch(mode=0o644)
    ends: list[tuple[float, float]] = []

    def hold() -> None:
        begun = float(run("/bin/sh", "-c", "date +%s.%N; sleep 0.5", lock=lock).stdout)
        ends.append((begun, begun + 0.5))

    threads = [threading.Thread(target=hold) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = sorted(ends)
    assert first[1] <= second[0]
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600, "whoever can open it can hold it"
    nobody_owns(tmp_path)
    with pytest.raises(launch.Refused, match=r"lock: .* belongs to the account nobody"):
        run("/bin/true", lock=lock)
