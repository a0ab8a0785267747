"""Run the worker of a process pool in its pod, and let its flow runs end before the container does.

A worker that is told to stop takes no more runs and ends at once. Its runs are processes of their own, which go on and
report to the API themselves, but a container ends with its first program. So this program starts the worker, passes
signals on to it, and afterwards waits for the processes that it has left behind. Kubernetes ends them with the pod when
its time is over.

Beside the worker it runs lost_runs.py, which finds the runs that this pod, or one that is gone, has left behind.

usage: drain_worker.py LOST_RUNS_ARGUMENT... -- COMMAND ARGUMENT...
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time

PR_SET_CHILD_SUBREAPER = 36
LOST_RUNS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lost_runs.py")
PAUSE_SECONDS = 10


class Watch(threading.Thread):
    """Keeps lost_runs.py running."""

    def __init__(self, arguments):
        super().__init__(daemon=True)
        self.command = [sys.executable, "-IS", LOST_RUNS, *arguments]
        self.pid = 0

    def run(self):
        while True:
            # Not waited for here, because the main thread waits for all children.
            self.pid = os.posix_spawn(self.command[0], self.command, os.environ)
            while self.pid:
                time.sleep(1)
            time.sleep(PAUSE_SECONDS)


def adopt_orphans():
    """Become the parent of processes whose own parent ends."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def children():
    """The processes whose parent this is."""
    found = set()
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stat:
            if int(stat.read().rpartition(b")")[2].split()[1]) == os.getpid():
                found.add(int(name))
    return found


def main():
    end = sys.argv.index("--")
    adopt_orphans()
    worker = subprocess.Popen(sys.argv[end + 1 :])
    stopping = threading.Event()

    def stop(number, _frame):
        stopping.set()
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    watch = Watch(sys.argv[1:end])
    watch.start()
    code = None
    while code is None or (stopping.is_set() and children() - {watch.pid}):
        pid, status = os.waitpid(-1, 0)
        if pid == worker.pid:
            code = os.waitstatus_to_exitcode(status)
        elif pid == watch.pid:
            watch.pid = 0
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
