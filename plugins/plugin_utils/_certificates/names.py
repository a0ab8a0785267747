# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# This file is private to the collection: its functions may change in any release.
"""The subject alternative names of certificates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import address_of, is_address
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates.reading import canonical


def certificate_names(host: str, hostvars: Mapping[str, Mapping[str, Any]], urls: Sequence[str] = ()) -> list[str]:
    """Return the subject alternative names of a certificate of C(host)."""
    named = [address_of(host, hostvars), *(hostvars[host].get("prefect_tls_names") or [])]
    named += [urlsplit(url).hostname or "" for url in urls]
    return list(dict.fromkeys(canonical(str(name)) for name in named if name))


def subject_alternative_names(names: Sequence[str]) -> list[str]:
    """Return the entries for C(names)."""
    return [f"IP:{name}" for name in names if is_address(name)] + [f"DNS:{name}" for name in names]
