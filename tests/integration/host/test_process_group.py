# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""process_group on test hosts. Each test runs with systemd and with supervisord."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from environment_files import ODD

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._text import environment_file

from .conftest import Host, group_of, server, wait_for

NOTHING: dict[str, Any] = {
    "changed": False,
    "files_changed": [],
    "started": [],
    "restarted": [],
    "reloaded": [],
    "removed": [],
    "pending_restart": [],
}


def what(result: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: result[key] for key in keys or NOTHING}


def test_check_mode_changes_nothing_and_tells_exactly_what_a_run_does(host: Host) -> None:
    group = group_of(server("one", 21001, "/srv/it/a"), server("two", 21002, "/srv/it/b"), a="1", b="1")
    files = "find /srv/it /var/lib/it /etc/it /etc/systemd/system -printf '%p %m %u %T@\\n' 2>/dev/null | sort"
    before = host.sh(files)
    forecast = host.apply(group, check=True)
    assert host.sh(files) == before

    result = host.apply(group)
    assert what(result) == what(forecast)
    assert what(result, "changed", "started", "manager") == {
        "changed": True,
        "started": ["one", "two"],
        "manager": host.manager,
    }
    assert {name: process["running"] for name, process in result["processes"].items()} == {"one": True, "two": True}
    assert result["processes"]["one"]["pid"] == host.get(21001)["pid"]
    assert result["processes"]["one"]["rss_bytes"] > 1_000_000

    assert what(host.apply(group, check=True)) == NOTHING
    assert what(host.apply(group)) == NOTHING


def test_a_changed_file_restarts_just_those_that_read_it(host: Host) -> None:
    def group(text: str, **more: Any) -> dict[str, Any]:
        return group_of(server("one", 21001, "/srv/it/a", **more), server("two", 21002, "/srv/it/b"), a=text, b="1")

    host.apply(group("old"))
    before = host.get(21001)["pid"], host.get(21002)["pid"]
    result = host.applied(group("new"))
    assert what(result, "files_changed", "restarted", "started") == {
        "files_changed": ["/srv/it/a"],
        "restarted": ["one"],
        "started": [],
    }
    assert host.get(21001)["files"] == {"/srv/it/a": "new"}
    assert host.get(21001)["pid"] != before[0]
    assert host.get(21002)["pid"] == before[1]

    assert host.applied(group("new", restart_token="2"))["restarted"] == ["one"]
    assert host.applied(group("new", restart_token="2", environment={"X": "1"}))["restarted"] == ["one"]
    described = host.applied(group("new", restart_token="2", environment={"X": "1"}, description="One"))
    assert what(described, "restarted") == {"restarted": []}
    host.sh("echo from elsewhere >/srv/it/b; chmod 640 /srv/it/server.py")
    result = host.applied(group("new", restart_token="2", environment={"X": "1"}, description="One"))
    assert what(result, "files_changed", "restarted") == {
        "files_changed": ["/srv/it/server.py", "/srv/it/b"],
        "restarted": [],  # the process runs with the correct content: the file was changed only temporarily
    }
    host.sh("echo from elsewhere >/srv/it/b")
    host.sh(f"kill -9 {before[1]}")  # the process that is started instead reads the file
    assert wait_for(lambda: host.get(21002)["files"]) == {"/srv/it/b": "from elsewhere\n"}
    result = host.applied(group("new", restart_token="2", environment={"X": "1"}, description="One"))
    assert what(result, "files_changed", "restarted") == {"files_changed": ["/srv/it/b"], "restarted": ["two"]}
    assert host.get(21002)["files"] == {"/srv/it/b": "1"}


def test_one_that_is_killed_comes_back_by_itself(host: Host) -> None:
    host.apply(group_of(server("one", 21001)))
    before = host.get(21001)["pid"]
    host.sh(f"kill -9 {before}")
    assert wait_for(lambda: host.get(21001)["pid"]) != before


