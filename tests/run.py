# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the test stages, and print the totals in one line.

usage: .venv/bin/python tests/run.py [--all | --rootless | STAGE ...] [-- words to add to each command]

Without an option or names, the driver runs the part of each stage that is quick enough for every change. --rootless is
for first contributions. It selects the tests that need no root and take less than five minutes. Without root,
a stage leaves out the tests that need it, and prints that it does.

Every command runs, even if an earlier one has failed. Its output goes to tests/output/<stage>/<command>.log. It is
shown if the command fails, or at once if it is the only command. A command counts as the number of tests in its report,
or as one test if it writes no report.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "tests" / "output"
ENVIRONMENT = {
    "NO_COLOR": "1",
    "PYTHONUNBUFFERED": "1",
    # Molecule and ansible-lint use this path. Otherwise they install a copy of the collection.
    "ANSIBLE_COLLECTIONS_PATH": f"{ROOT}/.collections",
    "ANSIBLE_HOME": f"{ROOT}/.ansible",
}
LANES = 2  # number of concurrent commands
NO_TESTS_COLLECTED = 5  # exit code of pytest
TIMED_OUT = -1000  # does not collide with the negative numbers of signals


@dataclass(frozen=True)
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)


Counter = Callable[[Path, str], Count]  # arguments: the report directory and the output


def count_one(_report: Path, _log: str) -> Count:
    """Count the command as one test. `judge` checks its exit code."""
    return Count(passed=1)


def count_junit(report: Path, _log: str) -> Count:
    total = Count()
    for path in report.glob("*.xml"):
        for case in ElementTree.parse(path).iter("testcase"):
            kinds = {child.tag for child in case}
            failed = bool(kinds & {"failure", "error"})
            skipped = not failed and "skipped" in kinds
            total += Count(int(not failed and not skipped), int(failed), int(skipped))
    return total


def count_molecule(_report: Path, log: str) -> Count:
    """Count each step in the recap of a scenario as one test. A step without its playbook tests nothing, and fails."""
    total = Count()
    for passed, missing, failed in re.findall(r": actions=\d+ .*successful=(\d+) .*missing=(\d+) .*failed=(\d+)", log):
        total += Count(int(passed), int(missing) + int(failed))
    return total


@dataclass(frozen=True)
class Command:
    """A shell command in the checkout, with .venv/bin on PATH. {report} is replaced by a new directory."""

    name: str
    line: str
    count: Counter = count_one
    minutes: int = 15  # time limit, after which the command is ended and has failed


Tools = Mapping[str, str]  # program: the Debian package that contains it


@dataclass(frozen=True)
class Stage:
    name: str
    commands: tuple[Command, ...]
    needs: str = "."  # path in the checkout that the stage tests
    tools: Tools = field(default_factory=dict)
    quick: tuple[Command, ...] | None = None  # the commands for every change, if these are not all
    without_root: tuple[Command, ...] | None = None  # the commands without root, if these are not all
    round: int = 1  # stages of one round share the host; the rounds run one after the other
    # Builds in advance what the stage needs and what takes long. It runs beside the other stages, with low priority.
    prepare: str = ""


@dataclass(frozen=True)
class Result:
    count: Count
    problem: str = ""
    started: float = 0
    ended: float = 0


def pytest(name: str, *, minutes: int = 15, **options: Any) -> Stage:
    path = f"tests/{name}"
    command = Command("pytest", f"pytest {path} --junitxml={{report}}/pytest.xml", count_junit, minutes)
    return Stage(name, (command,), path, **options)


def molecule(scenario: str) -> Command:
    """Return the command for a scenario, in a session that removes the test hosts however Molecule ends."""
    line = f"tests/machines/machine session -- molecule test --scenario-name {scenario}"
    return Command(scenario, line, count_molecule, minutes=20)


def modules(name: str, path: str, *modules: str, minutes: int, tests: tuple[str, ...] = ()) -> Command:
    """Return the command for some modules of a directory, and for single tests of other modules: "module.py::test"."""
    files = [f"{path}/test_{module}.py" for module in modules]
    words = shlex.join([*files, *(f"{path}/test_{test}" for test in tests)])
    return Command(name, f"pytest --junitxml={{report}}/pytest.xml {words}", count_junit, minutes)


