# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules that install and remove on a host: their decisions, on this host."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hostile_processes import CHAIN, SECONDS, UID, Hostile, hostile, wait_until

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import launch
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.user_processes import (
    descendants,
    signal_all,
    user_processes,
)
from ansible_collections.selfhosted.prefect.plugins.modules import host_environment, host_removal, host_runs

__all__ = ["hostile"]

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


@pytest.mark.root
@pytest.mark.parametrize("option", ["script", "list", "marker"])
def test_root_installs_nothing_that_others_can_change(tmp_path: Path, option: str) -> None:
    """The three files, and the directories above them: a file that another account owns is not root's either."""
    for name in ("pinned", "venv"):
        (tmp_path / name).mkdir()
    files = {"script": "pinned/install.sh", "list": "pinned/uv.txt", "marker": "venv/complete"}
    for name in files.values():
        (tmp_path / name).touch()
    params = {name: str(tmp_path / path) for name, path in files.items()} | {"list": "uv.txt"}
    assert list(host_environment.refusals(params)) == []
    os.chown(tmp_path / files[option], 65534, 65534)
    (told,) = host_environment.refusals(params)
    assert told.startswith(f"{option}: {tmp_path / files[option]}: ")
    assert "belongs to the account nobody, so root does not use it. Make root the owner" in told
    os.chown(tmp_path, 65534, 65534)
    assert len(list(host_environment.refusals(params))) == 3


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
    signal_all([process.pid], signal.SIGKILL)  # the process no longer exists, which is no error


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


def account(uid: int = UID, comment: str = "mark") -> pwd.struct_passwd:
    return pwd.struct_passwd(("flows", "x", uid, uid, comment, "/", "/bin/false"))


class Done(Exception):
    """Raised when the module exits."""


def host_runs_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **more: Any) -> dict[str, Any]:
    """Return the result of host_runs for an account whose workers have no process manager."""
    params: dict[str, Any] = {
        "instance": "one",
        "manager": "systemd",
        "state_dir": str(tmp_path),
        "run_dir": str(tmp_path),
    }
    params |= {"group": "workers", "user": "flows", "user_comment": "mark", "runs": "wait", "seconds": 1, **more}
    said: dict[str, Any] = {}

    class Module:
        check_mode = False

        def __init__(self, **_kwargs: Any) -> None:
            self.params = params

        def exit_json(self, **result: Any) -> NoReturn:
            said.update(result)
            raise Done

        def fail_json(self, **result: Any) -> NoReturn:
            self.exit_json(failed=True, **result)

    monkeypatch.setattr(host_runs, "AnsibleModule", Module)
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: account())
    with pytest.raises(Done):
        host_runs.main()
    return said


