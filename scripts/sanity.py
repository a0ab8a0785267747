# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run `ansible-test sanity` on a copy of this checkout. Needs only a package index.

usage: .venv/bin/python scripts/sanity.py [--report DIRECTORY] [arguments of ansible-test sanity ...]
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
USER_CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
# ansible-test creates one environment for each release of ansible-core and each version of Python.
CACHE = USER_CACHE / "selfhosted-prefect" / f"sanity-{version('ansible-core')}"
PYTHONS = [f"3.{minor}" for minor in range(8, 15)]

# ansible-test would download a script from its own server to install pip into an empty environment. This script does
# the same with Python's own ensurepip: it installs the version that ansible-test requests from the package index.
GET_PIP = """\
import os, subprocess, sys
env = dict(os.environ)  # ensurepip changes its own
subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"], env=env, stdout=subprocess.DEVNULL)
wanted = [word for word in sys.argv[1:] if "==" in word]
subprocess.check_call([sys.executable, "-m", "pip", "install", "--quiet", *wanted], env=env)
"""


def prepare_home(home: Path) -> None:
    """Create a separate $HOME for the files of ansible-test, with the same configuration of pip as in the real one."""
    cache = home / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for pip in ("24.2", "25.2"):  # ansible-core 2.18 and 2.19, then 2.20 and 2.21
        (cache / f"get_pip_{pip.replace('.', '_')}.py").write_text(GET_PIP)
    # ansible-test does not pass on PIP_* variables. They become a file, which takes precedence over the user's own.
    options = {name[4:].lower().replace("_", "-"): value for name, value in os.environ.items() if name[:4] == "PIP_"}
    options.pop("config-file", None)
    options["quiet"] = "1"
    user_file, environment_file = home / ".pip" / "pip.conf", home / ".config" / "pip" / "pip.conf"
    for path in (user_file, environment_file):
        path.parent.mkdir(parents=True, exist_ok=True)
    real = Path(os.environ.get("PIP_CONFIG_FILE") or Path.home() / ".config" / "pip" / "pip.conf")
    user_file.write_text(real.read_text() if real.is_file() else "")
    environment_file.write_text("[global]\n" + "".join(f"{name} = {value}\n" for name, value in options.items()))


def link_pythons(directory: Path) -> None:
    """Link the interpreters that start. The shims of pyenv for versions that are not selected do not start."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    roots = [
        Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions",
        Path("/usr"),
        Path("/usr/local"),
    ]
    for name in PYTHONS:
        for root in roots:
            found = [*sorted(root.glob(f"{name}.*/bin/python{name}")), root / "bin" / f"python{name}"]
            usable = [path for path in found if path.exists()]
            if usable:
                (directory / f"python{name}").symlink_to(usable[-1])
                break


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, help="directory for one JUnit file per test")
    options, words = parser.parse_known_args()
    home, pythons = CACHE / "home", CACHE / "pythons"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        prepare_home(home)
        link_pythons(pythons)
        collections = CACHE / "ansible_collections"
        tree = collections / "selfhosted" / "prefect"
        shutil.rmtree(collections, ignore_errors=True)
        subprocess.run([ROOT / "scripts" / "copy-tree.sh", tree], check=True)
        path = [str(Path(sys.executable).parent), str(pythons), "/usr/local/bin", "/usr/bin", "/bin"]
        command = ["ansible-test", "sanity", "--local", "--junit", "--color", "no", *words]
        env = {**os.environ, "HOME": str(home), "PATH": os.pathsep.join(path)}
        code = subprocess.run(command, cwd=tree, env=env, stdin=subprocess.DEVNULL, check=False).returncode
        if options.report:
            shutil.copytree(tree / "tests" / "output" / "junit", options.report, dirs_exist_ok=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
