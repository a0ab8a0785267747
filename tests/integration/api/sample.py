# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the contract tests know of one kind of object: its items, and how its API differs from that of others."""

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
    """One per kind, in the file of its name in the directory `kinds`."""

    item: Callable[[str], Item]  # a small one, from a name
    schemas: Sequence[str]  # of its requests in the server's OpenAPI document
    needs: Sequence[str] = ()  # the kinds whose small items have to be there before
    free: bool = False  # whether its natural key may hold nearly any character
    change: tuple[str, Any] | None = None  # an option to change; None where the server changes nothing
    sends_more: bool = False  # whether its API takes more than what differs
    cleared: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)  # options: a value, and what null makes of it
    # Those of the document that is applied to servers of all sorts, with awkward names and values.
    awkward: Sequence[Item] = ()
    left_out: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # fields without an option, and why
    ours: Sequence[str] = ()  # options that the API does not know: names instead of ids, and what belongs to the path


def slug_of(name: str) -> str:
    return re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