def test_one_that_cannot_start_yet_is_named_with_its_log_and_comes_back_later(host: Host) -> None:
    wait = "test -e /srv/it/dependency || { echo no dependency, but $PASSWORD >&2; exit 1; }; "
    process = server("one", 21001, ready={"http": "http://127.0.0.1:21001/", "timeout": 4})
    process["command"] = ["/bin/sh", "-c", wait + 'exec "$@"', "sh", *process["command"]]
    process["environment_file"] = "/srv/it/one.env"
    group = group_of(process, **{"one.env": 'PASSWORD="HIDDEN-s3cret"\n'})
    started = time.monotonic()
    result = host.apply(group, fails=True)
    assert time.monotonic() - started < 20
    assert "process one" in result["msg"]
    assert "no dependency, but ********" in result["msg"]
    assert "it-one" in result["msg"]  # the location of its log
    assert "HIDDEN" not in json.dumps(result)

    host.sh("touch /srv/it/dependency")
    wait_for(lambda: host.get(21001))
    assert host.applied(group)["changed"]
    assert what(host.apply(group)) == NOTHING
    host.sh("rm /srv/it/dependency")


def test_a_run_that_is_killed_before_the_restart_is_finished_by_the_next(host: Host) -> None:
    # `one` is restarted first and is not ready until /srv/it/go is there, so `two` has not been restarted yet when
    # the module is killed. Both files have been written by then.
    ready = {"command": ["/bin/sh", "-c", "echo $PPID >/srv/it/module.pid; test -e /srv/it/go"], "timeout": 60}

    def group(text: str) -> dict[str, Any]:
        # The check runs as the account of the process, which has to be able to write the pid.
        one = server("one", 21001, "/srv/it/a", ready=ready, user="root")
        return group_of(one, server("two", 21002, "/srv/it/b"), a=text, b=text)

    host.sh("mkdir -p /srv/it && touch /srv/it/go")
    host.apply(group("old"))
    host.sh("rm /srv/it/go /srv/it/module.pid")
    run = host.start_applying(group("new"))
    wait_for(lambda: host.get(21001)["files"]["/srv/it/a"] == "new")
    pid = wait_for(lambda: host.sh("cat /srv/it/module.pid", check=False).strip())
    host.sh(f"kill -9 {pid}")
    run.communicate()
    assert host.get(21002)["files"] == {"/srv/it/b": "old"}
    assert host.sh("cat /srv/it/b") == "new"

    host.sh("touch /srv/it/go")
    result = host.applied(group("new"))
    assert what(result, "files_changed", "restarted") == {"files_changed": [], "restarted": ["one", "two"]}
    assert host.get(21002)["files"] == {"/srv/it/b": "new"}
    assert what(host.apply(group("new"))) == NOTHING
    host.sh("rm /srv/it/go /srv/it/module.pid")


def test_one_that_hangs_is_killed_and_started_again(host: Host) -> None:
    check = {"interval": 1, "timeout": 1, "failures": 2, "start_period": 0}
    watched = server("one", 21001, liveness={"http": "http://127.0.0.1:21001/", **check})
    result = host.applied(group_of(watched, server("two", 21002)))
    assert result["started"] == ["one", "two", "liveness"]

    before = host.get(21001)["pid"], host.get(21002)["pid"]
    host.sh(f"kill -STOP {before[0]} {before[1]}")
    assert wait_for(lambda: host.get(21001)["pid"]) != before[0]
    log = "journalctl -u it-liveness -o cat" if host.manager == "systemd" else "cat /var/log/it/it-liveness.log"
    killed = f"it-one: 2 checks failed in a row (http://127.0.0.1:21001/: timed out); killing pid {before[0]}"
    assert host.sh(log).count(killed) == 1
    assert host.sh(f"grep ^State: /proc/{before[1]}/status").split()[1] == "T"  # this process has no liveness check
    host.sh(f"kill -CONT {before[1]}")
    pid = re.search(r"\d+", host.sh("grep -lsa '/liveness[.]py' /proc/[0-9]*/cmdline | head -1"))
    assert pid
    memory = int(re.findall(r"VmRSS:\s+(\d+) kB", host.sh(f"cat /proc/{pid.group()}/status"))[0])
    assert memory < 14_000

    # The watchdog uses the current list of checks, and is removed with the last check.
    slower = server("one", 21001, liveness={"http": "http://127.0.0.1:21001/"})
    result = host.applied(group_of(slower, server("two", 21002)))
    assert what(result, "files_changed", "restarted") == {
        "files_changed": ["/etc/it/liveness.d/one.json"],
        "restarted": [],
    }
    assert host.applied(group_of(server("one", 21001), server("two", 21002)))["removed"] == ["liveness"]


