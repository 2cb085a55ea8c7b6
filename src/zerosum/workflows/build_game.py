"""From a recipe to a game: networks, players and objective."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zerosum.game.build import build
from zerosum.recipes.recipe import Recipe

if TYPE_CHECKING:
    from torch import nn

    from zerosum.game.adversarial import AdversarialGame
    from zerosum.training.accelerator import Accelerator


def build_game(
    recipe: Recipe,
    sample_shape: tuple[int, ...],
    bounded: bool,
    accelerator: Accelerator,
    class_priors: Sequence[float] = (),
    input_shape: tuple[int, ...] = (),
) -> AdversarialGame:
    """The game a recipe describes, its networks freshly initialised from the recipe's seed.

    Args:
        recipe: settings whose schedules are in images.
        sample_shape: of one sample: (C, H, W) or (F,).
        bounded: samples lie in [-1, 1].
        accelerator: where the networks are placed.
        class_priors: of each class among the data, where there are classes.
        input_shape: the shape (C, h, w) of what a sample is made from; () where that is noise.

    Raises:
        BadInput: the networks cannot make samples of this shape, or need classes and there are none.
    """
    import torch

    torch.manual_seed(recipe.training.seed)
    classes = len(class_priors) if recipe.is_conditional else 0
    if recipe.augment:
        recipe.augment.check(sample_shape)
    generator, discriminator = _build_networks(recipe, sample_shape, bounded, classes, input_shape)
    game = build(
        recipe.game,
        accelerator.prepare(generator),
        accelerator.prepare(discriminator),
        recipe.latent,
        recipe.objective,
        recipe.terms,
        recipe.optimizer,
        recipe.ema.half_life,
        per_sample=recipe.discriminator.per_sample,
        augment=recipe.augment,
        class_priors=class_priors if classes else (),
        sample_shape=(2, *sample_shape) if recipe.game.bidirectional else sample_shape,
        batch_size=recipe.training.batch_size,
        **_perceptual_kwargs(recipe, sample_shape, accelerator),
    )
    accelerator.compile_networks(game)
    torch.manual_seed((accelerator.rank + 1) * 2**32 + recipe.training.seed)  # what networks draw differs by rank
    return game


def _build_networks(
    recipe: Recipe, sample_shape: tuple[int, ...], bounded: bool, classes: int, input_shape: tuple[int, ...]
) -> tuple[nn.Module, nn.Module]:
    """A generator and a discriminator; a pair of each where the game is played both ways."""

    def generator() -> nn.Module:
        return recipe.generator.build(recipe.latent.size, sample_shape, bounded, classes, input_shape)

    def discriminator() -> nn.Module:
        return recipe.discriminator.build(sample_shape, classes, input_shape)

    if not recipe.game.bidirectional:
        return generator(), discriminator()
    from zerosum.networks import cycle_pair

    made = cycle_pair.GeneratorPair(generator(), generator())
    return made, cycle_pair.DiscriminatorPair(discriminator(), discriminator())


def _perceptual_kwargs(recipe: Recipe, sample_shape: tuple[int, ...], accelerator: Accelerator) -> dict[str, Any]:
    """What the perceptual term looks through, where there is one."""
    if not any(term.pretrained_features for term in recipe.terms.values()):
        return {}
    from zerosum.networks.perceptual import PerceptualDistance

    return {"perceptual_distance": PerceptualDistance(max(sample_shape[1:])).to(accelerator.device)}
