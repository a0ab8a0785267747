# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The subject alternative names of certificates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict
from urllib.parse import urlsplit

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import address_of, is_address
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates.reading import canonical


class Services(TypedDict):
    """Hosts, and the URLs under which clients reach services on each of them."""

    hosts: Sequence[str]
    urls: Sequence[str]


def certificate_names(
    hosts: Iterable[str], hostvars: Mapping[str, Mapping[str, Any]], services: Sequence[Services] = ()
) -> dict[str, list[str]]:
    """Return the subject alternative names of a certificate of each host."""
    return {host: _names_of(host, hostvars, services) for host in hosts}


def _names_of(host: str, hostvars: Mapping[str, Mapping[str, Any]], services: Sequence[Services]) -> list[str]:
    named = [address_of(host, hostvars), *(hostvars[host].get("prefect_tls_names") or [])]
    named += [urlsplit(url).hostname or "" for each in services if host in each["hosts"] for url in each["urls"]]
    return list(dict.fromkeys(canonical(str(name)) for name in named if name))


def subject_alternative_names(names: Sequence[str]) -> list[str]:
    """Return the entries for C(names)."""
    return [f"IP:{name}" for name in names if is_address(name)] + [f"DNS:{name}" for name in names]
