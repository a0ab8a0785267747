# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Variables: named JSON values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Field, Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import ChangeSet

NAME = re.compile(r"[a-z0-9_-]{1,255}")
LONGEST = 5000  # maximum number of bytes of a value as JSON without spaces
SECRET_NAME = re.compile(
    r"(^|[_-])(password|passwd|pwd|passphrase|secret|token|credentials?|(api|access|private|secret)[_-]?key)s?([_-]|$)"
)


class Variable(Kind):
    noun = "variable"
    plural = "variables"
    route = ("variables",)
    fields = {
        "name": Field("str"),
        "value": Field("raw", needed=True),  # null is a value like any other
        "tags": Field("list", empty=[], elements="str"),
    }

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        if not NAME.fullmatch(item["name"]):
            problem = "must be 1 to 255 lowercase letters, digits, dashes and underscores"
            raise self.refuse(item, "name", problem)
        length = len(json.dumps(item.get("value"), ensure_ascii=False, separators=(",", ":")).encode())
        if length > LONGEST:
            raise self.refuse(item, "value", f"has {length} bytes as JSON, but the limit of the server is {LONGEST}")

    def names(self, item: Mapping[str, Any]) -> list[str]:
        return ["name", item["name"]]

    def normal(self, option: str, value: Any) -> Any:
        value = super().normal(option, value)
        return sorted(set(value)) if option == "tags" else value

    def plan(
        self, client: Client, item: Mapping[str, Any], found: Mapping[str, Any] | None, state: str = "present"
    ) -> ChangeSet:
        if state == "present" and item.get("value") and SECRET_NAME.search(item["name"]):
            client.remarks.warn(
                f"{self.title(item)} looks like a secret, but every client of the API can read variables: "
                "store secrets in a block_document"
            )
        return super().plan(client, item, found, state)

    def without_secrets(
        self, item: dict[str, Any], found: Mapping[str, Any], refer: Callable[[Sequence[Any], Any], Any]
    ) -> dict[str, Any]:
        if item["value"] and SECRET_NAME.search(item["name"]):
            return {**item, "value": refer((), item["value"])}
        return item


VARIABLE = Variable()
