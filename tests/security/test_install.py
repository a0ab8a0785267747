# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installation as root: only listed packages, no code of them is run, and the credentials of the index stay secret."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest
from defaults import ROOT, VERSION
from e2e.conftest import Converged
from e2e.machine import Machine, wait_for
from e2e.planted import Sampler, needles, plant

from security.mirror import Mirror, locked, source, wheel

FILES = ROOT / "roles/prefect_host/files"
TRAP = "/srv/trap"
INSTALL = "../tests/security/install_again"
EVERYWHERE = "grep -rlsF -f - /etc /opt /root /home /run /srv /tmp /usr/local /var"


@pytest.fixture(scope="module")
def machine(converged: Converged) -> Iterator[Machine]:
    yield converged.machine
    converged.machine.sh(f"rm -rf {TRAP} /opt/tried")


@pytest.fixture
def mirror(machine: Machine) -> Iterator[Mirror]:
    with Mirror(machine.ip.rpartition(".")[0] + ".1", "mir ror", plant()) as served:
        yield served


def test_root_alone_can_write_what_is_installed(machine: Machine) -> None:
    found = machine.sh("find /opt/prefect \\( ! -user root -o ! -group root -o ! -type l -perm /022 \\) -print")
    assert found == ""


def install(machine: Machine, mirror: Mirror, entry: str) -> tuple[int, str]:
    """Run the installation of the roles with a lock file of the test."""
    machine.sh("rm -rf /opt/tried; mkdir -p /opt/tried/pinned; rm -f " + TRAP)
    for name, text in {
        "install.sh": (FILES / "install.sh").read_text(),
        "uv.txt": (FILES / "uv.txt").read_text(),
        "tried.txt": entry,
        "environment": f"export UV_DEFAULT_INDEX='{mirror.url}'\n",
    }.items():
        machine.sh(f"umask 077; cat > /opt/tried/pinned/{name}", input=text)
    # The deployment has the same uv.
    machine.sh("cp -a /opt/prefect/uv /opt/tried/uv")
    command = ". /opt/tried/pinned/environment; sh /opt/tried/pinned/install.sh tried.txt /opt/tried/venv/complete"
    done = subprocess.run(machine.ssh(command), text=True, capture_output=True, check=False)
    return done.returncode, done.stdout + done.stderr


def trapped(machine: Machine) -> bool:
    return machine.sh(f"ls {TRAP}", check=False) != ""


def test_a_package_runs_no_code_while_it_is_installed(machine: Machine, mirror: Mirror) -> None:
    """Python executes the .pth files of an environment at every start."""
    spring = f"import pathlib; pathlib.Path('{TRAP}').touch()\n"
    mirror.own["trap"] = wheel("trap", {"trap.pth": spring, "trap/__init__.py": "x = 1\n"})
    code, output = install(machine, mirror, locked("trap", mirror.own["trap"][1]))
    assert code == 0, output
    assert not trapped(machine)
    compiled = machine.sh("find /opt/tried/venv -name '__init__.*.pyc' -path '*/trap/*'")
    assert compiled, "whoever runs it may not write there, and would compile it at every start"
    machine.sh("/opt/tried/venv/bin/python -c 'import trap'")
    assert trapped(machine), "the trap works"


def test_a_package_that_would_have_to_be_built_is_refused(machine: Machine, mirror: Mirror) -> None:
    mirror.own["trap"] = source("trap", f"import pathlib\npathlib.Path('{TRAP}').touch()\n")
    code, output = install(machine, mirror, locked("trap", mirror.own["trap"][1]))
    assert code != 0
    assert not trapped(machine), output


def test_a_package_with_other_content_is_refused(machine: Machine, mirror: Mirror) -> None:
    mirror.own["trap"] = wheel("trap", {"trap/__init__.py": "x = 1\n"})
    entry = locked("trap", b"what the list was made from")
    code, output = install(machine, mirror, entry)
    assert code != 0
    assert "hash" in output.lower()
    assert machine.sh("find /opt/tried/venv -name 'trap*'", check=False) == ""


def test_a_package_without_a_hash_is_refused(machine: Machine, mirror: Mirror) -> None:
    mirror.own["trap"] = wheel("trap", {"trap/__init__.py": "x = 1\n"})
    code, _output = install(machine, mirror, "trap==1.0\n")
    assert code != 0


def holders(machine: Machine, values: dict[str, str]) -> list[str]:
    """Return the files on the test host that contain one of the values."""
    found = subprocess.run(
        machine.ssh(EVERYWHERE), input="\n".join(needles(values)), text=True, capture_output=True, check=False
    )
    return found.stdout.splitlines()


@pytest.fixture(scope="module")
def mirrored(machine: Machine) -> dict[str, Any]:
    """Install the programs of another instance: with wrong credentials, in a run that is killed, and completely."""
    password = plant()
    seen: dict[str, Any] = {"secrets": {"mirror": password}}
    with Mirror(machine.ip.rpartition(".")[0] + ".1", "mir ror", password) as mirror, Sampler() as sampler:

        def use(url: str) -> None:
            environment = {"UV_DEFAULT_INDEX": url, "PIP_INDEX_URL": url, "PIP_TRUSTED_HOST": mirror.url.split("@")[1]}
            machine.override("mirror", {"prefect_instance": "mirrored", "prefect_install_environment": environment})

        try:
            use(mirror.url.replace("mir%20ror", "another"))
            seen["refused"] = machine.playbook(INSTALL, "-vvv", "--diff", fails=True)
            use(mirror.url)
            machine.interrupt(INSTALL, f"Install Prefect {VERSION}", 1, "-vvv", "--diff")
            wait_for(lambda: machine.sh("pgrep -f '[p]inned/install.sh'", check=False) == "", 300)
            seen["interrupted"] = holders(machine, seen["secrets"])
            machine.sh("rm -rf /opt/mirrored")
            began = time.monotonic()
            seen["installed"] = machine.playbook(INSTALL, "-vvv", "--diff")
            seen["seconds"] = time.monotonic() - began
            seen["again"] = machine.playbook(INSTALL)
            seen["holders"] = holders(machine, seen["secrets"])
            seen["served"] = list(mirror.served)
            seen["works"] = machine.sh(f"cd /; PREFECT_HOME=/tmp/mirrored /opt/mirrored/{VERSION}/bin/prefect version")
        finally:
            machine.forget("mirror")
            machine.sh("rm -rf /opt/mirrored /tmp/mirrored; userdel mirrored; userdel mirrored-worker", check=False)
    seen["sampler"] = sampler
    return seen


def test_a_mirror_that_asks_for_a_password_works(mirrored: dict[str, Any]) -> None:
    assert VERSION in mirrored["works"]
    assert any(path.startswith("/files/") and f"prefect-{VERSION}" in path for path in mirrored["served"])
    assert mirrored["again"].recap["changed"] == 0


def test_the_password_of_a_mirror_is_nowhere(mirrored: dict[str, Any]) -> None:
    secrets = mirrored["secrets"]
    shown = "".join(mirrored[name].output for name in ("refused", "installed"))
    assert [needle for needle in needles(secrets) if needle in shown] == []
    assert mirrored["sampler"].leaked(secrets) == []
    assert mirrored["interrupted"] == []
    assert mirrored["holders"] == []


def test_a_refusal_of_the_mirror_is_explained(mirrored: dict[str, Any]) -> None:
    assert f"The installation of prefect-{VERSION}.txt failed" in mirrored["refused"].output
    assert "401" in mirrored["refused"].output
