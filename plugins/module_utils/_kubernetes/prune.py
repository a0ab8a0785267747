# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Objects that are no longer defined: find, keep or delete them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ApiError,
    KubernetesError,
    Manifest,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.group import ObjectGroup
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import (
    CLUSTER,
    KINDS,
    LAST,
    Change,
    is_somebodys,
    title,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.refusals import advice_on
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import INSTANCE_LABEL

# Each instance with pods or runs in a namespace has an object of these kinds there.
_TRACES = (
    ("apps/v1", "Deployment"), ("apps/v1", "DaemonSet"), ("rbac.authorization.k8s.io/v1", "Role"), ("v1", "Secret"),
)  # fmt: skip
# Objects that others may have created in a namespace. Their pods belong to one of these kinds, or to a run.
_OTHERS = (
    ("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "CronJob"),
    ("v1", "PersistentVolumeClaim"), ("v1", "Secret"), ("v1", "ConfigMap"), ("v1", "Service"),
)  # fmt: skip
# Never pruned, because it may contain objects of others.
_NAMESPACE = ("v1", "Namespace")
# Never pruned: they limit workers, which another component removes later. An administrator may have created them.
_LIMITS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


class Pruning(ObjectGroup):
    """Deletes objects that are no longer defined."""

    def prune(self, manifests: Sequence[Manifest], namespaces: Iterable[str]) -> list[Change]:
        """Delete the objects that an earlier run created and that this run does not define."""
        wanted = {self._key(manifest) for manifest in manifests}
        owned = [found for found in self.owned(namespaces) if found["kind"] not in _LIMITS]
        extra = [found for found in owned if self._key(found) not in wanted]
        if self.keep_databases:
            self.kept = [found for found in extra if found["kind"] == "Cluster"]
        return self.client.together(self.delete, [found for found in extra if found not in self.kept])

    def refuse_to_lose_databases(self, manifests: Sequence[Manifest], namespaces: Iterable[str]) -> None:
        """Raise if a database would be deleted, because its operator deletes the volumes with it."""
        wanted = {self._key(manifest) for manifest in manifests}
        for found in self.owned(namespaces, [CLUSTER]):
            if self._key(found) not in wanted:
                metadata = found["metadata"]
                where = f"-n {metadata['namespace']} clusters.postgresql.cnpg.io {metadata['name']}"
                raise KubernetesError(
                    f"{title(found)} is no longer in the inventory. The playbook does not delete it, because "
                    "CloudNativePG would delete its volumes with all data. Either add it to the inventory again "
                    "(prefect_postgres, and prefect_postgres_kind: cloudnative_pg). Or keep it and manage it yourself: "
                    f"kubectl label {where} {INSTANCE_LABEL}-. Or, if you have migrated its data, delete it: "
                    f"kubectl delete {where}"
                )

    def remove_all(self, namespaces: Iterable[str], timeout: float) -> list[Change]:
        """Delete all objects of the component, and wait until they and their pods are deleted."""
        owned = self.owned(namespaces, (*KINDS, _NAMESPACE))
        found = [item for item in owned if not self._is_shared(item) and not self._holds_others(item)]
        if self.keep_databases and any(item["kind"] == "Cluster" for item in found):
            # Keep the database, its password and its network policies.
            self.kept, found = found, []
        changes = self.client.together(lambda item: self.delete(item, wait=item["kind"] in LAST), found)
        if not self.dry_run:
            self._wait_until_gone(found, timeout)
        return changes

    def owned(self, namespaces: Iterable[str], kinds: Sequence[tuple[str, str]] = KINDS) -> list[Manifest]:
        """Return the objects with the labels of this component, in all namespaces if the credentials can list them."""
        within = {self.namespace, *namespaces}
        kinds = [kind for kind in kinds if self.path(*kind, None)]

        def read(kind: tuple[str, str]) -> list[Manifest]:
            return self._owned_of_kind(kind, within)

        # The first list shows whether the credentials can list all namespaces.
        lists = [read(kind) for kind in kinds[:1]] + self.client.together(read, kinds[1:])
        # Endpoints and other dependents inherit the labels of their owner.
        return [item for items in lists for item in items if not item["metadata"].get("ownerReferences")]

    def _owned_of_kind(self, kind: tuple[str, str], within: set[str]) -> list[Manifest]:
        everywhere = self.path(*kind, "") or ""
        is_namespaced = everywhere != self.path(*kind, None)
        if self._sees_all_namespaces or not is_namespaced:
            try:
                return [item for item in self._labelled_at(everywhere, kind, self._of_group()) if self._is_ours(item)]
            except ApiError as error:
                if error.status != 403:
                    raise KubernetesError(advice_on(error)) from error
                if not is_namespaced:
                    # Credentials for one namespace cannot list cluster-scoped objects, and have not created any.
                    return []
                if kind == KINDS[0]:  # the first request; other kinds, such as Secrets, can be forbidden separately
                    self._sees_all_namespaces = False
        paths = [self.path(*kind, namespace) or "" for namespace in sorted(within)]
        try:
            found = [item for path in paths for item in self._listed(path, kind, self._of_group())]
        except ApiError as error:
            raise KubernetesError(advice_on(error)) from error
        return [item for item in found if self._is_ours(item)]

    def _is_shared(self, manifest: Mapping[str, Any]) -> bool:
        """Whether an object is a namespace that another instance uses, too."""
        if manifest["kind"] != "Namespace":
            return False
        paths = [path for path in (self.path(*kind, manifest["metadata"]["name"]) for kind in _TRACES) if path]
        query = {"labelSelector": INSTANCE_LABEL}  # of any instance
        answers = self.client.together(lambda path: self.client.json("GET", path, query), paths)
        return any(not self._is_ours(item) for answer in answers for item in answer["items"])

    def _holds_others(self, manifest: Mapping[str, Any]) -> bool:
        """Whether an object is a namespace with objects that neither this collection nor a run has created."""
        if manifest["kind"] != "Namespace":
            return False
        namespace = manifest["metadata"]["name"]

        def others(kind: tuple[str, str]) -> list[str]:
            path = self.path(*kind, namespace)
            items = self.client.json("GET", path, {})["items"] if path else []
            return [f"{kind[1]} {item['metadata']['name']}" for item in items if is_somebodys(item)]

        found = [name for names in self.client.together(others, _OTHERS) for name in names]
        if found:
            more = ", ..." if len(found) > 5 else ""
            self.client.warnings.add(
                f"{title(manifest)} was not deleted, because it also contains {', '.join(found[:5])}{more}."
            )
        return bool(found)

    @staticmethod
    def _key(manifest: Mapping[str, Any]) -> tuple[str, str, str, str]:
        metadata = manifest["metadata"]
        api_group = manifest["apiVersion"].rpartition("/")[0]
        return api_group, manifest["kind"], metadata.get("namespace") or "", metadata["name"]
