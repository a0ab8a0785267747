# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The parts of a Redis URL, which may name several Sentinels."""

from __future__ import annotations

import re
from typing import NamedTuple


class Parts(NamedTuple):
    """A URL without what comes after its hosts."""

    scheme: str
    login: str
    hosts: list[str]  # each with its port, if it has one


def redis_parts(url: str) -> Parts:
    """Take a URL apart. Python's own way refuses a list of hosts of which one is an IPv6 address."""
    scheme, _mark, rest = url.partition("://")
    login, _mark, hosts = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")
    return Parts(scheme, login, hosts.split(","))
