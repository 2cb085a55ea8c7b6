"""The adversarial game between a generator with outputs along its depth, and a discriminator that sees all of them.

Hyun, Lee, Heo 2025, "Scalable GANs with Transformers", arXiv:2509.24935: multi-level noise-perturbed guidance. A sample
is what the last level gives; the discriminator receives the outputs of all levels, stacked as channels.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from zerosum.game import seeded_rng
from zerosum.game.adversarial import AdversarialGame, conditioning_inputs
from zerosum.game.config import MultiLevelGameConfig
from zerosum.game.parts import GameParts
from zerosum.game.play import DiscriminatorInput, Play
from zerosum.game.sample_tree import single_tensor
from zerosum.game.schedule import Progress, value_at
from zerosum.game.types import Batch, NamedTensors, Sample, at_least_float32


class MultiLevelGame(AdversarialGame):
    """A game in which every level of the generator is scored, early ones through noise.

    Where it is strong, only what is coarse can be told from real samples, so early levels learn that. The last level
    has no noise. Real samples are repeated for each level, with noise of the same distribution.
    """

    def __init__(self, parts: GameParts, config: MultiLevelGameConfig) -> None:
        """Create the game.

        Args:
            parts: the networks, of which the generator has outputs of several levels (`all_levels` in its `forward`),
                and the discriminator takes as many times the channels of a sample; their losses and optimizers.
            config: game settings, including the noise.
        """
        super().__init__(parts, config)
        self._level_noise, self._levels = config.level_noise, parts.levels

    def generate(self, batch: Batch, progress: Progress) -> Sample:
        """Return the outputs of all levels, first level first: (N, levels C, H, W), at least float32."""
        latent = self.latent_distribution.sample(batch["seed"])
        conditions = conditioning_inputs(self.generator, batch)
        levels: Tensor = self.generator(latent, all_levels=True, **conditions)
        return at_least_float32(levels)

    def decode(self, sample: Sample, batch: Batch) -> Sample:
        """Return the samples (N, C, H, W) of outputs of all levels (N, levels C, H, W): those of the last level."""
        return single_tensor(sample).chunk(self._levels, 1)[-1]

    def prepare_real(self, batch: Batch, progress: Progress) -> Sample:
        """Return the real samples, repeated for each level: (N, levels C, H, W)."""
        return single_tensor(self.read_real(batch)).repeat(1, self._levels, 1, 1)

    def _augment(
        self, discriminator_input: DiscriminatorInput, real_or_fake: int, batch: Batch, progress: Progress
    ) -> DiscriminatorInput:
        """Augment all levels of a sample alike, then add the noise of each level."""
        levels = single_tensor(discriminator_input.sample)
        seed = seeded_rng.fork_seed(batch["seed"], real_or_fake)
        count, channels, *size = levels.shape
        images = levels.reshape(count * self._levels, channels // self._levels, *size)
        augmented = single_tensor(
            self.discriminator_input_transform(images, seed.repeat_interleave(self._levels), progress)
        )
        stacked = augmented.reshape(count, self._levels, channels // self._levels, *size)
        noise = value_at(self._level_noise, progress)
        noisy = add_level_noise(stacked, seed, noise) if noise else stacked
        return discriminator_input._replace(sample=noisy.flatten(1, 2))

    def _compute_signals(self, play: Play) -> NamedTensors:
        """Return the signals of a play; of the fakes, the last level is compared with the real samples."""
        assert play.real_score.shape == play.fake_score.shape, "scores are computed from all levels, and then kept"
        last = copy.copy(play)
        last.fake = play.fake._replace(sample=self.decode(play.fake_samples, play.batch))
        return super()._compute_signals(last)


def add_level_noise(levels: Tensor, seed: Tensor, deviation: float) -> Tensor:
    """Add noise to the outputs of levels, whose standard deviation falls linearly from the first to 0 at the last.

    It is cumulative: the noise of a level is that of the next one and more. So the levels of a real sample, which are
    all the same, tell no more than its last one.

    Args:
        levels: (N, levels, C, H, W).
        seed: (N,) int64.
        deviation: standard deviation of the noise of the first of several levels.

    Returns:
        (N, levels, C, H, W)
    """
    count, noisy, shape = len(levels), levels.shape[1] - 1, levels.shape[2:]
    if not noisy:
        return levels
    total = deviation * torch.arange(noisy, -1, -1) / noisy  # standard deviation of each level
    added = (total[:-1].square() - total[1:].square()).sqrt()
    draws = seeded_rng.coarse_normal(seed, noisy * shape.numel(), seeded_rng.RandomStream.LEVEL_NOISE)
    parts = draws.view(count, noisy, *shape) * added.to(draws.device).view(-1, 1, 1, 1)
    cumulative = parts.flip(1).cumsum(1).flip(1).to(levels.dtype)
    return torch.cat([levels[:, :-1] + cumulative, levels[:, -1:]], 1)