def test_what_is_no_longer_listed_is_removed(host: Host) -> None:
    host.apply(group_of(server("other", 21003), name="other"))
    host.apply(group_of(server("one", 21001), server("two", 21002), a="1"))
    result = host.applied(group_of(server("one", 21001)))
    assert result["removed"] == ["two"]
    assert "/srv/it/a" in result["files_changed"]
    assert host.sh("ls /srv/it").split() == ["server.py"]
    assert host.get(21001)["pid"]
    with pytest.raises(AssertionError, match="Connection refused"):
        host.get(21002)
    gone = host.applied({"group": "web", "state": "absent"})
    assert gone["removed"] == ["one"]
    assert "/srv/it/server.py" not in gone["files_changed"]  # the other group also contains this file
    assert host.get(21003)["pid"]
    assert what(host.applied({"group": "web", "state": "absent"})) == NOTHING


def test_removing_what_was_never_there_leaves_no_trace(host: Host) -> None:
    assert what(host.applied({"group": "web", "state": "absent", "state_dir": "/var/lib/none/it"})) == NOTHING
    assert host.sh("ls /var/lib/none", check=False) == ""


def test_every_character_reaches_the_process(host: Host) -> None:
    hard = {
        "A": "@:/#%' \"$\\ `x` ${HOME} $(id) %n %% \\n",
        "B": " leading and trailing ",
        "C": "größe; # no comment",
        "D": "'single'",
        "E": "",
    }
    argument = "@:/#%' \"$\\ `x` ${HOME} $$ %n ; # \t end\nline"
    process = server("one", 21001, argument, ";", restart_on=[], environment={f"P_{key}": hard[key] for key in hard})
    process["environment_file"] = "/srv/it/one.env"
    process["working_directory"] = "/srv/it"
    group = group_of(process)
    group["files"].append({"path": "/srv/it/one.env", "content": environment_file(hard), "mode": "0600"})
    host.apply(group)
    answer = host.get(21001)
    # The file omits empty values, because Prefect would use them.
    assert {key: answer["env"].get(key, "") for key in hard} == hard
    assert {key: answer["env"].get(f"P_{key}") for key in hard} == hard
    assert answer["argv"] == [argument, ";"]
    pid = answer["pid"]
    assert host.sh(f"readlink /proc/{pid}/cwd").strip() == "/srv/it"
    assert host.sh(f"awk '/^(Uid|Gid|NoNewPrivs)/ {{print $2}}' /proc/{pid}/status").split() == ["65534", "65534", "1"]
    # The environment contains nothing from the user of Ansible, or from the supervisor.
    expected = {"HOME", "USER", "LOGNAME", "PATH", "SHELL", "LANG", "PWD"}
    extra = set(answer["env"]) - expected - set(hard) - {f"P_{key}" for key in hard}
    assert {name for name in extra if not name.startswith(("SYSTEMD_", "JOURNAL_", "INVOCATION_", "LC_"))} <= {
        "MEMORY_PRESSURE_WATCH",
        "MEMORY_PRESSURE_WRITE",
    }


def test_the_environment_file_is_read_as_systemd_reads_it(host: Host) -> None:
    """The launcher under supervisord has to read each line in the same way as systemd."""
    process = server("one", 21001, restart_on=[], environment_file="/srv/it/one.env")
    for number, (text, value) in enumerate(ODD.items()):
        group = group_of(process)
        content = f'{text}\nEND="{number}"\n'
        group["files"].append({"path": "/srv/it/one.env", "content": content, "mode": "0600"})
        host.apply(group)
        answer = host.get(21001)["env"]
        assert (answer.get("A"), answer["END"]) == (value, str(number)), text


def test_ready_and_liveness_commands_run_as_the_process_does(host: Host) -> None:
    note = 'id -un >"/tmp/$0" && echo "$TOKEN $PLAIN" >>"/tmp/$0"'
    check = {"command": ["/bin/sh", "-c", note, "alive"], "interval": 1, "start_period": 0}
    process = server("one", 21001, restart_on=[], environment_file="/srv/it/one.env", environment={"PLAIN": "1"})
    process |= {"ready": {"command": ["/bin/sh", "-c", note, "ready"]}, "liveness": check}
    group = group_of(process)
    group["files"].append({"path": "/srv/it/one.env", "content": 'TOKEN="a $b"\n', "mode": "0600"})
    host.apply(group)
    for name in ("ready", "alive"):
        assert wait_for(lambda name=name: host.sh(f"cat /tmp/{name}")).splitlines() == ["nobody", "a $b 1"]
    # The definition of the check does not contain the secret of the environment file.
    assert "a $b" not in host.sh("cat /etc/it/liveness.d/*")
    host.applied(group_of(server("one", 21001)))
    host.sh("rm -f /tmp/ready /tmp/alive")


