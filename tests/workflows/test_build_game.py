"""`build_game`: reproducible networks for each kind of recipe."""

from pathlib import Path

import pytest
import torch

from zerosum.errors import BadInput
from zerosum.game.cycle import CycleGame
from zerosum.game.sample_spec import TensorSpec
from zerosum.inference.load import read_recipe
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.run_folder import RunFolder
from zerosum.training.accelerator import Accelerator
from zerosum.workflows.build_game import DataInfo, build_game

CPU = Accelerator(torch.device("cpu"))
POINTS = DataInfo(TensorSpec((2,)))
COLOR, GRAY = (TensorSpec((channels, 16, 16), bounded=True) for channels in (3, 1))


def digits(side: int) -> DataInfo:
    return DataInfo(TensorSpec((1, side, side), bounded=True), class_priors=(0.5, 0.5))


def resolved(run: Path) -> Recipe:
    return read_recipe(RunFolder(run)).resolve_schedules(64)


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    return recipe.model_copy(update={"training": recipe.training.model_copy(update={"seed": seed})})


def test_networks_depend_on_the_seed_of_the_recipe_alone(trained_ring: Path) -> None:
    recipe = resolved(trained_ring)
    first = build_game(recipe, POINTS, CPU).state_dict()
    state = torch.get_rng_state()
    torch.rand(5)
    second = build_game(recipe, POINTS, CPU).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(torch.get_rng_state(), state), "what networks draw later does not depend on the past either"
    other = build_game(with_seed(recipe, 1), POINTS, CPU).state_dict()
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_samples_have_the_shape_of_the_data(trained_ring: Path, trained_digits: Path) -> None:
    points = build_game(resolved(trained_ring), POINTS, CPU).sample(torch.arange(3))
    assert points.shape == (3, 2)
    images = build_game(resolved(trained_digits), digits(32), CPU)
    samples = images.sample(torch.arange(3), torch.tensor([0, 1, 1]))
    assert samples.shape == (3, 1, 32, 32)
    assert samples.abs().max() <= 1


def test_a_shape_that_the_networks_cannot_generate_is_refused(trained_digits: Path) -> None:
    with pytest.raises(BadInput):
        build_game(resolved(trained_digits), digits(30), CPU)


def test_a_translation_game_has_inputs(trained_pairs: Path) -> None:
    game = build_game(resolved(trained_pairs), DataInfo(COLOR, input_spec=COLOR), CPU)
    assert game.translate(torch.zeros(2, 3, 16, 16)).shape == (2, 3, 16, 16)


def cycle_recipe(with_identity: bool) -> Recipe:
    file = RecipeFile("cyclegan")
    file.apply_variant("nano")
    recipe = check_recipe(file.settings_tree).resolve_schedules(64)
    terms = {name: term for name, term in recipe.terms.items() if with_identity or name != "identity"}
    return recipe.model_copy(update={"terms": terms})


def test_the_domains_of_a_cycle_game_may_differ_in_their_channels() -> None:
    game = build_game(cycle_recipe(with_identity=False), DataInfo(COLOR, input_spec=GRAY), CPU)
    assert isinstance(game, CycleGame)
    assert game.translate(torch.zeros(2, 1, 16, 16)).shape == (2, 3, 16, 16)
    assert game.translate(torch.zeros(2, 3, 16, 16), reverse=True).shape == (2, 1, 16, 16)


def test_targets_with_other_channels_than_the_inputs_cannot_be_translated() -> None:
    with pytest.raises(BadInput, match=r"`terms.identity`.*got 1 and 3"):
        build_game(cycle_recipe(with_identity=True), DataInfo(COLOR, input_spec=GRAY), CPU)
