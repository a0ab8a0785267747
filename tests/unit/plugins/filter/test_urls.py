# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and connection URLs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import address_of
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._redis import (
    redis_ca,
    redis_database,
    redis_ports,
    redis_rules,
    redis_settings,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._urls import (
    endpoint,
    masked_url,
    postgresql_url,
    redis_url,
)

ROLES = Path(__file__).resolve().parents[4] / "roles"
TEXT = st.text(st.characters(blacklist_categories=["Cs"]))
NAME = TEXT.filter(bool)
PORT = st.integers(1, 65535)
HOSTVARS: dict[str, dict[str, Any]] = {
    "here": {"ansible_connection": "local"},
    "named": {},
    "reached": {"ansible_host": "10.0.0.5"},
    "stated": {"ansible_host": "203.0.113.9", "ansible_connection": "local", "prefect_address": "10.0.0.6"},
}


@pytest.mark.parametrize(
    ("hosts", "address"),
    [
        ("here", "127.0.0.1"),
        ("named", "named"),
        ("reached", "10.0.0.5"),
        ("stated", "10.0.0.6"),
        (["reached", "here"], "10.0.0.5"),
        ([], ""),
        ("", ""),
    ],
)
def test_address_of(hosts: Any, address: str) -> None:
    assert address_of(hosts, HOSTVARS) == address


@given(database=NAME, user=NAME, password=NAME, port=PORT)
def test_postgresql_url_reads_back(database: str, user: str, password: str, port: int) -> None:
    url = urlsplit(postgresql_url(database, "db.example", port, user=user, password=password))
    assert (url.scheme, url.hostname, url.port) == ("postgresql+asyncpg", "db.example", port)
    assert (unquote(url.username or ""), unquote(url.password or "")) == (user, password)
    assert unquote(url.path[1:]) == database
    assert not url.query
    assert not url.fragment


def test_postgresql_url_as_text() -> None:
    url = postgresql_url("prefect", "10.0.0.5", 5432, user="me", password="p@s:/#% 1")
    assert url == "postgresql+asyncpg://me:p%40s%3A%2F%23%25%201@10.0.0.5:5432/prefect"
    assert postgresql_url("p", "::1", 5432, user="me") == "postgresql+asyncpg://me@[::1]:5432/p"


@given(password=NAME, port=PORT, database=st.integers(0, 15), tls=st.booleans())
def test_redis_url_reads_back(password: str, port: int, database: int, tls: bool) -> None:
    url = urlsplit(redis_url("cache.example", port, password, database, tls=tls))
    assert (url.scheme, url.hostname, url.port) == ("rediss" if tls else "redis", "cache.example", port)
    assert (url.username, unquote(url.password or "")) == ("", password)
    assert url.path == f"/{database}"


def test_redis_url_as_text() -> None:
    assert redis_url("10.0.0.6") == "redis://10.0.0.6:6379/0"
    assert redis_url("::1", 6380, "a b") == "redis://:a%20b@[::1]:6380/0"


@pytest.mark.parametrize(
    ("url", "other"),
    [
        ("redis://:s%40@10.0.0.6:6379/0", "redis://:s%40@10.0.0.6:6379/3"),
        ("redis://10.0.0.6:6379", "redis://10.0.0.6:6379/3"),
        ("redis://10.0.0.6:6379/", "redis://10.0.0.6:6379/3"),
        ("rediss://u:p@h:1/5?ssl_cert_reqs=none", "rediss://u:p@h:1/3?ssl_cert_reqs=none"),
        ("redis+sentinel://a:26379,b:26379/mymaster", "redis+sentinel://a:26379,b:26379/mymaster/3"),
        ("redis+sentinel://a:26379/mymaster/0", "redis+sentinel://a:26379/mymaster/3"),
        ("rediss+sentinel://a,b/mymaster", "rediss+sentinel://a,b/mymaster/3"),
        ("rediss+sentinel://u:p@a,[::1]:26380/mymaster/0?x=1", "rediss+sentinel://u:p@a,[::1]:26380/mymaster/3?x=1"),
    ],
)
def test_redis_database(url: str, other: str) -> None:
    assert redis_database(url, 3) == other


@pytest.mark.parametrize(
    ("url", "trusting"),
    [
        ("rediss://:s%40@h:1/0", "rediss://:s%40@h:1/0?ssl_ca_certs=/etc/a%20b.crt"),
        ("rediss://h:1?health=1", "rediss://h:1?health=1&ssl_ca_certs=/etc/a%20b.crt"),
        ("rediss+sentinel://a,[::1]:7/m", "rediss+sentinel://a,[::1]:7/m?ssl_ca_certs=/etc/a%20b.crt"),
        ("redis://h:1/0", "redis://h:1/0"),
        ("redis+sentinel://a,b/m", "redis+sentinel://a,b/m"),
        ("", ""),
    ],
)
def test_redis_ca(url: str, trusting: str) -> None:
    assert redis_ca(url, "/etc/a b.crt") == trusting
    assert redis_ca(url, "") == url


def test_each_database_is_of_the_same_authority() -> None:
    assert redis_database(redis_ca("rediss://h:1/0", "/a.crt"), 3) == "rediss://h:1/3?ssl_ca_certs=/a.crt"
    assert redis_database(redis_ca("rediss+sentinel://a,b/m", "/a.crt"), 3) == (
        "rediss+sentinel://a,b/m/3?ssl_ca_certs=/a.crt"
    )


@given(password=NAME, database=st.integers(0, 15))
def test_redis_database_changes_nothing_else(password: str, database: int) -> None:
    assert redis_database(redis_url("h", 6379, password), database) == redis_url("h", 6379, password, database)


@pytest.mark.parametrize(
    ("url", "ports"),
    [
        ("redis://cache", [6379]),
        ("rediss://:p%40ss@cache:6390/0", [6390]),
        ("redis://[::1]:6391", [6391]),
        ("redis+sentinel://a,b:26380,[::1]/master/0", [6379, 26379, 26380]),
        ("rediss+sentinel://user:word@a:1/master", [1, 6379]),
        ("", [6379]),
    ],
)
def test_redis_ports(url: str, ports: list[int]) -> None:
    assert redis_ports(url) == ports
    if 6379 in ports:
        assert redis_ports(url, 7000) == sorted({*ports, 7000} - {6379})


@given(user=st.none() | NAME, password=NAME, port=st.integers(1, 65535), database=st.integers(0, 15), tls=st.booleans())
def test_redis_settings_say_what_the_url_says(
    user: str | None, password: str, port: int, database: int, *, tls: bool
) -> None:
    anonymous = redis_url("cache.example", port, password, database, tls=tls)
    url = anonymous.replace("://", f"://{quote(user or '', safe='')}")
    expected = {"X_HOST": "cache.example", "X_PORT": str(port), "X_DB": str(database), "X_PASSWORD": password}
    expected |= {"X_SSL": "true"} if tls else {}
    expected |= {"X_USERNAME": user} if user else {}
    assert redis_settings(url, "X") == expected


@pytest.mark.parametrize(
    "url",
    [
        "rediss://h:6380/0?ssl_ca_certs=/etc/ca.crt",
        "redis+sentinel://a,b:26380/master/0",
        "rediss+sentinel://a/master",
        "rediss+sentinel://:p@a,[::1]:26380/master",
        "redis://h/zero",
    ],
)
def test_what_only_a_url_can_say_stays_one(url: str) -> None:
    assert redis_settings(url, "X") == {"X_URL": url}


def test_redis_settings_of_the_shortest_url() -> None:
    assert redis_settings("redis://[::1]", "X") == {"X_HOST": "::1", "X_PORT": "6379", "X_DB": "0"}


@pytest.mark.parametrize(
    ("host", "url", "word"),
    [
        ("db.example", "http://db.example:4200/api", "db.example:4200"),
        ("10.0.0.5", "http://10.0.0.5:4200/api", "10.0.0.5:4200"),
        ("fd00::5", "http://[fd00::5]:4200/api", "[fd00::5]:4200"),
        ("::", "http://[::]:4200/api", "[::]:4200"),
        ("fe80::1%eth0", "http://[fe80::1%eth0]:4200/api", "[fe80::1%eth0]:4200"),
        ("*", "http://*:4200/api", "*:4200"),
    ],
)
def test_endpoint(host: str, url: str, word: str) -> None:
    assert endpoint(host, 4200, "/api", scheme="http") == url
    assert endpoint(host, 4200) == word


@given(address=st.ip_addresses(), port=PORT)
def test_every_address_reads_back_from_a_url(address: Any, port: int) -> None:
    urls = [
        endpoint(str(address), port, scheme="http"),
        redis_url(str(address), port, "p:@/"),
        postgresql_url("d", str(address), port, user="u", password="p:@/"),
    ]
    for url in urls:
        assert (urlsplit(url).hostname, urlsplit(url).port) == (str(address), port)


SECRET = st.text("abcXYZ019-_%/?#@:&=+ é", min_size=1).map(lambda text: f"planted{text}planted")


@given(SECRET, st.sampled_from(["redis", "rediss+sentinel", "https"]), st.booleans())
def test_a_masked_url_has_no_login(secret: str, scheme: str, encoded: bool) -> None:
    """This also applies to credentials that are not encoded."""
    written = quote(secret, safe="") if encoded else secret
    for login in (f":{written}@", f"user:{written}@", f"{written}@"):
        masked = masked_url(f"{scheme}://{login}a:1,b:2/path")
        assert masked == f"{scheme}://***@a:1,b:2/path"


@given(SECRET.map(lambda text: quote(text, safe="")), st.sampled_from(["sentinel_password", "password", "new"]))
def test_a_masked_url_has_no_secret_in_its_query(secret: str, name: str) -> None:
    masked = masked_url(f"redis+sentinel://:{secret}@a,b/master/0?{name}={secret}&db=2&{name}={secret}#{secret}")
    assert masked == f"redis+sentinel://***@a,b/master/0?{name}=***&db=2&{name}=***#***"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "no url at all",
        "redis://10.0.0.6:6379/0",
        "redis://[::1]:6379/0",
        "rediss://h/0?ssl_ca_certs=/a.crt&ssl_cert_reqs=none",
        "https://prefect.example/api",
    ],
)
def test_a_url_without_secrets_is_shown_as_it_is(url: str) -> None:
    assert masked_url(url) == url


