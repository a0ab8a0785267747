"""Markdown pages have valid links. The migration guide names every module for the API."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "migrate-from-terraform.md"


PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/*/README.md")])


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text()), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text())):
        if "://" in target:
            continue
        path, _hash, anchor = target.partition("#")
        found = page.parent / path if path else page
        assert found.exists(), target
        if anchor:
            assert anchor in anchors(found), target


def test_the_index_lists_every_page() -> None:
    docs = ROOT / "docs"
    pages = {str(path.relative_to(docs)) for path in [*docs.glob("*.md"), *docs.glob("*/README.md")]}
    listed = set(re.findall(r"\]\(([^)#]+)", (docs / "README.md").read_text()))
    assert pages - listed == {"README.md"}


# Directories of the repository. A name in angle brackets stands for any.
DIRECTORIES = r"changelogs|docs|extensions|inventories|playbooks|plugins|requirements|roles|scripts|tests"
NAMED_PATH = re.compile(rf"(?:`|C\()((?:{DIRECTORIES})/[\w./*<>-]+)(?:`|\))")
WRITTEN_BY_TARGETS = ("tests/output/", "changelogs/changelog.yaml")


@pytest.mark.parametrize(
    "page", [*PAGES, *sorted((ROOT / "plugins/filter").glob("*.yml"))], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_path_that_is_named_exists(page: Path) -> None:
    paths = [
        path
        for path in NAMED_PATH.findall(page.read_text())
        if not path.startswith(WRITTEN_BY_TARGETS) and "/.secrets/" not in path
    ]
    patterns = {path: re.sub(r"<[^>]*>", "*", path).strip("/") for path in paths}
    assert [path for path, pattern in patterns.items() if not list(ROOT.glob(pattern))] == []


def test_every_module_for_the_api_has_its_place_in_the_guide() -> None:
    modules = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text())["action_groups"]["prefect"]
    text = GUIDE.read_text()
    singular = [
        module for module in modules if not module.endswith("_info") or module.removesuffix("_info") not in modules
    ]
    assert [module for module in singular if f"`{module}`" not in text] == []


def test_what_is_compared_with_the_charts_names_its_tests() -> None:
    guide = ROOT / "docs" / "helm-comparison.md"
    rows = [line for line in guide.read_text().splitlines() if line.startswith("| ") and "| Tests |" not in line]
    assert len(rows) > 40
    for row in rows:
        if not row.startswith("| ---"):
            tests = re.findall(r"\[(test_\w+)\]\(([^)]+)\)", row)
            assert tests, row
            for name, path in tests:
                assert f"def {name}(" in (guide.parent / path).read_text(), row
