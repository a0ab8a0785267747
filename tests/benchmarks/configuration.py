# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure how long the module `configuration` takes for 1,000 objects, compared with one call per object.

usage, on an otherwise idle host:
    scripts/bootstrap.sh test
    PYTHONPATH=.:.collections .venv/bin/python tests/benchmarks/configuration.py [--rounds 3] [--parallel 1]
        [--database postgresql]

The program starts a server with one process on SQLite or PostgreSQL, which listens on the loopback interface. --api-url
selects another server, which must not require credentials. At its end, the program deletes all objects with these
names, even those that existed before. The Prefect CLI, and the module for single objects in a loop, create a few
objects each; the Markdown table shows their time per object.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible import release as ansible_release

from tests.defaults import VERSION
from tests.integration.api.support import HERE, ROOT, PostgreSQL, Server, absent, installed_prefect, run_module

NEWEST = VERSION
OBJECTS = 1000
FEW = 5  # for the methods that take seconds per object


def mixed() -> dict[str, list[dict[str, Any]]]:
    """Return 1,000 objects of the kinds of which a team has many, with references between them."""
    automation = {"trigger": {"posture": "Reactive", "expect": ["prefect.flow-run.Failed"]}}
    return {
        "variables": [{"name": f"v{n}", "value": {"n": n}, "tags": ["a"]} for n in range(250)],
        "block_documents": [
            {"block_type": "secret", "name": f"s{n}", "data": {"value": f"planted-{n}"}} for n in range(100)
        ],
        "global_concurrency_limits": [{"name": f"g{n}", "limit": n} for n in range(150)],
        "tag_concurrency_limits": [{"tag": f"t{n}", "concurrency_limit": n} for n in range(100)],
        "work_pools": [
            {"name": f"p{n}", "type": "process", "queues": [{"name": "q"}, {"name": "default"}]} for n in range(50)
        ],
        "flows": [{"name": f"f{n}", "tags": ["a"]} for n in range(100)],
        "deployments": [
            {
                "flow": f"f{n % 100}",
                "name": f"d{n}",
                "work_pool": f"p{n % 50}",
                "parameters": {"n": n},
                "schedules": [{"slug": "s", "cron": "0 3 * * *"}],
            }
            for n in range(200)
        ],
        "automations": [
            {"name": f"a{n}", **automation, "actions": [{"type": "run-deployment", "deployment": f"f{n}/d{n}"}]}
            for n in range(50)
        ],
    }


def spread(values: Sequence[float]) -> str:
    """Return minimum, median and maximum as text."""
    return " / ".join(f"{value:.2f}" for value in (min(values), statistics.median(values), max(values)))


