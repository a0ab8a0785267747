# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Problems with options, which are reported before the first change."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._urls import masked_url

# A URL, or credentials before a host.
_WITH_LOGIN = re.compile(r".*://.*|[^@]*:.*@.*", re.DOTALL)

Problem = dict[str, str]


def problem(option: str, what: str, remedy: str) -> Problem:
    """Return a problem with an option, and its remedy."""
    return {"option": option, "problem": what, "remedy": remedy}


class Read(Mapping[str, Any]):
    """Values that remember which of them were read. Ansible evaluates a value only when it is read."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.values_read: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        return self.values_read.setdefault(name, self._values[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (*_texts(key), *_texts(inner))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def without_logins(problems: list[Problem], values: Any) -> list[Problem]:
    """Return the problems without the secrets of the URLs in C(values), which a message may quote.

    A password can be in any option: an inventory can have a URL where a host or a name is expected.
    """
    urls = {text for text in _texts(values) if _WITH_LOGIN.fullmatch(text) and masked_url(text) != text}
    # A search path is split at colons.
    urls |= {part for url in urls for part in url.split(":") if "@" in part}
    # A message contains a value as it is, or as a literal of Python.
    masks = {form: masked_url(url) for url in urls for form in (url, repr(url)[1:-1])}

    def masked(text: str) -> str:
        for url in sorted(masks, key=len, reverse=True):
            text = text.replace(url, masks[url])
        return text

    return [{name: masked(text) for name, text in found.items()} for found in problems]
