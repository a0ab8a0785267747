# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""API pods are replaced one after the other, and no client notices."""

from __future__ import annotations

from e2e.runs import Client

from .conftest import Installed, Note
from .deployment import Deployment


def test_a_changed_setting_replaces_the_api_without_a_failed_request(
    development: Deployment, installed: Installed, record_testsuite_property: Note
) -> None:
    before = {pod["metadata"]["name"] for pod in development.pods("api")}
    with Client(development, repeats=True) as client:
        run = development.play("server", prefect_server_keep_alive_seconds=64)
    assert run.tasks_that_changed() == ["Run the API"]
    after = {pod["metadata"]["name"] for pod in development.pods("api")}
    assert len(before) == len(after) == 3
    assert not before & after
    assert client.failures == []
    assert len(client.repeated) <= len(before)
    assert client.answers > 100
    record_testsuite_property("requests while API pods were replaced", client.answers)
