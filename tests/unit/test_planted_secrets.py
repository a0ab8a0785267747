# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tests that look for secrets everywhere plant one in every variable that can have one."""

from __future__ import annotations

import re
from typing import Any

import yaml
from defaults import ROOT
from e2e.planted import NOT_PLANTED, forms, fresh_secrets, needles, variables_of, words

# Parts of names of variables that contain a secret, lead to one, or can have any content.
SECRET = re.compile(
    r"password|secret|credential|token|auth_string|_key$|_settings$|_environment$|redis_url|database_url"
    r"|tls_certificate$|tls_directory"
)
# A certificate alone is public.
PUBLIC = {"prefect_tls_certificate"}


def options() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml")):
        for spec in yaml.safe_load(path.read_text())["argument_specs"].values():
            found |= spec["options"]
    return found


def test_every_variable_with_a_secret_is_planted_or_has_a_reason_why_not() -> None:
    known = options()
    marked = {name for name, option in known.items() if option.get("no_log")}
    named = {name for name in known if SECRET.search(name)} - PUBLIC
    assert len(marked) >= 8
    assert marked <= named, "the pattern does not know a variable that is marked"
    planted = set(variables_of(fresh_secrets()))
    assert planted | set(NOT_PLANTED) == named
    assert planted & set(NOT_PLANTED) == set()
    assert all(reason.endswith(".") for reason in NOT_PLANTED.values())


def test_planted_texts_are_marked_as_secrets() -> None:
    known = options()
    texts = {name for name in variables_of(fresh_secrets()) if known[name]["type"] == "str"}
    assert {name for name in texts if not known[name].get("no_log")} == set()


def test_every_planted_secret_is_looked_for() -> None:
    values = fresh_secrets()
    found = words(values)
    assert len(set(found)) == len(values)
    assert all(re.fullmatch("planted[0-9a-f]{16}", word) for word in found)
    assert needles(values) == [form for word in found for form in forms(word)]
    text = str(variables_of(values))
    assert [word for word in found if word not in text] == []
