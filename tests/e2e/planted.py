# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that are hard to quote and easy to find, and a monitor for the arguments of all processes."""

from __future__ import annotations

import base64
import contextlib
import multiprocessing
import secrets
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

NASTY = """@ :/#%'"$\\`&?=+;,<>{}[]()*~! """


def plant(prefix: str = "") -> str:
    """Return a unique word between all characters that need quoting somewhere.

    No escaping changes the word, so a search for it finds the secret raw, URL-encoded, quoted for a shell, in JSON, or
    in part.
    """
    return f"{prefix}p{NASTY}planted{secrets.token_hex(8)}{NASTY}s"


# Secrets of variables that the planted inventory cannot have, and the reason. tests/unit/test_planted_secrets.py finds
# the variables that have to be here or in fresh_secrets.
NOT_PLANTED = {
    "prefect_redis_url": "By default, it contains prefect_redis_password, which is planted. Another URL would lead to "
    "another Redis.",
    "prefect_tls_key": "The path of a file. The planted machine has no TLS, because its clients use http://. "
    "tests/security/test_tls.py looks for the keys.",
    "prefect_tls_directory": "The path of a directory. It contains the keys of which prefect_tls_key says why.",
    "prefect_gateway_tls_certificate": "The path of a file with a key, which is on the host already.",
    "prefect_api_password_file": "The path of a file on the control host. Its content is in prefect_api_auth_string.",
    "prefect_image_pull_secrets": "Names of Secrets.",
    "prefect_gateway_tls_secret": "The name of a Secret.",
    "prefect_server_existing_secret": "The name of a Secret.",
    "prefect_pgbouncer_settings": "Options of PgBouncer, which rejects unknown ones. None of its options is a secret.",
    "prefect_postgres_settings": "Every account may read the file of the settings, which are no secrets.",
    "prefect_redis_settings": "Directives of Redis, which rejects unknown ones. Passwords have variables of their own.",
}


def fresh_secrets() -> dict[str, str]:
    """Values of variables, or of entries of a variable that is a dictionary, by name."""
    return {
        "prefect_database_password": plant(),
        "prefect_database_admin_password": plant(),  # of no use on this machine, and still nobody's to see
        "prefect_pgbouncer_stats_password": plant(),
        "prefect_redis_password": plant(),
        "prefect_api_auth_string": plant("ad min@x/y%20:"),
        "prefect_worker_backlog_database_url": f"postgresql://keda:{quote(plant(), safe='')}@db.example.com/prefect",
        "prefect_install_environment.PLANTED_TOKEN": plant(),
        "prefect_server_settings.PLANTED_TOKEN": plant(),
        "prefect_worker_settings.PLANTED_TOKEN": plant(),
    }


def variables_of(values: dict[str, str]) -> dict[str, Any]:
    """The variables of an inventory with these secrets."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        variable, _dot, entry = name.partition(".")
        if entry:
            found.setdefault(variable, {})[entry] = value
        else:
            found[variable] = value
    return found


SECRETS = fresh_secrets()


def words(values: dict[str, str]) -> list[str]:
    return [value[value.index("planted") :][:23] for value in values.values()]


def needles(values: dict[str, str]) -> list[str]:
    """Return what to search for: the word of each secret, and its base64 for every position in the encoded text."""
    return [form for word in words(values) for form in forms(word)]


def forms(word: str) -> list[str]:
    """Return a word, and its base64 for every position in the encoded text."""
    found = [word]
    for shift in range(3):
        # The first and the last characters of the base64 also depend on the neighbors of the word.
        coded = base64.b64encode(b"?" * shift + word.encode()).decode()
        found.append(coded[4 if shift else 0 : -4])
    return found


def watch(there: Connection) -> None:
    """Collect command lines until a message arrives, then send them."""
    seen: set[bytes] = set()
    while not there.poll(0.03):
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                with contextlib.suppress(OSError):
                    seen.add((process / "cmdline").read_bytes())
    there.send(seen)


class Sampler:
    """Collect the command line of every process on this host, including those of the test hosts, until the context
    ends.

    It is a process of its own, because a thread would delay the tests when they read the output of a playbook.
    """

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._here, there = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(target=watch, args=(there,), daemon=True)

    def __enter__(self) -> Sampler:
        self._process.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._here.send("stop")
        self.seen = self._here.recv()
        self._process.join()

    def leaked(self, values: dict[str, str]) -> list[str]:
        text = "\n".join(line.decode(errors="replace") for line in self.seen)
        return [needle for needle in needles(values) if needle in text]
