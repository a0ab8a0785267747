# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible logs the options of each module in the journal of the host. No module logs a secret there."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.module import NestedSecretsModule

ROOT = Path(__file__).resolve().parents[4]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py") if path.stem != "__init__")
PACKAGE = "ansible_collections.selfhosted.prefect.plugins.modules"


class Constructed(Exception):
    """The module has constructed its AnsibleModule."""


def constructed(name: str, monkeypatch: pytest.MonkeyPatch) -> tuple[type, dict[str, Any]]:
    """Return the class of a module and its argument specification."""
    found: list[tuple[type, dict[str, Any]]] = []

    def record(self: AnsibleModule, argument_spec: dict[str, Any], *_args: Any, **_more: Any) -> None:
        found.append((type(self), argument_spec))
        raise Constructed

    monkeypatch.setattr(AnsibleModule, "__init__", record)
    with pytest.raises(Constructed):
        importlib.import_module(f"{PACKAGE}.{name}").main()
    return found[0]


def has_nested_secrets(spec: dict[str, Any]) -> bool:
    """Return whether an option below another one is a secret."""
    below = [option.get("options") or {} for option in spec.values() if not option.get("no_log")]
    return any(
        any(option.get("no_log") for option in options.values()) or has_nested_secrets(options) for options in below
    )


@pytest.mark.parametrize("name", MODULES)
def test_a_module_with_nested_secrets_logs_no_options(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, spec = constructed(name, monkeypatch)
    assert issubclass(kind, NestedSecretsModule) or not has_nested_secrets(spec)


def test_there_is_such_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    _kind, spec = constructed("process_group", monkeypatch)
    assert has_nested_secrets(spec)


def test_the_log_entry_has_no_options(monkeypatch: pytest.MonkeyPatch) -> None:
    logged: list[tuple[Any, ...]] = []
    monkeypatch.setattr(AnsibleModule, "log", lambda _self, *words: logged.append(words))
    NestedSecretsModule.log(object.__new__(NestedSecretsModule), "Invoked with files=[a]", {"files": "[a]"})
    assert logged == [("Invoked",)]
