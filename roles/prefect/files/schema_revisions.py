"""Print the PostgreSQL schema revisions that the installed Prefect knows: {"head": ..., "known": [...]}."""

import json
from pathlib import Path

import prefect.server.database
from alembic.script import ScriptDirectory

migrations = Path(prefect.server.database.__file__).parent / "_migrations"
scripts = ScriptDirectory(migrations, version_locations=[migrations / "versions" / "postgresql"])
print(json.dumps({"head": scripts.get_current_head(), "known": [s.revision for s in scripts.walk_revisions()]}))
