# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With supervisord, the processes start again with the container, and after supervisord was killed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .conftest import Host, group_of, server, wait_for

SERVERS = "pgrep -fc '[/]srv/it/server.py'"
STARTS = "pgrep -f '[/]etc/entrypoint'"

pytestmark = pytest.mark.parametrize("machine", ["supervisord"], indirect=True)


@pytest.fixture
def container(host: Host) -> Iterator[Host]:
    """A test host with the entry point that the documentation describes."""
    host.sh("ln -sf /etc/it/start /etc/entrypoint")
    yield host
    host.sh("rm /etc/entrypoint")


def test_a_container_starts_with_everything(container: Host) -> None:
    host = container
    group = group_of(server("web-1", 8101), server("web-2", 8102))
    host.applied(group)
    for _restart in range(2):
        host.reboot()
        assert wait_for(lambda: host.get(8101) and host.get(8102), 60)
        assert host.sh(SERVERS).strip() == "2"
    assert host.apply(group)["changed"] is False

    # A killed supervisord is started again, and none of its former processes is left.
    before = host.sh("pgrep -f '[/]srv/it/server.py'").split()
    host.sh("kill -9 $(cat /run/it/supervisor/supervisord.pid)")
    wait_for(lambda: not set(before) & set(host.sh("pgrep -f '[/]srv/it/server.py'").split()), 60)
    assert wait_for(lambda: host.get(8101) and host.get(8102), 60)
    assert host.sh(SERVERS).strip() == "2"
    assert host.apply(group)["changed"] is False

    # When the container is stopped, everything in it ends gracefully.
    host.sh(f"kill -TERM $({STARTS})")
    wait_for(lambda: not host.sh(f"{STARTS} || true"), 60)
    assert host.sh(f"{SERVERS} || true").strip() == "0"
    assert not host.sh("pgrep -f '[s]upervisord' || true")
    # The group can be removed in this state.
    assert host.applied(group, state="absent", processes=[], files=[], directories=[])["changed"] is True
    assert not host.sh("ls -d /etc/it/start /etc/it/supervisord.conf 2>/dev/null || true")


def test_what_was_removed_does_not_come_back(container: Host) -> None:
    host = container
    group = group_of(server("web-1", 8101))
    host.applied(group)
    host.reboot()
    assert wait_for(lambda: host.get(8101), 60)
    host.apply(group, state="absent", processes=[], files=[], directories=[])
    wait_for(lambda: not host.sh(f"{STARTS} || true"), 60)
    assert not host.sh("pgrep -f '[s]upervisord' || true")
