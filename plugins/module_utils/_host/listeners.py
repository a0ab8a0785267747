# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The accounts whose processes listen on a port of this host.

While a server restarts, any account can listen on its port, because ports from 1024 on are open to all accounts. The
process of that account would receive the passwords of the clients, and the server would look ready.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import sys
from collections.abc import Iterable, Iterator
from typing import Union

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.paths import text_of

_LISTEN = "0A"
TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ANY_4, _ANY_6 = ipaddress.ip_address("0.0.0.0"), ipaddress.ip_address("::")
_Address = Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def _address(text: str) -> _Address:
    """Parse an address that the kernel writes in words of four bytes in native byte order."""
    raw = bytes.fromhex(text)
    if sys.byteorder == "little":
        raw = b"".join(raw[start : start + 4][::-1] for start in range(0, len(raw), 4))
    address = ipaddress.ip_address(raw)
    return getattr(address, "ipv4_mapped", None) or address


def listening_accounts(host: str, port: int, tables: Iterable[str] = TABLES) -> set[int]:
    """Return the uids of the sockets that accept connections to an address of this host.

    The result is empty for a host name, or if /proc does not contain the sockets.
    """
    try:
        wanted = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return set()
    found: dict[_Address, set[int]] = {}
    for address, number, account in _listening(text_of(path) for path in tables):
        if number == port:
            found.setdefault(address, set()).add(account)
    # The order of the kernel: the address itself, all addresses of its family, then dual-stack sockets.
    wildcards = [_ANY_4, _ANY_6] if wanted.version == 4 else [_ANY_6]
    return next((found[address] for address in [wanted, *wildcards] if address in found), set())


def _listening(tables: Iterable[str]) -> Iterator[tuple[_Address, int, int]]:
    """Yield address, port and uid of the listening sockets in the texts of C(/proc/net/tcp) and C(/proc/net/tcp6)."""
    for table in tables:
        for line in table.splitlines()[1:]:
            row = line.split()
            if row[3] == _LISTEN:
                address, port = row[1].split(":")
                yield _address(address), int(port, 16), int(row[7])


def listening_ports(*tables: str) -> list[int]:
    """Return the ports of the listening sockets in the texts of C(/proc/net/tcp) and C(/proc/net/tcp6)."""
    return sorted({port for _address, port, _account in _listening(tables)})


def strangers(host: str, port: int, user: str | None) -> str:
    """Return which accounts other than root and that of the process listen on its port, empty if none does."""
    own = pwd.getpwnam(user).pw_uid if user else os.geteuid()
    others = listening_accounts(host, port) - {own, 0}
    return ", ".join(sorted(_name(number) for number in others))


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
