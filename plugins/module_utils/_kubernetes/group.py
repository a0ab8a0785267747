# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The objects of one component of an instance: their paths and their owner."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.client import (
    ApiError,
    KubernetesClient,
    KubernetesError,
    Manifest,
    part,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.manifests import Change, owner, title
from ansible_collections.selfhosted.prefect.plugins.module_utils._kubernetes.refusals import advice_on
from ansible_collections.selfhosted.prefect.plugins.module_utils._labels import (
    GROUP_LABEL,
    HOME_LABEL,
    INSTANCE_LABEL,
    MADE_HERE,
    described,
)

# Not every cluster has these APIs. Credentials that cannot list their objects have not created any.
OPTIONAL = frozenset(("keda.sh/v1alpha1", "postgresql.cnpg.io/v1", "gateway.networking.k8s.io/v1"))
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
INTERVAL = 0.5


class ObjectGroup:
    """The objects of one component of an instance in one cluster: their paths and their owner."""

    def __init__(
        self,
        client: KubernetesClient,
        instance: str,
        group: str,
        namespace: str,
        *,
        dry_run: bool = False,
        force: bool = False,
        keep_databases: bool = False,
    ) -> None:
        self.client = client
        self.instance = instance
        self.group = group
        self.namespace = namespace
        self.dry_run = dry_run
        self.force = force
        self.keep_databases = keep_databases
        self.kept: list[Manifest] = []
        self._resources: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._sees_all_namespaces = True  # until the API server rejects it

    def discover(self) -> None:
        """Read the kinds of all API versions of the cluster, with two requests."""
        if self._resources:
            return
        answers = self.client.together(lambda path: self.client.json("GET", path, accept=_DISCOVERY), ["/api", "/apis"])
        for group in (item for answer in answers for item in answer["items"]):
            name = group["metadata"].get("name")
            for version in group["versions"]:
                kinds = {entry["responseKind"]["kind"]: entry for entry in version.get("resources") or []}
                self._resources["/".join(filter(None, (name, version["version"])))] = kinds

    def path(self, version: str, kind: str, namespace: str | None) -> str | None:
        """Return the path of the objects of a kind, None if the cluster does not have the kind.

        None means the namespace of the instance. An empty namespace means all namespaces.
        """
        self.discover()
        resource = self._resources.get(version, {}).get(kind)
        if resource is None:
            return None
        base = "/api/v1" if version == "v1" else f"/apis/{version}"
        namespace = self.namespace if namespace is None else namespace
        inside = f"/namespaces/{part(namespace)}" if namespace and resource["scope"] == "Namespaced" else ""
        return f"{base}{inside}/{resource['resource']}"

    def path_of(self, manifest: Mapping[str, Any]) -> str:
        metadata = manifest["metadata"]
        path = self.path(manifest["apiVersion"], manifest["kind"], metadata.get("namespace") or None)
        if path is None:
            raise KubernetesError(
                f"The cluster does not have the kind {manifest['kind']} of {manifest['apiVersion']}, which "
                f"{metadata['name']} requires. Install the operator or controller that provides it, or disable the "
                "option that uses it."
            )
        return f"{path}/{part(metadata['name'])}"

    def labelled(self, manifest: Mapping[str, Any]) -> Manifest:
        """Return an object with the labels of its instance and component, and with its namespace."""
        result = copy.deepcopy(dict(manifest))
        metadata = result.setdefault("metadata", {})
        metadata["labels"] = {
            **(metadata.get("labels") or {}),
            **described({INSTANCE_LABEL: self.instance, GROUP_LABEL: self.group}),
            **MADE_HERE,
        }
        template = (result.get("spec") or {}).get("template") or {}
        if "metadata" in template:
            template["metadata"].setdefault("labels", {}).update(described({GROUP_LABEL: self.group}))
        self.discover()
        resource = self._resources.get(result["apiVersion"], {}).get(result["kind"])
        if resource and resource["scope"] == "Namespaced":
            metadata.setdefault("namespace", self.namespace)
        if metadata.get("namespace") != self.namespace:
            metadata["labels"][HOME_LABEL] = self.namespace
        return result

    def _is_ours(self, manifest: Mapping[str, Any]) -> bool:
        return owner(manifest) == (self.instance, self.namespace)

    def _of_group(self) -> str:
        return f"{INSTANCE_LABEL}={self.instance},{GROUP_LABEL}={self.group}"

    def _labelled_at(self, path: str, kind: tuple[str, str], selector: str) -> list[Manifest]:
        answer = self.client.found(path, {"labelSelector": selector})
        return [{"apiVersion": kind[0], "kind": kind[1], **item} for item in (answer or {}).get("items") or []]

    def _listed(self, path: str, kind: tuple[str, str], selector: str) -> list[Manifest]:
        """Return objects of a kind in one namespace, none if the API is optional and the credentials cannot list it."""
        try:
            return self._labelled_at(path, kind, selector)
        except ApiError as error:
            if error.status == 403 and kind[0] in OPTIONAL:
                return []
            raise

    def delete(self, manifest: Manifest, *, wait: bool = False) -> Change:
        query = {"propagationPolicy": "Foreground" if wait else "Background"}
        if self.dry_run:
            query["dryRun"] = "All"
        try:
            self.client.json("DELETE", self.path_of(manifest), query)
        except ApiError as error:
            if error.status != 404:
                raise KubernetesError(f"{title(manifest)}: {advice_on(error)}") from error
        return Change("delete", manifest, None)

    def _wait_until_gone(self, manifests: Sequence[Manifest], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while manifests := [item for item in manifests if self.client.found(self.path_of(item))]:
            if time.monotonic() > deadline:
                raise KubernetesError(f"{title(manifests[0])} still exists after {timeout:.0f} s")
            time.sleep(INTERVAL)