def test_what_others_than_root_can_change_is_refused_before_anything_is_touched(host: Host) -> None:
    host.sh("rm -rf /srv/theirs; mkdir -p /srv/theirs /srv/precious; chmod 700 /srv/precious; chown nobody /srv/theirs")
    host.sh("ln -s /srv/precious /srv/theirs/link; echo 'A=1' >/srv/theirs/one.env; cp /bin/sleep /srv/theirs/sleep")
    try:
        state = "stat -c '%n %U %a %Y' /srv/precious /srv/precious/*; ls /srv/it /etc/systemd/system/it-* 2>&1"
        before = host.sh(state, check=False)
        for change, message in (
            (
                {"directories": [{"path": "/srv/theirs/link", "owner": "nobody", "mode": "0777"}]},
                "/srv/theirs/link is a symbolic link to /srv/precious",
            ),
            (
                {"files": [{"path": "/srv/theirs/link/a", "content": "harmless", "owner": "nobody"}]},
                "/srv/theirs/link is a symbolic link to /srv/precious",
            ),
            (
                {"processes": [server("one", 21001, environment_file="/srv/theirs/one.env")]},
                "environment_file: /srv/theirs/one.env: /srv/theirs belongs to the account nobody",
            ),
            (
                {"processes": [{**server("one", 21001), "command": ["/srv/theirs/sleep", "9"], "user": "root"}]},
                "command: /srv/theirs/sleep: /srv/theirs belongs to the account nobody",
            ),
        ):
            for check in (True, False):
                result = host.apply({"group": "web", **change}, check=check, fails=True)
                assert message in result["msg"]
        assert host.sh(state, check=False) == before
        # A file of an earlier version of the inventory is not removed through a link either.
        group = {"group": "web", "files": [{"path": "/srv/theirs/deep/a", "content": "harmless"}]}
        host.apply(group)
        host.sh("touch /srv/precious/a; rm -r /srv/theirs/deep; ln -s /srv/precious /srv/theirs/deep")
        result = host.apply({"group": "web", "state": "absent"}, fails=True)
        assert "/srv/theirs/deep is a symbolic link to /srv/precious" in result["msg"]
        assert host.sh("ls /srv/precious").split() == ["a"]
    finally:
        host.sh("rm -rf /srv/theirs /srv/precious")


def test_secrets_are_nowhere_to_be_seen(host: Host) -> None:
    secret = "PLANTED-4f9a"
    process = server("one", 21001, environment_file="/srv/it/one.env", restart_on=[])

    def group(value: str) -> dict[str, Any]:
        wanted = group_of(process)
        wanted["files"] += [
            {"path": "/srv/it/one.env", "content": environment_file({"TOKEN": value}), "mode": "0644"},
            {"path": "/srv/it/secret", "content": value, "mode": "0640"},
            {"path": "/srv/it/plain", "content": f"shown {len(value)}\n", "mode": "0644"},
        ]
        return wanted

    output = host.ansible(group(secret + "-1"), "-vvv", "--diff")
    output += host.ansible(group(secret + "-22"), "-vvv", "--diff")
    output += host.ansible(group(secret + "-333"), "-vvv", "--diff", "--check")
    wrong = group(secret + "-4444")
    wrong["processes"][0]["typo"] = 1
    refused = host.ansible(wrong, "-vvv")
    assert "typo" in refused
    assert "+shown 15" in output  # contents of files that are not secret are shown
    assert "one.env" in output
    assert host.get(21001)["env"]["TOKEN"] == secret + "-22"
    assert secret not in output + refused
    assert secret not in host.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '", check=False)
    logs = "journalctl --no-pager -o export" if host.manager == "systemd" else "cat /var/log/it/*"
    assert secret not in host.sh(logs)
    found = host.sh("grep -rlsa PLANTED- /srv /etc /var /run /tmp --exclude-dir=journal", check=False).split()
    assert sorted(found) == ["/srv/it/one.env", "/srv/it/secret"]


