# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Common code of the lookups: read objects by name with the connection options."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.module import CONNECTION_OPTIONS


def objects(
    kind: Kind, items: Sequence[Mapping[str, Any]], options: Mapping[str, Any], *, all_there: bool
) -> Iterator[dict[str, Any] | None]:
    """Return the object of each item. A missing optional object is None."""
    connection = {name: options[name] for name in CONNECTION_OPTIONS}
    headers = mapping(connection.pop("custom_headers"))
    client = Client(connection.pop("api_url"), headers=headers, read_only=True, **connection)
    for item in items:
        kind.check(item)
        found = kind.find(client, item)
        if found is None and all_there:
            raise PrefectError(f"the {kind.title(item)} does not exist; set default= if it is optional")
        yield found


def mapping(headers: Any) -> Mapping[str, Any] | None:
    """Parse JSON from the environment. Ansible does this for modules, but not for lookups."""
    try:
        result = json.loads(headers) if isinstance(headers, str) else headers
    except ValueError:
        result = headers
    if not (result is None or isinstance(result, Mapping)):
        raise PrefectError("custom_headers: must be a mapping or a JSON object")
    return result
