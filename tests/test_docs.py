"""The pages that scripts write are as the source has them now, and links between pages lead somewhere."""

import ast
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from zerosum.cli import app
from zerosum.recipes.recipe import Recipe
from zerosum.recipes.variants import build_settings_tree

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
import make_reliability  # noqa: E402
import make_settings  # noqa: E402


def test_the_table_of_recipes_is_current() -> None:
    text = (ROOT / "README.md").read_text("utf8")
    assert make_recipes.updated(text) == text, "run python docs/make_recipes.py"


def test_the_readme_lists_every_command() -> None:
    section = (ROOT / "README.md").read_text("utf8").partition("## Commands")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {word.removeprefix("zerosum ").split()[0] for row in rows for word in re.findall("`([^`]+)`", row)}
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert commands == named


def test_the_page_of_settings_is_current() -> None:
    assert make_settings.PAGE.read_text("utf8") == make_settings.page(), "run python docs/make_settings.py"


def test_the_page_of_the_fault_campaign_is_current() -> None:
    assert make_reliability.PAGE.read_text("utf8") == make_reliability.page(), "run python docs/make_reliability.py"


def read_settings_tables() -> dict[str, list[list[str]]]:
    """The rows of each table of docs/settings.md, as cells, by the heading above it."""
    tables: dict[str, list[list[str]]] = {}
    heading = ""
    for line in make_settings.PAGE.read_text("utf8").splitlines():
        if line.startswith("#"):
            heading = line.strip("# `")
        elif line.startswith("| `"):
            tables.setdefault(heading, []).append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return tables


TABLES = read_settings_tables()


def parse_default(cell: str) -> Any:
    """The value that a default stands for; None where the default is chosen."""
    text = cell.strip("`")
    if not cell.startswith("`"):
        assert cell in ("", "chosen"), cell
        return "" if not cell else None
    try:
        return tomllib.loads(f"value = {text}")["value"] if text.startswith("{ ") else ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


@pytest.mark.parametrize("heading", TABLES)
def test_types_and_defaults_of_settings_are_words(heading: str) -> None:
    for name, type_name, default, _ in TABLES[heading]:
        assert type_name, name
        for cell in (type_name, default):
            assert not re.search(r"``|Union\[|Annotated", cell), name


@pytest.mark.parametrize("heading", TABLES)
def test_documented_settings_exist(heading: str) -> None:
    section, _, kind = heading.partition(" = ")
    for name, _, default, _ in TABLES[heading]:
        settings = {name.strip("`"): parse_default(default)}
        if kind and section != "terms.kind":
            settings[section] = kind.strip('"')
        build_settings_tree("auto", "", settings, {}).validate(Recipe)


def test_the_drawing_of_the_layers_is_current() -> None:
    drawn = (ROOT / "docs/architecture.svg").read_text("utf8")
    assert drawn == make_architecture.draw(), "run python docs/make_architecture.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which does not exist"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_exist(page: Path) -> None:
    """Every `folder/file.py` that a page names is there, below the root, the package, or the page's own folder."""
    roots = (ROOT, ROOT / "src/zerosum", page.parent)
    for name in re.findall(r"`((?![^`]*NAME)[\w./-]+/[\w.-]+\.(?:py|md|toml|svg))`", page.read_text("utf8")):
        assert any((root / name).exists() for root in roots), f"{page.name} names {name}, which does not exist"