def others(name: str, path: str, *modules: str, minutes: int) -> Command:
    """Return the command for all modules of a directory except those named."""
    words = " ".join(f"--ignore={path}/test_{module}.py" for module in modules)
    return Command(name, f"pytest --junitxml={{report}}/pytest.xml {path} {words}", count_junit, minutes)


CONTRACT = "pytest --junitxml={report}/pytest.xml tests/integration"
OLDEST = Command("oldest", f"PREFECT_TEST_VERSIONS=oldest {CONTRACT}/api", count_junit, minutes=35)
NEWEST = Command("newest", f"PREFECT_TEST_VERSIONS=newest {CONTRACT}/api", count_junit, minutes=35)
HOST_MODULES = Command("host", f"{CONTRACT}/host", count_junit, minutes=20)
FIRST = ("changes", "load", "loadtest", "site")  # about half of the time of tests/e2e
REBOOT = "reboot.py::test_everything_comes_back_by_itself[shut down]"
GIT = {"git": "git"}
UNPRIVILEGED = Command(
    "pytest", "pytest tests/unit -m 'not root' --junitxml={report}/pytest.xml", count_junit, minutes=30
)
BOUNDARIES = Command(
    "boundaries",
    "pytest --junitxml={report}/pytest.xml tests/security/test_root_privileges.py tests/security/test_secrets.py"
    " -k 'not supervisord'",
    count_junit,
    minutes=30,
)
STAGES = (
    Stage(
        "sanity",
        (Command("ansible-test", "python scripts/sanity.py --report {report}", count_junit, minutes=25),),
        tools=GIT,
    ),
    Stage(
        "lint",
        (
            Command("ansible-lint", "ansible-lint --offline --nocolor"),
            Command("mypy-plugins", "mypy -p ansible_collections.selfhosted.prefect.plugins"),
            Command(
                "mypy-scripts",
                "mypy tests/run.py tests/conftest.py tests/api_routes.py tests/defaults.py tests/rendering.py"
                " tests/security_tables.py"
                " tests/unit/test_run.py tests/package tests/prose tests/machines tests/e2e tests/security"
                " tests/kubernetes scripts"
                " tests/benchmarks/cluster.py tests/benchmarks/coefficients.py tests/benchmarks/faults.py"
                " tests/benchmarks/host.py tests/benchmarks/jobs.py tests/benchmarks/load.py"
                " tests/benchmarks/local.py tests/benchmarks/tuning.py",
            ),
            Command("ruff-check", "ruff check ."),
            Command("ruff-format", "ruff format --check ."),
            Command("yamllint", "yamllint --strict ."),
            Command("shellcheck", "shellcheck scripts/*.sh .ci/run tests/prose/vale"),
            Command("markdown", "pymarkdown scan *.md docs roles/*/README.md tests/*/README.md"),
            # The first run builds Vale.
            Command("prose", "python tests/prose/check.py", minutes=30),
            Command("changelog-fragments", "antsibull-changelog lint"),
        ),
        tools=GIT,
    ),
    Stage(
        "docs",
        (
            Command(
                "antsibull-docs",
                "antsibull-docs lint-collection-docs --plugin-docs --validate-collection-refs self"
                " --check-extra-docs-refs .",
            ),
        ),
    ),
    pytest("unit", minutes=30, without_root=(UNPRIVILEGED,)),
    pytest("package", tools=GIT),
    Stage(
        "contract",
        (
            OLDEST,
            NEWEST,
            HOST_MODULES,
        ),
        quick=(NEWEST, HOST_MODULES),
        without_root=(OLDEST, NEWEST),
        needs="tests/integration",
        tools={"pg_createcluster": "postgresql"},
    ),
    Stage(
        "molecule",
        (molecule("default"), molecule("machines")),  # tests/kubernetes runs the scenario `kubernetes`
        quick=(molecule("default"),),
        without_root=(),
        needs="extensions/molecule",
        round=2,
    ),
    pytest("machines", round=2, minutes=30, quick=(), without_root=()),
    Stage(
        "e2e",
        # Two concurrent sessions, each with its own test hosts.
        (modules("first", "tests/e2e", *FIRST, minutes=60), others("others", "tests/e2e", *FIRST, minutes=60)),
        "tests/e2e",
        quick=(modules("site", "tests/e2e", "site", "secrets", "verify", minutes=25, tests=(REBOOT,)),),
        without_root=(),
        round=2,
    ),
    # The tests that are quick enough for every change share the test host of one session.
    pytest("security", round=2, minutes=60, quick=(BOUNDARIES,), without_root=()),
    pytest(
        "kubernetes",
        round=3,
        minutes=90,
        quick=(modules("install", "tests/kubernetes", "install", "isolation", "escape", minutes=45),),
        # The test cluster needs root, and another cluster does not.
        without_root=None if os.environ.get("KUBECONFIG") else (),
        prepare="tests/cluster/cluster build",
    ),
)

