# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Errors of the API server and their remedies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import ApiError

# Parts of the API server's messages about immutable fields, in general and of a StatefulSet.
_NEVER_CHANGES = ("immutable", "updates to statefulset spec")


def is_immutable(error: ApiError) -> bool:
    """Whether the API server rejected only changes of immutable fields."""
    causes = (error.body.get("details") or {}).get("causes") or [{"message": str(error)}]
    messages = [cause.get("message") or "" for cause in causes]
    return error.status == 422 and all(any(words in message for words in _NEVER_CHANGES) for message in messages)


def is_of_an_autoscaler(error: ApiError) -> bool:
    """Whether the only conflict is a number of replicas that an autoscaler, and not kubectl, has set."""
    causes = (error.body.get("details") or {}).get("causes") or []
    return error.status == 409 and bool(causes) and all(map(_is_scaled, causes))


def _is_scaled(cause: Mapping[str, Any]) -> bool:
    message = cause.get("message") or ""
    scaled = cause.get("field") == ".spec.replicas" and 'with subresource "scale"' in message
    return scaled and not message.startswith('conflict with "kubectl')


def advice_on(error: ApiError) -> str:
    """Return the error of the API server and its remedy."""
    if error.status == 409:
        return (
            f"{error}. Another field manager owns these fields. Remove them from the objects that it applies, or set "
            "prefect_kubernetes_force_conflicts to true to take them over."
        )
    if error.status == 403:
        return f"{error}. Grant this permission to the kubeconfig's user. preflight.yml lists all missing ones."
    return str(error)
