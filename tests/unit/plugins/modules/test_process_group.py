# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure functions of process_group. tests/integration/host tests its effects on test hosts."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import files, manager, render
from ansible_collections.selfhosted.prefect.plugins.module_utils._host import process_group as group
from ansible_collections.selfhosted.prefect.plugins.module_utils._host import process_plan as plan
from ansible_collections.selfhosted.prefect.plugins.modules import process_group

HARD = "@:/#%' \"$\\ `x` ${HOME} $(id) %n ; # \t tab\nline"


def parameters(**more: Any) -> dict[str, Any]:
    result = ArgumentSpecValidator(process_group.argument_spec()).validate({"group": "web", **more})
    assert not result.error_messages
    return process_group.normalized(result.validated_parameters)


def process(**more: Any) -> dict[str, Any]:
    wanted = {"name": "one", "command": ["/bin/one"], **more}
    return parameters(processes=[wanted])["processes"][0]


def lines(text: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in text.splitlines() if line.startswith(key + "=")]


# Definitions ------------------------------------------------------------------------------------------------------


def test_a_unit_says_what_the_options_say() -> None:
    unit = render.render_unit(
        "it",
        process(
            command=["/bin/one", HARD, ""],
            user="nobody",
            group="nogroup",
            working_directory="/srv/a%b",
            environment={"B": HARD, "A": True},
            environment_file="/etc/one.env",
            stop_signal="SIGINT",
            stop_seconds=7,
            kill_mode="mixed",
            limit_nofile=99,
            memory_limit="2G",
            oom_score_adjust=-5,
            runtime_directory="it/one",
            runtime_directory_mode="0700",
            success_exit_status=["SIGTERM", "3"],
            after=["two", "x.target", "postgresql.service"],
            description="100 %",
        ),
    )
    expected = {
        "Description": "100 %%",
        "After": "network-online.target it-two.service x.target postgresql.service",
        "StartLimitIntervalSec": "0",
        "User": "nobody",
        "Group": "nogroup",
        "WorkingDirectory": "/srv/a%%b",
        "EnvironmentFile": "/etc/one.env",
        "Restart": "always",
        "KillSignal": "SIGINT",
        "KillMode": "mixed",
        "TimeoutStopSec": "7",
        "LimitNOFILE": "99",
        "MemoryMax": "2G",
        "OOMScoreAdjust": "-5",
        "RuntimeDirectory": "it/one",
        "RuntimeDirectoryMode": "0700",
        "SuccessExitStatus": "SIGTERM 3",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "full",
        "OOMPolicy": "continue",
        "WantedBy": "multi-user.target",
    }
    assert {key: lines(unit, key) for key in expected} == {key: [value] for key, value in expected.items()}
    escaped = "@:/#%%' \\\"$\\\\ `x` ${HOME} $(id) %%n ; # \\t tab\\nline"
    assert lines(unit, "Environment") == ['"A=true"', f'"B={escaped}"']
    assert lines(unit, "ExecStart") == [f'"/bin/one" "{escaped.replace("$", "$$")}" ""']


def test_a_strict_unit_writes_only_where_it_says() -> None:
    strict = {"hardening": "strict", "writable_paths": ["/var/lib/a b", "/srv/%"], "capabilities": ["CAP_KILL"]}
    settings = {"UMask": "007", "SystemCallFilter": ["~a", "~b"]}
    unit = render.render_unit("it", process(**strict, service_settings=settings))
    assert lines(unit, "ProtectSystem") == ["strict"]
    assert lines(unit, "ReadWritePaths") == ['"/var/lib/a b"', '"/srv/%%"']
    assert lines(unit, "CapabilityBoundingSet") == ["CAP_KILL"]
    assert lines(unit, "SystemCallFilter") == ["@system-service", "~a", "~b"]
    assert lines(unit, "UMask") == ["007"]
    assert lines(unit, "ProtectHome") == ["yes"]
    assert lines(render.render_unit("it", process()), "PrivateTmp") == []
    at_home = process(hardening="strict", command=["/home/a/b"])
    assert lines(render.render_unit("it", at_home), "ProtectHome") == ["read-only"]
    assert lines(render.render_unit("it", at_home), "CapabilityBoundingSet") == [""]
    with pytest.raises(ValueError, match="service_settings: 'UMask' must have"):
        process(service_settings={"UMask": "007\nUser=root"})


