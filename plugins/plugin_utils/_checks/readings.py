# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Registered results of the tasks of a role on several hosts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def registered_results(
    variables: Mapping[str, Mapping[str, Any]], hosts: Iterable[str], prefix: str
) -> dict[str, dict[str, Any]]:
    """Return the registered results of C(hosts) whose names begin with C(prefix), by the rest of the name."""
    found: dict[str, dict[str, Any]] = {}
    for host in hosts:
        of_host = variables[host]
        for name in sorted(name for name in of_host if name.startswith(prefix)):
            result = of_host[name]
            if not result.get("skipped"):
                found.setdefault(name[len(prefix) :], {})[host] = result
    return found
