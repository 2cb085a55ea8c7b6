"""The game of image-to-image translation: a generator of images from images against a discriminator.

Isola, Zhu, Zhou and Efros 2017, "Image-to-Image Translation with Conditional Adversarial Networks", arXiv:1611.07004.
A batch contains the target images `real` and the `inputs`. They are paired or unpaired; only the terms depend on it.

Bidirectional translation (CycleGAN, Zhu et al. 2017, arXiv:1703.10593) is the same game on samples (2, C, H, W) with
one image of each domain: `inputs` is [a, b], `real` is [b, a], and generator and discriminator are pairs of networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from zerosum.game.adversarial import AdversarialGame, LossFn, conditioning_inputs
from zerosum.game.config import TranslationGameConfig
from zerosum.game.game import Move
from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.schedule import Linear, Progress, Schedule, schedule_endpoints, value_at
from zerosum.game.terms import Term
from zerosum.game.types import Batch, NamedTensors, at_least_float32

PerceptualDistanceFn = Callable[[Tensor, Tensor], Tensor]
"""Distance of images (N, C, H, W) from other images in the features of a pretrained network: (N,)."""

INFINITE_HALF_LIFE = 1e12
"""A half-life in examples that is so much longer than any run that the EMA does not change."""


class TranslationGame(AdversarialGame):
    """An adversarial game whose generator maps input images to output images."""

    def __init__(
        self,
        *args: Any,
        config: TranslationGameConfig,
        perceptual_distance: PerceptualDistanceFn | None = None,
        **kwargs: Any,
    ) -> None:
        """Register a translator (images to images) and a discriminator.

        Args:
            *args: positional arguments of `AdversarialGame`.
            config: game settings, including the weight of the objective.
            perceptual_distance: distance of the perceptual term; None without such a term.
            **kwargs: keyword arguments of `AdversarialGame`.
        """
        self.bidirectional, self._adversarial_weight = config.bidirectional, config.adversarial_weight
        super().__init__(*args, config=config, **kwargs)
        self.perceptual_distance = perceptual_distance

    def _extra_ema_half_lives(self) -> list[Schedule]:
        """Return the half-life of an EMA that keeps the generator from before the objective's weight rises above 0.

        The EMA equals the generator until then and is constant afterwards. Interpolation between its weights and the
        final weights trades fidelity for realism: Wang et al. 2018, arXiv:1809.00219, section 3.4.
        """
        weight = self._adversarial_weight
        if isinstance(weight, float | int) or schedule_endpoints(weight)[0] > 0:
            return []
        start = weight.examples[0]
        return [Linear(start=0.0, end=INFINITE_HALF_LIFE, examples=(start, start + 1))]

    def _build_moves(self, terms: Mapping[str, Term], config: Any) -> list[Move]:
        """Return the moves of both players, or only the generator's if the objective's weight is 0 throughout."""
        moves = super()._build_moves(terms, config)
        return (
            moves
            if any(schedule_endpoints(self._adversarial_weight))
            else [move for move in moves if move.player == "generator"]
        )

    def generate(self, batch: Batch, progress: Progress) -> Tensor:
        """Return the translation of the batch's inputs, at least float32."""
        return self.translate_batch(batch["inputs"], batch)

    def translate_batch(self, images: Tensor, batch: Batch) -> Tensor:
        """Return the translation of images (N, Ci, h, w) by the generator in training, at least float32."""
        return at_least_float32(self.generator(images, **conditioning_inputs(self.generator, batch)))

    def prepare_discriminator_input(
        self, sample: Tensor, real_or_fake: int, batch: Batch, progress: Progress
    ) -> DiscriminatorInput:
        """Augment samples (`REAL` or `FAKE`), and add the batch's inputs for a conditional discriminator."""
        discriminator_input = super().prepare_discriminator_input(sample, real_or_fake, batch, progress)
        return discriminator_input._replace(**conditioning_inputs(self.discriminator, batch))

    def _compute_objective(self, player: str, loss_fn: LossFn, play: Play) -> NamedTensors:
        """Return the objective's loss, for the generator multiplied by its scheduled weight.

        While the weight is 0, the generator's move does not run the discriminator. The discriminator still makes its
        own moves, so that it is trained when the weight rises.
        """
        if player != "generator":
            return super()._compute_objective(player, loss_fn, play)
        weight = value_at(self._adversarial_weight, play.progress)
        return {"objective": weight * loss_fn(play)} if weight else {}

    # ------------------------------------------------------------------ sampling

    def ema_translator(self, reverse: bool = False) -> nn.Module:
        """Return the EMA generator of one direction, images (N, Ci, h, w) to (N, C, H, W), in evaluation mode."""
        return (
            getattr(self.ema_generator, "b_to_a" if reverse else "a_to_b") if self.bidirectional else self.ema_generator
        )

    def translate(self, inputs: Tensor, seed: Tensor | None = None, reverse: bool = False) -> Tensor:
        """Translate images with the EMA generator.

        Args:
            inputs: (N, Ci, h, w) images.
            seed: (N,) int64 for generators with dropout or noise; zeros by default.
            reverse: translate from B to A, in a bidirectional game.

        Returns:
            (N, C, H, W) images, at least float32.
        """
        return translate_images(self.ema_translator(reverse), inputs, seed)

    def sample(self, seed: Tensor, label: Tensor | None = None) -> NoReturn:
        """Raise an error: a translation game needs input images.

        Raises:
            ValueError: always; call `translate` instead.
        """
        raise ValueError("a translation game cannot sample from seeds alone: call `translate` with input images")


@torch.no_grad()
def translate_images(network: nn.Module, inputs: Tensor, seed: Tensor | None = None) -> Tensor:
    """Translate images outside of training: previews, evaluation, `zerosum apply` and export all call this function.

    Args:
        network: translator of one direction.
        inputs: (N, Ci, h, w) images; they are moved to the device of the network.
        seed: (N,) int64 for networks with dropout or noise; zeros by default.

    Returns:
        (N, C, H, W) images, at least float32.
    """
    device = next(network.parameters()).device
    seeds = torch.zeros(len(inputs), dtype=torch.int64) if seed is None else seed
    available = {"seed": seeds.to(device)}
    outputs: Tensor = network(inputs.to(device), **conditioning_inputs(network, available))
    return at_least_float32(outputs)
