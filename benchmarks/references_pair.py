"""The two players of the reference loops, and their alternating steps: see `references_family.py`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from references import NUM_CLASSES, Step, diffaugment, sequence
from torch import Tensor, nn

from zerosum.game.schedule import Progress, value_at
from zerosum.game.types import DiscriminatorOutput
from zerosum.recipes.recipe import Recipe

LabeledBatches = Iterator[tuple[Tensor, Tensor]]
"""Batches of images (N, C, H, W) in [-1, 1] and class labels (N,)."""
DiscriminatorLoss = Callable[["LabeledImages", "LabeledImages"], Tensor]
"""Loss of real and fake images."""
GeneratorLoss = Callable[["LabeledImages"], Tensor]
"""Loss of fake images."""
NO_STEP = sequence()


class LabeledImages(NamedTuple):
    """Images (N, C, H, W) and their class labels (N,), which unconditional networks ignore."""

    images: Tensor
    label: Tensor

    def detach(self) -> LabeledImages:
        """Return the same images without a graph."""
        return LabeledImages(self.images.detach(), self.label)


class Pair:
    """Two networks with their optimizers and their data.

    With `freeze_opponents`, no gradients of the other player's parameters are computed.
    """

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        data: LabeledBatches,
        recipe: Recipe,
        freeze_opponents: bool = False,
    ) -> None:
        self.generator, self.discriminator, self.data = generator, discriminator, data
        self.recipe, self.freeze_opponents = recipe, freeze_opponents
        self.d_optimizer = build_optimizer(recipe, "discriminator", discriminator)
        self.g_optimizer = build_optimizer(recipe, "generator", generator)

    def real(self) -> LabeledImages:
        """Return the next real images."""
        return LabeledImages(*next(self.data))

    def draw(self) -> dict[str, Tensor]:
        """Draw latents, class labels and seeds for a batch."""
        size = self.recipe.training.batch_size
        inputs = {"latent": torch.randn(size, self.recipe.latent.size), "label": torch.randint(NUM_CLASSES, (size,))}
        return inputs | {"seed": torch.randint(2**62, (size,))}

    def fake(self) -> LabeledImages:
        """Generate new fakes."""
        inputs = self.draw()
        conditions = {name: inputs[name] for name in getattr(self.generator, "condition_inputs", ())}
        return LabeledImages(self.generator(inputs["latent"], **conditions), inputs["label"])

    def discriminate(self, batch: LabeledImages) -> DiscriminatorOutput:
        """Return the discriminator's output for images."""
        images, label = batch
        discriminator: Any = self.discriminator
        output: DiscriminatorOutput = (
            discriminator(images, label=label) if discriminator.condition_inputs else discriminator(images)
        )
        return output

    def score(self, batch: LabeledImages) -> Tensor:
        """Return the discriminator's scores of images."""
        return self.discriminate(batch).score

    def freeze_opponent(self, player: nn.Module) -> None:
        """Freeze all networks but the player's, if the paper's code does so."""
        if self.freeze_opponents:
            for network in (self.generator, self.discriminator):
                network.requires_grad_(network is player)


class AugmentedPair(Pair):
    """A pair whose images all pass through DiffAugment once."""

    def real(self) -> LabeledImages:
        """Return the next real images, augmented."""
        return self._augment(super().real())

    def fake(self) -> LabeledImages:
        """Generate new fakes, augmented."""
        return self._augment(super().fake())

    def _augment(self, batch: LabeledImages) -> LabeledImages:
        augment: Any = self.recipe.augment
        return batch._replace(images=diffaugment(batch.images, augment.policy))


def build_optimizer(recipe: Recipe, player: str, network: nn.Module) -> torch.optim.Optimizer:
    """Return the recipe's optimizer with PyTorch's own defaults."""
    config: Any = recipe.optimizer
    lr = value_at(config.lr, Progress()) * config.lr_multipliers.get(player, 1.0)
    if config.kind == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), lr, config.alpha, config.eps)
    betas = (float(config.beta1), value_at(config.beta2, Progress()))
    return torch.optim.Adam(network.parameters(), lr, betas, config.eps)


def alternate(
    pair: Pair,
    d_loss: DiscriminatorLoss,
    g_loss: GeneratorLoss,
    *,
    reuse_fakes: bool = False,
    after_d_step: Step = NO_STEP,
    before_g_step: Step = NO_STEP,
    update_ema: Step = NO_STEP,
) -> Step:
    """Return a step with the recipe's number of discriminator steps and one generator step; losses go to Python.

    Args:
        pair, d_loss, g_loss: the players and their losses.
        reuse_fakes: the generator's step uses the discriminator's last fakes instead of new ones.
        after_d_step: called after each step of the discriminator.
        before_g_step: called before the generator's step, to change its gradients.
        update_ema: called last.
    """

    def step() -> None:
        pair.freeze_opponent(pair.discriminator)
        for _ in range(pair.recipe.game.discriminator_steps):
            real, fake = pair.real(), pair.fake()
            pair.d_optimizer.zero_grad()
            loss = d_loss(real, fake.detach())
            loss.backward()
            pair.d_optimizer.step()
            after_d_step()
            loss.item()
        pair.freeze_opponent(pair.generator)
        pair.g_optimizer.zero_grad()
        loss = g_loss(fake if reuse_fakes else pair.fake())
        loss.backward()
        before_g_step()
        pair.g_optimizer.step()
        update_ema()
        loss.item()

    return step
