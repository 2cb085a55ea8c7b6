"""Transforms of the discriminator's input, real and fake alike: augmentation and instance noise."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.augment.config import AdaptiveProbability, AugmentConfig
from zerosum.game.sample_tree import map_with_seeds
from zerosum.game.schedule import Progress, Schedule, value_at
from zerosum.game.types import Sample


class DiscriminatorInputTransform(nn.Module):
    """Augment samples and add instance noise before they reach the discriminator, each sample by its own seed.

    Gradient penalties differentiate at the transformed samples.
    """

    def __init__(
        self,
        augment: AugmentConfig,
        instance_noise: Schedule = 0.0,
        adaptive_probability: AdaptiveProbability | None = None,
    ) -> None:
        """Create the transform.

        Args:
            augment: augmentation of the samples.
            instance_noise: standard deviation of the added noise (Sønderby et al. 2016, arXiv:1610.04490).
            adaptive_probability: how the augmentation probability is learned; None if it is not learned.
        """
        super().__init__()
        self.augment, self.instance_noise = augment, instance_noise
        # a parameter, so that a player with its own optimizer and loss (ADA's update rule) learns it like any other
        self.augment_probability = (
            None if adaptive_probability is None else nn.Parameter(torch.tensor(adaptive_probability.initial_p))
        )

    def forward(self, sample: Sample, seed: Tensor, progress: Progress) -> Sample:
        """Transform samples (N, ...) with seeds (N,) int64 into discriminator inputs (N, ...).

        Only samples that are one tensor are augmented. Every tensor of a tree gets its own noise.
        """
        if isinstance(sample, Tensor):
            sample = self._augment(sample, seed, progress)
        deviation = value_at(self.instance_noise, progress)
        return map_with_seeds(partial(_add_noise, deviation), sample, seed) if deviation else sample

    def _augment(self, sample: Tensor, seed: Tensor, progress: Progress) -> Tensor:
        learned_probability = 0.0 if self.augment_probability is None else self.augment_probability
        return self.augment.apply(sample, seed, self.augment.probability(progress, learned_probability))


def _add_noise(deviation: float, sample: Tensor, seed: Tensor) -> Tensor:
    """Add normal noise to a tensor of real numbers (N, ...); one of integers is returned unchanged."""
    if not sample.is_floating_point():
        return sample
    noise = seeded_rng.normal(seed, math.prod(sample.shape[1:]), seeded_rng.RandomStream.INSTANCE_NOISE)
    return sample + deviation * noise.view_as(sample)
