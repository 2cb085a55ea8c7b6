"""From a recipe to a game: networks, players and objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zerosum.game.build import build
from zerosum.recipes.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.adversarial import Adversarial
    from zerosum.training.accelerator import Machine


def assemble(
    recipe: Recipe,
    shape: tuple[int, ...],
    bounded: bool,
    machine: Machine,
    shares: Sequence[float] = (),
    given: tuple[int, ...] = (),
) -> Adversarial:
    """The game a recipe describes, its networks freshly initialised from the recipe's seed.

    Args:
        recipe: settings whose schedules are in images.
        shape: of one sample: (C, H, W) or (F,).
        bounded: samples lie in [-1, 1].
        machine: where the networks are placed.
        shares: of each class among the data, where there are classes.
        given: the shape (C, h, w) of what a sample is made from; () where that is noise.

    Raises:
        BadInput: the networks cannot make samples of this shape, or need classes and there are none.
    """
    import torch

    torch.manual_seed(recipe.training.seed)
    classes = len(shares) if recipe.conditional else 0
    if recipe.augment:
        recipe.augment.check(shape)
    generator, discriminator = _networks(recipe, shape, bounded, classes, given)
    game = build(
        recipe.game,
        machine.place(generator),
        machine.place(discriminator),
        recipe.latent,
        recipe.objective,
        recipe.terms,
        recipe.optimizer,
        recipe.average.half_life_images,
        alone=recipe.discriminator.alone,
        augment=recipe.augment,
        shares=shares if classes else (),
        shape=(2, *shape) if recipe.game.both else shape,
        batch=recipe.training.batch,
        **_eyes(recipe, shape, machine),
    )
    machine.hasten(game)
    torch.manual_seed((machine.rank + 1) * 2**32 + recipe.training.seed)  # what networks draw differs by rank
    return game


def _networks(
    recipe: Recipe, shape: tuple[int, ...], bounded: bool, classes: int, given: tuple[int, ...]
) -> tuple[nn.Module, nn.Module]:
    """A generator and a discriminator; a pair of each where the game is played both ways."""

    def generator() -> nn.Module:
        return recipe.generator.build(recipe.latent.size, shape, bounded, classes, given)

    def discriminator() -> nn.Module:
        return recipe.discriminator.build(shape, classes, given)

    if not recipe.game.both:
        return generator(), discriminator()
    from zerosum.networks import cycle_pair

    made = cycle_pair.BothGenerators(generator(), generator())
    return made, cycle_pair.BothDiscriminators(discriminator(), discriminator())


def _eyes(recipe: Recipe, shape: tuple[int, ...], machine: Machine) -> dict[str, Any]:
    """What the perceptual term looks through, where there is one."""
    if not any(term.sees_through for term in recipe.terms.values()):
        return {}
    from zerosum.networks.perceptual import Perception

    return {"perceive": Perception(max(shape[1:])).to(machine.device)}
