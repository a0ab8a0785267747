# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API processes restart even if the gateway does not run, and the same run of the playbook starts the gateway."""

from __future__ import annotations

import pytest

from e2e.machine import Machine

SOCKET = "/run/prefect/gateway/admin.sock"
# Without a socket, and with the socket that a killed process has left.
DOWN = {
    "stopped": f"systemctl stop prefect-gateway; rm -f {SOCKET}",
    "killed": f"systemctl kill -s KILL prefect-gateway; systemctl stop prefect-gateway; ls {SOCKET}",
}


@pytest.mark.parametrize("how", DOWN)
def test_the_api_restarts_while_the_gateway_is_down(deployment: Machine, how: str) -> None:
    before = deployment.pids()
    deployment.sh(DOWN[how])
    size = list(DOWN).index(how) + 6
    played = deployment.playbook("site", prefect_server_api_pool_size=size)
    restarted = deployment.restarted(before)
    assert {name for name in before if name.startswith("api-")} <= restarted
    assert "gateway" in restarted
    assert "COMPLETED" in played.output
    deployment.wait_until_ready()
