"""What stands between samples and the judge, for real and fake alike: augmentation, and noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.augment.config import AdaptiveProbability, AugmentConfig, NoAugment
from zerosum.game.schedule import Progress, Schedule, value_at


class DiscriminatorInputTransform(nn.Module):
    """Changes samples before they are judged, each by its own seed.

    Slopes are taken behind the lens, at what the discriminator is given.
    """

    def __init__(
        self,
        augment: AugmentConfig | None = None,
        instance_noise: Schedule = 0.0,
        adaptive_probability: AdaptiveProbability | None = None,
    ) -> None:
        """A lens.

        Args:
            augment: how samples are varied.
            instance_noise: the standard deviation of noise that is added (Sønderby et al. 2016, arXiv:1610.04490).
            adaptive_probability: how the probability with which they are varied is learned, where it is.
        """
        super().__init__()
        self.augment, self.instance_noise = augment or NoAugment(), instance_noise
        # a parameter, so that it is learned like all others, by a player whose optimizer and gradient are ADA's rule
        self.augment_probability = (
            None
            if adaptive_probability is None
            else nn.Parameter(torch.tensor(adaptive_probability.initial_p), requires_grad=False)
        )

    def forward(self, sample: Tensor, seed: Tensor, progress: Progress) -> Tensor:
        """(N, ...) samples and their (N,) int64 seeds to (N, ...) samples as the judge sees them."""
        sample = self.augment.apply(
            sample,
            seed,
            self.augment.probability(progress, 0.0 if self.augment_probability is None else self.augment_probability),
        )
        deviation = value_at(self.instance_noise, progress)
        if deviation:
            one = seeded_rng.normal(seed, math.prod(sample.shape[1:]), seeded_rng.RandomStream.INSTANCE_NOISE)
            sample = sample + deviation * one.view_as(sample)
        return sample
