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

NASTY = """@ :/#%'"$\\`&?=+;,<>{}[]()*~! """


def plant(prefix: str = "") -> str:
    """Return a unique word between all characters that need quoting somewhere.

    No escaping changes the word, so a search for it finds the secret raw, URL-encoded, quoted for a shell, in JSON, or
    in part.
    """
    return f"{prefix}p{NASTY}planted{secrets.token_hex(8)}{NASTY}s"


def fresh_secrets() -> dict[str, str]:
    return {
        "prefect_database_password": plant(),
        "prefect_pgbouncer_stats_password": plant(),
        "prefect_redis_password": plant(),
        "prefect_api_auth_string": plant("ad min@x/y%20:"),
    }


SECRETS = fresh_secrets()


def words(values: dict[str, str]) -> list[str]:
    return [value[value.index("planted") :][:23] for value in values.values()]


def needles(values: dict[str, str]) -> list[str]:
    """Return what to search for: the word of each secret, and its base64 for every position in the encoded text."""
    found = []
    for word in words(values):
        found.append(word)
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
