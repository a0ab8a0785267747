"""The guides in docs/: what they point to is there, and none of the modules for the API is forgotten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "from-terraform-or-the-cli.md"


@pytest.mark.parametrize("guide", sorted((ROOT / "docs").glob("*.md")), ids=lambda path: path.stem)
def test_links_lead_somewhere(guide: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", guide.read_text())
    assert [target for target in targets if "://" not in target and not (guide.parent / target).exists()] == []


def test_every_module_for_the_api_has_its_place_in_the_guide() -> None:
    modules = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["prefect"]
    text = GUIDE.read_text()
    singular = [
        module for module in modules if not module.endswith("_info") or module.removesuffix("_info") not in modules
    ]
    assert [module for module in singular if f"`{module}`" not in text] == []


def test_what_is_compared_with_the_charts_names_its_tests() -> None:
    guide = ROOT / "docs" / "prefect-helm.md"
    rows = [line for line in guide.read_text().splitlines() if line.startswith("| ") and "Shown by" not in line]
    assert len(rows) > 40
    for row in rows:
        if not row.startswith("| ---"):
            tests = re.findall(r"\[(test_\w+)\]\(([^)]+)\)", row)
            assert tests, row
            for name, path in tests:
                assert f"def {name}(" in (guide.parent / path).read_text(), row
