"""Print the PostgreSQL schema revisions of the installed Prefect: {"head": ..., "known": [...]}.

The argument is Prefect's virtual environment. The program runs as root, and therefore parses the migrations instead of
executing them.
"""

import ast
import json
import sys
from pathlib import Path


def assignments(path: Path) -> dict:
    """Return the names to which a migration assigns a constant."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(targets[0], ast.Name) and targets[0].id in ("revision", "down_revision"):
            found[targets[0].id] = ast.literal_eval(node.value)
    return found


def former(migration: dict) -> set:
    """Return the revisions that a migration builds on."""
    down = migration["down_revision"]
    return {down} if isinstance(down, str) else set(down or ())


def revisions(directory: Path) -> dict:
    """Return the newest revision, and all of them."""
    migrations = [found for path in sorted(directory.glob("*.py")) if (found := assignments(path)).get("revision")]
    known = {migration["revision"] for migration in migrations}
    (head,) = known.difference(*map(former, migrations))
    return {"head": head, "known": sorted(known)}


if __name__ == "__main__":
    (versions,) = Path(sys.argv[1]).glob(
        "lib/python3*/site-packages/prefect/server/database/_migrations/versions/postgresql"
    )
    print(json.dumps(revisions(versions)))
