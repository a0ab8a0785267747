# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print, as JSON, the paths that root reads or executes although other accounts can change them. Runs on the test host.

The only argument is a JSON list of paths in the tasks of the playbooks. The program itself finds the other paths: in
the loaded units of systemd, in the programs of supervisord, in their descriptions, in the checks of the watchdog, in
timers and in crontabs. In directories that belong to root as a whole, it checks every file.
"""

from __future__ import annotations

import glob
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

INSTANCE = "prefect"
TREES = ["/etc/prefect", "/opt/prefect", "/var/lib/prefect/processes", "/var/log/prefect", "/run/prefect/supervisor"]


def output(*command: str) -> str:
    return subprocess.run(command, text=True, capture_output=True, check=False).stdout


def words_of(text: str) -> list[str]:
    """Return the words in a command or a configuration that look like paths."""
    return [word for word in re.findall(r"[^\s\"'=,;\[\]{}()]+", text) if word.startswith("/")]


def units() -> list[str]:
    """Return the paths that systemd reads as root to start the units, and all arguments of units that run as root."""
    if not Path("/run/systemd/system").exists():
        return []
    names = re.findall(
        r"^(\S+)", output("systemctl", "list-units", "--all", "--plain", "--no-legend", "prefect-*"), re.M
    )
    assert names, "systemd knows no unit of the instance"
    found = []
    for name in names:
        shown = dict(
            line.partition("=")[::2]
            for line in output("systemctl", "show", name).splitlines()
            if line.startswith(("FragmentPath", "DropInPaths", "EnvironmentFiles", "ExecStart=", "User="))
        )
        found += words_of(shown["FragmentPath"] + " " + shown.get("DropInPaths", ""))
        found += words_of(shown.get("EnvironmentFiles", ""))
        command = re.findall(r"path=(\S+) ; argv\[\]=(.*?) ; ", shown["ExecStart"])[0]
        found += [command[0]] if shown.get("User") not in ("", "root", None) else [command[0], *words_of(command[1])]
    return found


def programs() -> list[str]:
    """Return the same paths for supervisord."""
    found = []
    for path in glob.glob("/etc/prefect/supervisor.d/*"):
        text = Path(path).read_text()
        if path.endswith(".json"):
            description = json.loads(text)
            command = description["command"]
            found += [description["environment_file"] or path, command[0]]
            found += words_of(" ".join(command)) if description["user"] == "root" else []
        else:
            found += [path, *words_of(text)]
    return found


def checks() -> list[str]:
    found = []
    for path in glob.glob("/etc/prefect/liveness.d/*"):
        content = json.loads(Path(path).read_text())
        found += [path, *words_of(" ".join(content["command"] or []))]
        found += [content["environment_file"]] if content.get("environment_file") else []
    return found


def clocks() -> list[str]:
    """Return the paths in crontabs and timers of the instance. The collection creates none."""
    files = [*glob.glob("/etc/cron*/*"), "/etc/crontab", *glob.glob("/var/spool/cron/crontabs/*")]
    files += glob.glob("/etc/systemd/system/*.timer")
    texts = {path: Path(path).read_text(errors="replace") for path in files if Path(path).is_file()}
    return [word for path, text in texts.items() if INSTANCE in text for word in [path, *words_of(text)]]


def below(directory: str) -> list[str]:
    return [os.path.join(at, name) for at, directories, files in os.walk(directory) for name in directories + files]


def problem(path: str, others_entry: bool) -> str | None:
    """Return which other account can change this directory entry."""
    found = os.lstat(path)
    if stat.S_ISSOCK(found.st_mode) or stat.S_ISLNK(found.st_mode):
        return None if found.st_uid == 0 or others_entry else f"{path}: owner {found.st_uid}"
    if found.st_uid and not others_entry:
        return f"{path}: owner {found.st_uid}"
    if found.st_mode & 0o022 and not found.st_mode & stat.S_ISVTX and not others_entry:
        return f"{path}: mode {stat.S_IMODE(found.st_mode):04o}"
    return None


def chain(path: str) -> list[str]:
    """Return a path, all its parent directories, and the same for the targets of links on the way."""
    found, pending = [], [path]
    while pending:
        at = os.path.normpath(pending.pop())
        while at not in found:
            found.append(at)
            if os.path.islink(at):
                pending.append(os.path.join(os.path.dirname(at), os.readlink(at)))
            at = os.path.dirname(at)
    return found


def main(named: list[str], given_away: list[str]) -> None:
    sources = {"units": units(), "programs": programs(), "checks": checks(), "clocks": clocks(), "tasks": named}
    paths = {path for listed in sources.values() for path in listed if os.path.lexists(path)}
    for tree in TREES:
        paths.update([tree, *below(tree)] if os.path.isdir(tree) else [])
    # The arguments of processes also contain devices and pseudo files.
    paths = {path for path in paths if not path.startswith(("/dev/", "/proc/", "/sys/"))}
    looked_at = {each for path in paths for each in chain(path)}
    # A directory that root creates for an account belongs to the account, but its parent directory belongs to root.
    problems = [problem(path, others_entry=path in given_away) for path in sorted(looked_at)]
    print(
        json.dumps(
            {
                "problems": [each for each in problems if each],
                "counts": {name: len(listed) for name, listed in sources.items()},
                "paths": sorted(paths),
            }
        )
    )


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
