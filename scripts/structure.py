# Copyright: (c) 2026, selfhosted.prefect contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw the pictures of docs/structure.md from the imports and includes of the files.

usage: .venv/bin/python scripts/structure.py

A box is a unit (`room` in the code): a playbook, a role, a group of modules, a file of filters, or a package of
utilities. GitHub renders the pictures, which are in Mermaid format.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "structure.md"
PLUGINS = ROOT / "plugins"
COLLECTION = "selfhosted.prefect"
PACKAGE = f"ansible_collections.{COLLECTION}.plugins."
MARK = re.compile(r"(<!-- picture: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)
COMMENT = re.compile(r"^\s*#.*?$|\{#.*?#\}", re.MULTILINE | re.DOTALL)
ROLE_FILES = ("defaults", "vars", "tasks", "templates")
INCLUDES = tuple(f"ansible.builtin.{verb}_role" for verb in ("import", "include"))
# A module belongs to the first of these rooms from which it imports.
MODULE_ROOMS = ("_loadtest", "_kubernetes", "_host", "_lock", "_resources", "_prefect")
MODULE_GROUPS = {
    "_loadtest": "load tests",
    "_kubernetes": "clusters",
    "_host": "hosts",
    "_lock": "lock files",
    "_resources": "the Prefect API",
    "_prefect": "the Prefect API",
}


class Edge(NamedTuple):
    """An arrow from a room to a room that it uses. The label distinguishes two kinds of use."""

    start: str
    end: str
    label: str = ""


Edges = set[Edge]


# Reading


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) if path.exists() else None


def short(name: str) -> str:
    """Return a name without the name of the collection."""
    return name.removeprefix(f"{COLLECTION}.")


def mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """Yield all mappings in a YAML document: plays, tasks, and tasks in blocks."""
    if isinstance(value, Mapping):
        yield value
        for part in value.values():
            yield from mappings(part)
    elif isinstance(value, list):
        for part in value:
            yield from mappings(part)


def roles_in(document: Any) -> Iterator[str]:
    """Return the roles that plays or tasks name."""
    for one in mappings(document):
        for include in INCLUDES:
            if include in one:
                yield short(one[include]["name"])
        for role in one["roles"] if "hosts" in one and "roles" in one else ():
            yield short(role["role"] if isinstance(role, Mapping) else role)


def playbooks() -> list[Path]:
    return sorted((ROOT / "playbooks").glob("*.yml"))


def roles() -> list[str]:
    return sorted(path.name for path in (ROOT / "roles").iterdir())


def tasks_of(role: str) -> list[Any]:
    return [load(path) for path in sorted((ROOT / "roles" / role / "tasks").glob("*.yml"))]


def text_of(role: str) -> str:
    """Return the texts that a role evaluates, without comments."""
    directories = (ROOT / "roles" / role / name for name in ROLE_FILES)
    paths = (path for directory in directories for path in sorted(directory.glob("*")))
    return "\n".join(COMMENT.sub("", path.read_text()) for path in paths)


def imports_of(path: Path) -> set[str]:
    """Return the modules of the collection that a file imports, as `module_utils._prefect.client`.

    Files of filters name their modules in Deferred(), which imports a module on the first call of its filter.
    """
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            found.add(str(node.module).removeprefix(PACKAGE))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Deferred":
            (module, _function) = node.args
            found.add(f"plugin_utils.{ast.literal_eval(module)}")
    return found


def room_of_utilities(module: str) -> str:
    """Return the room of a module: `module_utils/_prefect` for `module_utils._prefect.client`, or a single file."""
    return "/".join(module.split(".")[:2])


def room_of_module(path: Path) -> str:
    used = {module.split(".")[1] for module in imports_of(path) if module.startswith("module_utils.")}
    room = next((room for room in MODULE_ROOMS if room in used), "_host")  # modules without shared code run on hosts
    return f"modules for {MODULE_GROUPS[room]}"


