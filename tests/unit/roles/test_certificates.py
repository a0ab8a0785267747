# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CA that the collection creates, with real certificates."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret
from cryptography import x509
from rendering import ROOT, played

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates.due import certificates_due
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates.names import (
    Services,
    certificate_names,
    subject_alternative_names,
)
from ansible_collections.selfhosted.prefect.plugins.plugin_utils._certificates.problems import (
    authority_problems,
    certificate_problems,
)

HOST = "localhost"  # the host in inventories/local
NAMES = ["127.0.0.1", "::1", "prefect.example.com"]


def execute(directory: Path, place: Path, *words: str, **more: Any) -> str:
    file = str(ROOT / "roles/prefect_host/tasks/make_certificates.yml")
    task = {"name": "Make", "ansible.builtin.include_tasks": file, "when": "prefect_tls_due | length > 0"}
    variables = {"prefect_tls": "authority", "prefect_tls_directory": str(place), "prefect_tls_names": NAMES[1:]}
    # The variable is set explicitly, because the task does not see the defaults of roles.
    variables["prefect_address"] = NAMES[0]
    ended = played(directory, "local", "prefect_host", [task], *words, **{**variables, **more})
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("certificates") / "tls"
    execute(tmp_path_factory.mktemp("play"), place)
    return place


def texts(place: Path) -> dict[str, str]:
    names = {"certificate": f"{HOST}.crt", "key": f"{HOST}.key", "authority": "authority.crt"}
    return {part: (place / name).read_text() for part, name in names.items()}


def test_keys_are_for_their_owner_only(place: Path) -> None:
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in [place, *place.iterdir()]}
    assert modes == {
        "tls": "0o700",
        "authority.key": "0o600",
        "authority.crt": "0o644",
        f"{HOST}.key": "0o600",
        f"{HOST}.crt": "0o644",
    }


def test_a_certificate_is_for_all_names_of_its_host(place: Path) -> None:
    assert certificate_problems(texts(place), NAMES) == []
    (found,) = certificate_problems(texts(place), ["127.0.0.1", "10.9.8.7", "other.example.com"])
    assert found["option"] == "prefect_tls_certificate"
    assert "does not contain the names 10.9.8.7, other.example.com" in found["problem"]


