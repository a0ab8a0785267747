# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The properties of one kind of object for the contract tests: its items, and how its API differs from other APIs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Item = dict[str, Any]
PLANTED = "planted-in-the-matrix"
NAME = "m #1? ü'\" {{ name }}"
FLOW_AND_NAME = f"{NAME}/{NAME}"


@dataclass(frozen=True)
class Sample:
    """The sample of one kind, in the file with the name of the kind in the directory `kinds`."""

    item: Callable[[str], Item]  # creates a small item from a name
    schemas: Sequence[str]  # request schemas in the server's OpenAPI document
    needs: Sequence[str] = ()  # kinds whose small items have to exist before
    free: bool = False  # whether its natural key can contain almost any character
    change: tuple[str, Any] | None = None  # an option to change; None if the server cannot change any
    sends_more: bool = False  # whether its API requires more than the changed fields
    cleared: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)  # option: a value, and the value after null
    # Items of the document that test_lifecycle applies to many kinds of servers, with awkward names and values.
    awkward: Sequence[Item] = ()
    left_out: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # fields without an option, and the reason
    ours: Sequence[str] = ()  # options that the API does not have: names instead of ids, and parts of the path


def slug_of(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
