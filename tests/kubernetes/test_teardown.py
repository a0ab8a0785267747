# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Away again, with and without the data; last, because nothing is left then."""

from __future__ import annotations

from .conftest import Installed
from .deployment import APPS, COMPLETED, Deployment


def test_teardown_keeps_the_volumes_and_a_killed_run_can_be_repeated(
    development: Deployment, installed: Installed
) -> None:
    development.teardown("keep")
    assert development.objects("deployments", APPS) == []
    assert len(development.objects("persistentvolumeclaims")) == 2
    development.play_and_kill("site", "Run the API")
    again = development.play("site")
    assert COMPLETED.format(2) in again.output
    # The pool is there from before: nothing had to be configured.
    assert "Configure the API" not in again.tasks_that_changed()


def test_teardown_leaves_nothing_when_told_so(development: Deployment, installed: Installed) -> None:
    development.teardown("delete")
    for namespace in (development.namespace, development.jobs_namespace):
        development.cluster.wait_until_gone(f"/api/v1/namespaces/{namespace}")
    policies = development.cluster.items("/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies")
    assert [item for item in policies if item["metadata"]["name"].startswith(f"{development.namespace}.")] == []
