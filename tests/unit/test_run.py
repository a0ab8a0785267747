# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test driver counts every failure as failed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import run

ROOT = Path(run.__file__).parent.parent

JUNIT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"><failure/></testcase><testcase name="c"><error/></testcase>
<testcase name="d"><skipped/></testcase><testcase name="e"><system-out>hello</system-out></testcase>
</testsuite></testsuites>"""

MOLECULE = """
prerun: false
scenario: {test_sequence: [side_effect, verify, cleanup]}
"""
PLAYBOOK = "- {hosts: localhost, gather_facts: false, tasks: [{ansible.builtin.assert: {that: %s}}]}"


def drive(stages: list[run.Stage], output: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> int:
    monkeypatch.setattr(run, "STAGES", tuple(stages))
    monkeypatch.setattr(run, "OUTPUT", output)
    return run.main(list(names))


def test_make_has_a_target_for_each_stage_and_no_other() -> None:
    command = ["make", "--no-print-directory", "help"]  # the tests themselves run under make
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = [line.split()[0] for line in listed.splitlines()]
    others = {
        *("help", "site", "test", "test-quick", "test-all", "core-2.%", "build", "importer", "lock", "clean"),
        *("new-kind", "kinds", "structure", "prefect-lock"),
    }
    assert [target for target in targets if target not in others] == [stage.name for stage in run.STAGES]


def test_without_root_its_own_stages_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = run.Stage("small", (run.Command("here", "touch {report}/ran"),))
    monkeypatch.setattr(run, "ROOTLESS", (stage,))
    assert drive([], tmp_path, monkeypatch, "--rootless") == 0
    assert (tmp_path / "small" / "here" / "ran").exists()


@pytest.mark.parametrize(
    ("account", "words", "passed", "failed", "said"),
    [
        (0, ["--all"], 4, 0, ""),
        (1000, ["--all"], 2, 1, "== part: the tests that need root are left out"),
        (1000, ["none"], 0, 1, "needs root"),
        (0, ["--rootless"], 1, 0, "== part: the tests that need root are left out"),
    ],
)
def test_without_root_a_stage_leaves_out_what_needs_it(
    account: int,
    words: list[str],
    passed: int,
    failed: int,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    any_account, root = run.Command("any", "true"), run.Command("root", "true")
    part = run.Stage("part", (any_account, root), without_root=(any_account,))
    stages = [run.Stage("all", (any_account,)), part, run.Stage("none", (root,), without_root=())]
    monkeypatch.setattr(os, "geteuid", lambda: account)
    monkeypatch.setattr(run, "ROOTLESS", (part,))
    drive(stages, tmp_path, monkeypatch, *words)
    printed = capsys.readouterr().out
    assert printed.splitlines()[-1] == f"{passed} passed, {failed} failed"
    assert said in printed


def test_no_test_skips_itself_without_root() -> None:
    """The marker tells run.py, which says what is left out."""
    files = [path for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)]
    assert [path for path in files if re.search(r"skipif\(.*(geteuid|getuid)", path.read_text())] == []


def test_junit_cases_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(JUNIT)
    (tmp_path / "b.xml").write_text('<testsuite><testcase name="f"/></testsuite>')
    assert run.count_junit(tmp_path, "") == run.Count(passed=3, failed=2, skipped=1)


@pytest.mark.parametrize(("truth", "counted"), [("true", (2, 1)), ("false", (1, 3))])
def test_molecule_steps_are_counted_and_a_missing_playbook_fails(
    truth: str, counted: tuple[int, int], tmp_path: Path
) -> None:
    scenario = tmp_path / "molecule" / "one"
    scenario.mkdir(parents=True)
    (scenario / "molecule.yml").write_text(MOLECULE)
    (scenario / "side_effect.yml").write_text(PLAYBOOK % "true")
    (scenario / "verify.yml").write_text(PLAYBOOK % truth)
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **run.ENVIRONMENT, "ANSIBLE_HOME": str(tmp_path / "home"), "PATH": programs}
    command = ["molecule", "test", "--scenario-name", "one"]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    # After a failure, Molecule also searches for the playbooks of cleanup and destroy.
    assert run.count_molecule(tmp_path, done.stdout) == run.Count(*counted), done.stdout
    assert (done.returncode == 0) == (truth == "true")


@pytest.mark.parametrize(
    ("line", "count", "minutes", "last", "said"),
    [
        ("true", run.count_one, 1, "1 passed, 0 failed", ""),
        ("echo broken; false", run.count_one, 1, "0 passed, 1 failed", "broken\n"),
        ("echo '<a><testcase/></a>' >{report}/x.xml", run.count_junit, 1, "1 passed, 0 failed", ""),
        ("echo '<a><testcase/></a>' >{report}/x.xml; exit 3", run.count_junit, 1, "1 passed, 1 failed", "exit code 3"),
        ("true", run.count_junit, 1, "0 passed, 1 failed", "it ran no test"),
        ("kill -9 $$", run.count_one, 1, "0 passed, 1 failed", "signal 9"),
        ("sleep 60", run.count_one, 0, "0 passed, 1 failed", "ended after 0 minutes"),
    ],
)
def test_the_last_line_is_the_truth(
    line: str,
    count: run.Counter,
    minutes: int,
    last: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stage = run.Stage("one", (run.Command("it", line, count, minutes), run.Command("other", "true")))
    code = drive([stage], tmp_path, monkeypatch)
    printed = capsys.readouterr().out
    passed, failed = (int(word) for word in last.split() if word.isdigit())
    assert printed.splitlines()[-1] == f"{passed + 1} passed, {failed} failed"
    assert said in printed
    assert code == (1 if failed else 0)


def test_every_stage_runs_after_a_failed_one_and_a_stage_without_its_files_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = [
        run.Stage("bad", (run.Command("a", "false"),)),
        run.Stage("gone", (run.Command("b", "true"),), needs="no/such/directory"),
        run.Stage("good", (run.Command("c", "true"),), round=2),
    ]
    assert drive(stages, tmp_path, monkeypatch) == 1
    printed = capsys.readouterr().out
    assert printed.endswith("\n1 passed, 2 failed\n")
    assert "no/such/directory does not exist" in printed


@pytest.mark.parametrize(("words", "last"), [(["--", "-k", "x"], "1 passed, 0 failed"), ([], "1 passed, 1 failed")])
def test_words_may_leave_a_command_without_tests(
    words: list[str], last: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    none, one = run.Command("a", "exit 5; :", run.count_junit), run.Command("b", "true")
    drive([run.Stage("one", (none, one))], tmp_path, monkeypatch, *words)
    assert capsys.readouterr().out.splitlines()[-1] == last


@pytest.mark.parametrize(("words", "passed"), [([], 2), (["--all"], 4), (["both"], 2), (["never"], 1)])
def test_what_is_not_quick_runs_on_request(
    words: list[str], passed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stages = [
        run.Stage("always", (run.Command("a", "true"),)),
        run.Stage("both", (run.Command("b", "true"), run.Command("c", "true")), quick=(run.Command("b", "true"),)),
        run.Stage("never", (run.Command("d", "true"),), quick=()),
    ]
    assert drive(stages, tmp_path, monkeypatch, *words) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{passed} passed, 0 failed"


def test_an_unknown_stage_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert drive([run.Stage("one", (run.Command("a", "true"),))], tmp_path, monkeypatch, "two") == 2


def test_a_service_left_behind_does_not_hold_up_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = run.Stage("one", (run.Command("a", f"setsid sleep 30 & echo $! >{tmp_path}/pid"),))
    assert drive([stage], tmp_path / "output", monkeypatch) == 0
    os.kill(int((tmp_path / "pid").read_text()), 9)
    assert "in 0 s" in capsys.readouterr().out


def test_an_interrupted_run_ends_what_it_started(tmp_path: Path) -> None:
    code = (
        "import run, sys; from pathlib import Path; run.OUTPUT = Path(sys.argv[1]);"
        "run.STAGES = (run.Stage('one', (run.Command('a', 'echo $$ >{report}/pid; exec sleep 60'),)),); run.main([])"
    )
    driver = subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=ROOT / "tests", stderr=subprocess.DEVNULL)
    pid = tmp_path / "one" / "a" / "pid"
    while not (pid.exists() and pid.read_text()):
        assert driver.poll() is None
    driver.terminate()
    assert driver.wait(10) != 0
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