def seconds(work: Callable[[], Any]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


class Bench:
    def __init__(self, api_url: str, parallel: int, directory: Path) -> None:
        self.directory = directory
        self.options = {"api_url": api_url}
        self.parallel = parallel
        self.prefect = installed_prefect(NEWEST) / "bin/prefect"

    def module(self, **document: Any) -> dict[str, Any]:
        return run_module("configuration", {**self.options, "parallel": self.parallel, **document})

    def playbook(self, tasks: list[dict[str, Any]], changed: int) -> None:
        path = self.directory / "play.yml"
        path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
        command = [f"{Path(sys.executable).parent}/ansible-playbook", *HERE, str(path)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and f"changed={changed} " in done.stdout, done.stdout + done.stderr  # noqa: PT018

    def bare(self, variables: Sequence[dict[str, Any]]) -> None:
        """Send the same requests without any other work, one after the other on one connection."""
        url = urlsplit(self.options["api_url"])
        connection = http.client.HTTPConnection(url.hostname or "", url.port)
        for one in variables:
            connection.request("POST", f"{url.path}/variables/", json.dumps(one), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 201, answer.status
        connection.close()

    def cli(self, *words: str) -> None:
        environment = {**os.environ, "PREFECT_HOME": str(self.directory), "PREFECT_API_URL": self.options["api_url"]}
        subprocess.run([self.prefect, *words], env=environment, check=True, capture_output=True)


def report(bench: Bench, server: str, rounds: int) -> None:
    document = mixed()
    assert sum(len(items) for items in document.values()) == OBJECTS
    variables = [{"name": f"new{n}", "value": n} for n in range(OBJECTS)]
    gone = [{"name": one["name"], "state": "absent"} for one in variables]
    bench.module(**document)
    unchanged = [{"selfhosted.prefect.configuration": {**bench.options, **document}}]
    single = {**bench.options, "name": "{{ 'one' ~ item }}", "value": "{{ item }}"}
    loop = [{"selfhosted.prefect.variable": single, "loop": list(range(FEW))}]
    nothing = [{"ansible.builtin.debug": {"msg": "nothing"}}]
    measured: dict[str, list[float]] = {}

    def note(what: str, value: float) -> None:
        measured.setdefault(what, []).append(value)
        print(f"{what}: {value:.2f} s", file=sys.stderr)

    for number in range(rounds):
        note("playbook with nothing to do", seconds(lambda: bench.playbook(nothing, 0)))
        note("unchanged, playbook", seconds(lambda: bench.playbook(unchanged, 0)))
        note("unchanged, module", seconds(lambda: bench.module(**document)))
        note("created, module", seconds(lambda: bench.module(variables=variables)))
        note("deleted, module", seconds(lambda: bench.module(variables=gone)))
        note("created, bare requests", seconds(lambda: bench.bare(variables)))
        bench.module(variables=gone)
        loop_seconds = seconds(lambda: bench.playbook(loop, 1))
        note("single module", (loop_seconds - measured["playbook with nothing to do"][-1]) / FEW)
        bench.module(variables=[{"name": f"one{n}", "state": "absent"} for n in range(FEW)])
        cli = seconds(lambda: [bench.cli("variable", "set", f"cli{number}_{n}", str(n)) for n in range(FEW)])  # noqa: B023
        note("CLI", cli / FEW)
    bench.module(**absent(document))
    bench.module(
        variables=[{"name": f"cli{number}_{n}", "state": "absent"} for number in range(rounds) for n in range(FEW)]
    )
    medians = {what: statistics.median(values) for what, values in measured.items()}

    def row(what: str, name: str, each: int, yardstick: str) -> str:
        per_object = medians[name] / each
        ratio = f"{medians[yardstick] / per_object:.0f} times faster than the {yardstick}"
        return f"| {what} | {spread(measured[name])} s | {per_object * 1000:.1f} ms | {ratio} |"

    print(f"{os.cpu_count()} cores, load of the last five minutes {os.getloadavg()[1]:.1f}, Python "
          f"{sys.version.split()[0]}, ansible-core {ansible_release.__version__}, Prefect {NEWEST} on {server}, "
          f"parallel {bench.parallel}, {rounds} rounds")  # fmt: skip
    print("\n| what | minimum / median / maximum | per object | ratio |\n| --- | --- | --- | --- |")
    print(row("1,000 unchanged objects, `ansible-playbook`", "unchanged, playbook", OBJECTS, "CLI"))
    print(row("the same, the module alone", "unchanged, module", OBJECTS, "CLI"))
    print(row("1,000 variables created, the module alone", "created, module", OBJECTS, "CLI"))
    print(row("the same", "created, module", OBJECTS, "single module"))
    print(f"| the same as bare requests, one after the other | {spread(measured['created, bare requests'])} s | "
          f"{medians['created, bare requests'] / OBJECTS * 1000:.1f} ms | the module takes "
          f"{medians['created, module'] / medians['created, bare requests']:.2f} times as long |")  # fmt: skip
    print(row("1,000 variables deleted, the module alone", "deleted, module", OBJECTS, "CLI"))
    print(f"| `prefect variable set`, each ({FEW} of them) | {spread(measured['CLI'])} s | | 1 |")
    print(f"| module `variable` in a loop, each ({FEW} of them) | {spread(measured['single module'])} s | | "
          f"{medians['CLI'] / medians['single module']:.1f} times faster than the CLI |")  # fmt: skip
    print(f"| `ansible-playbook` with nothing to do | {spread(measured['playbook with nothing to do'])} s | | |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parallel", type=int, default=1)
    server = parser.add_mutually_exclusive_group()
    server.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    server.add_argument("--api-url")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="benchmark-")))
        api_url = options.api_url
        if not api_url:
            settings = {}
            if options.database == "postgresql":
                database = PostgreSQL()
                stack.callback(database.stop)
                settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database.url
            own = Server(NEWEST, directory, **settings)
            stack.callback(own.stop)
            api_url = own.environment["PREFECT_API_URL"]
        report(Bench(api_url, options.parallel, directory), options.api_url or options.database, options.rounds)


if __name__ == "__main__":
    main()
