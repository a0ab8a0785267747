# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unusual lines of environment files, and how systemd reads them. The collection has to read them in the same way."""

from __future__ import annotations

# Text of the file, and the resulting value of A.
ODD = {
    'A="two words"': "two words",
    "A=two words  ": "two words",
    "  A = b": "b",
    "A='$B \\ \"c\"'": '$B \\ "c"',
    'A="\\"\\\\\\$\\`\\n%h"': '"\\$`\\n%h',
    "A=$(id)`id`${HOME}": "$(id)`id`${HOME}",
    'A="two\nlines"': "two\nlines",
    "A=go\\\nes on": "goes on",
    'A="go\\\nes on"': "goes on",
    "A=\"a\"'b'c": "abc",
    "A=it's": "it's",
    "A=": "",
    'A=""': "",
    "# A=1\n; A=2\n# on \\\nA=3\nA=4": "4",
    "A=1\nA=2": "2",
}
