# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Server-side apply of objects, in the order of their dependencies."""

from __future__ import annotations

from collections import Counter
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
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import HOME_LABEL, INSTANCE_LABEL

MANAGER = "selfhosted.prefect"
_FIRST = ("Namespace", "CustomResourceDefinition")
# Credentials without cluster administration can only bind an existing role.
_ROLES = ("Role", "ClusterRole")
# The grace period of a pod is 30 seconds, and the controller of a busy cluster is slow.
_GONE_SECONDS = 180


def waves(manifests: Sequence[Manifest]) -> list[list[Manifest]]:
    """Return the objects in the order in which they are applied. Objects of one wave do not depend on each other."""

    def wave(manifest: Manifest) -> int:
        early = {**dict.fromkeys(_FIRST, 0), **dict.fromkeys(_ROLES, 1)}
        return early.get(manifest["kind"], 3 if manifest["kind"] in LAST else 2)

    return [[manifest for manifest in manifests if wave(manifest) == number] for number in range(4)]


class Application(ObjectGroup):
    """Applies objects."""

    def refuse_duplicates(self, manifests: Sequence[Manifest]) -> None:
        """Raise if two objects have the same kind, name and namespace: the last one would replace the others."""
        for path, count in Counter(self.path_of(manifest) for manifest in manifests).items():
            if count > 1:
                twice = next(manifest for manifest in manifests if self.path_of(manifest) == path)
                raise KubernetesError(
                    f"{title(twice)} is listed {count} times. Rename the pool, group or option from which one of the "
                    "names is derived."
                )

    def apply_all(self, manifests: Sequence[Manifest]) -> list[Change]:
        changes: list[Change] = []
        for wave in waves(manifests):
            changes += [change for change in self.client.together(self.apply, wave) if change]
        return changes

    def apply(self, manifest: Manifest) -> Change | None:
        """Apply one object, and return the change."""
        before = self.client.found(self.path_of(manifest))
        if before is not None and not self._is_ours(before):
            if manifest["kind"] == "Namespace":
                return None  # its creator manages it, and other instances may use it
            self._refuse_to_take(before, manifest)
        if before is not None and manifest["kind"] == "Job":
            if "Complete" in conditions_that_hold(before):
                return None  # its name identifies its content, and it is complete
            if self._has_to_be_replaced(before, manifest):
                return self._replace(before, manifest)
        try:
            if before is not None and not self.dry_run:
                self._hand_over_replicas(before, manifest)
            after = self._write_or_take_over(manifest)
        except ApiError as error:
            if self.dry_run and error.status == 404:
                after = manifest  # the dry run has not created its namespace
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
        """Whether an incomplete Job has failed or is deleted, or its pod template differs, which is immutable."""
        if "Failed" in conditions_that_hold(before) or before["metadata"].get("deletionTimestamp"):
            return True
        try:
            self._write(manifest, MANAGER, dry_run=True)
        except ApiError as error:
            return is_immutable(error)  # apply() reports all other errors
        return False

    def _replace(self, before: Manifest, manifest: Manifest) -> Change:
        if self.dry_run:  # the API server cannot dry-run a second object of the same name
            return Change("replace", before, manifest)
        # With its pods, so that two migrations never run at the same time.
        self.delete(before, wait=True)
        self._wait_until_gone([before], _GONE_SECONDS)
        try:
            return Change("replace", before, self._write(manifest, MANAGER))
        except ApiError as error:
            raise KubernetesError(f"{title(manifest)}: {advice_on(error)}") from error

    def _refuse_to_take(self, before: Mapping[str, Any], manifest: Manifest) -> None:
        """Raise, because an object of the same name exists that this instance has not created.

        With the labels of the instance, teardown.yml would delete the object with everything that depends on it.
        """
        other = owner(before)
        if other:
            raise KubernetesError(
                f"{title(manifest)} belongs to the instance {other[0]} in the namespace {other[1]}. Set another "
                "prefect_instance, or another job.namespace in its pools, for one of the two instances. If that "
                "instance no longer exists, delete the object."
            )
        metadata = manifest["metadata"]
        labels = {name: metadata["labels"][name] for name in (INSTANCE_LABEL, HOME_LABEL) if name in metadata["labels"]}
        raise KubernetesError(
            f"{title(manifest)} already exists, and no instance of this collection has created it. It was not changed. "
            "Rename or delete it, or set another prefect_instance. If this instance may change it, and teardown.yml "
            f"may delete it, set its labels: kubectl label {self._in_kubectl(manifest)} "
            f"{' '.join(f'{name}={value}' for name, value in labels.items())}"
        )

    def _in_kubectl(self, manifest: Mapping[str, Any]) -> str:
        """Return the words by which kubectl finds an object."""
        resource = self.path_of(manifest).split("/")[-2]
        group = manifest["apiVersion"].rpartition("/")[0]
        metadata = manifest["metadata"]
        where = f" -n {metadata['namespace']}" if metadata.get("namespace") else ""
        return f"{'.'.join(filter(None, (resource, group)))} {metadata['name']}{where}"

    def _advice_on(self, manifest: Mapping[str, Any], error: ApiError) -> str:
        """Return the error and its remedy if the API server rejects a change of an existing object."""
        if not is_immutable(error):
            return advice_on(error)
        return (
            f"{error}. The existing object has other values in immutable fields, because another version or another "
            "tool created it. Delete it and run the playbook again. Volumes are kept. Command: kubectl delete "
            f"{self._in_kubectl(manifest)}"
        )

    def _hand_over_replicas(self, before: Manifest, manifest: Manifest) -> None:
        """Keep the number of replicas when an autoscaler takes over.

        The API server resets a field to its default, here one replica, if its only manager no longer applies it.
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
        """Apply an object, and take over its number of replicas from an autoscaler that is disabled now."""
        try:
            return self._write(manifest, MANAGER)
        except ApiError as error:
            if not is_of_an_autoscaler(error):
                raise
        return self._write(manifest, MANAGER, force=True)
