# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run supervisord with all processes of an instance: the entry point of a container, and of an init script.

It stays in the foreground, may be PID 1, ends supervisord when it is asked to end itself, and starts it again when it
was killed. It is installed on its own, so it imports only the standard library.
"""

from __future__ import annotations

import contextlib
import glob
import os
import signal
import subprocess
import sys
import time

_SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def pid_in(path: str) -> int:
    """Return the process of a pid file, 0 if the pid was reused."""
    words = read(path).split()
    if not words or not words[0].isdigit():
        return 0
    stat = read(f"/proc/{int(words[0])}/stat").rpartition(b")")[2].split()
    if not stat or stat[0] == b"Z":
        return 0
    up = float(read("/proc/uptime").split()[0])
    started = time.time() - up + int(stat[19]) / os.sysconf("SC_CLK_TCK")
    try:
        return int(words[0]) if started <= os.stat(path).st_mtime + 2 else 0
    except OSError:
        return 0


class Start:
    def __init__(self, instance: str, executable: str, config: str, run_dir: str, log_dir: str) -> None:
        self.instance = instance
        self.command = [executable, "-n", "-c", config]
        self.config = config
        self.run_dir = run_dir
        self.log_dir = log_dir
        self.child = 0
        self.asked = False

    def end(self, number: int, _frame: object = None) -> None:
        self.asked = True
        if self.child:
            os.kill(self.child, signal.SIGTERM)

    def running(self) -> int:
        """Return the pid of the supervisord of this instance."""
        pid = pid_in(f"{self.run_dir}/supervisord.pid")
        return pid if pid and self.config.encode() in read(f"/proc/{pid}/cmdline").split(b"\0") else 0

    def end_orphans(self) -> None:
        """Stop the processes of a killed supervisord, because the same processes start again."""
        left = [pid_in(path) for path in glob.glob(f"{glob.escape(self.run_dir)}/{self.instance}-*.pid")]
        for number, seconds in ((signal.SIGTERM, 30), (signal.SIGKILL, 5)):
            deadline = time.monotonic() + seconds
            for pid in filter(None, left):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while any(left) and time.monotonic() < deadline:
                self.reap()
                left = [pid_in(path) for path in glob.glob(f"{glob.escape(self.run_dir)}/{self.instance}-*.pid")]
                time.sleep(0.1)

    def reap(self) -> bool:
        """Reap child processes, as PID 1 also orphaned ones. Return whether supervisord has ended."""
        while True:
            try:
                pid, _status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid in (0, self.child):
                return pid != 0

    def prepare(self) -> None:
        os.makedirs(os.path.dirname(self.run_dir), mode=0o755, exist_ok=True)
        os.makedirs(self.run_dir, mode=0o700, exist_ok=True)
        os.chmod(self.run_dir, 0o700)
        os.makedirs(self.log_dir, mode=0o750, exist_ok=True)

    def once(self) -> None:
        """Run supervisord until it ends. Wait if another one runs."""
        other = self.running()
        if other:
            told = False
            while self.running() == other:
                if self.asked and not told:
                    os.kill(other, signal.SIGTERM)
                    told = True
                self.reap()
                time.sleep(0.5)
            return
        self.prepare()
        self.end_orphans()
        environment = {"PATH": _SEARCH_PATH, "LC_ALL": "C.UTF-8"}
        self.child = subprocess.Popen(self.command, env=environment, cwd="/", stdin=subprocess.DEVNULL).pid
        if self.asked:
            self.end(signal.SIGTERM)
        while not self.reap():
            time.sleep(0.2)
        self.child = 0

    def run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, self.end)
        # Teardown removes the configuration.
        while not self.asked and os.path.exists(self.config):
            self.once()
            if not self.asked:
                time.sleep(1)


def main(site: dict[str, str]) -> None:
    os.umask(0o022)
    os.chdir("/")
    if os.geteuid() != 0:
        raise SystemExit(f"{sys.argv[0]}: requires root to start each process with its account")
    Start(**site).run()
