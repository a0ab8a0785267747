# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Addresses as they stand in URLs and in configuration files."""

from __future__ import annotations

import ipaddress

# What listens on all addresses of a machine, in the notations of the programs that are told of them.
EVERY_ADDRESS = ("*", "0.0.0.0", "::")


def is_ipv6(host: str) -> bool:
    """Return whether C(host) is an IPv6 address, without brackets."""
    try:
        return isinstance(ipaddress.ip_address(host), ipaddress.IPv6Address)
    except ValueError:
        return False


def bracketed(host: str) -> str:
    """Return C(host) as it stands before a colon and a port."""
    return f"[{host}]" if is_ipv6(host) else host
