"""The game of image-to-image translation: a generator of images from images against a discriminator.

Isola, Zhu, Zhou and Efros 2017, "Image-to-Image Translation with Conditional Adversarial Networks", arXiv:1611.07004.
A batch contains the target images `real` and the `inputs`. They are paired or unpaired; only the terms depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, NoReturn

import torch
from torch import Tensor, nn

from zerosum.game.adversarial import AdversarialGame, LossFn, conditioning_inputs
from zerosum.game.config import BaseGameConfig, BaseTranslationGameConfig
from zerosum.game.game import Move
from zerosum.game.parts import GameParts
from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.sample_tree import map_tensors, single_tensor
from zerosum.game.schedule import Linear, Progress, Schedule, schedule_endpoints, value_at
from zerosum.game.terms import Term
from zerosum.game.types import Batch, NamedTensors, Sample, at_least_float32, condition_inputs

INFINITE_HALF_LIFE = 1e12
"""A half-life in examples that is so much longer than any run that the EMA does not change."""


class TranslationGame(AdversarialGame):
    """An adversarial game whose generator maps input images to output images."""

    bidirectional: ClassVar[bool] = False
    """Whether the game translates in both directions."""

    def __init__(self, parts: GameParts, config: BaseTranslationGameConfig) -> None:
        """Register a translator (images to images) and a discriminator.

        Args:
            parts: the networks, their losses and their optimizers.
            config: game settings, including the weight of the objective.
        """
        self._adversarial_weight, self._discriminator_weight = config.adversarial_weight, config.discriminator_weight
        super().__init__(parts, config)
        self.perceptual_distance = parts.perceptual_distance

    def measure_perceptual_distance(self, outputs: Sample, targets: Sample) -> Tensor:
        """Return the distance (N,) of outputs from their targets in the features of a pretrained network."""
        assert self.perceptual_distance is not None, "a game with a perceptual term is built with the distance"
        return self.perceptual_distance(single_tensor(outputs), single_tensor(targets))

    def _objective_weight(self, player: str) -> Schedule:
        """Return the weight of the objective in the loss of a player."""
        return self._adversarial_weight if player == "generator" else self._discriminator_weight

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

    def _build_moves(self, terms: Mapping[str, Term], config: BaseGameConfig) -> list[Move]:
        """Return the moves of both players, or only the generator's if the objective's weight is 0 throughout."""
        moves = super()._build_moves(terms, config)
        return (
            moves
            if any(schedule_endpoints(self._adversarial_weight))
            else [move for move in moves if move.player == "generator"]
        )

    def read_inputs(self, batch: Batch) -> Sample:
        """Return the inputs of a batch, as the generator takes them."""
        return batch["inputs"]

    def generate(self, batch: Batch, progress: Progress) -> Sample:
        """Return the translation of the batch's inputs, at least float32."""
        return self.translate_batch(self.read_inputs(batch), batch)

    def translate_batch(self, samples: Sample, batch: Batch) -> Sample:
        """Return the translation of images (N, Ci, h, w) by the generator in training, at least float32."""
        return map_tensors(at_least_float32, self.generator(samples, **conditioning_inputs(self.generator, batch)))

    def _add_conditions(self, sample: Sample, batch: Batch) -> DiscriminatorInput:
        """Return samples with what the discriminator is conditioned on, which may be the inputs of the translation."""
        discriminator_input = super()._add_conditions(sample, batch)
        if "inputs" not in condition_inputs(self.discriminator):
            return discriminator_input
        return discriminator_input._replace(inputs=self.read_inputs(batch))

    def _compute_objective(self, player: str, loss_fn: LossFn, play: Play) -> NamedTensors:
        """Return the objective's loss, multiplied by its scheduled weight.

        While that of the generator is 0, its move does not run the discriminator. The discriminator still makes its own
        moves as long as it has a weight, so that it is trained when the generator's rises.
        """
        weight = value_at(self._objective_weight(player), play.progress)
        return {"objective": weight * loss_fn(play)} if weight else {}

    # ------------------------------------------------------------------ sampling

    def ema_translator(self) -> nn.Module:
        """Return the EMA generator, images (N, Ci, h, w) to (N, C, H, W), in evaluation mode."""
        return self.ema_generator

    def translate(self, inputs: Sample, seed: Tensor | None = None) -> Tensor:
        """Translate images with the EMA generator.

        Args:
            inputs: (N, Ci, h, w) images.
            seed: (N,) int64 for generators with dropout or noise; zeros by default.

        Returns:
            (N, C, H, W) images, at least float32.
        """
        return translate_images(self.ema_translator(), single_tensor(inputs), seed)

    def sample(self, seed: Tensor, label: Tensor | None = None, condition: Sample | None = None) -> NoReturn:
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
