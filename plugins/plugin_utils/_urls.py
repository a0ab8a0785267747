# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""URLs of the parts of a deployment."""

from __future__ import annotations

from urllib.parse import quote

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import bracketed


def endpoint(host: str, port: int, path: str = "", scheme: str = "") -> str:
    """Return host and port, or a URL."""
    return f"{scheme}://" * bool(scheme) + f"{bracketed(str(host))}:{int(port)}{path}"


_MASK = "***"
# Connection options of a Redis or PostgreSQL URL that are no secrets. Other options may be secrets.
_HARMLESS = {
    "application_name",
    "db",
    "health_check_interval",
    "max_connections",
    "protocol",
    "retry_on_timeout",
    "socket_connect_timeout",
    "socket_keepalive",
    "socket_timeout",
    "ssl",
    "ssl_ca_certs",
    "ssl_cert_reqs",
    "ssl_check_hostname",
    "sslmode",
    "sslrootcert",
}


def _parameter(text: str) -> str:
    name, equals, value = text.partition("=")
    return f"{name}={_MASK}" if equals and value and name.lower() not in _HARMLESS else text


def masked_url(url: str) -> str:
    """Return a URL without its secrets."""
    scheme, separator, rest = str(url).partition("://")
    if not separator:
        scheme, rest = "", scheme
    # First, because a password that is not encoded may contain "/", "?" or "#".
    login, at, rest = rest.rpartition("@")
    rest, hash_sign, fragment = rest.partition("#")
    rest, mark, query = rest.partition("?")
    query = "&".join(_parameter(each) for each in query.split("&"))
    fragment = _MASK if fragment else ""
    return f"{scheme}{separator}{_MASK + at if login else ''}{rest}{mark}{query}{hash_sign}{fragment}"


def postgresql_url(
    database: str, host: str, port: int, *, user: str, password: str = "", driver: str = "asyncpg"
) -> str:
    """Return a URL with every part percent-encoded."""
    login = quote(user, safe="") + (":" + quote(password, safe="") if password else "")
    scheme = f"postgresql+{driver}" if driver else "postgresql"
    return f"{scheme}://{login}@{bracketed(host)}:{int(port)}/{quote(database, safe='')}"


def redis_url(
    host: str, port: int = 6379, password: str = "", database: int = 0, *, user: str = "", tls: bool = False
) -> str:
    """Return a Redis URL with user and password percent-encoded."""
    login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
    return f"{'rediss' if tls else 'redis'}://{login}{bracketed(host)}:{int(port)}/{int(database)}"
