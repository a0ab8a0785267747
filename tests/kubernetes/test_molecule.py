# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unchanged development inventory through converge, idempotence, check mode, side effect and verify."""

from __future__ import annotations

import os
import subprocess

from .deployment import ROOT, Cluster


def test_the_scenario_for_clusters(cluster: Cluster) -> None:
    environment = {"KUBECONFIG": cluster.kubeconfig, "PREFECT_NODE_ADDRESS": cluster.node, "NO_COLOR": "1"}
    done = subprocess.run(
        ["molecule", "test", "--scenario-name", "kubernetes"],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for step in ("converge", "idempotence", "side_effect", "verify"):
        assert step in done.stdout + done.stderr