def test_restarts_can_be_put_off_and_done_one_by_one(host: Host) -> None:
    def group(text: str) -> dict[str, Any]:
        return group_of(*(server(f"p{n}", 21000 + n, "/srv/it/a") for n in (1, 2, 3)), a=text)

    host.apply(group("old"))
    host.sh("systemctl stop it-p3" if host.manager == "systemd" else supervisorctl("stopProcess", "it-p3"))
    result = host.applied(group("new"), defer_restarts=True)
    assert what(result, "pending_restart", "started", "restarted") == {
        "pending_restart": ["p1", "p2"],
        "started": ["p3"],
        "restarted": [],
    }
    assert [host.get(21000 + n)["files"]["/srv/it/a"] for n in (1, 2, 3)] == ["old", "old", "new"]
    assert what(host.applied(group("new"), defer_restarts=True)) == {**NOTHING, "pending_restart": ["p1", "p2"]}

    result = host.applied(group("new"), only=["p2"])
    assert what(result, "pending_restart", "restarted") == {"pending_restart": ["p1"], "restarted": ["p2"]}
    assert [host.get(21000 + n)["files"]["/srv/it/a"] for n in (1, 2, 3)] == ["old", "new", "new"]
    assert host.applied(group("new"))["restarted"] == ["p1"]


def test_replicas_are_restarted_one_after_the_other(host: Host) -> None:
    def group(text: str) -> dict[str, Any]:
        return group_of(*(server(f"p{n}", 21000 + n, "/srv/it/a") for n in (1, 2)), a=text)

    host.apply(group("old"))
    host.sh(
        "nohup python3 -c '"
        "import socket, time\n"
        "def up(port):\n"
        "    try:\n"
        '        socket.create_connection(("127.0.0.1", port), 1).close()\n'
        "        return True\n"
        "    except OSError:\n"
        "        return False\n"
        "end = time.time() + 60\n"
        "while time.time() < end:\n"
        # Test the first one again at the end: it may have come back while the other one was tested.
        '    print(int(up(21001) or up(21002) or up(21001)), end="", flush=True)\n'
        "    time.sleep(0.005)\n"
        "' >/tmp/seen 2>&1 & echo $! >/tmp/watcher.pid"
    )
    wait_for(lambda: host.sh("cat /tmp/seen"))
    assert host.apply(group("new"))["restarted"] == ["p1", "p2"]
    host.sh("kill $(cat /tmp/watcher.pid)")
    seen = host.sh("cat /tmp/seen")
    assert set(seen) == {"1"}, "both replicas were away at the same time"


def test_a_reload_keeps_the_process(host: Host) -> None:
    def group(text: str, **more: Any) -> dict[str, Any]:
        return group_of(server("one", 21001, "/srv/it/a", restart_on=[], reload_on=["/srv/it/a"], **more), a=text)

    host.apply(group("old"))
    pid = host.get(21001)["pid"]
    result = host.applied(group("new"))
    assert what(result, "reloaded", "restarted") == {"reloaded": ["one"], "restarted": []}
    wait_for(lambda: host.get(21001)["files"] == {"/srv/it/a": "new"})
    command = ["/bin/sh", "-c", f"kill -HUP {pid} && touch /srv/it/command"]
    assert host.applied(group("newer", reload_command=command))["reloaded"] == ["one"]
    wait_for(lambda: host.get(21001)["files"] == {"/srv/it/a": "newer"})
    assert host.get(21001)["pid"] == pid
    host.sh("rm /srv/it/command")


def test_one_that_was_stopped_is_started(host: Host) -> None:
    group = group_of(server("one", 21001), server("two", 21002))
    host.apply(group)
    host.sh("systemctl stop it-two" if host.manager == "systemd" else supervisorctl("stopProcess", "it-two"))
    assert what(host.applied(group)) == {**NOTHING, "changed": True, "started": ["two"]}
    assert host.get(21002)["pid"]


def test_after_a_reboot(host: Host) -> None:
    group = group_of(server("one", 21001), server("two", 21002, runtime_directory="it/two"), name="web")
    host.apply(group)
    host.reboot()
    if host.manager == "systemd":
        assert wait_for(lambda: host.get(21001)["pid"] and host.get(21002)["pid"])
        assert what(host.apply(group)) == NOTHING
    else:  # only the next run starts supervisord
        assert host.applied(group)["started"] == ["one", "two"]


