# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile code, in a flow or in a program of another account. It tries to get its files executed by other accounts.

An account that executes such a file creates a file below CANARIES, with the name of the trap and its own uid.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import socket
import sys
from pathlib import Path

CANARIES = "/srv/canaries"
PRECIOUS = "/srv/precious"
WHERE = ("/etc", "/opt/prefect", "/var/lib/prefect", "/var/log/prefect", "/run/prefect", "/srv", "/usr/local", "/tmp")
# The ports of the server. The test writes them here, because this program runs where the roles are not.
SERVER_PORTS: tuple[int, ...] = ()
SHELL = f"\n: >{CANARIES}/TRAP-$(id -u)\n"
PYTHON = f"\nimport os; open('{CANARIES}/TRAP-' + str(os.geteuid()), 'w')\n"
# Files that interpreters, shells and Prefect load from their working or home directory.
TRAPS = {
    "sitecustomize.py": PYTHON,
    "usercustomize.py": PYTHON,
    "prefect.py": PYTHON,
    "redis.py": PYTHON,
    "json.py": PYTHON,
    "trap.pth": PYTHON,
    ".env": f'SPOILED="$(: >{CANARIES}/TRAP-$(id -u))"\n',
    ".profile": SHELL,
    ".bashrc": SHELL,
}


def append(path: Path, text: str) -> bool:
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "w") as stream:
            stream.write(text)
        return True
    return False


def spoil(directory: Path) -> list[str]:
    """Append to every writable file, and create files that another account may execute or load."""
    spoiled = []
    for at, directories, files in os.walk(directory):
        directories[:] = [name for name in directories if Path(at, name) != Path(CANARIES)]
        for name in files:
            path = Path(at, name)
            text = PYTHON if path.suffix == ".py" else SHELL
            if path.suffix not in (".log", ".toml", ".db") and append(path, text.replace("TRAP", path.name)):
                spoiled.append(str(path))
        if os.access(at, os.W_OK):
            for name, text in TRAPS.items():
                with contextlib.suppress(OSError):
                    Path(at, name).write_text(text.replace("TRAP", name.lstrip(".")))
                    spoiled.append(str(Path(at, name)))
    return spoiled


def plant_links(directory: Path) -> list[str]:
    """Replace directories by links to files of root, and create links where root may create something."""
    planted = []
    for at, directories, _files in os.walk(directory):
        directories[:] = [name for name in directories if Path(at, name) != Path(CANARIES)]
        if not os.access(at, os.W_OK) or at.startswith("/tmp"):
            continue
        for name in {*directories, "ui", "home", "storage", "logs", "conf.d"}:
            path = Path(at, name)
            with contextlib.suppress(OSError):
                if path.exists() and not path.is_symlink():
                    path.rename(f"{path}.was")
                path.symlink_to(PRECIOUS)
                planted.append(str(path))
        directories.clear()  # its directories have been moved away
    return planted


def take_ports(ports: tuple[int, ...] = SERVER_PORTS) -> list[str]:
    """Listen on the ports of the server, on an unused address, as if the server was starting again."""
    taken = []
    for port in ports:
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.3", port)):
            taken.append(str(port))
    return taken


def main() -> dict[str, list[str]]:
    """Try everything, and return what was possible."""
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    with contextlib.suppress(OSError):
        site = home / f".local/lib/python3.{sys.version_info.minor}/site-packages"
        site.mkdir(parents=True)
        (site / "usercustomize.py").write_text(PYTHON.replace("TRAP", "user-site"))
    spoiled = [path for directory in WHERE for path in spoil(Path(directory))]
    planted = [path for at in WHERE for path in plant_links(Path(at))]
    return {"spoiled": spoiled, "planted": planted, "ports": take_ports()}


def flow_that_escapes() -> None:
    """Attack as a flow run: with the account of the worker, from a child process of the worker."""
    done = main()
    Path(CANARIES, "done.part").write_text(json.dumps(done))
    Path(CANARIES, "done.part").rename(f"{CANARIES}/done")
    os.kill(os.getppid(), signal.SIGKILL)


if __name__ == "__main__":
    print(json.dumps(main()))
