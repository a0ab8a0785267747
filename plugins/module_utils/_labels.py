# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The labels by which the collection knows its own Kubernetes objects.

Only this collection sets these keys. Prefect sets the keys C(app.kubernetes.io) on the pods of its Jobs, too. They are
therefore only descriptive: do not select, prune, delete or recognise objects by them.
"""

from __future__ import annotations

PREFIX = "selfhosted.prefect/"
INSTANCE_LABEL = f"{PREFIX}instance"  # on every object
GROUP_LABEL = f"{PREFIX}component"  # on every object
WORKLOAD_LABEL = f"{PREFIX}workload"  # on pods: name of their workload
# Namespace of the instance, on objects in other namespaces. Instances in other namespaces may have the same name.
HOME_LABEL = f"{PREFIX}home"
RUNS_LABEL = f"{PREFIX}runs-of"  # on the pods of runs, which have none of the labels above
POOL_LABEL = f"{PREFIX}pool"  # on the pods of runs, too

MADE_HERE = {"app.kubernetes.io/managed-by": "selfhosted.prefect"}
_DESCRIBED_BY = {
    INSTANCE_LABEL: "app.kubernetes.io/part-of",
    GROUP_LABEL: "app.kubernetes.io/component",
    WORKLOAD_LABEL: "app.kubernetes.io/name",
}


def described(labels: dict[str, str]) -> dict[str, str]:
    """Return labels together with the equivalent app.kubernetes.io labels."""
    return {**{_DESCRIBED_BY[name]: value for name, value in labels.items() if name in _DESCRIBED_BY}, **labels}
