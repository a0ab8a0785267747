# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""URLs of Redis, possibly with several Sentinels."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit


class Parts(NamedTuple):
    """Scheme, credentials and hosts of a URL."""

    scheme: str
    login: str
    hosts: list[str]  # each with its port, if it has one


def redis_parts(url: str) -> Parts:
    """Parse a URL. urllib rejects a list of hosts with an IPv6 address."""
    scheme, _mark, rest = url.partition("://")
    login, _mark, hosts = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")
    return Parts(scheme, login, hosts.split(","))


def redis_ca(url: str, file: str) -> str:
    """Return C(url) with the CA certificate in C(file)."""
    if not file or not url.startswith("rediss"):
        return url
    address, _mark, query = url.partition("?")
    return f"{address}?{'&'.join(filter(None, [query, f'ssl_ca_certs={quote(file)}']))}"


def redis_database(url: str, database: int) -> str:
    """Return C(url) with its database number replaced."""
    # Not with urllib, which rejects a list of Sentinels with an IPv6 address.
    address, mark, query = url.partition("?")
    scheme, _mark, rest = address.partition("://")
    hosts, _mark, path = rest.partition("/")
    kept = [part for part in path.split("/") if part][:1] if "sentinel" in scheme else []
    return f"{scheme}://{'/'.join([hosts, *kept, str(int(database))])}{mark}{query}"


_SENTINEL_PORT = 26379


def redis_ports(url: str, default: int = 6379) -> list[int]:
    """Return the ports in C(url)."""
    parts = redis_parts(url)
    sentinel = parts.scheme.endswith("+sentinel")
    own = _SENTINEL_PORT if sentinel else int(default)
    ports = {urlsplit(f"//{host}").port or own for host in parts.hosts}
    return sorted(ports | ({int(default)} if sentinel else set()))


def redis_settings(url: str, prefix: str) -> dict[str, str]:
    """Return the connection settings for the Redis at C(url)."""
    if redis_parts(url).scheme not in ("redis", "rediss"):
        return {f"{prefix}_URL": url}
    parts = urlsplit(url)
    database = parts.path.strip("/")
    if parts.query or not (database.isdigit() or not database):
        return {f"{prefix}_URL": url}
    found = {
        "HOST": parts.hostname or "localhost",
        "PORT": str(parts.port or 6379),
        "DB": str(int(database or 0)),
        # Prefect's default is `default`, the Redis user of clients that send only a password.
        "USERNAME": unquote(parts.username) if parts.username else None,
        "PASSWORD": unquote(parts.password) if parts.password else None,
        "SSL": "true" if parts.scheme == "rediss" else None,
    }
    return {f"{prefix}_{name}": value for name, value in found.items() if value is not None}


def redis_rules(keys: Iterable[str], channels: Iterable[str], categories: Iterable[str]) -> list[str]:
    """Return the ACL rules of a Redis user."""
    return [
        *(f"~{key}" for key in keys),
        *(f"&{channel}" for channel in channels),
        "-@all",
        *(f"+@{category}" for category in categories),
        *("-@admin", "-@dangerous", "+info"),
    ]
