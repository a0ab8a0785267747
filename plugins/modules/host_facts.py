#!/usr/bin/python
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather all facts about a host that the roles need, in one task."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
short_description: Gather facts about a host for a deployment
version_added: 1.0.0
author: selfhosted.prefect contributors (@selfhosted-prefect)
description:
  - Reads the distribution, service manager, memory, processors, listening ports, packages and users of a host in one
    task, instead of several general ones.
  - The module changes nothing.
attributes:
  check_mode:
    description: In check mode, the module returns the changed status and does not modify the target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
  facts:
    description: Action returns an C(ansible_facts) dictionary that will update existing host facts.
    support: full
options:
  packages:
    description: Debian packages to check.
    type: list
    elements: str
    default: []
  users:
    description: Users to check.
    type: list
    elements: str
    default: []
  paths:
    description: Paths whose existence is checked.
    type: list
    elements: path
    default: []
  inspect:
    description: Paths whose type is returned, and who else than root can change them.
    type: list
    elements: path
    default: []
  logs:
    description: Items of O(inspect) that are directories of logs. The group of the system's log daemon may change them.
    type: list
    elements: path
    default: []
  state_dir:
    description: Directory where M(selfhosted.prefect.process_group) records its processes.
    type: path
    required: true
"""

EXAMPLES = r"""
- name: Gather facts about the host
  selfhosted.prefect.host_facts:
    packages: [haproxy]
    users: [prefect]
    state_dir: /var/lib/prefect/processes
"""

RETURN = r"""
ansible_facts:
  description: The facts.
  returned: always
  type: dict
  contains:
    prefect_host:
      description: Facts about the host.
      returned: always
      type: dict
      contains:
        distribution:
          description: C(ID) of C(/etc/os-release), for example V(debian).
          type: str
          returned: always
        version:
          description: C(VERSION_ID) of C(/etc/os-release), for example V(12).
          type: str
          returned: always
        python:
          description: Version of the Python interpreter of the module.
          type: str
          returned: always
        service_manager:
          description: V(systemd) if it is PID 1, otherwise V(supervisord).
          type: str
          returned: always
        denies_ports:
          description: Whether systemd can deny ports to a service (C(SocketBindDeny)). It needs its BPF framework.
          type: bool
          returned: always
        cpus:
          description: Number of processors that a process may use.
          type: int
          returned: always
        memory_mb:
          description: Memory in MiB.
          type: int
          returned: always
        overcommit_memory:
          description: C(vm.overcommit_memory) of the kernel. Null if it cannot be read.
          type: int
          returned: always
        ephemeral_ports:
          description: First and last port of the kernel's range for outgoing connections.
          type: list
          elements: int
          returned: always
        listening_ports:
          description: TCP ports with a listening process.
          type: list
          elements: int
          returned: always
        name_servers:
          description: Addresses of the name servers in C(/etc/resolv.conf).
          type: list
          elements: str
          returned: always
        ipv6:
          description: Whether the kernel supports IPv6.
          type: bool
          returned: always
        ipv6_loopback:
          description: Whether the loopback interface has the address C(::1).
          type: bool
          returned: always
        processes:
          description: Names of the processes in O(state_dir).
          type: list
          elements: str
          returned: always
        units:
          description: systemd units that M(selfhosted.prefect.process_group) has written, of all instances.
          type: list
          elements: str
          returned: always
        accounts_of:
          description: For each of O(users) with a home directory in the data of an instance, that data directory.
          type: dict
          returned: always
        postgresql_clusters:
          description: PostgreSQL clusters in Debian's layout, as V(version/name).
          type: list
          elements: str
          returned: always
        missing_packages:
          description: Items of O(packages) that are not installed.
          type: list
          elements: str
          returned: always
        missing_users:
          description: Items of O(users) that do not exist.
          type: list
          elements: str
          returned: always
        missing_paths:
          description: Items of O(paths) that do not exist.
          type: list
          elements: str
          returned: always
        paths:
          description:
            - Type of each of O(inspect), which is V(file), V(directory) or V(other). A path without a type is
              V(missing), V(blocked) (a parent is a file), V(denied) or V(unreadable).
          type: dict
          returned: always
        weaknesses:
          description:
            - For each of O(inspect) that another account than root can change or create, the reason. It names the path
              or one of its parent directories, and its owner or mode.
          type: dict
          returned: always