def test_what_verify_says_masks_its_urls() -> None:
    """The summary masks every URL that it contains."""
    summary = (ROLES / "prefect_verify/templates/summary.txt.j2").read_text()
    named = re.findall(r"\{[{%][^}]*\bprefect_\w*_url\b[^}]*[%}]\}", summary)
    assert len(named) >= 2
    assert [each for each in named if "selfhosted.prefect._masked_url" not in each] == []


@pytest.mark.parametrize("channels", [["a:*", "b"], []])
def test_a_user_of_redis_may_do_what_is_listed_and_administer_nothing(channels: list[str]) -> None:
    *listed, admin, dangerous, info = redis_rules(["a:*", "c"], channels, ["string"])
    assert listed == ["~a:*", "~c", *(f"&{channel}" for channel in channels), "-@all", "+@string"]
    # The last rule has precedence.
    assert (admin, dangerous, info) == ("-@admin", "-@dangerous", "+info")


def test_a_redis_user_stays_in_the_url_without_a_password() -> None:
    """So that the preflight reports the forgotten password, instead of a connection as the user default."""
    assert redis_url("10.0.0.6", user="prefect") == "redis://prefect:@10.0.0.6:6379/0"
    assert redis_url("10.0.0.6") == "redis://10.0.0.6:6379/0"
