# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Objects applied by the server, in the order in which they need one another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ApiError,
    KubernetesError,
    Manifest,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.group import ObjectGroup
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import (
    LAST,
    Change,
    comparable,
    conditions_that_hold,
    owner,
    title,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.refusals import (
    advice_on,
    is_immutable,
    is_of_an_autoscaler,
)

MANAGER = "selfhosted.prefect"
_FIRST = ("Namespace", "CustomResourceDefinition")
# A login that is no administrator of the cluster may only bind a role that is there.
_ROLES = ("Role", "ClusterRole")
# A pod has 30 seconds to end, and the controller of a busy cluster takes its time.
_GONE_SECONDS = 180


def waves(manifests: Sequence[Manifest]) -> list[list[Manifest]]:
    """Return the objects in the order in which they are applied; those of one wave do not need one another."""

    def wave(manifest: Manifest) -> int:
        early = {**dict.fromkeys(_FIRST, 0), **dict.fromkeys(_ROLES, 1)}
        return early.get(manifest["kind"], 3 if manifest["kind"] in LAST else 2)

    return [[manifest for manifest in manifests if wave(manifest) == number] for number in range(4)]


class Application(ObjectGroup):
    """Making objects as described."""

    def apply_all(self, manifests: Sequence[Manifest]) -> list[Change]:
        changes: list[Change] = []
        for wave in waves(manifests):
            changes += [change for change in self.client.together(self.apply, wave) if change]
        return changes

    def apply(self, manifest: Manifest) -> Change | None:
        """Make one object as described, and return what that changed."""
        before = self.client.found(self.path_of(manifest))
        if before is not None and not self._is_ours(before):
            if manifest["kind"] == "Namespace":
                return None  # it is for whoever has made it, and may be shared
            self._refuse_to_take(before)
        if before is not None and manifest["kind"] == "Job":
            if "Complete" in conditions_that_hold(before):
                return None  # its name says what it does, and that is done
            if self._has_to_be_replaced(before, manifest):
                return self._replace(before, manifest)
        try:
            if before is not None and not self.dry_run:
                self._hand_over_replicas(before, manifest)
            after = self._write_or_take_over(manifest)
        except ApiError as error:
            if self.dry_run and error.status == 404:
                after = manifest  # its namespace is only predicted itself
            else:
                raise KubernetesError(f"{title(manifest)}: {self._advice_on(manifest, error)}") from error
        if before is None:
            return Change("create", None, after)
        if before["metadata"].get("resourceVersion") == after["metadata"].get("resourceVersion") and not self.dry_run:
            return None
        return None if comparable(before) == comparable(after) else Change("update", before, after)

    def _write(self, manifest: Manifest, manager: str, *, dry_run: bool = False, force: bool = False) -> Manifest:
        query = {"fieldManager": manager, "force": str(force or self.force).lower()}
        if self.dry_run or dry_run:
            query["dryRun"] = "All"
        written: Manifest = self.client.json(
            "PATCH", self.path_of(manifest), query, manifest, "application/apply-patch+yaml"
        )
        return written

    def _has_to_be_replaced(self, before: Manifest, manifest: Manifest) -> bool:
        """Whether a Job that is not complete never will be, or has pods other than described, which never change."""
        if "Failed" in conditions_that_hold(before) or before["metadata"].get("deletionTimestamp"):
            return True
        try:
            self._write(manifest, MANAGER, dry_run=True)
        except ApiError as error:
            return is_immutable(error)  # anything else is reported when it is applied
        return False

    def _replace(self, before: Manifest, manifest: Manifest) -> Change:
        if self.dry_run:  # nothing of the same name can be predicted beside it
            return Change("replace", before, manifest)
        # With its pods, so that two migrations never run side by side.
        self.delete(before, wait=True)
        self._wait_until_gone([before], _GONE_SECONDS)
        try:
            return Change("replace", before, self._write(manifest, MANAGER))
        except ApiError as error:
            raise KubernetesError(f"{title(manifest)}: {advice_on(error)}") from error

    @staticmethod
    def _refuse_to_take(before: Mapping[str, Any]) -> None:
        """Raise if an object of the same name is another instance's."""
        other = owner(before)
        if other:
            raise KubernetesError(
                f"{title(before)} is of the instance {other[0]} in namespace {other[1]}. Give one of the two another "
                "prefect_instance, or its pools another job.namespace; if that instance is gone, delete the object"
            )

    def _advice_on(self, manifest: Mapping[str, Any], error: ApiError) -> str:
        """Return what to do where an object is refused because of the one that is there."""
        if not is_immutable(error):
            return advice_on(error)
        resource = self.path_of(manifest).split("/")[-2]
        group = manifest["apiVersion"].rpartition("/")[0]
        metadata = manifest["metadata"]
        where = f" -n {metadata['namespace']}" if metadata.get("namespace") else ""
        return (
            f"{error}. What is there has other values of fields that never change: another version, or another tool, "
            "has made it. Delete it and repeat the playbook; volumes stay: kubectl delete "
            f"{'.'.join(filter(None, (resource, group)))} {metadata['name']}{where}"
        )

    def _hand_over_replicas(self, before: Manifest, manifest: Manifest) -> None:
        """Leave the number of pods as it is when an autoscaler takes over.

        A field that its only manager no longer applies is reset to its default, here one pod.
        """
        if "replicas" in manifest.get("spec", {}) or "replicas" not in before.get("spec", {}):
            return
        owners = [
            entry["manager"]
            for entry in before["metadata"].get("managedFields") or []
            if "f:replicas" in (entry.get("fieldsV1") or {}).get("f:spec", {})
        ]
        if owners == [MANAGER]:
            keep = {name: manifest[name] for name in ("apiVersion", "kind")}
            metadata = {name: manifest["metadata"].get(name) for name in ("name", "namespace")}
            keep.update(metadata=metadata, spec={"replicas": before["spec"]["replicas"]})
            self._write(keep, f"{MANAGER}-autoscaled")

    def _write_or_take_over(self, manifest: Manifest) -> Manifest:
        """Apply an object; a number of pods that it states was the autoscaler's until that was switched off."""
        try:
            return self._write(manifest, MANAGER)
        except ApiError as error:
            if not is_of_an_autoscaler(error):
                raise
        return self._write(manifest, MANAGER, force=True)