def test_what_is_not_asked_for_is_not_in_the_unit() -> None:
    unit = render.render_unit("it", process(hardening="none"))
    for key in ("User", "Group", "WorkingDirectory", "EnvironmentFile", "LimitNOFILE", "MemoryMax", "NoNewPrivileges"):
        assert not lines(unit, key)


@given(st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"])))
def test_a_description_keeps_every_argument_and_variable(text: str) -> None:
    described = process(command=["/bin/one", text], environment={"A": text})
    kept = json.loads(render.render_description(described, "/run/one.pid"))
    assert kept["command"] == ["/bin/one", text]
    assert kept["environment"] == {"A": text}
    assert kept["pid_file"] == "/run/one.pid"


def test_the_command_of_a_check_is_described_without_the_life_of_its_process() -> None:
    described = process(environment_file="/one.env", user="nobody", runtime_directory="one", limit_nofile=9)
    kept = json.loads(render.render_description({**described, "command": ["/bin/check"]}, None))
    assert (kept["command"], kept["user"], kept["environment_file"]) == (["/bin/check"], "nobody", "/one.env")
    assert not kept.keys() & {"pid_file", "runtime_directory", "limit_nofile", "oom_score_adjust"}


def test_a_program_leaves_no_percent_sign_to_supervisord() -> None:
    launcher = ["/usr/bin/python3", "/a%b/launch.py", "/etc/a b/it-one.json"]
    text = render.render_program("it-one", process(kill_mode="mixed"), launcher, "/var/log/it-one.log")
    assert lines(text, "command") == ["/usr/bin/env -i /usr/bin/python3 /a%%b/launch.py '/etc/a b/it-one.json'"]
    assert lines(text, "stopasgroup") == ["false"]
    assert lines(text, "killasgroup") == ["true"]
    assert lines(text, "autorestart") == ["true"]


# Plans ------------------------------------------------------------------------------------------------------------


def test_inputs_are_the_definition_the_files_read_and_the_token() -> None:
    def inputs(definition: str = "unit", digest: str = "1", **more: Any) -> dict[str, str]:
        digests = {"/a": digest, "/b": "2", "/c": "3", "/env": "4"}
        return plan.inputs(process(**more), [definition], ["/a", "/b"], digests)

    same = inputs()
    assert inputs() == same
    assert inputs(definition="other") != same
    assert inputs(digest="other") != same  # by default, every file of the group is an input
    assert inputs(restart_token="2") != same
    assert inputs(restart_on=["/b"], digest="other") == inputs(restart_on=["/b"])
    assert inputs(restart_on=["/b"], environment_file="/env") != inputs(restart_on=["/b"])
    reload, reload_other = inputs(reload_on=["/a"]), inputs(reload_on=["/a"], digest="other")
    assert reload["applied"] == reload_other["applied"]
    assert reload["reloaded"] != reload_other["reloaded"]


def test_what_was_read_from_an_altered_file_is_outdated() -> None:
    one = process(restart_on=["/a"], reload_on=["/b"], environment_file="/env")
    assert plan.outdated(one, ["/a", "/b", "/c"], {"/c"}) == []
    assert plan.outdated(one, ["/a", "/b", "/c"], {"/env"}) == ["applied"]
    assert plan.outdated(one, ["/a", "/b", "/c"], {"/b"}) == ["reloaded"]
    assert plan.outdated(process(), ["/a", "/c"], {"/c"}) == ["applied"]


@pytest.mark.parametrize(
    ("running", "record", "allowed", "defer", "expected"),
    [
        (True, {"applied": "1", "reloaded": "1"}, True, False, None),
        (True, {"applied": "1", "reloaded": "1"}, False, True, None),
        (False, {"applied": "1", "reloaded": "1"}, True, False, plan.START),
        (False, {"applied": "1", "reloaded": "1"}, True, True, plan.START),
        (False, {}, False, False, plan.PENDING),
        (True, {}, True, False, plan.RESTART),
        (True, {"applied": "0", "reloaded": "1"}, True, False, plan.RESTART),
        (True, {"applied": "0", "reloaded": "1"}, True, True, plan.PENDING),
        (True, {"applied": "0", "reloaded": "1"}, False, False, plan.PENDING),
        (True, {"applied": "1", "reloaded": "0"}, True, False, plan.RELOAD),
        (True, {"applied": "1", "reloaded": "0"}, True, True, plan.RELOAD),
        (True, {"applied": "1", "reloaded": "0"}, False, False, plan.PENDING),
        (True, {"applied": "0", "reloaded": "0"}, True, False, plan.RESTART),
    ],
)
def test_a_process_gets_what_it_needs(
    running: bool, record: dict[str, Any], allowed: bool, defer: bool, expected: str | None
) -> None:
    assert plan.action(running, record, {"applied": "1", "reloaded": "1"}, allowed, defer) == expected


# Files ------------------------------------------------------------------------------------------------------------


def wanted(path: Path, content: str, **more: Any) -> dict[str, Any]:
    me = {"owner": str(os.getuid()), "group": str(os.getgid())}
    return {"path": str(path), "content": content.encode(), "mode": 0o640, "sensitive": False, **me, **more}


def test_a_file_is_written_once_and_differs_no_more(tmp_path: Path) -> None:
    file = wanted(tmp_path / "deep" / "file", "new\n")
    assert files.difference(file) == {
        "before_header": file["path"],
        "after_header": file["path"],
        "before": "",
        "after": "new\n",
    }
    files.write(file)
    assert files.difference(file) is None
    assert (tmp_path / "deep" / "file").stat().st_mode & 0o7777 == 0o640
    assert os.listdir(tmp_path / "deep") == ["file"]
    moded = files.difference({**file, "mode": 0o600})
    assert moded
    assert moded["after_header"].endswith("file (mode 0640 -> 0600)")


def test_a_link_of_roots_stays_and_its_target_is_written(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "way").symlink_to(tmp_path / "real" / "deep")
    files.write(wanted(tmp_path / "link", "new"))
    files.write(wanted(tmp_path / "way" / "file", "new"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == files.read(str(tmp_path / "link")).decode() == "new"
    assert (tmp_path / "real" / "deep" / "file").read_text() == "new"


# What another account can place in the path of a file, and the path that root then uses.
TRAPS = {
    "the file": "theirs/file",
    "a directory on the way": "theirs/way/file",
    "a directory of root's below theirs": "theirs/roots/file",
    "a link of root's into theirs": "link/way/file",
    "a directory that all may write to": "open/way/file",
}


@pytest.fixture
def traps(tmp_path: Path) -> Path:
    """Directories of another account, with links to files of root."""
    (tmp_path / "precious").mkdir(mode=0o700)
    (tmp_path / "precious" / "file").write_text("root's")
    for name, mode in (("theirs", 0o755), ("open", 0o777)):
        (tmp_path / name).mkdir()
        (tmp_path / name).chmod(mode)
        (tmp_path / name / "way").symlink_to(tmp_path / "precious")
    (tmp_path / "theirs" / "file").symlink_to(tmp_path / "precious" / "file")
    (tmp_path / "theirs" / "roots").mkdir()
    (tmp_path / "theirs" / "roots" / "file").symlink_to(tmp_path / "precious" / "file")
    (tmp_path / "link").symlink_to("theirs")
    os.chown(tmp_path / "theirs", 65534, 65534)
    return tmp_path


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
@pytest.mark.parametrize(
    "action",
    [
        files.read,
        files.status,
        files.is_directory,
        lambda path: files.write(wanted(Path(path), "new")),
        lambda path: files.difference(wanted(Path(path), "new")),
        lambda path: files.make_directory({"path": path, "owner": "65534", "group": "65534", "mode": 0o777}),
        lambda path: files.make_directory({"path": f"{path}/deeper", "owner": None, "group": None, "mode": 0o755}),
        lambda path: files.remove(f"{path}/deeper"),
    ],
    ids=["read", "status", "is_directory", "write", "difference", "own", "make", "remove"],
)
@pytest.mark.root
def test_root_follows_no_link_that_somebody_else_can_have_made(traps: Path, trap: str, action: Any) -> None:
    with pytest.raises(files.UnsafeError, match=f"{trap}.* is a symbolic link to {traps}/precious.* remove it"):
        action(str(traps / trap))
    assert os.listdir(traps / "precious") == ["file"]
    assert (traps / "precious" / "file").read_text() == "root's"
    for path in (traps / "precious", traps / "precious" / "file"):
        assert (path.stat().st_uid, path.stat().st_mode & 0o077) == (0, 0o044 if path.is_file() else 0)


@pytest.mark.root
def test_a_link_is_removed_and_not_what_it_leads_to(traps: Path) -> None:
    files.remove(str(traps / "theirs" / "file"))
    assert not (traps / "theirs" / "file").is_symlink()
    assert (traps / "precious" / "file").exists()


@pytest.mark.root
def test_what_is_in_a_directory_of_others_is_still_theirs(traps: Path) -> None:
    """For example, the account of PostgreSQL owns the directory of its configuration."""
    files.make_directory({"path": f"{traps}/theirs/more", "owner": "65534", "group": "65534", "mode": 0o750})
    files.write(wanted(traps / "theirs" / "more" / "file", "new"))
    assert files.read(f"{traps}/theirs/more/file") == b"new"
    assert (traps / "theirs" / "more").stat().st_uid == 65534


@pytest.mark.parametrize("action", [files.make_directory, files.write])
@pytest.mark.root
def test_a_link_that_comes_meanwhile_is_not_followed(traps: Path, monkeypatch: pytest.MonkeyPatch, action: Any) -> None:
    """Another account replaces a directory with a link after root has looked at it."""
    directory = traps / "theirs" / "soon"
    directory.mkdir()
    look = os.stat

    def exchanged(path: Any, **options: Any) -> os.stat_result:
        found = look(path, **options)
        if path == "soon" and directory.is_dir() and not directory.is_symlink():
            directory.rmdir()
            directory.symlink_to(traps / "precious")
        return found

    monkeypatch.setattr(os, "stat", exchanged)
    deeper = {"path": str(directory / "x"), "owner": "65534", "group": "65534", "mode": 0o777, "content": b""}
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        action(deeper)
    assert os.listdir(traps / "precious") == ["file"]


@pytest.mark.root
def test_a_pipe_keeps_nobody_waiting(traps: Path) -> None:
    os.mkfifo(traps / "theirs" / "pipe")
    with pytest.raises(ValueError, match="theirs/pipe: it is not a regular file"):
        files.read(f"{traps}/theirs/pipe")


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("old")
    with pytest.raises(ValueError, match="the user 'nobody-there' does not exist"):
        files.write(wanted(tmp_path / "file", "new", owner="nobody-there"))
    assert (tmp_path / "file").read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_secret_is_not_in_a_diff(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("PLANTED old")
    difference = files.difference(wanted(tmp_path / "file", "PLANTED new", sensitive=True))
    assert difference
    assert difference["before"] != difference["after"]
    assert "PLANTED" not in str(difference)


def test_a_record_that_cannot_be_read_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "cut").write_text('{"applied": "')
    assert files.read_json(str(tmp_path / "cut")) == {}
    assert files.read_json(str(tmp_path / "missing")) == {}


def test_modes_are_octal_however_they_are_written() -> None:
    assert files.mode_of("0640") == files.mode_of("640") == files.mode_of(0o640) == 0o640
    for wrong in ("rw", "0o8", "17777", ""):
        with pytest.raises(ValueError, match=r"17777|4095|invalid literal"):
            files.mode_of(wrong)


# Options ----------------------------------------------------------------------------------------------------------


def test_what_not_everybody_may_read_is_a_secret() -> None:
    listed = parameters(
        files=[
            {"path": "/a", "content": "", "mode": "0644"},
            {"path": "/b", "content": ""},
            {"path": "/c", "content": "", "mode": "0640", "sensitive": False},
            {"path": "/d", "content": "", "mode": "0644"},
        ],
        processes=[{"name": "one", "command": ["/bin/one"], "environment_file": "/d"}],
    )["files"]
    assert [file["sensitive"] for file in listed] == [False, True, False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"group": "We b"}, "group: 'We b' must match"),
        ({"group": "liveness"}, "reserves the name `liveness`"),
        ({"files": [{"path": "a", "content": ""}]}, "'a' must be absolute"),
        ({"files": [{"path": "/a", "content": "", "mode": "rw"}]}, r"files\[0\].mode: 'rw' is not a mode"),
        (
            {"files": [{"path": "/a", "content": ""} for _number in "12"]},
            "files and directories: listed more than once: /a",
        ),
        ({"processes": [{"name": "liveness", "command": ["/a"]}]}, "process liveness: the name"),
        ({"processes": [{"name": "a", "command": []}]}, "process a: command must start with an absolute path"),
        ({"processes": [{"name": "a", "command": ["/a", "b\0"]}]}, "process a: carriage returns and NUL characters"),
        ({"processes": [{"name": "a", "command": ["/a"], "environment": {"1": ""}}]}, "process a: environment: '1'"),
        (
            {"processes": [{"name": "a", "command": ["/a"], "ready": {"tcp": "a"}}]},
            "ready.tcp: 'a' must have the format host:port",
        ),
        ({"processes": [{"name": "a", "command": ["/a"], "liveness": {"http": "ftp://a"}}]}, "liveness.http"),
        ({"processes": [{"name": "a", "command": ["/a"], "liveness": {"command": ["a"]}}]}, "liveness.command"),
        (
            {
                "files": [{"path": "/e", "content": "", "owner": "nobody", "mode": "0600"}],
                "processes": [{"name": "a", "command": ["/a"], "environment_file": "/e"}],
            },
            r"files\[0\]: /e is an environment_file, which root reads: its owner must be root",
        ),
        (
            {
                "files": [{"path": "/e", "content": "", "mode": "0660"}],
                "processes": [{"name": "a", "command": ["/a"], "environment_file": "/e"}],
            },
            "its mode must not allow others to write",
        ),
        (
            {"only": ["b"], "processes": [{"name": "a", "command": ["/a"]}]},
            "only: the processes b do not exist. Processes of the group: a.",
        ),
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parameters(**options)


# Former processes -------------------------------------------------------------------------------------------------


def test_a_pid_file_counts_only_for_the_process_that_wrote_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        try:
            pid_file.write_text(f"{child.pid} INT 5\n")
            assert manager.pid_in(str(pid_file)) == (child.pid, "INT", 5)
            os.utime(pid_file, (1, 1))  # the pid has been reused since then
            assert manager.pid_in(str(pid_file)) is None
            os.utime(pid_file)
            manager.end([(child.pid, "TERM", 5)])
        finally:
            child.kill()
    assert child.returncode == -15
    assert manager.pid_in(str(pid_file)) is None
    assert manager.pid_in(str(tmp_path / "missing")) is None


# What root trusts -------------------------------------------------------------------------------------------------

# Each is a path: who can change it decides what root executes, reads or writes.
PLACES = sorted(set(group.Site._fields) - {"instance", "manager"})


def site(tmp_path: Path, service_manager: str = "supervisord", **more: str) -> group.Site:
    for name in PLACES:
        (tmp_path / name).mkdir(exist_ok=True)
    given = {name: str(tmp_path / name) for name in PLACES} | more
    return group.Site(instance="it", manager=service_manager, **given)


def test_every_path_of_an_instance_is_looked_at(tmp_path: Path) -> None:
    assert sorted(set(site(tmp_path).trusted().values())) == PLACES
    # systemd has its own logs and programs.
    assert sorted(site(tmp_path, "systemd").trusted().values()) == ["config_dir", "python", "state_dir"]


@pytest.mark.root
@pytest.mark.parametrize("option", PLACES)
@pytest.mark.parametrize("state", ["present", "absent"])
@pytest.mark.parametrize("missing", ["", "/not/yet"])
def test_root_uses_no_directory_or_program_that_others_can_change(
    tmp_path: Path, option: str, state: str, missing: str
) -> None:
    """The watchdog and the launcher are in the state directory, and run with a Python that only root can change."""
    wanted = parameters(state=state)
    assert group.Group(site(tmp_path), wanted).result["files_changed"] == []
    os.chown(tmp_path / option, 65534, 65534)
    changed = site(tmp_path, **{option: f"{tmp_path / option}{missing}"})
    with pytest.raises(ValueError, match=rf"^{option}: .*{option} belongs to the account nobody, so root does not use"):
        group.Group(changed, wanted)


@pytest.mark.root
@pytest.mark.parametrize("directory", ["state_dir/groups", "config_dir/liveness.d", "config_dir/supervisor.d"])
def test_nor_a_directory_below_that_root_reads(tmp_path: Path, directory: str) -> None:
    given = site(tmp_path)
    (tmp_path / directory).mkdir()
    os.chown(tmp_path / directory, 65534, 65534)
    with pytest.raises(ValueError, match=f"{directory} belongs to the account nobody"):
        group.Group(given, parameters())
