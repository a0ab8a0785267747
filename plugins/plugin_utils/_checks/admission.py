# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The admission policy of the workers, if an administrator and not the playbooks has to create it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._checks.problem import Problem, problem

_OPTION = "prefect_admission_policies"
_OPEN = "Every client of the API can start Jobs that use any Secret, ServiceAccount and volume of their namespace."
_REMEDY = "An administrator of the cluster creates it with cluster.yml."


def _contains(found: Any, wanted: Any) -> bool:
    """Whether a value has everything that was applied. The API server adds defaults to it."""
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(_contains(found.get(name), item) for name, item in wanted.items())
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        is_as_long = isinstance(found, Sequence) and not isinstance(found, str) and len(found) == len(wanted)
        return is_as_long and all(_contains(one, other) for one, other in zip(found, wanted))
    return bool(found == wanted)


def _is_missing(found: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> bool:
    """Whether nothing limits the Jobs: the policy does not exist, or its binding does not enforce it."""
    if not found["readable"]:
        return False
    binding = found["binding"] or {}
    is_bound = binding.get("policyName") == wanted[0]["metadata"]["name"]
    return found["policy"] is None or not is_bound or "Deny" not in (binding.get("validationActions") or [])


def admission_problems(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield the problem that no policy limits the Jobs, unless the inventory allows it."""
    wanted = needs["admission_objects"]
    if wanted and _is_missing(cluster["admission_policy"], wanted) and not needs["unlimited_jobs"]:
        yield problem(
            _OPTION,
            f"It is false, and the cluster has no ValidatingAdmissionPolicy {wanted[0]['metadata']['name']} with a "
            f"binding. {_OPEN}",
            f"{_REMEDY} Or set prefect_allow_unlimited_jobs to true if all clients of the API may do this.",
        )


def admission_notes(cluster: Mapping[str, Any], needs: Mapping[str, Any]) -> list[str]:
    """Return the notes about the policy: it is missing or outdated, or the credentials cannot read it."""
    wanted = needs["admission_objects"]
    if not wanted:
        return []
    found, name = cluster["admission_policy"], wanted[0]["metadata"]["name"]
    if not found["readable"]:
        return [
            f"{_OPTION}: the credentials are not permitted to read the ValidatingAdmissionPolicy {name} and its "
            f"binding, so the preflight cannot check that they exist. Without them: {_OPEN} {_REMEDY}"
        ]
    if _is_missing(found, wanted):
        return [f"prefect_allow_unlimited_jobs: no admission policy limits the Jobs. {_OPEN}"]
    specs = zip((found["policy"], found["binding"]), wanted)
    if not all(_contains(spec, manifest["spec"]) for spec, manifest in specs):
        return [
            f"{_OPTION}: the ValidatingAdmissionPolicy {name} or its binding differs from the inventory. "
            "An administrator of the cluster updates it with cluster.yml."
        ]
    return []
