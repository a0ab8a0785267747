# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The base job template of a work pool, derived from the default template of the server."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.client import Client
from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.reconcile import merge, same

PLACEHOLDER = re.compile(r"{{\s*(\$?[\w.-]+)\s*}}")
SERVER_SIDE = ("prefect.blocks.", "prefect.variables.", "$", "ctx.")  # placeholders that need no variable
TEMPLATE_OPTIONS = ("job", "job_manifest_patch", "base_job_template")


def default_templates(client: Client) -> dict[str, Any]:
    """Return the server's default base job template of each pool type."""
    if "workers" not in client.memo:
        client.memo["workers"] = client.get("collections", "views", "aggregate-worker-metadata")
    workers = client.memo["workers"]
    return {
        name: worker["default_base_job_configuration"]
        for workers in workers.values()
        for name, worker in workers.items()
    }


def default_template(client: Client, pool_type: Any) -> dict[str, Any] | None:
    template: dict[str, Any] | None = default_templates(client).get(pool_type)
    return template


def job_template(
    template: Mapping[str, Any], job: Mapping[str, Any] | None, patch: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the template with other defaults of its variables and a patched job_configuration."""
    defaults = {name: {"default": value} for name, value in (job or {}).items()}
    result = dict(template)
    if defaults:
        variables = template["variables"]
        properties = {
            name: {**schema, **defaults.get(name, {})} for name, schema in variables.get("properties", {}).items()
        }
        result["variables"] = {**variables, "properties": properties}
    if patch:
        result["job_configuration"] = merge(template["job_configuration"], patch)
    return result


def template_options(default: Mapping[str, Any] | None, template: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that derive this template from the default one, or the complete template."""
    if not default:
        return {"base_job_template": template}
    variables = {
        name: template.get("variables", {}).get("properties", {}).get(name, {})
        for name in default["variables"].get("properties", {})
    }
    options: dict[str, Any] = {
        "job": {
            name: schema["default"]
            for name, schema in variables.items()
            if "default" in schema
            and not same(schema["default"], default["variables"]["properties"][name].get("default", ABSENT))
        },
        "job_manifest_patch": patch_between(default["job_configuration"], template.get("job_configuration", {})),
    }
    made = job_template(default, options["job"], options["job_manifest_patch"])
    if not same(made, template):
        return {"base_job_template": template}
    return {name: value for name, value in options.items() if value}


ABSENT = object()


def patch_between(base: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the patch from base to wanted. Null removes a key."""
    patch: dict[str, Any] = {name: None for name in base if name not in wanted}
    for name, value in wanted.items():
        before = base.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            inner = patch_between(before, value)
            patch.update({name: inner} if inner else {})
        elif name not in base or not same(before, value):
            patch[name] = value
    return patch


def undeclared(template: Mapping[str, Any]) -> list[str]:
    """Return placeholders in job_configuration that variables.properties does not declare. The server rejects them."""
    used = set(PLACEHOLDER.findall(json.dumps(template.get("job_configuration", {}))))
    declared = template.get("variables", {}).get("properties", {})
    return sorted(name for name in used if name not in declared and not name.startswith(SERVER_SIDE))


def hint(name: str, declared: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(declared), n=3, cutoff=0.4)
    return f"; did you mean {' or '.join(close)}?" if close else f"; it has {', '.join(sorted(declared))}"