@pytest.mark.root
def test_a_run_that_forks_quickly_is_waited_for(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hostile.start(CHAIN)
    time.sleep(0.3)
    said = host_runs_says(monkeypatch, tmp_path)
    assert said.get("failed")
    assert "processes of flow runs of the account flows still run" in said["msg"]
    assert hostile.goes_on()


@pytest.mark.root
def test_a_run_that_forks_quickly_is_ended_and_the_worker_goes_on(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with subprocess.Popen(["sleep", str(SECONDS)], user=UID) as worker:
        monkeypatch.setattr(host_runs.Workers, "pids", lambda _self: {worker.pid})
        hostile.start("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + CHAIN)
        time.sleep(0.3)
        said = host_runs_says(monkeypatch, tmp_path, runs="end")
        assert not said.get("failed"), said
        assert said["killed"] > 0
        assert not hostile.goes_on()
        assert worker.poll() is None
        # It may wait for a processor, but it is not left stopped.
        wait_until(lambda: b"\nState:\tS" in Path(f"/proc/{worker.pid}/status").read_bytes())
        worker.kill()


# A process that starts others. If it were killed first, the others would no longer be descendants of the worker.
SPAWNER = """
import os, time
for _number in range(500):
    if os.fork() == 0:
        time.sleep(end - time.monotonic())
        os._exit(0)
time.sleep(end - time.monotonic())
"""


@pytest.mark.root
def test_of_a_shared_account_all_that_the_worker_has_started_is_killed_and_nothing_else(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(host_runs.Workers, "pids", lambda _self: {os.getpid()})
    start_other = ["/bin/sh", "-c", f"sleep {SECONDS} >/dev/null & echo $!"]
    # Its parent has ended, so it is not a descendant of the worker.
    other = int(subprocess.run(start_other, user=UID, stdout=subprocess.PIPE, check=True).stdout)
    hostile.start(SPAWNER)
    time.sleep(0.2)
    said = host_runs_says(monkeypatch, tmp_path, runs="end", user_comment="another", seconds=0)
    assert not said.get("failed"), said
    assert not hostile.goes_on()
    assert user_processes(UID) == {other}
    os.kill(other, signal.SIGKILL)


@pytest.mark.root
def test_an_account_is_deleted_when_none_of_its_processes_is_left(
    hostile: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[str, ...]] = []
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: account())
    monkeypatch.setattr(host_removal, "_run", lambda *command: ran.append(command))
    hostile.start(CHAIN)
    time.sleep(0.3)
    host_removal.Removal(check_mode=False).user("flows", "mark")
    assert ran == [("userdel", "flows")]
    assert not hostile.goes_on()


def test_an_account_that_is_root_or_somebody_elses_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([account(0), account(comment="me")])
    monkeypatch.setattr(pwd, "getpwnam", lambda _name: next(found))
    removal = host_removal.Removal(check_mode=True)
    removal.user("toor", "mark")
    removal.user("flows", "mark")
    assert removal.removed == []
    assert removal.kept == ["the account toor: it is root", "the account flows: this instance has not created it"]


def make_deep(path: Path, depth: int, name: str) -> None:
    """Create nested directories. The last one contains a link that leads out of them."""
    path.mkdir()
    outside = path.parent / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    at = os.open(path, os.O_RDONLY)
    for _level in range(depth):
        os.mkdir(name, dir_fd=at)
        deeper = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = deeper
    os.symlink(outside, "link", dir_fd=at)
    os.close(at)


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory that only root may write, on every host and for every account that runs the tests."""
    monkeypatch.setattr(launch, "roots", lambda: (0, os.getuid()))
    tmp_path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(("depth", "name"), [(1500, "d"), (1500, "d" * 200)], ids=["deep", "beyond a path"])
def test_directories_of_any_depth_are_removed(trusted: Path, depth: int, name: str) -> None:
    make_deep(trusted / "worker", depth, name)
    removal = host_removal.Removal(check_mode=False)
    try:
        removal.directory(str(trusted), ["worker"])
        assert removal.removed == [f"{trusted}/worker"]
        assert removal.kept == [f"{trusted}: it also contains outside"]
        assert not (trusted / "worker").exists()
        assert (trusted / "outside/kept").exists()
    finally:
        subprocess.run(["rm", "-rf", trusted / "worker"], check=True)


@pytest.mark.parametrize("odd", ["-rf", "a b", "new\nline"])
def test_names_are_names(trusted: Path, odd: str) -> None:
    (trusted / odd).write_text("")
    (trusted / "link").symlink_to("/")
    removal = host_removal.Removal(check_mode=False)
    removal.directory(str(trusted), [odd, "link", "gone"])
    assert removal.removed == [*sorted([f"{trusted}/{odd}", f"{trusted}/link"]), str(trusted)]
    assert not trusted.exists()
    trusted.mkdir()


def test_nothing_is_removed_from_what_is_mounted_there(trusted: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("worker", "volume"):
        (trusted / name / "mounted").mkdir(parents=True)
        (trusted / name / "mounted/kept").write_text("")
    points = {"/", f"{trusted}/worker/mounted", f"{trusted}/volume"}
    monkeypatch.setattr(host_removal, "mount_points", lambda: points)
    removal = host_removal.Removal(check_mode=False)
    with pytest.raises(host_removal.RemovalError, match=r"/worker/mounted is a mount point\. Unmount it"):
        removal.directory(str(trusted), ["worker"])
    assert (trusted / "worker/mounted/kept").exists()
    removal = host_removal.Removal(check_mode=False)
    removal.directory(str(trusted), ["volume"])
    assert removal.removed == [f"{trusted}/volume/*"]
    assert f"{trusted}/volume: it is a mount point" in removal.kept
    assert os.listdir(trusted / "volume") == []


def test_what_is_mounted_is_known() -> None:
    assert {"/", "/proc"} <= host_removal.mount_points()


@pytest.mark.root
def test_a_directory_that_others_may_change_is_left(tmp_path: Path) -> None:
    directory = tmp_path / "install"
    (directory / "pinned").mkdir(parents=True)
    os.chown(directory, UID, 0)
    removal = host_removal.Removal(check_mode=False)
    removal.directory(str(directory), ["pinned"])
    assert removal.removed == []
    assert removal.kept == [f"{directory}: {directory} belongs to the account {UID}"]
    os.chown(directory, 0, 0)
    directory.chmod(0o777)
    removal.directory(str(directory), ["pinned"])
    assert removal.removed == []
    # Ubuntu has /var/log with this mode, and with a group of the system.
    directory.chmod(0o775)
    removal.directory(str(directory), ["pinned"])
    assert removal.removed == [f"{directory}/pinned", str(directory)]