def handshake(place: Path, name: str, authority: Path) -> None:
    """Connect as a strict client, with the default checks of the newest versions of Python."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(place / f"{HOST}.crt", place / f"{HOST}.key")
    client = ssl.create_default_context(cafile=str(authority))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    here, there = socket.socketpair()

    def serve() -> None:
        try:
            server.wrap_socket(there, server_side=True).close()
        except OSError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        client.wrap_socket(here, server_hostname=name).close()
    finally:
        here.close()
        thread.join()


@pytest.mark.parametrize("name", NAMES)
def test_strict_clients_accept_it(place: Path, name: str) -> None:
    handshake(place, name, place / "authority.crt")


def test_clients_refuse_another_name(place: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(place, "127.0.0.2", place / "authority.crt")


def test_what_is_good_is_not_made_again(place: Path, tmp_path: Path) -> None:
    before = texts(place)
    assert certificates_due({HOST: NAMES}, str(place), 30) == []
    assert "Create the keys of the hosts" not in execute(tmp_path, place)
    assert texts(place) == before


def test_what_ends_soon_is_made_again_by_the_same_authority(place: Path, tmp_path: Path) -> None:
    before = texts(place)
    assert certificates_due({HOST: NAMES}, str(place), 90) == [HOST]
    assert certificates_due({HOST: NAMES}, str(place), 3650) == ["authority", HOST]
    execute(tmp_path, place, prefect_tls_renew_days=90, prefect_tls_days=200)
    after = texts(place)
    assert after["authority"] == before["authority"]
    assert after["key"] != before["key"]
    left = x509.load_pem_x509_certificate(after["certificate"].encode()).not_valid_after_utc
    assert 199 < (left - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 86400 < 201
    # During a renewal of the CA, clients with the old CA certificate accept new certificates, and the other way round.
    execute(tmp_path, place, prefect_tls_renew_days=3650, prefect_tls_days=4000, prefect_tls_authority_days=5000)
    renewed = texts(place)
    assert renewed["authority"] != before["authority"]
    assert certificate_problems({**renewed, "authority": before["authority"]}, NAMES) == []
    assert certificate_problems({**after, "authority": renewed["authority"]}, NAMES) == []
    (place / "old.crt").write_text(before["authority"])
    handshake(place, NAMES[0], place / "old.crt")
    (place / "old.crt").unlink()


def test_check_mode_makes_nothing(tmp_path: Path) -> None:
    assert "changed=1" in execute(tmp_path, tmp_path / "tls", "--check")
    assert not (tmp_path / "tls").exists()


def test_a_key_in_a_vault_is_used(place: Path, tmp_path: Path) -> None:
    """The task decrypts the key to sign certificates. The file stays encrypted."""
    copy = tmp_path / "tls"
    copy.mkdir()
    for path in place.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    vault = VaultLib([("default", VaultSecret(b"of the vault"))])
    encrypted = vault.encrypt((copy / "authority.key").read_bytes())
    (copy / "authority.key").write_bytes(encrypted)
    (copy / f"{HOST}.crt").unlink()
    (tmp_path / "password").write_text("of the vault")
    output = execute(tmp_path, copy, f"--vault-password-file={tmp_path}/password", "-vvv")
    assert certificate_problems(texts(copy), NAMES) == []
    assert (copy / "authority.key").read_bytes() == encrypted
    assert "PRIVATE KEY" not in output


def problems(place: Path, **changed: str) -> list[tuple[str, str]]:
    return [(p["option"], p["problem"]) for p in certificate_problems({**texts(place), **changed}, NAMES)]


def test_certificates_that_nobody_would_accept_are_refused(place: Path, tmp_path: Path) -> None:
    other = tmp_path / "tls"
    execute(tmp_path, other)
    others = texts(other)
    assert problems(place, key=others["key"]) == [
        ("prefect_tls_key", "The content of the file is not the key of the certificate.")
    ]
    assert problems(place, authority=others["authority"]) == [
        ("prefect_tls_certificate", "The content of the file is not issued by the CA.")
    ]
    assert problems(place, certificate="hello")[0] == (
        "prefect_tls_certificate",
        "The content of the file is not a certificate in PEM.",
    )
    assert problems(place, authority="hello")[0][0] == "prefect_tls_authority"
    assert problems(place, key="hello")[0] == (
        "prefect_tls_key",
        "The content of the file is not a private key in PEM.",
    )
    assert problems(place, key="")[0][0] == "prefect_tls_key"
    assert all(p["remedy"] for p in certificate_problems({**texts(place), "key": "hello"}, NAMES))


def test_an_authority_without_its_key_is_not_replaced_in_silence(place: Path, tmp_path: Path) -> None:
    assert authority_problems([HOST], str(place)) == []
    (tmp_path / "authority.crt").write_text("x")
    assert authority_problems([], str(tmp_path)) == []
    (found,) = authority_problems([HOST], str(tmp_path))
    assert found["option"] == "prefect_tls_directory"
    assert "authority.key is missing" in found["problem"]
    (tmp_path / "file").write_text("x")
    (found,) = authority_problems(["authority"], str(tmp_path / "file"))
    assert "is not writable" in found["problem"]


def test_an_address_stands_among_the_names_too() -> None:
    assert subject_alternative_names(["10.0.0.5", "a.example"]) == ["IP:10.0.0.5", "DNS:10.0.0.5", "DNS:a.example"]


def test_a_certificate_has_the_names_of_its_host_and_of_the_services_there() -> None:
    variables = {
        "a": {"prefect_address": "FD00:0::1", "prefect_tls_names": ["Prefect.example.com"]},
        "b": {"prefect_address": "10.0.0.2"},
    }
    services: list[Services] = [
        {"hosts": ["a"], "urls": ["https://[fd00::1]:4200/api", "http://gate/api"]},
        {"hosts": ["a", "c"], "urls": ["rediss://127.0.0.1"]},
    ]
    assert certificate_names(["a", "b"], variables, services) == {
        "a": ["fd00::1", "prefect.example.com", "gate", "127.0.0.1"],
        "b": ["10.0.0.2"],
    }
