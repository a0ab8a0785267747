# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Export of a server as a document, with references to vault variables instead of secrets."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client, PrefectError
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.kind import Kind
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.registry import (
    EXPORTED,
    Live,
    key_of,
    matches,
)
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.yaml_text import Expression, yaml_text
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_document import BLOCK_DOCUMENT
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.block_schema import BLOCK_SCHEMA
from ansible_collections.selfhosted.prefect.plugins.module_utils._resources.flow import FLOW

OPTIONS: dict[str, Any] = {
    "kinds": {"type": "list", "elements": "str", "choices": [kind.plural for kind in EXPORTED]},
    "include": {"type": "list", "elements": "str", "default": ["*"]},
    "exclude": {"type": "list", "elements": "str", "default": []},
    "vault_prefix": {"type": "str", "default": "vault_"},
}
PREFIX = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# Valid parts of variable names. Names of blocks and their types contain dashes, never underscores.
DASHED, UNDERSCORED = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*"), re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")


def export(client: Client, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result of the module export."""
    if not PREFIX.fullmatch(options["vault_prefix"]):
        problem = f"must be a valid start of a variable name, not {options['vault_prefix']!r}"
        raise PrefectError(f"vault_prefix: {problem}", option="vault_prefix")
    wanted = options.get("kinds") or [kind.plural for kind in EXPORTED]
    live = Live(client)
    if BLOCK_DOCUMENT.plural in wanted:
        live.list_all(BLOCK_SCHEMA)  # blocks refer to schemas
    secrets: list[str] = []
    document: dict[str, Any] = {}
    for kind in EXPORTED:
        if kind.plural in wanted:
            chosen = once(client, kind, [found for found in live.list_all(kind) if is_chosen(kind, found, options)])
            items = [
                hidden(kind, found, kind.to_export(client, found), options["vault_prefix"], secrets) for found in chosen
            ]
            document[kind.plural] = items if kind is BLOCK_SCHEMA else sorted(items, key=lambda item: named(kind, item))
    document["flows"] = without_registered(document)
    document = {name: items for name, items in document.items() if items}
    return {
        "changed": False,
        "configuration": document,
        "yaml": as_file(document, sorted(secrets)),
        "vault_variables": sorted(secrets),
        "summary": {kind.plural: len(document.get(kind.plural, ())) for kind in EXPORTED if kind.plural in wanted},
    }


def once(client: Client, kind: Kind, every: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Select one object of each name, as a document requires: the newest schema, or the oldest automation."""
    result: dict[Any, dict[str, Any]] = {}
    in_time = sorted(every, key=lambda found: str(found["created"])) if kind is not BLOCK_SCHEMA else every
    for found in in_time:
        key = key_of(kind, kind.identity(found))
        if key in result:
            client.remarks.warn(
                f"{kind.title(kind.identity(found))}: several objects have this name; only one of them is exported"
            )
            if kind is not BLOCK_SCHEMA:
                continue
        result[key] = found
    return list(result.values())


def is_chosen(kind: Kind, found: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    name = "/".join(map(str, key_of(kind, kind.identity(found))))
    chosen = matches(name, options["include"]) and not matches(name, options["exclude"])
    return chosen and not kind.builtin(found)


def named(kind: Kind, item: Mapping[str, Any]) -> list[str]:
    return [str(part) for part in key_of(kind, item)]


def without_registered(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Omit flows with only a name. Their first deployment registers them."""
    registered = {item["flow"] for item in document.get("deployments", ())}
    return [item for item in document.get(FLOW.plural, ()) if len(item) > 1 or item["name"] not in registered]


# Secrets


def hidden(
    kind: Kind, found: Mapping[str, Any], item: dict[str, Any], prefix: str, secrets: list[str]
) -> dict[str, Any]:
    """Return the item with references to vault variables, and add their names to the secrets."""

    def refer(location: Sequence[Any], _value: Any) -> Expression:
        owner = [] if kind is BLOCK_DOCUMENT else [kind.noun]
        name = prefix + variable_name([*owner, *key_of(kind, item), *location], 0 if owner else len(kind.key))
        secrets.append(name)
        return Expression(f"{{{{ {name} }}}}")

    return kind.without_secrets(item, found, refer)


def variable_name(parts: Iterable[Any], dashed: int) -> str:
    """Derive a unique and stable variable name from the location of a secret."""
    texts = [str(part) for part in parts]
    name = "__".join(re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") for text in texts)
    if all((DASHED if place < dashed else UNDERSCORED).fullmatch(text) for place, text in enumerate(texts)):
        return name
    return f"{name}_{hashlib.sha256(chr(0).join(texts).encode()).hexdigest()[:8]}"


# The file


def as_file(document: Mapping[str, Any], secrets: Iterable[str]) -> str:
    needed = "".join(f"#   {name}\n" for name in secrets)
    notice = f"# Secrets, to be kept in Ansible Vault:\n{needed}" if needed else ""
    return f"---\n{notice}{yaml_text(document, tagged=True) if document else '{}' + chr(10)}"
