# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Create the files of a new kind of object: its description, its two modules, its registration and its sample.

usage: .venv/bin/python scripts/new_kind.py NAME

NAME is Prefect's name for one object of the kind, with underscores: artifact_collection.
"""

from __future__ import annotations

import re
import string
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"[a-z]+(_[a-z]+)*")
HEADER = """\
# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""
UTILS = "ansible_collections.selfhosted.prefect.plugins.module_utils"
RESOURCE = '''\
# This file is private to the collection: its functions may change in any release.
"""$Words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from $utils._prefect.kind import Field, Kind, check_name


class $Class(Kind):
    noun = "$noun"
    plural = "$plural"
    route = ("$plural",)
    fields = {
        "name": Field("str"),
        "tags": Field("list", empty=[], elements="str"),
    }

    def check(self, item: Mapping[str, Any]) -> None:
        super().check(item)
        check_name(self, item)


$CONSTANT = $Class()
'''
MODULE = '''\

from __future__ import annotations

DOCUMENTATION = r"""
module: $noun
short_description: Manage $a_word
version_added: $version
description:
  - Create, update or delete $a_word.
options:
  name:
    description: Name of the $word. The characters C(/ % & < >) are not allowed.
    type: str
    required: true
  tags:
    description: Tags. Null clears them.
    type: list
    elements: str
  state:
    description: Whether the $word exists.
    type: str
    choices: [present, absent]
    default: present
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
seealso:
  - module: selfhosted.prefect.configuration
"""

EXAMPLES = r"""
- name: Create $a_word
  selfhosted.prefect.$noun:
    api_url: http://127.0.0.1:4200/api
    name: example
    tags: [reporting]

- name: Delete $a_word
  selfhosted.prefect.$noun:
    api_url: http://127.0.0.1:4200/api
    name: example
    state: absent
"""

RETURN = r"""
$noun:
  description:
    - The $word in terms of the options, with the runtime fields of the server.
    - Null if it does not exist.
  returned: success
  type: dict
  contains:
    name: {description: Name., type: str, returned: always}
    tags: {description: Tags., type: list, elements: str, returned: always}
    id: {description: The server's id., type: str, returned: when it exists}
  sample: {name: example, tags: [reporting]}
"""

from $utils._prefect.kind import run_module
from $utils._resources.$noun import $CONSTANT


def main() -> None:
    run_module($CONSTANT)


if __name__ == "__main__":
    main()
'''
INFO = '''\

from __future__ import annotations

DOCUMENTATION = r"""
module: ${noun}_info
short_description: Read $words
version_added: $version
description:
  - Return $words, each in the format that M(selfhosted.prefect.$noun) returns.
  - Return all of them unless an option selects some.
options:
  name:
    description: Name of the $word to read. By default, all are read.
    type: str
extends_documentation_fragment:
  - selfhosted.prefect.prefect
  - selfhosted.prefect.attributes.info
seealso:
  - module: selfhosted.prefect.$noun
author:
  - selfhosted.prefect contributors (@selfhosted-prefect)
"""

EXAMPLES = r"""
- name: Read all $words
  selfhosted.prefect.${noun}_info:
    api_url: http://127.0.0.1:4200/api
  register: result

- name: Read one $word
  selfhosted.prefect.${noun}_info:
    api_url: http://127.0.0.1:4200/api
    name: example
  register: result
"""

RETURN = r"""
$plural:
  description: The objects found, each in the format of M(selfhosted.prefect.$noun).
  returned: success
  type: list
  elements: dict
$noun:
  description: The object that the options identify, or null if it does not exist.
  returned: when O(name) is given
  type: dict
"""

from $utils._prefect.kind import run_info
from $utils._resources.$noun import $CONSTANT


def main() -> None:
    run_info($CONSTANT)


if __name__ == "__main__":
    main()
'''
SAMPLE = """\

from __future__ import annotations

from ..sample import NAME, Sample

SAMPLE = Sample(
    item=lambda name: {"name": name, "tags": ["b", "a"]},
    schemas=("${Class}Create", "${Class}Update"),
    free=True,
    change=("tags", ["z"]),
    cleared={"tags": (["a"], [])},
    awkward=[{"name": NAME, "tags": ["z", "y"]}],
)
"""
REGISTRY = "plugins/module_utils/_prefect/registry.py"
LEFT = """\
What only you know is left:
- the route, the key and the fields in {resource}
- the same options in {module}
- what the tests should know of it in {sample}
- a row in docs/migrate-from-terraform.md
Then run `make kinds lint unit`, and `make contract`."""


def values(noun: str) -> dict[str, str]:
    """Return the values of the placeholders in the templates."""
    word = noun.replace("_", " ")
    version = re.search(r"^version: (\S+)", (ROOT / "galaxy.yml").read_text(), re.MULTILINE)
    assert version, "galaxy.yml has no version"
    return {
        "noun": noun,
        "plural": f"{noun}s",
        "word": word,
        "words": f"{word}s",
        "Words": f"{word.capitalize()}s",
        "a_word": f"{'an' if word[0] in 'aeiou' else 'a'} {word}",
        "Class": "".join(part.capitalize() for part in noun.split("_")),
        "CONSTANT": noun.upper(),
        "utils": UTILS,
        "version": version[1],
    }


def new_files(noun: str) -> dict[str, str]:
    """Return the files of a kind, with the templates of their contents."""
    return {
        f"plugins/module_utils/_resources/{noun}.py": HEADER + RESOURCE,
        f"plugins/modules/{noun}.py": f"#!/usr/bin/python\n{HEADER}{MODULE}",
        f"plugins/modules/{noun}_info.py": f"#!/usr/bin/python\n{HEADER}{INFO}",
        f"tests/integration/api/kinds/{noun}.py": HEADER + SAMPLE,
    }


def registered(text: str, placeholders: Mapping[str, str]) -> str:
    """Return the registry with the new kind. Ruff sorts the imports."""
    line = "from $utils._resources.$noun import $CONSTANT\n"
    imported = string.Template(line).substitute(placeholders)
    begin = text.index("REGISTERED: tuple[Kind, ...] = (\n")
    end = text.index(")\n", begin)
    first_import = text.index(f"from {UTILS}")
    kind = f"    {placeholders['CONSTANT']},\n"
    return f"{text[:first_import]}{imported}{text[first_import:end]}{kind}{text[end:]}"


def tidy(paths: list[str]) -> None:
    """Sort the imports and wrap the lines, which depend on the length of the name."""
    ruff = Path(sys.executable).parent / "ruff"
    for command in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
        subprocess.run([ruff, *command, *paths], cwd=ROOT, check=True)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or not NAME.fullmatch(arguments[0]):
        print("new-kind: set the name of one object, such as NAME=artifact_collection", file=sys.stderr)
        return 2
    (noun,) = arguments
    files = new_files(noun)
    if there := [name for name in files if (ROOT / name).exists()]:
        print(f"new-kind: these files already exist: {', '.join(there)}", file=sys.stderr)
        return 1
    placeholders = values(noun)
    for name, template in files.items():
        (ROOT / name).write_text(string.Template(template).substitute(placeholders))
    registry = ROOT / REGISTRY
    registry.write_text(registered(registry.read_text(), placeholders))
    tidy([*files, REGISTRY])
    # A separate process, because it has to import the changed registry.
    subprocess.run([sys.executable, ROOT / "scripts" / "kinds.py"], check=True)
    resource, module, _info, sample = files
    print(LEFT.format(resource=resource, module=module, sample=sample))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
