# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""What the API server refuses, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import ApiError

# What the API server says of fields that never change, in general and of a StatefulSet.
_NEVER_CHANGES = ("immutable", "updates to statefulset spec")


def is_immutable(error: ApiError) -> bool:
    """Whether the API server has refused nothing but to change what it never changes."""
    causes = (error.body.get("details") or {}).get("causes") or [{"message": str(error)}]
    messages = [cause.get("message") or "" for cause in causes]
    return error.status == 422 and all(any(words in message for words in _NEVER_CHANGES) for message in messages)


def is_of_an_autoscaler(error: ApiError) -> bool:
    """Whether nothing is in conflict but a number of pods, which an autoscaler has set, and not a person by kubectl."""
    causes = (error.body.get("details") or {}).get("causes") or []
    return error.status == 409 and bool(causes) and all(map(_is_scaled, causes))


def _is_scaled(cause: Mapping[str, Any]) -> bool:
    message = cause.get("message") or ""
    scaled = cause.get("field") == ".spec.replicas" and 'with subresource "scale"' in message
    return scaled and not message.startswith('conflict with "kubectl')


def advice_on(error: ApiError) -> str:
    """Return what the API server has refused, and what to do."""
    if error.status == 409:
        return (
            f"{error}. Something else manages these fields. Take them out of what it applies, or set "
            "prefect_kubernetes_force_conflicts to true to take them over."
        )
    if error.status == 403:
        return f"{error}. Give the login of this kubeconfig that permission; preflight.yml lists all it needs."
    return str(error)
