# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A program reads the original text from a quoted string or an environment file."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from typing import Any, Callable

import pytest
from ansible.errors import AnsibleFilterError
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.selfhosted.prefect.plugins.plugin_utils._text import environment_file, quoted_for

LINE = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\n\r\0"))
HARD = "@:/#%' \"$\\ `id` ${HOME} $(id) \\n \\x41 ; # \t é 日本"


def as_redis_reads(quoted: str) -> str:
    special = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}

    def plain(escape: re.Match[str]) -> str:
        code = escape[1]
        return chr(int(code[1:], 16)) if len(code) > 1 else special.get(code, code)

    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", plain, quoted[1:-1])


def as_haproxy_reads(quoted: str) -> str:
    return re.sub(r'\\([\\"$])', r"\1", quoted[1:-1])


def as_pgbouncer_reads(quoted: str) -> str:
    return quoted[1:-1].replace('""', '"')


def as_postgresql_reads(quoted: str) -> str:
    return re.sub(r"\\(.)|''", lambda found: found[1] or "'", quoted[1:-1])


@pytest.mark.parametrize(
    ("program", "one_string", "read"),
    [
        ("haproxy", r'"([^"\\$]|\\.)*"', as_haproxy_reads),
        ("pgbouncer", r'"([^"]|"")*"', as_pgbouncer_reads),
        ("postgresql", r"'([^'\\]|''|\\.)*'", as_postgresql_reads),
        ("redis", r'"([^"\\]|\\.)*"', as_redis_reads),
    ],
)
@given(text=LINE)
@example(text=HARD)
@example(text="")
def test_quoted_text_reads_back(program: str, one_string: str, read: Callable[[str], str], text: str) -> None:
    quoted = quoted_for(text, program)
    assert re.fullmatch(one_string, quoted, re.DOTALL)
    assert read(quoted) == text


@pytest.mark.parametrize("text", ["two\nlines", "two\rlines", "nul\0"])
def test_quoted_for_refuses_what_no_line_can_hold(text: str) -> None:
    with pytest.raises(AnsibleFilterError, match="line break"):
        quoted_for(text, "redis")
    with pytest.raises(AnsibleFilterError, match="value of SECRET contains a line break") as refused:
        environment_file({"SECRET": text})
    assert text not in str(refused.value)


def test_quoted_for_names_its_programs() -> None:
    with pytest.raises(AnsibleFilterError, match="'mysql' is not one of haproxy, pgbouncer, postgresql, redis"):
        quoted_for("x", "mysql")


def read_by_shell(text: str) -> dict[str, str]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        script = ["env", "-i", "PATH=" + os.environ["PATH"], "sh", "-c", 'set -a; . "$0"; exec env -0', file.name]
        output = subprocess.run(script, capture_output=True, check=True).stdout.decode()
    return dict(entry.partition("=")[::2] for entry in output.split("\0") if entry)


@given(values=st.lists(LINE, max_size=20))
@example(values=[HARD])
def test_environment_file_reads_back(values: list[str]) -> None:
    variables = {f"V_{number}": value for number, value in enumerate(values) if value}
    read = read_by_shell(environment_file(variables))
    assert {name: value for name, value in read.items() if name.startswith("V_")} == variables


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (True, 'A="true"\n'),
        (False, 'A="false"\n'),
        (0, 'A="0"\n'),
        (1.5, 'A="1.5"\n'),
        ("", ""),
        (None, ""),
        ('"', 'A="\\""\n'),
    ],
)
def test_environment_file_renders(value: Any, line: str) -> None:
    assert environment_file({"A": value}) == line


def test_environment_file_is_sorted() -> None:
    assert environment_file({"B": 1, "A": 2}) == 'A="2"\nB="1"\n'


@pytest.mark.parametrize("name", ["", "1A", "A B", "A-B", "A=", "A\n"])
def test_environment_file_refuses_names(name: str) -> None:
    with pytest.raises(AnsibleFilterError, match="is not a valid name"):
        environment_file({name: "x"})
