# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""Addresses of hosts, in URLs and in configuration files."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

# Wildcard addresses in the notations of the programs.
EVERY_ADDRESS = ("*", "0.0.0.0", "::")


def is_ipv6(host: str) -> bool:
    """Return whether C(host) is an IPv6 address, without brackets."""
    try:
        return isinstance(ipaddress.ip_address(host), ipaddress.IPv6Address)
    except ValueError:
        return False


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """Return the network of an address with or without a prefix length, None if the text is none."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def destinations_except(addresses: Iterable[str]) -> list[dict[str, Any]]:
    """Return the C(to) of an C(egress) rule that allows all pods, and all addresses except C(addresses).

    Texts that are no addresses are ignored. The preflight reports them.
    """
    networks = [found for found in map(network, addresses) if found]
    blocks = [
        {"ipBlock": {"cidr": cidr, **({"except": excluded} if excluded else {})}}
        for cidr, version in (("0.0.0.0/0", 4), ("::/0", 6))
        for excluded in [[str(each) for each in networks if each.version == version]]
    ]
    # Some networks do not apply addresses to pods.
    return [*blocks, {"namespaceSelector": {}}]


def is_loopback(address: str) -> bool:
    """Return whether only programs of the same host can connect to the address."""
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost"


def bracketed(host: str) -> str:
    """Return C(host) for use before a colon and a port: with brackets if it is an IPv6 address."""
    return f"[{host}]" if is_ipv6(host) else host


def address_of(hosts: str | Sequence[str], hostvars: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the address of a host, or of the first of C(hosts)."""
    if not hosts:
        return ""
    host = hosts if isinstance(hosts, str) else hosts[0]
    variables = hostvars[host]
    if variables.get("prefect_address"):
        return str(variables["prefect_address"])
    if variables.get("ansible_connection") == "local":
        return "127.0.0.1"
    return str(variables.get("ansible_host") or host)


def _name(place: str) -> str:
    text = place.strip()
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return (urlsplit(text if "://" in text else f"//{text}").hostname or "").rstrip(".")
    return ""


def is_address(name: str) -> bool:
    """Return whether C(name) is an IP address."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def host_names(places: Iterable[str]) -> list[str]:
    """Return the host names in C(places)."""
    names = {_name(str(place)) for place in places}
    return sorted(name for name in names if name and not is_address(name))