EVERY_KIND = Command("every-kind", f"PREFECT_TEST_VERSIONS=newest {CONTRACT}/api/test_every_kind.py", count_junit)
ROOTLESS = (
    next(stage for stage in STAGES if stage.name == "lint"),
    next(stage for stage in STAGES if stage.name == "unit"),
    Stage("contract", (EVERY_KIND,)),
)


def unprivileged(stage: Stage) -> Stage:
    """What runs of the stage without root."""
    if stage.without_root is None:
        return stage
    names = {command.name for command in stage.commands}
    commands = tuple(command for command in stage.without_root if command.name in names)
    if commands:
        print(f"== {stage.name}: the tests that need root are left out", flush=True)
    return replace(stage, commands=commands)


def missing(stage: Stage) -> str:
    """Return what the stage lacks. As root, install missing programs instead."""
    if not stage.commands:
        return "needs root"
    if not (ROOT / stage.needs).exists():
        return f"{stage.needs} does not exist"
    packages = {package for tool, package in stage.tools.items() if not shutil.which(tool)}
    if not packages:
        return ""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return f"needs programs this machine lacks: install {' '.join(sorted(packages))}"
    print(f"tests: installing {' '.join(sorted(packages))}", flush=True)
    command = [str(ROOT / "scripts/apt-install.sh"), *sorted(packages)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    return f"{' '.join(command)}: {ended.stderr}" if ended.returncode else ""


def end(process: subprocess.Popen[bytes]) -> None:
    """End a command and its child processes. pytest and Molecule may take a minute for their cleanup."""
    for number, seconds in ((signal.SIGINT, 60), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, number)
            process.wait(seconds)


def wait(process: subprocess.Popen[bytes], log: Path, minutes: int, live: bool) -> int:
    """Return the exit code. The log keeps all output, even if a service outlives the command and keeps a pipe open."""
    deadline = time.monotonic() + minutes * 60
    with log.open("rb") as output:
        while True:
            code = process.poll()
            if live:
                sys.stdout.buffer.write(output.read())
                sys.stdout.flush()
            if code is not None:
                return code
            if time.monotonic() > deadline:
                end(process)
                return TIMED_OUT
            time.sleep(0.1)


def judge(command: Command, code: int, count: Count, chosen: bool) -> tuple[Count, str]:
    """Return the result of a command. If it fails without a failed test in its report, or runs no test, it counts as
    failed.

    `chosen`: words were added to the command, and these may select none of its tests.
    """
    if code == NO_TESTS_COLLECTED and command.count is count_junit and chosen:
        return Count(), ""
    if code < 0:
        why = f"ended after {command.minutes} minutes" if code == TIMED_OUT else f"ended by signal {-code}"
    elif code > 0:
        why = f"exit code {code}"
    else:
        why = "" if count.passed or count.failed else "it ran no test"
    if why and not count.failed:
        count = Count(0 if command.count is count_one else count.passed, 1, count.skipped)
    return count, why or ("tests failed" if count.failed else "")


class Runner:
    def __init__(self, extra: list[str], live: bool) -> None:
        self.extra = extra
        self.live = live
        self.processes: set[subprocess.Popen[bytes]] = set()
        self.stopping = False

    def run(self, stage: Stage, command: Command) -> Result:
        started = time.monotonic()
        log = OUTPUT / stage.name / f"{command.name}.log"
        report = OUTPUT / stage.name / command.name
        report.mkdir(parents=True)
        words = ["sh", "-c", command.line.format(report=report) + ' "$@"', "sh", *self.extra]
        env = {**os.environ, **ENVIRONMENT, "PATH": f"{ROOT}/.venv/bin{os.pathsep}{os.environ['PATH']}"}
        with log.open("wb") as output:
            process = subprocess.Popen(
                words, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self.processes.add(process)
        if self.stopping:  # the run was stopped while the command was started
            end(process)
        code = wait(process, log, command.minutes, self.live)
        self.processes.discard(process)
        text = log.read_text(errors="replace")
        count, why = judge(command, code, command.count(report, text), bool(self.extra))
        shown = f"--- {stage.name}: {command.name}: {why}\n{'' if self.live else text}" if why else ""
        return Result(count, shown, started, time.monotonic())

    def prepare(self, stages: list[Stage]) -> None:
        """Start the preparations of the stages. Each stage detects itself whether its preparation has succeeded."""
        for stage in stages:
            log = OUTPUT / "prepare" / f"{stage.name}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            words = ["nice", "-n", "19", "sh", "-c", stage.prepare]
            with log.open("wb") as output:
                process = subprocess.Popen(
                    words, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
                )
            self.processes.add(process)

    def stop(self) -> None:
        self.stopping = True
        for process in list(self.processes):
            end(process)


def result_of(future: Future[Result]) -> Result:
    """Wait in short intervals, because Python handles a signal that precedes a wait only after this wait."""
    while not future.done():
        futures.wait([future], 0.5)
    return future.result()


def run_together(stages: list[Stage], runner: Runner) -> dict[str, tuple[Count, float]]:
    """Run all commands of some stages, LANES at a time, and return the result of each stage."""
    outcome = {}
    pool = ThreadPoolExecutor(LANES)
    try:
        jobs: dict[str, list[Future[Result]]] = {stage.name: [] for stage in stages}
        ready = []
        for stage in stages:
            shutil.rmtree(OUTPUT / stage.name, ignore_errors=True)
            problem = missing(stage)
            if problem:
                jobs[stage.name].append(pool.submit(Result, Count(failed=1), f"--- {stage.name}: {problem}\n"))
            else:
                ready += [(stage, command) for command in stage.commands]
        # The longest commands run first, so that none of them is left for the end.
        for stage, command in sorted(ready, key=lambda job: -job[1].minutes):
            jobs[stage.name].append(pool.submit(runner.run, stage, command))
        for name, commands in jobs.items():
            results = [result_of(command) for command in commands]
            count = sum((result.count for result in results), Count())
            seconds = max(result.ended for result in results) - min(result.started for result in results)
            outcome[name] = count, seconds
            print(f"== {name}: {count.passed} passed, {count.failed} failed in {seconds:.0f} s", flush=True)
            for result in results:
                if result.problem:
                    print(result.problem.rstrip(), flush=True)
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        runner.stop()
        raise
    pool.shutdown()
    return outcome


def main(arguments: list[str]) -> int:
    names = list(itertools.takewhile(lambda word: word != "--", arguments))
    extra = arguments[len(names) + 1 :]
    known = {stage.name: stage for stage in STAGES}
    if names == ["--all"]:
        chosen = list(STAGES)
    elif names == ["--rootless"]:
        chosen = list(ROOTLESS)
    elif unknown := set(names) - set(known):
        print(f"no such stage: {', '.join(sorted(unknown))}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    elif names:
        chosen = [known[name] for name in names]
    else:
        chosen = [replace(stage, commands=stage.commands if stage.quick is None else stage.quick) for stage in STAGES]
        chosen = [stage for stage in chosen if stage.commands]
    if os.geteuid() != 0 or names == ["--rootless"]:
        chosen = [unprivileged(stage) for stage in chosen]
    runner = Runner(extra, live=len(chosen) == 1 and len(chosen[0].commands) == 1)
    # SIGINT may be ignored, as in a background job of a shell. Commands would inherit this, but `end` sends SIGINT.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    outcome: dict[str, tuple[Count, float]] = {}
    started = time.monotonic()
    later = [stage for stage in chosen if stage.commands and stage.round > chosen[0].round]
    runner.prepare([stage for stage in later if stage.prepare])
    for _round, group in itertools.groupby(chosen, key=lambda stage: stage.round):
        together = list(group)
        print(f"== running {', '.join(stage.name for stage in together)}", flush=True)
        outcome |= run_together(together, runner)
    total = sum((count for count, _seconds in outcome.values()), Count())
    print(f"\n{'stage':12}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}")
    for name, (count, seconds) in outcome.items():
        print(f"{name:12}{count.passed:8}{count.failed:8}{count.skipped:9}{seconds:9.0f}")
    print(f"in {time.monotonic() - started:.0f} s\n\n{total.passed} passed, {total.failed} failed")
    return 0 if total.passed and not total.failed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
