# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Notes about risks that an inventory accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def _cluster(v: Mapping[str, Any]) -> Iterator[str]:
    if v["prefect_platform"] != "kubernetes":
        return
    if v["prefect_namespace"] in v["prefect_run_namespaces"]:
        yield (
            f"prefect_allow_shared_namespace: flow code runs in {v['prefect_namespace']}, the namespace of the server. "
            "Whoever can create a Job there, as each worker of a Kubernetes pool can, can read every Secret of the "
            "server."
        )


def deployment_notes(variables: Mapping[str, Any]) -> list[str]:
    """Return the notes about C(variables)."""
    return list(_cluster(variables))
