# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets with every character that needs quoting work, and are disclosed nowhere."""

from __future__ import annotations

import base64
import json
import subprocess
import urllib.error
from typing import Any
from urllib.parse import quote

import pytest

from e2e.conftest import Converged
from e2e.machine import Machine, Played
from e2e.planted import SECRETS, Sampler, fresh_secrets, needles, variables_of

# The files that have to contain a secret, each readable by one account.
HOLDERS = {
    "/etc/prefect/api.env",
    "/etc/prefect/services-services.env",
    "/etc/prefect/worker.env",
    "/etc/prefect/haproxy.cfg",
    "/etc/prefect/pgbouncer-userlist.txt",
}
CHANGED = fresh_secrets()
BOTH = [*needles(SECRETS), *needles(CHANGED)]


def grep(machine: Machine, command: str) -> set[str]:
    """Return the output of a search on the test host. It gets the words on stdin, not from a file or argument."""
    done = subprocess.run(machine.ssh(command), input="\n".join(BOTH), text=True, capture_output=True, check=False)
    assert done.returncode in (0, 1, 2, 123), done.stderr
    return set(done.stdout.splitlines())


def leaked(text: str) -> list[str]:
    return [needle for needle in BOTH if needle in text]


@pytest.fixture(scope="module")
def changed(converged: Converged) -> dict[str, Any]:
    """Run check mode and a real run with other secrets, and a verification that fails, all with high verbosity."""
    machine = converged.machine
    with Sampler() as sampler:
        machine.override("planted", variables_of(CHANGED))
        prediction = machine.playbook("site", "-vvv", "--check", "--diff")
        pids = machine.pids()
        real = machine.playbook("site", "-vvv", "--diff")
        restarted = machine.restarted(pids)
        machine.sh("systemctl stop prefect-gateway prefect-postgres")
        broken = machine.playbook("verify", "-vvv", fails=True)
        machine.sh("systemctl start prefect-postgres prefect-gateway")
        machine.wait_until_ready()
    return {"prediction": prediction, "real": real, "broken": broken, "sampler": sampler, "restarted": restarted}


def test_the_search_itself_finds_every_form() -> None:
    for secret in SECRETS.values():
        login = base64.b64encode(f"somebody:{secret}".encode()).decode()
        for form in (secret, quote(secret, safe=""), json.dumps(secret), repr(secret), login):
            assert leaked(f"before {form} after"), form


def test_everything_authenticates(converged: Converged) -> None:
    assert converged.first.recap["failed"] == 0
    assert "COMPLETED" in converged.first.output


def test_changed_secrets_are_in_use(converged: Converged, changed: dict[str, Played]) -> None:
    machine = converged.machine
    assert changed["real"].recap["failed"] == 0
    assert machine.api("POST", "/flows/count", {}, login=CHANGED["prefect_api_auth_string"]) >= 1
    with pytest.raises(urllib.error.HTTPError, match="401"):
        machine.api("POST", "/flows/count", {}, login=SECRETS["prefect_api_auth_string"])
    assert "gateway" not in changed["restarted"]
    assert "postgres" not in changed["restarted"]
    assert "pgbouncer" not in changed["restarted"]


@pytest.mark.parametrize("name", ["prediction", "real", "broken"])
def test_output(converged: Converged, changed: dict[str, Played], name: str) -> None:
    assert not leaked(converged.first.output)
    assert not leaked(changed[name].output)


def test_arguments(converged: Converged, changed: dict[str, Any]) -> None:
    for sampler in (converged.sampler, changed["sampler"]):
        assert any(b"playbooks/site.yml" in line for line in sampler.seen), "the watch saw nothing"
        assert any(b"redis-server" in line for line in sampler.seen), "the watch did not see into the machine"
        assert not sampler.leaked({**SECRETS}) + sampler.leaked(CHANGED)


def test_files(converged: Converged, changed: dict[str, Any]) -> None:
    machine = converged.machine
    everywhere = "grep -rlaF -f - --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev /"
    assert grep(machine, everywhere) == HOLDERS
    # The same search without privileges: this account may read none of the files, not even those above.
    assert grep(machine, f"setpriv --reuid=nobody --regid=nogroup --clear-groups {everywhere}") == set()


def test_logs(converged: Converged, changed: dict[str, Any]) -> None:
    machine = converged.machine
    found = grep(machine, "journalctl -o cat --all --no-pager | tee /dev/shm/journal | grep -aF -f -")
    assert int(machine.sh("wc -l < /dev/shm/journal; rm /dev/shm/journal")) > 100
    assert found == set()


def test_what_ansible_remembers(converged: Converged, changed: dict[str, Any]) -> None:
    machine = converged.machine
    facts = [path.read_text() for path in (machine.home / "facts").iterdir()]
    assert "prefect_host" in "".join(facts), "there were no facts to look at"
    assert not leaked("".join(facts))
