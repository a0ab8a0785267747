# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare `prefect server start` with the deployment by site.yml under the same increasing load.

usage, as root, on an otherwise idle host:
    scripts/bootstrap.sh test
    PYTHONPATH=tests:.collections .venv/bin/python tests/benchmarks/load.py [--rates 1 2 3] [--seconds 40] [--rounds 3]

Side B is the local inventory on a test host of tests/machines. Side A is one `prefect server start` on the same test
host, with Prefect's defaults and a direct connection to the same PostgreSQL. The sides take turns; while one is
measured, the processes of the other one are stopped. Each side gets control-plane load (docs/load-testing.md) at
increasing rates, with the requests that its own workers would send. It ends at the first rate at which fewer than 95 of
100 runs start within 5 seconds, a request fails despite retries, or a run is lost. The output is a Markdown table with
every step. The load generator runs on the host, and shares the processors with the test host.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.local import add_options, cpu, deployed, machine_text
from defaults import GATEWAY_PORT
from e2e.machine import Machine, wait_for

from ansible_collections.selfhosted.prefect.plugins.module_utils._loadtest import runner
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError

START_SECONDS = 5.0  # 95 of 100 runs have to start within this time
PORT_A = 4300
HOME_A = "/srv/defaults"


class Step(NamedTuple):
    """One rate on one side."""

    side: str
    round: int
    rate: float
    start_p95: float | None
    api_p95: float | None
    completed: int
    lost: int
    failed: int
    cpu_per_run: float
    postgres_per_run: float
    generator: float
    load: float

    @property
    def sustained(self) -> bool:
        return self.start_p95 is not None and self.start_p95 <= START_SECONDS and not self.lost and not self.failed


class SideB:
    """The deployment by site.yml."""

    name = "B"
    clients: dict[str, bool] = {}

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.url = f"http://{machine.ip}:{GATEWAY_PORT}/api"

    def units(self) -> str:
        """Return all units except that of PostgreSQL, which both sides use."""
        listed = self.machine.sh("systemctl list-units --all --plain --no-legend 'prefect-*.service'")
        names = [line.split()[0] for line in listed.splitlines()]
        return " ".join(name for name in names if "postgres" not in name)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        self.machine.sh(f"systemctl start {self.units()}")
        self.machine.wait_until_ready()
        time.sleep(20)  # the start of the processes does not belong to the load
        try:
            yield
        finally:
            self.machine.sh(f"systemctl stop {self.units()}")

    def cpu(self) -> dict[str, float]:
        return cpu(self.machine)


def answers(url: str) -> bool:
    try:
        return bool(Client(url, retry_timeout=0).get("health"))
    except PrefectError:
        return False


