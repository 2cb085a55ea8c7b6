"""Test how a run's recipe follows from its file, the data and the budget."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from zerosum.recipes.files import read_recipe_text
from zerosum.workflows.resolve import ResolvedRecipe, resolve_recipe, validate_recipe

ROWS = """
[[choose]]
kind = "images"
min_budget = "20m"
recipe = "r3gan"
size = "small"
reason = "better with more time"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    file = tmp_path / "mine.toml"
    file.write_text(read_recipe_text("auto") + ROWS)
    return str(file)


def resolve(recipe: str, settings: Mapping[str, object], size: str = "") -> ResolvedRecipe:
    settings = {"data.source": "digits", "training.device": "cpu", **settings}
    return resolve_recipe(validate_recipe(recipe, size, settings, {}), recipe, size, settings, {})


def test_a_row_of_the_file_applies_from_its_budget_on(recipe: str) -> None:
    for budget, name, width in (("19m", "mine", 32), ("20m", "r3gan", None)):
        resolved = resolve(recipe, {"training.budget": budget})
        assert resolved.recipe.name == name
        assert resolved.recipe.generator.model_dump().get("width") == width
    decisions = {decision.name: decision for decision in resolved.decisions}
    assert (decisions["recipe"].value, decisions["recipe"].reason) == ("r3gan", "better with more time")
    assert (decisions["networks"].value, decisions["networks"].reason) == ("r3gan, small", "better with more time")
    assert resolved.file_settings["name"] == "r3gan"


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"training.budget": "1h"}, "nano"),
        ({"training.examples": 10_000_000}, ""),
        ({"training.budget": "1h", "terms.r1.weight": 5}, ""),
        ({"training.budget": "1h", "data.source": "ring"}, ""),
    ],
)
def test_what_the_user_named_is_kept(recipe: str, settings: dict[str, object], size: str) -> None:
    assert resolve(recipe, settings, size).recipe.name == "mine"


def test_a_kind_without_networks_in_the_file_has_another_recipe_whatever_is_set(table_file: Path) -> None:
    resolved = resolve("auto", {"data.source": str(table_file), "discriminator.pack": 2, "optimizer.lr": 1e-4})
    assert (resolved.recipe.name, resolved.recipe.discriminator.kind) == ("table", "tabular")
    assert resolve("auto", {"data.source": "ring", "optimizer.lr": 1e-4}).recipe.name == "auto"
