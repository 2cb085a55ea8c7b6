"""No operation in a round synchronizes with the device.

A GPU executes queued kernels while the CPU queues more. Reading a tensor's value on the CPU waits until the GPU has
finished, so values are read in ticks only. Such reads are detected on a CPU too: as operators whose output shape
depends on values, and as Python methods that read a value.
"""

import numpy as np
import pytest
import torch
from tiny_games import Points
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from recipe_lists import IMAGE_RECIPES
from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.images.symmetries import random_hflip
from zerosum.data.loader import BatchLoader
from zerosum.game.game import Game
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.schedule import Progress
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.recipe import Recipe
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import DataInfo, build_game

VALUE_METHODS = {"item", "tolist", "numpy", "cpu", "__bool__", "__int__", "__float__", "__index__", "__array__"}
SYNCING_OPERATORS = {
    "_local_scalar_dense",
    "item",
    "nonzero",
    "masked_select",
    "equal",
    "is_nonzero",
    "_unique2",
    "unique_dim",
}


class DeviceSync(AssertionError):
    """An operation synchronized with the device."""


class ForbidValueMethods(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in VALUE_METHODS:
            raise DeviceSync(func.__name__)
        return func(*args, **(kwargs or {}))


class ForbidSyncingOperators(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._overloadpacket.__name__ in SYNCING_OPERATORS:
            raise DeviceSync(str(func))
        return func(*args, **(kwargs or {}))


def add_inputs(source: Points, recipe: Recipe, shape: tuple) -> tuple[int, ...]:
    """Add inputs to the batches of the source if the recipe is a translation, and return their shape."""
    if recipe.data.degradations:
        degrade = DegradationPipeline(recipe.data.degradations)
        source.collate = lambda x, seed: {"inputs": degrade(x, seed), "real": x}
        return degrade.input_shape(shape)
    if recipe.is_translation:
        source.collate = lambda x, seed: {"inputs": -x, "real": x}
    return shape if recipe.is_translation else ()


def game_and_loader(
    name: str, accelerator: Accelerator, shape: tuple = (1, 16, 16), reuse_fakes: bool = False
) -> tuple[Game, BatchLoader]:
    file = RecipeFile(name)
    file.apply_variant("nano")
    file.settings_tree.set(("game", "reuse_fakes"), reuse_fakes, "")
    file.settings_tree.set(("training", "batch_size"), 4, "")
    recipe = check_recipe(file.settings_tree).resolve_schedules(1000)
    shape = (3, 32, 32) if recipe.is_translation or recipe.autoencoder else shape
    source = Points(40, int(np.prod(shape)))
    input_shape = add_inputs(source, recipe, shape)
    input_spec = TensorSpec(input_shape, bounded=True) if input_shape else None
    data = DataInfo(TensorSpec(shape, bounded=True), (0.5, 0.5), input_spec)
    game = build_game(recipe, data, accelerator)
    if recipe.is_conditional:
        source.label = lambda indices: torch.from_numpy(indices % 2)
    source.values = source.values.reshape(40, *shape).clip(-1, 1)
    collate = source.collate
    source.collate = lambda x, seed: collate(random_hflip(x, seed), seed)
    game.train()
    return game, BatchLoader(source, 4, 0)


def play_two_rounds(game: Game, loader: BatchLoader, accelerator: Accelerator) -> Meter:
    meter = Meter()
    with ForbidValueMethods(), ForbidSyncingOperators():
        for index in range(2):  # in the second round, the states of Adam and of the meter exist already
            play_round(game, loader, accelerator, Progress(16 * index, 0), meter)
            for player in game.players.values():
                player.update_ema(4, Progress(1, 4))
    return meter


# Pillow compresses JPEG images on the CPU, so the JPEG degradation of `restore` has to wait
@pytest.mark.parametrize("name", [name for name in IMAGE_RECIPES if name != "restore"])
def test_a_round_does_not_synchronize(name: str) -> None:
    """All moves, lazy ones included, the optimizer steps, the meter and the EMAs."""
    accelerator = Accelerator()
    meter = play_two_rounds(*game_and_loader(name, accelerator), accelerator)
    assert meter.pop_means(accelerator)


def test_a_round_in_bfloat16_with_reused_fakes_does_not_synchronize() -> None:
    accelerator = Accelerator(dtype=torch.bfloat16, accumulate=2)
    game, loader = game_and_loader("auto", accelerator, reuse_fakes=True)
    play_two_rounds(game, loader, accelerator)


@pytest.mark.parametrize(
    "read_value",
    [
        lambda x: x.sum().item(),
        lambda x: bool(x.sum() > 0),
        lambda x: x.tolist(),
        lambda x: x[x > 0],
        lambda x: float(x.max()),
        lambda x: x.cpu(),
        lambda x: x.detach().numpy(),
        lambda x: torch.equal(x, x),
    ],
    ids=["item", "bool", "tolist", "mask", "float", "cpu", "numpy", "equal"],
)
def test_synchronization_is_detected(read_value) -> None:
    accelerator = Accelerator()
    game, loader = game_and_loader("vanilla", accelerator, (1, 28, 28))
    game.discriminator.register_forward_hook(lambda module, inputs, output: read_value(output.score) and None)
    with pytest.raises(DeviceSync):
        play_two_rounds(game, loader, accelerator)
