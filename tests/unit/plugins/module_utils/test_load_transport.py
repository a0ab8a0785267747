# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the load test calls a server; the rest is tested on a real one, in tests/integration."""

from __future__ import annotations

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._load_transport import Endpoint


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://prefect.example.com/api", "prefect.example.com"),
        ("https://prefect.example.com:8443/api", "prefect.example.com:8443"),
        ("https://prefect.example.com:80/api", "prefect.example.com:80"),
        ("http://10.0.0.1:4200/api", "10.0.0.1:4200"),
        ("http://10.0.0.1/api", "10.0.0.1"),
        ("http://[::1]:4200/api", "[::1]:4200"),
    ],
)
def test_a_gateway_finds_its_name_without_a_port_that_goes_without_saying(url: str, host: str) -> None:
    assert Endpoint(Client(url).address, None).host == host
