# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Problems with a certificate. Requires cryptography 42; ansible-core accepts any version."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterator, Sequence

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._addresses import is_address

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization
except ImportError:
    AVAILABLE = False
else:
    AVAILABLE = hasattr(x509.Certificate, "not_valid_after_utc")


def certificates_of(text: str) -> list[x509.Certificate]:
    """Return the certificates in a PEM text, the leaf certificate first; an empty list if it is not PEM."""
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        return []


def ends_in_days(certificate: x509.Certificate) -> float:
    """Return the remaining days of a certificate."""
    left = certificate.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)
    return left.total_seconds() / 86400


def names_of(certificate: x509.Certificate) -> set[str]:
    """Return the subject alternative names of a certificate."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return set()
    names = {name.lower() for name in found.get_values_for_type(x509.DNSName)}
    return names | {str(address) for address in found.get_values_for_type(x509.IPAddress)}


def canonical(name: str) -> str:
    """Return the canonical form of a name or an address."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.lower()


def _covers(names: set[str], wanted: str) -> bool:
    return wanted in names or (not is_address(wanted) and "*." + wanted.partition(".")[2] in names)


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def trusted(chain: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]) -> bool:
    """Return whether a chain, the leaf certificate first, ends at one of the authorities."""
    current, rest = chain[0], list(chain[1:])
    while not any(_issued_by(current, authority) for authority in authorities):
        following = next((issuer for issuer in rest if _issued_by(current, issuer)), None)
        if following is None:
            return False
        rest.remove(following)
        current = following
    return True


def _same_key(certificate: x509.Certificate, key: str) -> str:
    """Return the problem with the key, an empty string if there is none."""
    try:
        private = serialization.load_pem_private_key(key.encode(), password=None)
    except TypeError:
        return "has a passphrase, which the processes cannot enter"
    except ValueError:
        return "is not a private key in PEM"
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    same = private.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)
    return "" if same else "is not the key of the certificate"


def _time(certificate: x509.Certificate, days: float) -> Iterator[str]:
    left = ends_in_days(certificate)
    if left <= 0:
        yield f"expired {-left:.0f} days ago"
    elif left <= days:
        yield f"expires in {left:.0f} days"
    if certificate.not_valid_before_utc > datetime.datetime.now(datetime.timezone.utc):
        yield f"is not valid before {certificate.not_valid_before_utc}"


def certificate_faults(
    certificate: str, authority: str, names: Sequence[str], *, key: str = "", days: float = 0
) -> list[tuple[str, str]]:
    """Return the problems, each with the part it applies to: C(certificate), C(key) or C(authority)."""
    chain, authorities = certificates_of(certificate), certificates_of(authority)
    if not chain:
        return [("certificate", "is not a certificate in PEM")]
    if not authorities:
        return [("authority", "is not a certificate in PEM")]
    faults = [("certificate", fault) for fault in _time(chain[0], days)]
    lacking = [name for name in names if not _covers(names_of(chain[0]), canonical(name))]
    if lacking:
        faults.append(("certificate", f"does not contain the names {', '.join(lacking)}"))
    if not trusted(chain, authorities):
        faults.append(("certificate", "is not issued by the CA"))
    faults += [("authority", fault) for found in authorities for fault in _time(found, 0)]
    if key and (fault := _same_key(chain[0], key)):
        faults.append(("key", fault))
    return faults