class SideA:
    """`prefect server start` with Prefect's defaults."""

    name = "A"
    clients = {"csrf": True, "version_check": True, "retry_codes": []}

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.url = f"http://{machine.ip}:{PORT_A}/api"
        # The URL of the background services, which connect to PostgreSQL without PgBouncer.
        address = "grep -h ^PREFECT_SERVER_DATABASE_CONNECTION_URL= /etc/prefect/services-services.env"
        machine.sh(
            f"mkdir -p {HOME_A}; umask 077; {address} > {HOME_A}/env; echo PREFECT_HOME={HOME_A} >> {HOME_A}/env"
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        server = f"/opt/prefect/*/bin/prefect server start --host 0.0.0.0 --port {PORT_A}"
        unit = f"systemd-run --unit=defaults --property=EnvironmentFile={HOME_A}/env sh -c 'exec {server}'"
        self.machine.sh(unit)
        try:
            wait_for(lambda: answers(self.url), 180)
            time.sleep(20)
            yield
        finally:
            self.machine.sh("systemctl stop defaults; systemctl reset-failed defaults", check=False)

    def cpu(self) -> dict[str, float]:
        pid = int(self.machine.sh("systemctl show --property=MainPID --value defaults"))
        ticks = self.machine.sh(f"cut -d')' -f2 /proc/{pid}/stat").split()
        own = sum(int(each) for each in ticks[11:15]) / 100
        return {"server": own, "postgres": cpu(self.machine)["postgres"]}


def add_load_options(parser: argparse.ArgumentParser, seconds: float) -> None:
    parser.add_argument("--seconds", type=float, default=seconds)
    parser.add_argument("--run-seconds", type=float, default=5)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--logs", action=argparse.BooleanOptionalAction, default=True)


def load(client: Client, options: argparse.Namespace, **more: Any) -> dict[str, Any]:
    """Generate control-plane load with clients as site.yml configures them. Return the figures, and keep the runs."""
    given = {name: option.get("default") for name, option in runner.OPTIONS.items()}
    given |= {"auth_string": None, "drain_seconds": 60.0}
    given |= {"csrf": False, "version_check": False, "retry_codes": [500]}
    given |= {name: getattr(options, name) for name in ("seconds", "run_seconds", "workers", "logs")}
    found: dict[str, Any] = runner.execute(client, {**given, **more})["result"]
    return found


def print_troubles(found: dict[str, Any]) -> None:
    """Print the errors that most often caused retries and failures, and why runs were abandoned."""
    for kind in ("troubles", "problems"):
        for text, count in list(found["requests"][kind].items())[:3]:
            print(f"  {count} x {text}", file=sys.stderr)


def measure(side: SideA | SideB, number: int, rate: float, options: argparse.Namespace) -> Step:
    client = Client(side.url, timeout=60)
    before = side.cpu()
    found = load(client, options, rate=rate, **side.clients)
    used = {name: seconds - before.get(name, 0) for name, seconds in side.cpu().items() if name != "run"}
    runs = max(1, found["runs"]["submitted"])
    step = Step(
        side.name,
        number,
        rate,
        found["start_seconds"]["p95"],
        found["api_seconds"]["p95"],
        found["runs"]["completed"],
        found["runs"]["lost"],
        found["requests"]["failed"],
        sum(used.values()) / runs,
        used["postgres"] / runs,
        found["generator"]["cores"],
        os.getloadavg()[0],
    )
    print(row(step), file=sys.stderr, flush=True)
    print_troubles(found)
    runner.remove(client)
    return step


COLUMNS = (
    *("side", "round", "runs/s", "start p95 s", "API p95 s", "completed", "lost", "failed requests"),
    *("CPU s per run", "of PostgreSQL", "generator cores", "load"),
)
HEADER = f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}"


def row(step: Step) -> str:
    cells: list[Any] = [step.side, step.round, step.rate, step.start_p95, step.api_p95, step.completed, step.lost]
    cells += [
        step.failed,
        f"{step.cpu_per_run:.3f}",
        f"{step.postgres_per_run:.3f}",
        step.generator,
        f"{step.load:.1f}",
    ]
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def highest(steps: list[Step], side: str) -> list[float]:
    """Return the highest sustained rate of each round."""
    rounds = sorted({step.round for step in steps})
    return [
        max((step.rate for step in steps if step.side == side and step.round == number and step.sustained), default=0)
        for number in rounds
    ]


def climb(side: SideA | SideB, number: int, options: argparse.Namespace) -> Iterator[Step]:
    with side.running():
        client = Client(side.url, timeout=60)
        load(client, options, rate=min(options.rates), seconds=options.warm_up, **side.clients)
        runner.remove(client)
        for rate in options.rates:
            step = measure(side, number, rate, options)
            yield step
            if not step.sustained:
                return
            time.sleep(5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=float, nargs="+", default=[1, 2, 3, 4, 5, 6, 7, 8])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--warm-up", type=float, default=60, help="seconds at the lowest rate, which are not measured")
    add_load_options(parser, seconds=40)
    add_options(parser)
    options = parser.parse_args()
    with deployed(options, "load") as machine:
        sides = (SideA(machine), SideB(machine))
        machine.sh(f"systemctl stop {sides[1].units()}")
        steps: list[Step] = []
        for number in range(1, options.rounds + 1):
            for side in sides:
                steps += climb(side, number, options)
        print(f"{machine_text(machine)}; runs of {options.run_seconds:g} s, {options.seconds:g} s per step\n")
        print(HEADER)
        print("\n".join(row(step) for step in steps))
        for side in sides:
            rates = highest(steps, side.name)
            print(f"\n{side.name}: highest sustained {rates} runs/s, median {statistics.median(rates):g}")
        machine.sh(f"systemctl start {sides[1].units()}")


if __name__ == "__main__":
    main()
