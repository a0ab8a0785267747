# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print the TCP ports on which a process or one of its descendants listens. The argument is the pid."""

from __future__ import annotations

import glob
import os
import sys

LISTEN = "0A"


def family(pid: str) -> list[str]:
    found = [pid]
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with open(path) as children:
            found += [one for child in children.read().split() for one in family(child)]
    return found


def sockets(pid: str) -> set[str]:
    """Return the inodes of the sockets of a process."""
    links = [os.readlink(path) for path in glob.glob(f"/proc/{pid}/fd/*") if os.path.islink(path)]
    return {link[len("socket:[") : -1] for link in links if link.startswith("socket:[")}


def listening() -> dict[str, int]:
    """Return the port of each listening socket, by the inode of the socket."""
    found = {}
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        with open(path) as table:
            for row in list(table)[1:]:
                fields = row.split()
                if fields[3] == LISTEN:
                    found[fields[9]] = int(fields[1].rpartition(":")[2], 16)
    return found


ports = listening()
own = {inode for pid in family(sys.argv[1]) for inode in sockets(pid)}
print(sorted({port for inode, port in ports.items() if inode in own}))
