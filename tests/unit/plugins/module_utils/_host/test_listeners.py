# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account of the process that listens on a port."""

from __future__ import annotations

import os
import pwd
import socket
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.selfhosted.prefect.plugins.module_utils._host import listeners
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.process_group import unready

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROOT, OWN, OTHER = 0, 101, 102
LOOPBACK, ANY, ANY_6, MAPPED = "0100007F", "00000000", "0" * 32, "0000000000000000FFFF00000100007F"


def row(address: str, account: int, state: str = "0A", port: int = 6379) -> str:
    return f"   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 {account} 0 1\n"


@pytest.mark.parametrize(
    ("rows", "accounts"),
    [
        ([], set()),
        ([row(LOOPBACK, OWN)], {OWN}),
        ([row(LOOPBACK, OWN), row(LOOPBACK, OTHER)], {OWN, OTHER}),
        ([row(LOOPBACK, OTHER, "01")], set()),
        ([row(LOOPBACK, OTHER, port=6380)], set()),
        ([row(ANY, OTHER)], {OTHER}),
        ([row(ANY_6, OTHER)], {OTHER}),
        ([row(MAPPED, OTHER)], {OTHER}),
        ([row(LOOPBACK, OWN), row(ANY_6, OTHER)], {OWN}),
        ([row(ANY, OWN), row(ANY_6, OTHER)], {OWN}),
    ],
)
def test_what_answers_on_an_address(rows: list[str], accounts: set[int], tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    table.write_text(HEAD + "".join(rows))
    assert listeners.listening_accounts("127.0.0.1", 6379, [str(table), str(tmp_path / "missing")]) == accounts


def test_a_name_tells_nothing() -> None:
    assert listeners.listening_accounts("localhost", 6379) == set()


@pytest.fixture
def taken() -> Any:
    """A port on which another account listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.setuid(pwd.getpwnam("nobody").pw_uid)
        server = socket.create_server(("127.0.0.1", port))
        os.write(writer, b"x")
        while True:
            server.accept()[0].close()
    os.read(reader, 1)
    yield port
    os.kill(child, 9)
    os.waitpid(child, 0)


@pytest.mark.root  # for a second account
def test_who_listens_in_place_of_a_process_makes_it_unready(taken: int) -> None:
    ready = {"http": None, "tcp": f"127.0.0.1:{taken}", "command": None, "timeout": 5}
    process: dict[str, Any] = {"name": "redis", "user": None, "group": None, "ready": ready}
    problem = unready(process, os.getpid())
    assert problem == f"another process, of the account nobody, listens on port {taken}. Stop that process."
    assert unready({**process, "user": "nobody"}, os.getpid()) is None
