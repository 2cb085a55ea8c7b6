"""The pages that scripts write are as the source has them now, and links between pages lead somewhere."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks/README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
sys.path.insert(0, str(ROOT / "docs"))

import make_architecture  # noqa: E402
import make_recipes  # noqa: E402
import make_settings  # noqa: E402


def test_the_table_of_recipes_is_current() -> None:
    text = (ROOT / "README.md").read_text("utf8")
    assert make_recipes.updated(text) == text, "run python docs/make_recipes.py"


def test_the_page_of_settings_is_current() -> None:
    assert make_settings.PAGE.read_text("utf8") == make_settings.page(), "run python docs/make_settings.py"


def test_the_drawing_of_the_layers_is_current() -> None:
    drawn = (ROOT / "docs/architecture.svg").read_text("utf8")
    assert drawn == make_architecture.draw(), "run python docs/make_architecture.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"
