"""Test the rows of a recipe file that choose another recipe or size."""

from pathlib import Path

import pytest

from zerosum.errors import BadInput
from zerosum.recipes.choices import Choice, find_choice
from zerosum.recipes.files import RecipeFile, list_recipes
from zerosum.recipes.recipe import NETWORK_SIZES
from zerosum.recipes.variants import check_network_size

ROWS = [
    Choice(recipe="r3gan", size="small", device="cpu", min_budget="1h", reason="a"),
    Choice(size="small", trait="color", min_budget="10m", reason="b"),
    Choice(recipe="stylegan2", device="gpu", reason="c"),
]


@pytest.mark.parametrize(
    ("on_cpu", "traits", "budget", "size", "reason"),
    [
        (True, (), 3600, "", "a"),
        (True, (), 3599, "", None),
        (True, ("color",), 3599, "", "b"),
        (True, ("color",), 600, "small", "b"),
        (True, ("color",), 600, "nano", None),
        (True, ("color",), None, "", None),
        (False, (), None, "", "c"),
        (False, (), 7200, "base", "c"),
    ],
)
def test_the_first_row_that_applies_is_chosen(
    on_cpu: bool, traits: tuple[str, ...], budget: float | None, size: str, reason: str | None
) -> None:
    choice = find_choice(ROWS, kind="images", traits=traits, on_cpu=on_cpu, budget=budget, size=size)
    assert (choice.reason if choice else None) == reason


def test_rows_of_another_kind_do_not_apply() -> None:
    rows = [Choice(kind="images", size="small", reason="a")]
    assert find_choice(rows, kind="points", traits=(), on_cpu=True, budget=1e6, size="") is None


def test_recipe_files_choose_recipes_and_sizes_that_exist() -> None:
    for name in list_recipes():
        for choice in RecipeFile(name).choices:
            chosen = choice.recipe or name
            assert chosen in list_recipes()
            assert not RecipeFile(chosen).choices or chosen == name, "a choice does not lead to another"
            check_network_size(chosen, choice.size or NETWORK_SIZES[-1])


@pytest.mark.parametrize("row", ['size = "huge"\nreason = "a"', 'recipe = "r3gan"', 'reason = "a"\nfamily = "r3gan"'])
def test_a_wrong_row_is_refused(row: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(f"[[choose]]\n{row}\n")
    with pytest.raises(BadInput, match=r"mine.toml: choose.0.*: .*; mend or remove this row"):
        RecipeFile(str(file))