def modules() -> dict[str, str]:
    """Return the room of a module of Ansible."""
    return {path.stem: room_of_module(path) for path in sorted((PLUGINS / "modules").glob("[a-z]*.py"))}


def filters() -> dict[str, str]:
    """Return the room of each filter: the file that defines it."""
    found = {}
    for path in sorted((PLUGINS / "filter").glob("[a-z]*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                found.update({str(ast.literal_eval(key)): f"filter/{path.stem}" for key in node.keys if key})
    return found


def module_called_by(action: Path) -> str:
    """Return the module that an action plugin runs on the host, which it names in full."""
    texts = (node.value for node in ast.walk(ast.parse(action.read_text())) if isinstance(node, ast.Constant))
    (name,) = {short(text) for text in texts if isinstance(text, str) and text.startswith(f"{COLLECTION}.")}
    return name


# Arrows


def playbook_edges() -> Edges:
    """Return the arrows from playbooks to the playbooks that they import and to the roles that they run."""
    edges = set()
    for path in playbooks():
        document = load(path)
        for play in document:
            if imported := play.get("ansible.builtin.import_playbook"):
                edges.add(Edge(f"{path.stem}.yml", f"{short(imported)}.yml"))
        edges |= {Edge(f"{path.stem}.yml", role) for role in roles_in(document)}
    return edges


def role_edges() -> Edges:
    """Return the arrows from roles to the roles that they depend on and that their tasks include."""
    edges = set()
    for role in roles():
        for needed in (load(ROOT / "roles" / role / "meta" / "main.yml") or {}).get("dependencies") or ():
            edges.add(Edge(role, short(needed["role"])))
        edges |= {Edge(role, other, "includes") for other in roles_in(tasks_of(role)) if other != role}
    return edges


def module_edges() -> Edges:
    """Return the arrows from roles to the modules that their tasks call."""
    rooms = modules()
    edges = set()
    for role in roles():
        called = {short(name) for task in mappings(tasks_of(role)) for name in task if str(name).startswith(COLLECTION)}
        edges |= {Edge(role, rooms[name]) for name in called}
    return edges


def filter_edges() -> Edges:
    """Return the arrows from roles to the filters that they use."""
    rooms = filters()
    use = re.compile(rf"""(?:\|\s*|map\(\s*['"]){re.escape(COLLECTION)}\.(\w+)""")
    return {Edge(role, rooms[name]) for role in roles() for name in use.findall(text_of(role))}


def imports(start: str, path: Path) -> Edges:
    ends = {room_of_utilities(module) for module in imports_of(path)}
    return {Edge(start, end) for end in ends - {start}}


def utility_edges(package: str) -> Edges:
    """Return the arrows from the rooms of a package of utilities to the rooms that they import."""
    edges = set()
    for path in sorted((PLUGINS / package).rglob("*.py")):
        parts = path.relative_to(PLUGINS).with_suffix("").parts
        edges |= imports(room_of_utilities(".".join(parts)), path)
    return edges


def module_utility_edges() -> Edges:
    """Return the arrows of modules, actions and lookups, which need only module_utils."""
    edges = utility_edges("module_utils")
    for path in sorted((PLUGINS / "modules").glob("[a-z]*.py")):
        edges |= imports(room_of_module(path), path)
    for path in sorted((PLUGINS / "lookup").glob("[a-z]*.py")):
        edges |= imports("lookups", path)
    for path in sorted((PLUGINS / "action").glob("[a-z]*.py")):
        edges.add(Edge(f"action/{path.stem}", modules()[module_called_by(path)]))
    return edges


def plugin_utility_edges() -> Edges:
    """Return the arrows from filters, which run on the control host, to the rooms that they import."""
    edges = utility_edges("plugin_utils")
    for path in sorted((PLUGINS / "filter").glob("[a-z]*.py")):
        edges |= imports(f"filter/{path.stem}", path)
    return {edge for edge in edges if edge.end != "plugin_utils/_deferred"}  # all filters import it


def shared(edges: Edges) -> Edges:
    """Return the arrows from code of filters to code of modules."""
    return {edge for edge in edges if edge.end.startswith("module_utils/")}


# Drawing


def merged(edges: Edges) -> Edges:
    """Combine the rooms that no room uses and that use the same rooms into one box, which needs fewer arrows."""
    ends = {edge.end for edge in edges}
    uses: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for edge in edges:
        uses[edge.start].add((edge.end, edge.label))
    boxes: dict[frozenset[tuple[str, str]], list[str]] = defaultdict(list)
    for start in sorted(uses.keys() - ends):
        boxes[frozenset(uses[start])].append(start)
    box_of = {start: "<br>".join(starts) for starts in boxes.values() for start in starts}
    return {edge._replace(start=box_of.get(edge.start, edge.start)) for edge in edges}


def place_of(room: str) -> str:
    """Return the title of the frame around a box."""
    first = room.split("<br>", maxsplit=1)[0]
    if first.endswith(".yml"):
        return "Playbooks"
    if first.startswith("prefect_"):
        return "Roles"
    directory, slash, _name = first.partition("/")
    return {"filter": "Filters"}.get(directory, directory) if slash and directory != "action" else "Plugins"


def drawing(edges: Edges) -> str:
    """Return a Mermaid flowchart."""
    rooms = sorted({room for edge in edges for room in (edge.start, edge.end)})
    names = {room: f"n{number}" for number, room in enumerate(rooms)}
    places: dict[str, list[str]] = defaultdict(list)
    for room in rooms:
        places[place_of(room)].append(room)
    lines = ["flowchart LR"]
    for number, (place, inside) in enumerate(sorted(places.items())):
        lines.append(f'  subgraph s{number}["{place}"]')
        lines += [f'    {names[room]}["{text_in_box(room)}"]' for room in inside]
        lines.append("  end")
    for edge in sorted(edges):
        both = Edge(edge.end, edge.start, edge.label) in edges
        if both and edge.start > edge.end:
            continue
        arrow = "<-->" if both else "-.->" if edge.label else "-->"
        text = f"|{edge.label}|" if edge.label else ""
        lines.append(f"  {names[edge.start]} {arrow}{text} {names[edge.end]}")
    return "".join(f"{line}\n" for line in lines)


def text_in_box(room: str) -> str:
    """Return the label of a box without the title of its frame."""
    return re.sub(r"^(filter|module_utils|plugin_utils)/", "", room)


def table(edges: Edges) -> str:
    """Return a Markdown table, for parts with too many arrows for a picture."""
    starts: dict[str, list[str]] = defaultdict(list)
    for edge in sorted(edges):
        starts[edge.end].append(edge.start)
    rows = (f"| `{end}` | {', '.join(f'`{start}`' for start in starts[end])} |\n" for end in sorted(starts))
    return f"| Used | By |\n| --- | --- |\n{''.join(rows)}"


def picture(edges: Edges) -> str:
    return f"```mermaid\n{drawing(edges)}```\n"


PICTURES: Mapping[str, Callable[[], str]] = {
    "playbooks": lambda: picture(playbook_edges()),
    "roles": lambda: picture(merged(role_edges())),
    "modules": lambda: picture(merged(module_edges())),
    "filters": lambda: table(filter_edges()),
    "module_utils": lambda: picture(module_utility_edges()),
    "plugin_utils": lambda: picture(plugin_utility_edges() - shared(plugin_utility_edges())),
    "shared": lambda: table(shared(plugin_utility_edges())),
}


def with_pictures(text: str) -> str:
    """Return the text of the page with the current pictures."""
    assert [name for _mark, name, _end in MARK.findall(text)] == list(PICTURES), f"{PAGE}: other pictures are expected"
    return MARK.sub(lambda found: f"{found[1]}\n{PICTURES[found[2]]()}\n{found[3]}", text)


if __name__ == "__main__":
    PAGE.write_text(with_pictures(PAGE.read_text()))
