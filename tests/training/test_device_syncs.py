"""Nothing in a round waits for the device.

A GPU works through what it is asked to do while the CPU asks for more. Whatever needs a tensor's value on the CPU
makes the CPU wait until the GPU has caught up, so such things happen in ticks and nowhere else. They show on a CPU
too: as operators whose result depends on values, and as Python's questions for a value.
"""

import numpy as np
import pytest
import torch
from tiny_games import Points
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from zerosum.data.degradations.degrade import DegradationPipeline
from zerosum.data.loader import BatchLoader
from zerosum.game.game import Game
from zerosum.game.schedule import Progress
from zerosum.recipes.files import RecipeFile, check_recipe, list_recipes
from zerosum.recipes.recipe import Recipe
from zerosum.training.accelerator import Accelerator
from zerosum.training.loop import play_round
from zerosum.training.meter import Meter
from zerosum.workflows.build_game import build_game

QUESTIONS = {"item", "tolist", "numpy", "cpu", "__bool__", "__int__", "__float__", "__index__", "__array__"}
OPERATORS = {"_local_scalar_dense", "item", "nonzero", "masked_select", "equal", "is_nonzero", "_unique2", "unique_dim"}


class Waits(AssertionError):
    """Something waited."""


class NoQuestions(TorchFunctionMode):
    def __torch_function__(self, func, types, args=(), kwargs=None):
        if getattr(func, "__name__", "") in QUESTIONS:
            raise Waits(func.__name__)
        return func(*args, **(kwargs or {}))


class NoValues(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func._overloadpacket.__name__ in OPERATORS:
            raise Waits(str(func))
        return func(*args, **(kwargs or {}))


def laid(source: Points, recipe: Recipe, shape: tuple) -> tuple[int, ...]:
    """Let the source give pictures to be made from, where the recipe takes any; their shape."""
    if recipe.game.bidirectional:
        source.lay = lambda x, seed: {"given": torch.stack([x, -x], 1), "real": torch.stack([-x, x], 1)}
    elif recipe.data.degrade:
        degrade = DegradationPipeline(recipe.data.degrade)
        source.lay = lambda x, seed: {"given": degrade(x, seed), "real": x}
        return degrade.input_shape(shape)
    elif recipe.is_translation:
        source.lay = lambda x, seed: {"given": -x, "real": x}
    return shape if recipe.is_translation else ()


def round_of(
    name: str, machine: Accelerator, shape: tuple = (1, 16, 16), share: bool = False
) -> tuple[Game, BatchLoader]:
    file = RecipeFile(name)
    file.apply_variant("nano")
    file.settings_tree.set(("game", "share_fakes"), share, "")
    file.settings_tree.set(("training", "batch"), 4, "")
    recipe = check_recipe(file.settings_tree).resolve_schedules(1000)
    shape = (3, 32, 32) if recipe.is_translation else shape
    source = Points(40, int(np.prod(shape)))
    given = laid(source, recipe, shape)
    game = build_game(recipe, shape, True, machine, (0.5, 0.5), given)
    if recipe.is_conditional:
        source.label = lambda indices: torch.from_numpy(indices % 2)
    source.values = source.values.reshape(40, *shape).clip(-1, 1)
    game.train()
    return game, BatchLoader(source, 4, 0, hflip=True)


def watched(game: Game, stream: BatchLoader, machine: Accelerator) -> Meter:
    meter = Meter()
    with NoQuestions(), NoValues():
        for number in range(2):  # the second finds Adam's memory and the meter's sums in place
            play_round(game, stream, machine, Progress(16 * number, 0), meter)
            for player in game.players.values():
                player.update_ema(4, Progress(1, 4))
    return meter


# JPEG pictures are made by Pillow, on the CPU: whoever degrades pictures so waits for them
@pytest.mark.parametrize("name", [name for name in list_recipes() if name != "restore"])
def test_a_round_waits_for_nothing(name: str) -> None:
    """Every move, lazy ones included, the optimizers' steps, the meter and the averages."""
    accelerator = Accelerator()
    meter = watched(*round_of(name, accelerator), accelerator)
    assert meter.pop_means(accelerator), "and the tick may ask"


def test_nor_does_one_in_bfloat16_with_fakes_shared() -> None:
    accelerator = Accelerator(dtype=torch.bfloat16, accumulate=2)
    game, loader = round_of("auto", accelerator, share=True)
    watched(game, loader, accelerator)


@pytest.mark.parametrize(
    "ask",
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
def test_waiting_would_be_seen(ask) -> None:
    accelerator = Accelerator()
    game, loader = round_of("vanilla", accelerator, (1, 28, 28))
    game.discriminator.register_forward_hook(lambda module, inputs, verdict: ask(verdict.score) and None)
    with pytest.raises(Waits):
        watched(game, loader, accelerator)
