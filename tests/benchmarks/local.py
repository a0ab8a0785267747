# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A test host with the local inventory for benchmarks, and the resources that its components have used.

The test host is created for one benchmark and removed afterwards; with --machine, it is kept for other benchmarks.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from e2e.machine import MACHINE, Machine, run

NAME = "bench"
# The cost of these queries is negligible compared with the runs.
COUNTERS = """SELECT json_build_object(
  'transactions', xact_commit + xact_rollback,
  'wal', pg_current_wal_lsn() - '0/0',
  'flushes', (SELECT wal_sync FROM pg_stat_wal),
  'rows', (SELECT json_object_agg(relname, n_tup_ins) FROM pg_stat_user_tables WHERE schemaname = 'public'))
FROM pg_stat_database WHERE datname = 'prefect'"""
# CPU seconds of each process, those of its terminated children, and its parent; /proc counts hundredths of a second.
PROCESSES = r"""for stat in /proc/[0-9]*/stat; do
  sed 's/^\([0-9]*\) (.*) /\1 /' $stat 2>/dev/null
done | awk '{print $1, $3, ($13 + $14) / 100, ($15 + $16) / 100}'"""
GATEWAY = "python3 -c " + shlex.quote(
    """import csv, socket
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect('/run/prefect/gateway/admin.sock')
    connection.sendall(b'show stat\\n')
    text = b''.join(iter(lambda: connection.recv(65536), b'')).decode()
for row in csv.DictReader(text.lstrip('# ').splitlines()):
    if row['svname'] == 'FRONTEND' and row['req_tot']:
        print(row['req_tot'])"""
)
REDIS = (
    "REDISCLI_AUTH=$(sed -n 's/^PREFECT_REDIS_MESSAGING_PASSWORD=//p' /etc/prefect/api.env | tr -d '\"') redis-cli"
    " --user prefect -h $(sed -n 's/^bind //p' /etc/prefect/redis.conf)"
)


# --- The test host ---


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--release", default="bookworm")
    parser.add_argument("--machine", metavar="RUN", help="use the machine of this run of tests/machines, and keep it")


@contextlib.contextmanager
def deployed(options: argparse.Namespace, benchmark: str) -> Iterator[Machine]:
    """Yield the test host after site.yml."""
    owner = options.machine or f"{benchmark}-{os.getpid()}"
    # A test host that is kept needs the same passwords again.
    directory = Path("/tmp") / owner if options.machine else Path(tempfile.mkdtemp(prefix="bm-", dir="/tmp"))
    directory.mkdir(exist_ok=True)
    try:
        listed = [line.split() for line in run([MACHINE, "list"]).splitlines()]
        names = [words[1] for words in listed if words[0] == owner]
        if not names:
            run([MACHINE, "--run", owner, "up", NAME, "--release", options.release])
        machine = Machine(owner, (names or [NAME])[0], directory)
        # The benchmarks send no credentials.
        machine.override("anonymous", {"prefect_api_auth_string": "", "prefect_api_allow_anonymous": True})
        if not machine.pids():
            print(f"site.yml on {owner}/{machine.name} took {machine.playbook('site').seconds:.0f} s", file=sys.stderr)
        yield machine
    finally:
        if not options.machine:
            shutil.rmtree(directory)
            run([MACHINE, "--run", owner, "down", "--all"])


def release(machine: Machine) -> str:
    return machine.sh('. /etc/os-release; echo "$VERSION_CODENAME"').strip()


def machine_text(machine: Machine) -> str:
    """Describe the test host, for the readers of the figures."""
    models = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    processors = f"{os.cpu_count()} cores ({models[0] if models else 'unknown'})"
    return f"{release(machine)}, {processors}, load {os.getloadavg()[2]:.1f} of 15 minutes"


# --- Resource usage ---


def cpu(machine: Machine) -> dict[str, float]:
    """Return the CPU seconds by component. The runs, which are children of the workers, are counted separately."""
    table = {}
    children = defaultdict(list)
    for line in machine.sh(PROCESSES).splitlines():
        pid, parent, own, ended = line.split()
        table[int(pid)] = (float(own), float(ended))
        children[int(parent)].append(int(pid))

    def below(pid: int) -> float:
        return table[pid][1] + sum(table[child][0] + below(child) for child in children[pid])

    found: dict[str, float] = defaultdict(float)
    for name, main in machine.pids().items():
        if main not in table:  # the process is stopped, or has just ended
            continue
        component = re.sub(r"-.*", "", name)
        found[component] += table[main][0]
        found["run" if component == "worker" else component] += below(main)
    return found


def read(machine: Machine) -> dict[str, float]:
    """Return all counters. The difference of two readings shows what happened between them."""
    time.sleep(1.5)  # sessions of PostgreSQL report their statistics once per second
    counters = json.loads(machine.sql(COUNTERS)[0][0])
    rows = {f"rows {table}": count for table, count in counters.pop("rows").items()}
    requests = sum(int(line) for line in machine.sh(GATEWAY).split())
    used = {f"cpu {component}": seconds for component, seconds in cpu(machine).items()}
    return {"time": time.monotonic(), "requests": requests, **counters, **rows, **used}


def difference(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    return {name: after[name] - before.get(name, 0) for name in after}
