"""Build a game from a recipe: its networks, players and objective."""

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
    """Return the game of a recipe, its networks newly initialized from the recipe's seed.

    Args:
        recipe: the settings; schedules are in examples.
        sample_shape: the shape of one sample: (C, H, W) or (F,).
        bounded: whether samples lie in [-1, 1].
        accelerator: places the networks on its device, and compiles them.
        class_priors: the frequency of each class in the data; () if there are no classes.
        input_shape: for translation, the shape (C, h, w) of one input; () if samples are generated from latents.

    Raises:
        BadInput: the networks or the augmentation do not support samples of this shape.
    """
    import torch

    torch.manual_seed(recipe.training.seed)
    num_classes = len(class_priors) if recipe.is_conditional else 0
    if recipe.augment:
        recipe.augment.check(sample_shape)
    generator, discriminator = _build_networks(recipe, sample_shape, bounded, num_classes, input_shape)
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
        class_priors=class_priors if num_classes else (),
        sample_shape=(2, *sample_shape) if recipe.game.bidirectional else sample_shape,
        batch_size=recipe.training.batch_size,
        **_perceptual_kwargs(recipe, sample_shape, accelerator),
    )
    accelerator.compile_networks(game)
    torch.manual_seed((accelerator.rank + 1) * 2**32 + recipe.training.seed)  # noise layers differ between ranks
    return game


def _build_networks(
    recipe: Recipe, sample_shape: tuple[int, ...], bounded: bool, num_classes: int, input_shape: tuple[int, ...]
) -> tuple[nn.Module, nn.Module]:
    """Return a generator and a discriminator; for a bidirectional game, a pair of each."""

    def build_generator() -> nn.Module:
        return recipe.generator.build(recipe.latent.size, sample_shape, bounded, num_classes, input_shape)

    def build_discriminator() -> nn.Module:
        return recipe.discriminator.build(sample_shape, num_classes, input_shape)

    if not recipe.game.bidirectional:
        return build_generator(), build_discriminator()
    from zerosum.networks import cycle_pair

    generators = cycle_pair.GeneratorPair(build_generator(), build_generator())
    return generators, cycle_pair.DiscriminatorPair(build_discriminator(), build_discriminator())


def _perceptual_kwargs(recipe: Recipe, sample_shape: tuple[int, ...], accelerator: Accelerator) -> dict[str, Any]:
    """Return the distance network of the perceptual loss as a keyword argument; {} if no term needs it."""
    if not any(term.pretrained_features for term in recipe.terms.values()):
        return {}
    from zerosum.networks.perceptual import PerceptualDistance

    return {"perceptual_distance": PerceptualDistance(max(sample_shape[1:])).to(accelerator.device)}
