"""What stands between samples and the judge, for real and fake alike: augmentation, and noise."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zerosum.game import seeded_rng
from zerosum.game.augment.config import Augment, Learning, NoAugment
from zerosum.game.schedule import Now, Schedule, at


class Lens(nn.Module):
    """Changes samples before they are judged, each by its own seed.

    Slopes are taken behind the lens, at what the discriminator is given.
    """

    def __init__(
        self, augment: Augment | None = None, instance_noise: Schedule = 0.0, learning: Learning | None = None
    ) -> None:
        """A lens.

        Args:
            augment: how samples are varied.
            instance_noise: the standard deviation of noise that is added (Sønderby et al. 2016, arXiv:1610.04490).
            learning: how the probability with which they are varied is learned, where it is.
        """
        super().__init__()
        self.augment, self.instance_noise = augment or NoAugment(), instance_noise
        # a parameter, so that it is learned like all others, by a player whose optimizer and gradient are ADA's rule
        self.p = None if learning is None else nn.Parameter(torch.tensor(learning.start), requires_grad=False)

    def forward(self, sample: Tensor, seed: Tensor, now: Now) -> Tensor:
        """(N, ...) samples and their (N,) int64 seeds to (N, ...) samples as the judge sees them."""
        sample = self.augment.apply(sample, seed, self.augment.chance(now, 0.0 if self.p is None else self.p))
        deviation = at(self.instance_noise, now)
        if deviation:
            one = seeded_rng.normal(seed, math.prod(sample.shape[1:]), seeded_rng.Purpose.INSTANCE)
            sample = sample + deviation * one.view_as(sample)
        return sample