@pytest.mark.parametrize("machine", ["supervisord"], indirect=True)
def test_what_a_killed_supervisord_leaves_running_is_replaced(host: Host) -> None:
    group = group_of(server("one", 21001), server("two", 21002))
    host.apply(group)
    host.apply(group_of(server("other", 21003), name="other"))
    before = [host.get(port)["pid"] for port in (21001, 21002, 21003)]
    host.sh("kill -9 $(cat /run/it/supervisor/supervisord.pid)")
    assert host.get(21001)["pid"] == before[0]
    assert host.applied(group)["started"] == ["one", "two"]
    after = [wait_for(lambda port=port: host.get(port)["pid"]) for port in (21001, 21002, 21003)]
    assert not set(before) & set(after)
    running = host.sh("grep -lsa '/srv/it/server[.]py' /proc/[0-9]*/cmdline").split()
    assert sorted(running) == sorted(f"/proc/{pid}/cmdline" for pid in after)

    # A supervisord whose socket is gone no longer answers. It is ended gracefully.
    host.sh("rm /run/it/supervisor/supervisor.sock")
    assert host.applied(group)["started"] == ["one", "two"]
    assert len(host.sh("grep -lsa 'super[v]isord' /proc/[0-9]*/cmdline").split()) == 1


def test_one_that_a_boot_has_just_started_is_waited_for(host: Host) -> None:
    """After a boot, a process is not ready yet. The module waits for it, and changes nothing."""
    process = server("one", 21001, ready={"http": "http://127.0.0.1:21001/", "timeout": 60})
    process["command"] = ["/bin/sh", "-c", 'sleep 8; exec "$@"', "sh", *process["command"]]
    group = group_of(process)
    host.apply(group)
    host.sh(f"kill -9 {host.get(21001)['pid']}")  # the process manager starts it again
    assert wait_for(lambda: what(host.apply(group, check=True)) == NOTHING)
    assert what(host.apply(group)) == NOTHING
    assert host.get(21001)["pid"]


def test_limits_and_directories_are_as_asked_for(host: Host) -> None:
    process = server(
        "one",
        21001,
        limit_nofile=4321,
        oom_score_adjust=321,
        runtime_directory="it/one",
        runtime_directory_mode="0750",
        stop_signal="SIGINT",
        after=["two"],
    )
    group = group_of(process, server("two", 21002, hardening="none", user="root"))
    group["directories"].append({"path": "/srv/it/deep/er", "owner": "nobody", "group": "nogroup", "mode": "2770"})
    host.apply(group)
    pid = host.get(21001)["pid"]
    assert host.sh(f"awk '/open files/ {{print $4, $5}}' /proc/{pid}/limits").split() == ["4321", "4321"]
    assert host.sh(f"cat /proc/{pid}/oom_score_adj").strip() == "321"
    assert host.sh("stat -c '%a %U %G' /run/it/one /srv/it/deep/er").splitlines() == [
        "750 nobody nogroup",
        "2770 nobody nogroup",
    ]
    assert host.sh(f"awk '/^(Uid|NoNewPrivs)/ {{print $2}}' /proc/{host.get(21002)['pid']}/status").split() == [
        "0",
        "0",
    ]
    assert what(host.apply(group)) == NOTHING
    host.sh("chmod 700 /srv/it/deep/er")
    assert host.applied(group)["files_changed"] == ["/srv/it/deep/er"]
    host.sh("rmdir /srv/it/deep/er /srv/it/deep")


def test_wrong_options_are_named(host: Host) -> None:
    for change, message in (
        ({"command": ["python3"]}, "process one: command must start with an absolute path"),
        ({"stop_signal": "SIGFOO"}, "process one: stop_signal: there is no signal 'FOO'"),
        ({"ready": {"http": "localhost:1"}}, "process one: ready.http: 'localhost:1' must start with http://"),
        ({"ready": {"timeout": 3}}, "one of the following is required: http, tcp, command found in processes -> ready"),
        ({"name": "One"}, "process One: the name must match"),
        ({"environment": {"A": None}}, "process one: environment: 'A' must have"),
        ({"user": "nobody-there", "ready": None, "start_seconds": 0}, "process one"),
    ):
        result = host.apply(group_of({**server("one", 21001), **change}), fails=True)
        assert message in result["msg"]
    twice = host.apply(group_of(server("one", 21001), server("one", 21002)), fails=True)
    assert "processes: listed more than once: one" in twice["msg"]
    assert (
        "only: the processes three do not exist"
        in host.apply(group_of(server("one", 21001)), fails=True, only=["three"])["msg"]
    )


def supervisorctl(method: str, unit: str) -> str:
    return f"/opt/supervisor/supervisorctl -c /etc/it/supervisord.conf {method.removesuffix('Process')} {unit}"
