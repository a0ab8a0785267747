# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Flows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Field, Kind, check_name


class Flow(Kind):
    noun = "flow"
    plural = "flows"
    purge_documentation = "Flows without deployments, with their runs"
    route = ("flows",)
    fields = {
        "name": Field("str"),
        "tags": Field("list", empty=[], elements="str"),
        "labels": Field("dict", empty={}, fixed=True),
    }

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_name(self, item)

    def names(self, item: Mapping[str, Any]) -> list[str]:
        return ["name", item["name"]]

    def reference(self, item: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
        return [found["id"]]

    def normal(self, option: str, value: Any) -> Any:
        value = super().normal(option, value)
        if option == "tags":
            return sorted(set(value))
        if option == "labels":  # without the labels that the server adds
            return {name: label for name, label in value.items() if not name.startswith("prefect.")}
        return value

    def list_all(self, client: Client) -> Iterator[dict[str, Any]]:
        if "flows" not in client.memo:
            client.memo["flows"] = list(super().list_all(client))
        return iter(client.memo["flows"])

    def known(self, client: Client, name: str) -> dict[str, Any] | None:
        """Return the flow, None if it does not exist. If all flows have been read, this needs no request."""
        if "flows" not in client.memo:
            return self.find(client, {"name": name})
        by_name = client.memo.setdefault("flows by name", {one["name"]: one for one in client.memo["flows"]})
        found: dict[str, Any] | None = by_name.get(name)
        return found

    def wanted(self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None) -> dict[str, Any]:
        wanted = super().wanted(client, item, found)
        if found and "labels" in wanted:
            wanted["labels"] = {**self.normal("labels", found.get("labels")), **wanted["labels"]}
        return wanted


FLOW = Flow()
