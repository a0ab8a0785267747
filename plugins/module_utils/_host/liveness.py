# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kill processes that do not respond, so that their manager restarts them.

Neither systemd nor supervisord checks whether a process responds. This program reads each JSON file in a directory. At
an interval, it requests a URL or runs a command. After several consecutive failures, it sends SIGKILL to the main
process, whose pid it gets from the manager. Files can be added, changed and removed while the program runs.

The program is installed as a single file, so it imports only the standard library. It imports only small modules of
it, so that it uses about 10 MB.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import threading
import time


def encrypted(connection: socket.socket, secure: bool) -> socket.socket:
    """Return the connection, with TLS if enabled. No secret is sent, so the certificate is not verified."""
    if not secure:
        return connection
    import ssl  # noqa: PLC0415  takes a few megabytes, and few deployments need it

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(connection)
    except BaseException:
        connection.close()
        raise


def http_status(url: str, timeout: float) -> int:
    """Return the status code of a GET. The timeout applies to the whole exchange, not to each read."""
    match = re.match(r"^(https?)://(\[[^\]]+\]|[^/:?]+)(?::(\d+))?([/?].*)?$", url)
    if not match:
        raise ValueError(f"not an http:// or https:// URL: {url}")
    secure, host, path = match.group(1) == "https", match.group(2).strip("[]"), match.group(4) or "/"
    port = int(match.group(3) or (443 if secure else 80))
    deadline = time.monotonic() + timeout
    with encrypted(socket.create_connection((host, port), timeout), secure) as connection:
        request = f"GET {path} HTTP/1.1\r\nHost: {match.group(2)}\r\nUser-Agent: liveness\r\nConnection: close\r\n\r\n"
        connection.sendall(request.encode())
        head = b""
        while b"\r\n" not in head and len(head) < 1024:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            chunk = connection.recv(1024)
            if not chunk:
                break
            head += chunk
    status = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    if not status:
        raise ConnectionError("no HTTP response")
    return int(status.group(1))


def supervisor_pid(socket_path: str, unit: str) -> int:
    body = (
        "<?xml version='1.0'?><methodCall><methodName>supervisor.getProcessInfo</methodName>"
        f"<params><param><value><string>{unit}</string></value></param></params></methodCall>"
    )
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(socket_path)
        head = (
            f"POST /RPC2 HTTP/1.0\r\nHost: localhost\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall((head + body).encode())
        answer = b""
        while True:
            chunk = connection.recv(65536)
            if not chunk:
                break
            answer += chunk
    running = re.search(rb"<name>statename</name>\s*<value><string>RUNNING<", answer)
    pid = re.search(rb"<name>pid</name>\s*<value><int>(\d+)<", answer)
    return int(pid.group(1)) if running and pid else 0


def systemd_pid(unit: str) -> int:
    reader, writer = os.pipe()
    command = ["systemctl", "show", "--property=MainPID,ActiveState", unit + ".service"]
    child = os.posix_spawnp(
        command[0],
        command,
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_CLOSE, reader)],
    )
    os.close(writer)
    with open(reader) as stream:
        answer = dict(line.strip().split("=", 1) for line in stream if "=" in line)
    os.waitpid(child, 0)
    # Not while it stops: a process that drains its requests may reject new ones.
    return int(answer.get("MainPID", 0)) if answer.get("ActiveState") == "active" else 0


def command_problem(command: list[str], timeout: float) -> str | None:
    """Return the last line of the output of a command that does not exit with 0 within the timeout."""
    reader, writer = os.pipe()
    actions = [(os.POSIX_SPAWN_DUP2, writer, 1), (os.POSIX_SPAWN_DUP2, writer, 2), (os.POSIX_SPAWN_CLOSE, reader)]
    child = os.posix_spawn(command[0], command, os.environ, file_actions=actions)
    os.close(writer)
    # The timeout also applies if the command hangs while it writes.
    killer = threading.Timer(timeout, os.kill, (child, signal.SIGKILL))
    killer.start()
    with open(reader, errors="replace") as stream:
        lines = stream.read(65536).split("\n")
    killer.cancel()
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status):
        return "timed out" if os.WTERMSIG(status) == signal.SIGKILL else f"signal {os.WTERMSIG(status)}"
    code = os.WEXITSTATUS(status)
    return None if code == 0 else next((line for line in reversed(lines) if line), f"exit status {code}")


def age_of(pid: int) -> float:
    """Return the seconds since the start of the process."""
    with open(f"/proc/{pid}/stat", "rb") as stat, open("/proc/uptime", "rb") as uptime:
        started = int(stat.read().rsplit(b")", 1)[1].split()[19]) / os.sysconf("SC_CLK_TCK")
        return float(uptime.read().split()[0]) - started


def say(message: str) -> None:
    sys.stdout.write(message + "\n")
    sys.stdout.flush()


class Check(threading.Thread):
    def __init__(self, text: str) -> None:
        super().__init__(daemon=True)
        self.text = text
        self.cancelled = threading.Event()
        settings = json.loads(text)
        self.unit: str = settings["unit"]
        self.socket: str | None = settings["socket"]
        self.url: str | None = settings["http"]
        # The command drops root itself: see `launch`.
        self.command: list[str] = settings["command"]
        self.what: str = settings["what"]
        self.interval: float = settings["interval"]
        self.timeout: float = settings["timeout"]
        self.failures: int = settings["failures"]
        self.start_period: float = settings["start_period"]

    def run(self) -> None:
        failed = 0
        answered = 0  # the pid that has responded once, so its start period is over
        while not self.cancelled.wait(self.interval):
            try:
                problem = self.problem()
                pid = self.pid() if problem or not answered else answered
                if not problem:
                    failed, answered = 0, pid
                elif not pid or (pid != answered and age_of(pid) < self.start_period):
                    failed = 0
                else:
                    failed += 1
                    if failed >= self.failures:
                        say(f"{self.unit}: {failed} checks failed in a row ({self.what}: {problem}); killing pid {pid}")
                        os.kill(pid, signal.SIGKILL)
                        failed = 0
            except Exception as error:  # the watchdog must survive unexpected errors
                say(f"{self.unit}: cannot check: {error}")

    def problem(self) -> str | None:
        if not self.url:
            return command_problem(self.command, self.timeout)
        try:
            status = http_status(self.url, self.timeout)
        except OSError as error:
            return str(error) or type(error).__name__
        return None if 200 <= status < 400 else f"HTTP {status}"

    def pid(self) -> int:
        return supervisor_pid(self.socket, self.unit) if self.socket else systemd_pid(self.unit)


def texts(directory: str) -> dict[str, str]:
    found = {}
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return {}
    for name in names:
        if name.endswith(".json") and not name.startswith("."):
            try:
                with open(os.path.join(directory, name)) as stream:
                    found[name] = stream.read()
            except FileNotFoundError:
                continue
    return found


def main(directory: str) -> None:
    threading.stack_size(256 * 1024)
    checks: dict[str, Check] = {}
    broken: dict[str, str] = {}
    say(f"watching {directory}")
    while True:
        wanted = texts(directory)
        for name in list(checks):
            if wanted.get(name) != checks[name].text:
                checks.pop(name).cancelled.set()
        for name, text in wanted.items():
            if name in checks or broken.get(name) == text:
                continue
            try:
                checks[name] = Check(text)
                checks[name].start()
            except (ValueError, KeyError, TypeError) as error:
                broken[name] = text
                say(f"{name}: invalid check: {error!r}")
        time.sleep(2)


if __name__ == "__main__":
    main(sys.argv[1])
