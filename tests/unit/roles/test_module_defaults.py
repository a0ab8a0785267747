# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module_defaults of blocks can be evaluated on both platforms, even those for modules of the other platform.

ansible-core 2.18 evaluates all module_defaults for every task. Newer versions evaluate only those of the task's module.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import ROOT, templated
from security_tables import FOUND, PASSWORDS

# The inventory of each platform, and the facts of a host on it.
PLATFORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "kubernetes": ("development", {}),
    "host": ("local", {"prefect_host": FOUND}),
}
ADDRESS = {"prefect_address": "127.0.0.1"}  # from hostvars, which exist only in a play
# An earlier task sets this variable.
SET_BEFORE: dict[str, Any] = {"__prefect_postgres_ca": {}}


def defaults_in(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the module_defaults of a task file, at any depth."""
    if isinstance(value, list):
        for one in value:
            yield from defaults_in(one)
    elif isinstance(value, Mapping):
        if "module_defaults" in value:
            yield value["module_defaults"]
        for name in ("block", "rescue", "always"):
            yield from defaults_in(value.get(name))


def cases() -> Iterator[Any]:
    for path in sorted((ROOT / "roles").glob("*/tasks/*.yml")):
        for number, found in enumerate(defaults_in(yaml.safe_load(path.read_text()))):
            for platform in PLATFORMS:
                if path.stem.endswith(tuple({*PLATFORMS} - {platform})):  # a task file for the other platform
                    continue
                name = f"{path.parent.parent.name}/{path.stem}-{number}-{platform}"
                yield pytest.param(path, platform, found, id=name)


@pytest.mark.parametrize(("path", "platform", "found"), [*cases()])
def test_module_defaults_have_values(path: Path, platform: str, found: Mapping[str, Any]) -> None:
    inventory, known = PLATFORMS[platform]
    given = {**PASSWORDS, "prefect_api_auth_string": "admin:planted", **SET_BEFORE, **ADDRESS, **known}
    evaluated = templated(inventory, path.parent.parent.name, found, {"omit": "omitted"}, **given)
    assert set(evaluated) == set(found)
    assert "{{" not in str(evaluated)
