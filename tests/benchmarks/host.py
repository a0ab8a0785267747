# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure duration, tasks and memory of the local inventory on a new test host, and print a Markdown table.

usage, as root, on an otherwise idle host:
    scripts/bootstrap.sh test
    PYTHONPATH=tests .venv/bin/python tests/benchmarks/host.py [--rounds 3] [--release trixie]

The program creates a test host of tests/machines and runs site.yml on it. Then it measures everything as many times as
--rounds says. The first run downloads all packages. The base root of the test host, which contains only Debian, is
built before the measurement.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from defaults import GATEWAY_PORT, ROOT
from e2e.machine import MACHINE, Machine, Played, run

# The verification flow run, which is complete when its events are in the database.
PROBE = (
    "Send a flow run through every pool that has workers",
    "Read the server's data in Redis, and the clients and the events of the flow runs in PostgreSQL",
)


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return minimum, median and maximum as text."""
    return " / ".join(f"{value:.{digits}f}" for value in (min(values), statistics.median(values), max(values)))


def task_seconds(output: str, name: str) -> float:
    """Return the seconds of a task from the profile at the end of the output. The argument is the end of its name."""
    found = re.findall(rf"^.*{re.escape(name)} -+ ([\d.]+)s$", output, re.M)
    assert found, f"no task is called {name!r}"
    return sum(map(float, found))


def tasks(ok: int, output: str) -> int:
    """Return the number of tasks that were executed. The recap also counts `include_tasks` as ok."""
    return ok - len(re.findall(r"^included: ", output, re.M))


def wall(command: list[str], machine: Machine) -> float:
    started = time.monotonic()
    subprocess.run(command, cwd=ROOT, env={**os.environ, **machine.environment}, check=True, capture_output=True)
    return time.monotonic() - started


def module_seconds(machine: Machine, rounds: int) -> list[float]:
    """Return the durations of a module call without a change, minus that of a ping before it. Both run on this host."""
    here = [str(ROOT / ".venv/bin/ansible"), "localhost", "-i", "localhost,", "-c", "local"]
    here += ["-e", f"ansible_python_interpreter={sys.executable}", "-m"]
    # The arguments are those of this test host. Its API requires no credentials.
    pool = [
        *here,
        "selfhosted.prefect.work_pool",
        "-a",
        f"name=default type=process api_url=http://{machine.ip}:{GATEWAY_PORT}/api",
    ]
    differences = []
    for _round in range(rounds):
        ping = wall([*here, "ansible.builtin.ping"], machine)
        differences.append(wall(pool, machine) - ping)
    return differences


def memory(machine: Machine) -> dict[str, list[int]]:
    """Return the PSS in MiB of every process, by component."""
    command = [str(ROOT / ".venv/bin/ansible"), "all", "-i", str(machine.inventory), "-o"]
    command += ["-m", "selfhosted.prefect.process_group_info"]
    output = run(command, cwd=ROOT, env={**os.environ, **machine.environment})
    found: dict[str, list[int]] = {}
    for process in json.loads(output[output.index("{") :])["processes"]:
        found.setdefault(process["group"], []).append(round(process["memory_bytes"] / 2**20))
    return found


def measured(what: str, rounds: int, measure: Callable[[], Played]) -> list[Played]:
    results = []
    for number in range(1, rounds + 1):
        results.append(measure())
        print(f"{what} {number}/{rounds}: {results[-1].seconds:.1f} s", file=sys.stderr)
    return results


def report(machine: Machine, rounds: int, release: str) -> None:
    first = machine.playbook("site")
    print(f"first run: {first.seconds:.1f} s", file=sys.stderr)
    again = measured("unchanged", rounds, lambda: machine.playbook("site"))
    check = measured("check", rounds, lambda: machine.playbook("site", "--check", "--diff"))
    probes = [sum(task_seconds(played.output, name) for name in PROBE) for played in again]
    assert all(played.recap["changed"] == 0 for played in [*again, *check])
    load = os.getloadavg()[1]
    print(f"{os.cpu_count()} cores, load of the last five minutes {load:.1f}, Debian {release}, {rounds} rounds")
    print("\n| what | minimum / median / maximum |\n| --- | --- |")
    print(f"| first `site.yml` on a fresh machine (once) | {first.seconds:.0f} s |")
    print(f"| unchanged `site.yml` | {spread([played.seconds for played in again])} s |")
    rest = [played.seconds - probe for played, probe in zip(again, probes, strict=True)]
    print(f"| the same without the probe run | {spread(rest)} s |")
    print(f"| tasks executed in it | {max(tasks(played.recap['ok'], played.output) for played in again)} |")
    print(f"| `site.yml --check --diff` | {spread([played.seconds for played in check])} s |")
    module = spread(module_seconds(machine, max(rounds, 5)), 2)
    print(f"| a `work_pool` call without a change, less a `ping` | {module} s |")
    print("\n| component | processes | MiB (PSS) of each |\n| --- | --- | --- |")
    used = memory(machine)
    for component, sizes in used.items():
        print(f"| {component} | {len(sizes)} | {', '.join(str(size) for size in sorted(sizes))} |")
    print(f"| in all | {sum(len(sizes) for sizes in used.values())} | {sum(sum(sizes) for sizes in used.values())} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--release", default="bookworm")
    options = parser.parse_args()
    owner = f"benchmark-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="bm-", dir="/tmp") as directory:
        try:
            run([MACHINE, "--run", owner, "up", "fresh", "--release", options.release])
            machine = Machine(owner, "fresh", Path(directory))
            machine.override("anonymous", {"prefect_api_auth_string": "", "prefect_api_allow_anonymous": True})
            machine.environment["ANSIBLE_CALLBACKS_ENABLED"] = "ansible.posix.profile_tasks"
            machine.environment["PROFILE_TASKS_TASK_OUTPUT_LIMIT"] = "all"
            report(machine, options.rounds, options.release)
        finally:
            run([MACHINE, "--run", owner, "down", "--all"])


if __name__ == "__main__":
    main()
