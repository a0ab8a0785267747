# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PyYAML reads the YAML that modules write without PyYAML as the original value."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.module_utils._prefect.yaml_text import Expression, yaml_text

ODD = [
    *("yes", "~", "null", "1e3", "1_000", "0x1f", "1:30", "2026-01-01", "<<", "=", "*", "*a", "@a", "- x", "a: b"),
    *("a #b", "x:", " a", "a ", "a\nb", "a\n\nb\n", " a\nb", "a\n", "\n", "a\n\n", "a\tb\nc", "http://x/y", "{{ a }}"),
    *("a\n {{ b }}", "ünï", "\x85", "\ufeff", "\U0001f600", '"', "\\", "'", "!unsafe x", "%a", "a,b", "[a", "{a"),
]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(ODD)
KEYS = st.text(max_size=5) | st.sampled_from(ODD)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=500, deadline=None)
@given(VALUES)
def test_what_is_written_is_read_as_it_was(value: Any) -> None:
    assert yaml.safe_load(yaml_text(value)) == value


def test_it_reads_well() -> None:
    value = {"a": {"steps": [1, {"x": [[1], {"k": "a\nb\n"}], "on": "{{ z }}"}], "none": {}, "text": "two words"}}
    assert yaml_text(value) == (
        "a:\n  steps:\n    - 1\n    - x:\n        - - 1\n        - k: |\n            a\n            b\n"
        '      "on": "{{ z }}"\n  none: {}\n  text: two words\n'
    )


@pytest.mark.parametrize("text", ["{{ a }}", "x {% if %}", "{# a #}", "two\nlines {{ a }}"])
def test_templates_are_tagged_and_expressions_are_not(text: str) -> None:
    assert ": !unsafe " in yaml_text({"a": text}, tagged=True)
    assert "!unsafe" not in yaml_text({"a": text})
    assert "!unsafe" not in yaml_text({"a": Expression(text)}, tagged=True)