"""

import glob
import os
import platform
import pwd
import re
import subprocess
from collections.abc import Collection
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.selfhosted.prefect.plugins.module_utils._host.listeners import TABLES, listening_ports
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.paths import state_of, text_of
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.render import MANAGED
from ansible_collections.selfhosted.prefect.plugins.module_utils._host.trust import weakness_of

_CLUSTERS = "/etc/postgresql/*/*/postgresql.conf"
_IPV6_LOOPBACK = "0" * 31 + "1"  # as the kernel writes it
_UNITS = "/etc/systemd/system/*.service"


def _number(path: str) -> int | None:
    text = text_of(path).strip()
    return int(text) if text.isdigit() else None


def os_release(text: str) -> dict[str, str]:
    """Return the assignments of an os-release file."""
    return {name: value.strip("\"'") for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE)}


def name_servers(text: str) -> list[str]:
    """Return the addresses of the name servers in a resolv.conf, without zones."""
    return re.findall(r"^[ \t]*nameserver[ \t]+([0-9A-Fa-f.:]+)", text, re.MULTILINE)


def _installed(packages: list[str]) -> set[str]:
    if not packages:
        return set()
    # If dpkg-query does not know a package, it exits with 1 and prints the other packages.
    query = ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages]
    try:
        output = subprocess.run(query, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return set()
    return {line.split()[0] for line in output.splitlines() if line.endswith(" installed")}


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _units(pattern: str = _UNITS) -> list[str]:
    paths = (path for path in glob.glob(pattern) if os.path.isfile(path))
    return sorted(os.path.basename(path)[: -len(".service")] for path in paths if MANAGED in text_of(path)[:200])


def _data_of(user: str) -> str:
    """Return the data directory of the instance that has created the account, or an empty text."""
    try:
        directory = os.path.dirname(pwd.getpwnam(user).pw_dir)
    except KeyError:
        return ""
    return directory if os.path.isdir(os.path.join(directory, "processes")) else ""


def _recorded(state_dir: str) -> list[str]:
    try:
        names = os.listdir(state_dir)
    except OSError:
        return []
    return sorted(name[: -len(".json")] for name in names if name.endswith(".json"))


def _denies_ports() -> bool:
    if not os.path.isdir("/run/systemd/system"):
        return False
    version = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=False).stdout
    return "+BPF_FRAMEWORK" in version.split()


def _memory_mb() -> int:
    found = re.search(r"^MemTotal:\s+(\d+) kB", text_of("/proc/meminfo"), re.MULTILINE)
    return int(found.group(1)) // 1024 if found else 0


def facts(
    packages: list[str],
    users: list[str],
    paths: list[str],
    state_dir: str,
    inspect: list[str],
    logs: Collection[str] = (),
) -> dict[str, Any]:
    """Return the facts of this host."""
    release = os_release(text_of("/etc/os-release"))
    installed = _installed(packages)
    return {
        "distribution": release.get("ID", platform.system().lower()),
        "version": release.get("VERSION_ID", ""),
        "python": platform.python_version(),
        "service_manager": "systemd" if os.path.isdir("/run/systemd/system") else "supervisord",
        "denies_ports": _denies_ports(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": _memory_mb(),
        "overcommit_memory": _number("/proc/sys/vm/overcommit_memory"),
        "ephemeral_ports": [int(port) for port in text_of("/proc/sys/net/ipv4/ip_local_port_range").split()],
        "listening_ports": listening_ports(*map(text_of, TABLES)),
        "name_servers": name_servers(text_of("/etc/resolv.conf")),
        "ipv6": os.path.exists("/proc/net/if_inet6"),
        "ipv6_loopback": _IPV6_LOOPBACK in text_of("/proc/net/if_inet6").split(),
        "processes": _recorded(state_dir),
        "units": _units(),
        "accounts_of": {user: _data_of(user) for user in users if _data_of(user)},
        "postgresql_clusters": sorted("/".join(path.split("/")[-3:-1]) for path in glob.glob(_CLUSTERS)),
        "missing_packages": [name for name in packages if name not in installed],
        "missing_users": [name for name in users if not _exists(name)],
        "missing_paths": [path for path in paths if not os.path.exists(path)],
        "paths": {path: state_of(path) for path in inspect},
        "weaknesses": {path: weak for path in inspect if (weak := weakness_of(path, path in logs))},
    }


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "packages": {"type": "list", "elements": "str", "default": []},
            "users": {"type": "list", "elements": "str", "default": []},
            "paths": {"type": "list", "elements": "path", "default": []},
            "inspect": {"type": "list", "elements": "path", "default": []},
            "logs": {"type": "list", "elements": "path", "default": []},
            "state_dir": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    module.exit_json(ansible_facts={"prefect_host": facts(**module.params)})


if __name__ == "__main__":
    main()
